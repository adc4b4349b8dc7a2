/** `torch.nn` with the namespaces that `torch.ao.nn` adds: fused, trainable, quantized and reference modules. */
export * from "../../nn/index.ts";
export * as intrinsic from "./intrinsic.ts";
export * as qat from "./qat.ts";
export * as quantizable from "./quantizable.ts";
export * as quantized from "./quantized.ts";
