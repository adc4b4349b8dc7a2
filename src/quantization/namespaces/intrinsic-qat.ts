/** Fused modules for quantization-aware training (`torch.ao.nn.intrinsic.qat`). */
import { qatConvClasses } from "../recipes/conv/qat.ts";

export const { ConvBn: ConvBn1d, ConvBnReLU: ConvBnReLU1d, ConvReLU: ConvReLU1d } = qatConvClasses[1];
export const { ConvBn: ConvBn2d, ConvBnReLU: ConvBnReLU2d, ConvReLU: ConvReLU2d } = qatConvClasses[2];
export const { ConvBn: ConvBn3d, ConvBnReLU: ConvBnReLU3d, ConvReLU: ConvReLU3d } = qatConvClasses[3];
export { freezeBnStats, updateBnStats } from "../recipes/batch-statistics.ts";
export { LinearBn1d, LinearReLU } from "../recipes/linear/qat.ts";
