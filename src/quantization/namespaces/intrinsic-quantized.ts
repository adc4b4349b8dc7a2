/** Fused quantized modules (`torch.ao.nn.intrinsic.quantized`). */
import { quantizedConvs } from "../recipes/conv/quantized.ts";

export const { ConvReLU: ConvReLU1d } = quantizedConvs[1];
export const { ConvReLU: ConvReLU2d } = quantizedConvs[2];
export const { ConvReLU: ConvReLU3d } = quantizedConvs[3];
export { ConvAdd2d, ConvAddReLU2d } from "../recipes/conv/add.ts";
export { LinearLeakyReLU, LinearReLU, LinearTanh } from "../recipes/linear/quantized.ts";
export { BNReLU2d, BNReLU3d } from "../recipes/norm/quantized.ts";
export * as dynamic from "./intrinsic-quantized-dynamic.ts";
