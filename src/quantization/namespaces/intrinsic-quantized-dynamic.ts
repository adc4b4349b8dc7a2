/** Fused dynamic quantized modules (`torch.ao.nn.intrinsic.quantized.dynamic`). */
export { LinearReLU } from "../recipes/linear/dynamic.ts";
