/** Modules trained for dynamic quantization (`torch.ao.nn.qat.dynamic`). */
export { DynamicLinear as Linear } from "../recipes/linear/qat.ts";
