/**
 * Losses that compare numbers with numbers (`torch.nn.functional`). Inputs and targets broadcast. Losses of classes are in
 * loss-classes.ts, those of distances and margins in loss-margin.ts.
 */
import { noGrad } from "../autograd/grad-mode.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { abs, add, div, exp, log, mul, square, sub, where } from "./arithmetic.ts";
import { clamp } from "./combinations.ts";
import { eq, le, lt } from "./comparison.ts";
import type { LossReduction, ReductionOptions } from "./loss-reduction.ts";
import { reduceLoss } from "./loss-reduction.ts";
import { composite } from "./op.ts";
import { sum } from "./reduce.ts";
import { unsqueeze } from "./views.ts";

/** (input − target)². */
export const mseLoss = composite("mseLoss", (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor =>
  reduceLoss("mseLoss", square(sub(input, target)), options.reduction),
);

/** |input − target|. */
export const l1Loss = composite("l1Loss", (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor =>
  reduceLoss("l1Loss", abs(sub(input, target)), options.reduction),
);

export interface SmoothL1Options extends ReductionOptions {
  /** Where the parabola becomes a line, default 1. */
  readonly beta?: number;
}

/** With d = |input − target|: d² / (2 beta) where d < beta, else d − beta / 2. */
export const smoothL1Loss = composite(
  "smoothL1Loss",
  (input: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor => {
    const { beta = 1, reduction } = options;
    if (!(beta >= 0)) throw new OctetError(`smoothL1Loss: does not support negative values for beta, got ${beta}`);
    if (beta === 0) return l1Loss(input, target, { reduction });
    const d = abs(sub(input, target));
    const losses = where(lt(d, beta), mul(square(d), 0.5 / beta), sub(d, 0.5 * beta));
    return reduceLoss("smoothL1Loss", losses, reduction);
  },
);

export interface HuberOptions extends ReductionOptions {
  /** Where the parabola becomes a line, default 1. */
  readonly delta?: number;
}

/** With d = |input − target|: d² / 2 where d ≤ delta, else delta · (d − delta / 2). */
export const huberLoss = composite("huberLoss", (input: Tensor, target: Tensor, options: HuberOptions = {}): Tensor => {
  const { delta = 1, reduction } = options;
  if (!(delta > 0)) throw new OctetError(`huberLoss: does not support non-positive values for delta, got ${delta}`);
  const d = abs(sub(input, target));
  const losses = where(le(d, delta), mul(square(d), 0.5), mul(sub(d, 0.5 * delta), delta));
  return reduceLoss("huberLoss", losses, reduction);
});

export interface KlDivOptions {
  /** As elsewhere, and "batchmean": the sum divided by the size of dimension 0, which is the divergence itself. */
  readonly reduction?: LossReduction | "batchmean";
  /** The target is given as logarithms too. */
  readonly logTarget?: boolean;
}

/** target · (log(target) − input): the Kullback–Leibler divergence; `input` holds log-probabilities. */
export const klDiv = composite("klDiv", (input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor => {
  const { reduction = "mean", logTarget = false } = options;
  const losses = logTarget
    ? mul(exp(target), sub(target, input))
    : sub(where(eq(target, 0), 0, mul(target, log(target))), mul(target, input));
  if (reduction !== "batchmean") return reduceLoss("klDiv", losses, reduction);
  return div(sum(losses), input.ndim ? input.shape[0] : 1);
});

export interface PoissonNllOptions extends ReductionOptions {
  /** The input is the logarithm of the rate (the default), not the rate. */
  readonly logInput?: boolean;
  /** Adds Stirling's approximation of the term that depends on the target alone. */
  readonly full?: boolean;
  /** Added to the rate before taking its logarithm, default 1e-8. */
  readonly eps?: number;
}

/** Negative log-likelihood of counts under a Poisson distribution. */
export const poissonNllLoss = composite(
  "poissonNllLoss",
  (input: Tensor, target: Tensor, options: PoissonNllOptions = {}): Tensor => {
    const { logInput = true, full = false, eps = 1e-8, reduction } = options;
    const losses = logInput ? sub(exp(input), mul(target, input)) : sub(input, mul(target, log(add(input, eps))));
    return reduceLoss("poissonNllLoss", full ? add(losses, stirling(target)) : losses, reduction);
  },
);

/** log(n!) ≈ n log n − n + log(2πn) / 2, and 0 for n ≤ 1. */
function stirling(n: Tensor): Tensor {
  const approximation = add(sub(mul(n, log(n)), n), mul(log(mul(n, 2 * Math.PI)), 0.5));
  return where(le(n, 1), 0, approximation);
}

export interface GaussianNllOptions extends ReductionOptions {
  /** Adds the constant log(2π) / 2. */
  readonly full?: boolean;
  /** Smallest variance, default 1e-6. */
  readonly eps?: number;
}

/**
 * Negative log-likelihood under normal distributions: (log(var) + (input − target)² / var) / 2. `variance` has the input's
 * shape, or that shape without its last dimension, or with 1 there. The limit `eps` does not hold gradients back.
 */
export const gaussianNllLoss = composite(
  "gaussianNllLoss",
  (input: Tensor, target: Tensor, variance: Tensor, options: GaussianNllOptions = {}): Tensor => {
    const { full = false, eps = 1e-6, reduction } = options;
    const spread = varianceLike(input, variance);
    if (variance.elements().some((v) => v < 0)) throw new OctetError("gaussianNllLoss: var has negative entry/entries");
    const raise = noGrad(() => sub(clamp(spread, { min: eps }), spread));
    const limited = add(spread, raise);
    const losses = mul(add(log(limited), div(square(sub(input, target)), limited)), 0.5);
    return reduceLoss("gaussianNllLoss", full ? add(losses, 0.5 * Math.log(2 * Math.PI)) : losses, reduction);
  },
);

function varianceLike(input: Tensor, variance: Tensor): Tensor {
  const [a, b] = [input.shape, variance.shape];
  const leadingAlike = (length: number) => a.slice(0, length).every((size, d) => size === b[d]);
  if (b.length === a.length && leadingAlike(a.length)) return variance;
  if (b.length === a.length - 1 && leadingAlike(b.length)) return unsqueeze(variance, -1);
  if (b.length === a.length && leadingAlike(a.length - 1) && b.at(-1) === 1) return variance;
  throw new OctetError(
    `gaussianNllLoss: var is of incorrect size ${formatShape(b)} for input of shape ${formatShape(a)}`,
  );
}
