/** Adam and AdamW (`torch.optim.Adam`, `torch.optim.AdamW`). */
import type { FloatArray } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ParamGroup, ParameterState, Params, Update } from "./optimizer.ts";
import { Optimizer, checkOption, zerosFor } from "./optimizer.ts";

export interface AdamOptions {
  /** Step size, default 1e-3. */
  lr: number;
  /** Decay of the running mean of the gradient and of its square, default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator, default 1e-8. */
  eps: number;
  weightDecay: number;
  /** Divides by the largest running square so far (Reddi et al., 2018). */
  amsgrad: boolean;
  maximize: boolean;
}

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr · m̂ / (√v̂ + eps) with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
 * (Kingma and Ba, 2015). `weightDecay` is an L2 penalty on the gradient.
 */
export class Adam extends Optimizer<AdamOptions> {
  /** Whether weight decay shrinks the weights directly instead of entering the gradient. */
  protected readonly decoupled: boolean = false;

  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    const all = {
      lr: 1e-3,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      maximize: false,
      ...options,
    };
    const [beta1, beta2] = all.betas;
    checkOption("Adam", "learning rate", all.lr, all.lr >= 0);
    checkOption("Adam", "epsilon value", all.eps, all.eps >= 0);
    checkOption("Adam", "beta parameter at index 0", beta1, beta1 >= 0 && beta1 < 1);
    checkOption("Adam", "beta parameter at index 1", beta2, beta2 >= 0 && beta2 < 1);
    checkOption("Adam", "weightDecay value", all.weightDecay, all.weightDecay >= 0);
    super(params, all);
  }

  protected override updateFor(parameter: Tensor, group: ParamGroup<AdamOptions>): Update {
    const { lr, eps, weightDecay, amsgrad, maximize } = group;
    const [beta1, beta2] = group.betas;
    const state = this.stateOf(parameter, () => initialState(parameter, amsgrad));
    const step = (state.get("step") as number) + 1;
    state.set("step", step);
    const mean = state.get("exp_avg") as FloatArray;
    const square = state.get("exp_avg_sq") as FloatArray;
    const largest = amsgrad ? (state.get("max_exp_avg_sq") as FloatArray) : square;
    const stepSize = lr / (1 - beta1 ** step);
    const correction = Math.sqrt(1 - beta2 ** step);
    const shrink = this.decoupled ? 1 - lr * weightDecay : 1;
    const penalty = this.decoupled ? 0 : weightDecay;
    const sign = maximize ? -1 : 1;
    return (p, g) => {
      for (let i = 0; i < p.length; i++) {
        const weight = p[i] * shrink;
        const gradient = sign * g[i] + penalty * weight;
        mean[i] += (1 - beta1) * (gradient - mean[i]);
        square[i] = beta2 * square[i] + (1 - beta2) * gradient * gradient;
        if (amsgrad) largest[i] = Math.max(largest[i], square[i]);
        p[i] = weight - (stepSize * mean[i]) / (Math.sqrt(largest[i]) / correction + eps);
      }
    };
  }
}

function initialState(parameter: Tensor, amsgrad: boolean): ParameterState {
  const state: ParameterState = new Map<string, FloatArray | number>([
    ["step", 0],
    ["exp_avg", zerosFor(parameter)],
    ["exp_avg_sq", zerosFor(parameter)],
  ]);
  if (amsgrad) state.set("max_exp_avg_sq", zerosFor(parameter));
  return state;
}

/** Adam with decoupled weight decay, 1e-2 by default (Loshchilov and Hutter, 2019). */
export class AdamW extends Adam {
  protected override readonly decoupled = true;

  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { weightDecay: 1e-2, ...options });
  }
}
