/** Static quantized modules (`torch.ao.nn.quantized`). */
import { quantizedConvs } from "../recipes/conv/quantized.ts";

export const { Conv: Conv1d, ConvTranspose: ConvTranspose1d } = quantizedConvs[1];
export const { Conv: Conv2d, ConvTranspose: ConvTranspose2d } = quantizedConvs[2];
export const { Conv: Conv3d, ConvTranspose: ConvTranspose3d } = quantizedConvs[3];
export { Dropout, ELU, Hardswish, LeakyReLU, PReLU, ReLU6, Sigmoid, Softmax } from "../recipes/activation/quantized.ts";
export { Embedding, EmbeddingBag } from "../recipes/embedding/quantized.ts";
export { FXFloatFunctional, FloatFunctional, QFunctional } from "../recipes/functional.ts";
export { Linear } from "../recipes/linear/quantized.ts";
export {
  BatchNorm2d,
  BatchNorm3d,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LayerNorm,
} from "../recipes/norm/quantized.ts";
export { DeQuantize, Quantize } from "../recipes/quantize.ts";
export {
  QuantizedLSTM as LSTM,
  QuantizedMultiheadAttention as MultiheadAttention,
} from "../recipes/quantizable/index.ts";
export * as dynamic from "./quantized-dynamic.ts";
export * as reference from "./quantized-reference.ts";
export * as functional from "../../ops/quantized/functional.ts";
