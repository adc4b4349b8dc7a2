/** Automatic differentiation (`torch.autograd`). */
export { backward, grad } from "./backward.ts";
export { enableGrad, isGradEnabled, noGrad, setGradEnabled } from "./grad-mode.ts";
