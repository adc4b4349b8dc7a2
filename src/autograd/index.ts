/** Automatic differentiation (`torch.autograd`). */
export { backward, grad } from "./backward.ts";
export type { BackwardOptions } from "./backward.ts";
export { gradcheck } from "./gradcheck.ts";
export type { GradcheckOptions } from "./gradcheck.ts";
export { enableGrad, isGradEnabled, noGrad, setGradEnabled } from "./grad-mode.ts";
