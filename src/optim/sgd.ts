/** Stochastic gradient descent (`torch.optim.SGD`). */
import { OctetError } from "../core/errors.ts";
import type { FloatArray } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ParamGroup, Params, Update } from "./optimizer.ts";
import { Optimizer, checkOption, zerosFor } from "./optimizer.ts";

export interface SGDOptions {
  /** Step size, default 1e-3. */
  lr: number;
  momentum: number;
  /** Part of the gradient left out of the momentum, once it has started. */
  dampening: number;
  /** L2 penalty: adds weightDecay · p to the gradient. */
  weightDecay: number;
  nesterov: boolean;
  /** Ascends instead of descends. */
  maximize: boolean;
}

/**
 * b ← momentum · b + (1 − dampening) · g (b starts as g), then p ← p − lr · b, or with `nesterov`
 * p ← p − lr · (g + momentum · b).
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(params: Params<SGDOptions>, options: Partial<SGDOptions> = {}) {
    const all = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false, ...options };
    checkOption("SGD", "learning rate", all.lr, all.lr >= 0);
    checkOption("SGD", "momentum value", all.momentum, all.momentum >= 0);
    checkOption("SGD", "weightDecay value", all.weightDecay, all.weightDecay >= 0);
    if (all.nesterov && (all.momentum <= 0 || all.dampening !== 0)) {
      throw new OctetError("SGD: nesterov requires a momentum and zero dampening");
    }
    super(params, all);
  }

  protected override updateFor(parameter: Tensor, group: ParamGroup<SGDOptions>): Update {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = group;
    const sign = maximize ? -1 : 1;
    if (momentum === 0) {
      return (p, g) => {
        for (let i = 0; i < p.length; i++) p[i] -= lr * (sign * g[i] + weightDecay * p[i]);
      };
    }
    const first = !this.state.has(parameter);
    const state = this.stateOf(parameter, () => new Map([["momentum_buffer", zerosFor(parameter)]]));
    const buffer = state.get("momentum_buffer") as FloatArray;
    const share = first ? 1 : 1 - dampening;
    return (p, g) => {
      for (let i = 0; i < p.length; i++) {
        const gradient = sign * g[i] + weightDecay * p[i];
        const velocity = momentum * buffer[i] + share * gradient;
        buffer[i] = velocity;
        p[i] -= lr * (nesterov ? gradient + momentum * velocity : velocity);
      }
    };
  }
}
