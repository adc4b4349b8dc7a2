/** Modules for quantization-aware training (`torch.ao.nn.qat`). */
import { qatConvClasses } from "../recipes/conv/qat.ts";

export const { Conv: Conv1d } = qatConvClasses[1];
export const { Conv: Conv2d } = qatConvClasses[2];
export const { Conv: Conv3d } = qatConvClasses[3];
export { Embedding, EmbeddingBag } from "../recipes/embedding/qat.ts";
export { Linear } from "../recipes/linear/qat.ts";
export * as dynamic from "./qat-dynamic.ts";
