/** Float modules fused to be quantized as one (`torch.ao.nn.intrinsic`). */
export {
  ConvAdd2d,
  ConvAddReLU2d,
  ConvBn1d,
  ConvBn2d,
  ConvBn3d,
  ConvBnReLU1d,
  ConvBnReLU2d,
  ConvBnReLU3d,
  ConvReLU1d,
  ConvReLU2d,
  ConvReLU3d,
} from "../recipes/conv/fused.ts";
export { LinearBn1d, LinearLeakyReLU, LinearReLU, LinearTanh } from "../recipes/linear/fused.ts";
export { BNReLU2d, BNReLU3d } from "../recipes/norm/fused.ts";
export * as qat from "./intrinsic-qat.ts";
export * as quantized from "./intrinsic-quantized.ts";
export { FusedModule as _FusedModule } from "../recipes/fused-module.ts";
