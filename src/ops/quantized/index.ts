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
  linearWithInputQDqQweightDqOutputFp32,
  linearWithInputQDqQweightDqReluOutputFp32,
} from "./linear.ts";
export type { ConvPackedParams } from "./conv.ts";
export {
  convUnpack,
  convUnpack as conv1dUnpack,
  convUnpack as conv2dUnpack,
  convUnpack as conv3dUnpack,
  convUnpack as convTranspose1dUnpack,
  convUnpack as convTranspose2dUnpack,
  convUnpack as convTranspose3dUnpack,
} from "./conv.ts";
export * from "./conv-operators.ts";
export { conv2dPrepack as convPrepack } from "./conv-operators.ts";
export {
  conv2dDilation,
  conv2dDilation as convTranspose2dDilation,
  conv2dGroups,
  conv2dGroups as convTranspose2dGroups,
  conv2dOutputPadding,
  conv2dOutputPadding as convTranspose2dOutputPadding,
  conv2dPadding,
  conv2dPadding as convTranspose2dPadding,
  conv2dStride,
  conv2dStride as convTranspose2dStride,
  conv2dTranspose,
  conv2dTranspose as convTranspose2dTranspose,
  conv2dUnpackSizes,
  conv3dDilation,
  conv3dDilation as convTranspose3dDilation,
  conv3dGroups,
  conv3dGroups as convTranspose3dGroups,
  conv3dOutputPadding,
  conv3dOutputPadding as convTranspose3dOutputPadding,
  conv3dPadding,
  conv3dPadding as convTranspose3dPadding,
  conv3dStride,
  conv3dStride as convTranspose3dStride,
  conv3dTranspose,
  conv3dTranspose as convTranspose3dTranspose,
} from "./conv-accessors.ts";
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
export * from "./out.ts";
export type { QuantizedMaxPool } from "./pool.ts";
export { maxPool1d, maxPool2d } from "./pool.ts";
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
export {
  batchNorm,
  batchNorm1d,
  batchNorm1dRelu,
  batchNorm2d,
  batchNorm2dRelu,
  batchNorm3d,
  batchNorm3dRelu,
  batchNormRelu,
  groupNorm,
  instanceNorm,
  layerNorm,
} from "./norm.ts";
