/** PyTorch's `torch.ops.quantized` in camelCase; exported as `ops.quantized`. */
export type { PackedParams } from "./packed-params.ts";
export {
  linear,
  linearDynamic,
  linearLeakyRelu,
  linearPrepack,
  linearRelu,
  linearReluDynamic,
  linearTanh,
  linearUnpack,
} from "./linear.ts";
export type { ConvPackedParams } from "./conv.ts";
export {
  convUnpack as conv1dUnpack,
  convUnpack as conv2dUnpack,
  convUnpack as conv3dUnpack,
  convUnpack as convTranspose1dUnpack,
  convUnpack as convTranspose2dUnpack,
  convUnpack as convTranspose3dUnpack,
} from "./conv.ts";
export * from "./conv-operators.ts";
export type { QuantizedBinary } from "./arithmetic.ts";
export {
  add,
  addRelu,
  addScalar,
  addScalarRelu,
  cat,
  catRelu,
  matmul,
  mul,
  mulRelu,
  mulScalar,
  mulScalarRelu,
} from "./arithmetic.ts";
export type { EmbeddingPackedParams, FewBitsOptions, QuantizedEmbeddingBagOptions } from "./embedding.ts";
export {
  embedding4bit,
  embeddingBag2bitPrepack,
  embeddingBag2bitRowwiseOffsets,
  embeddingBag2bitUnpack,
  embeddingBag4bit,
  embeddingBag4bitPrepack,
  embeddingBag4bitRowwiseOffsets,
  embeddingBag4bitUnpack,
  embeddingBagByte,
  embeddingBagBytePrepack,
  embeddingBagByteRowwiseOffsets,
  embeddingBagByteUnpack,
  embeddingBagPrepack,
  embeddingBagUnpack,
  embeddingByte,
} from "./embedding.ts";
export {
  celu,
  clamp,
  dropout,
  elu,
  hardswish,
  leakyRelu,
  prelu,
  relu6,
  sigmoid,
  softmax,
  threshold,
} from "./activation.ts";
export type { DynamicPackedParams, Fp16PackedParams } from "./linear-fp16.ts";
export {
  linearDynamicFp16,
  linearDynamicFp16UnpackedWeight,
  linearPrepackFp16,
  linearReluDynamicFp16,
  linearUnpackFp16,
} from "./linear-fp16.ts";
export type { QuantizedCellParams, QuantizedRnnOptions } from "./rnn.ts";
export {
  makeQuantizedCellParams,
  makeQuantizedCellParamsDynamic,
  makeQuantizedCellParamsFp16,
  quantizedGruCellDynamic,
  quantizedLstmCellDynamic,
  quantizedRnnReluCellDynamic,
  quantizedRnnTanhCellDynamic,
} from "./rnn.ts";
export type { QuantizedBatchNorm } from "./norm.ts";
