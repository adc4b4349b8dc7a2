/** Helpers around modules (`torch.nn.utils`). */
export * as rnn from "./rnn.ts";
export { clipGradNorm_, clipGradValue_ } from "./clip-grad.ts";
export type { ClipGradNormOptions } from "./clip-grad.ts";
