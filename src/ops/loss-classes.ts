/** Losses of classification (`torch.nn.functional`): classes by index, by probability, and yes-or-no labels. */
import { saved } from "../autograd/node.ts";
import type { FloatArray } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, div, log, log1p, mul, neg, sub, where } from "./arithmetic.ts";
import { clamp } from "./combinations.ts";
import { eq } from "./comparison.ts";
import { logsigmoid } from "./activation.ts";
import type { LossReduction, ReductionOptions } from "./loss-reduction.ts";
import { checkSameShape, reduceLoss } from "./loss-reduction.ts";
import { composite, primitive } from "./op.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./views.ts";
import { logSoftmax } from "./softmax.ts";

// ---------------------------------------------------------------- one class of C

export interface NllOptions extends ReductionOptions {
  /** One weight per class. "mean" then divides by the sum of the weights of the targets. */
  readonly weight?: Tensor | null;
  /** Targets of this value count for nothing, default -100. */
  readonly ignoreIndex?: number;
}

/** Input [N, C, ...] or [C] seen as [n, classes, inner]; the target has n · inner entries. */
interface ClassLayout {
  readonly n: number;
  readonly classes: number;
  readonly inner: number;
  /** Shape of the target and of the unreduced losses. */
  readonly shape: readonly number[];
}

function classLayout(op: string, input: Tensor, target: Tensor): ClassLayout {
  if (input.ndim === 0) throw new OctetError(`${op}: input tensor should be 1D or more, got a scalar`);
  const single = input.ndim === 1;
  const shape = single ? [] : [input.shape[0], ...input.shape.slice(2)];
  if (target.ndim !== shape.length || target.shape.some((size, d) => size !== shape[d])) {
    throw new OctetError(
      `${op}: expected target of shape ${formatShape(shape)} for input of shape ${formatShape(input.shape)}, ` +
        `got ${formatShape(target.shape)}`,
    );
  }
  if (target.dtype.isFloatingPoint)
    throw new OctetError(`${op}: expected class indices, got a ${target.dtype.name} target; convert it with .long()`);
  const [classes, n] = single ? [input.shape[0], 1] : [input.shape[1], input.shape[0]];
  return { n, classes, inner: numelOf(input.shape.slice(2)), shape };
}

/** The weight of each target: that of its class, and 0 for one that is ignored. */
function targetWeights(op: string, target: Tensor, classes: number, options: NllOptions): Float64Array {
  const { weight, ignoreIndex = -100 } = options;
  if (weight && (weight.ndim !== 1 || weight.shape[0] !== classes)) {
    throw new OctetError(
      `${op}: weight tensor should be defined either for all ${classes} classes or no classes, got shape ` +
        formatShape(weight.shape),
    );
  }
  const weights = weight?.toNumbers();
  return Float64Array.from(target.elements(), (index) => {
    if (index === ignoreIndex) return 0;
    if (!(index >= 0 && index < classes)) throw new OctetError(`${op}: target ${index} is out of bounds`);
    return weights ? weights[index] : 1;
  });
}

/** Calls `visit` for each target with its number and the position of its class's entry in the input. */
function forEachTarget(
  { n, classes, inner }: ClassLayout,
  target: Tensor,
  visit: (i: number, at: number) => void,
): void {
  const indices = target.elements();
  for (let s = 0, i = 0; s < n; s++) {
    for (let j = 0; j < inner; j++, i++) visit(i, (s * classes + indices[i]) * inner + j);
  }
}

/** −weight · input[target]: `input` holds log-probabilities [N, C, ...] or [C], `target` class indices [N, ...] or one. */
export const nllLoss = primitive(
  "nllLoss",
  (input: Tensor, target: Tensor, options: NllOptions = {}): Tensor => {
    const layout = classLayout("nllLoss", input, target);
    const weights = targetWeights("nllLoss", target, layout.classes, options);
    const values = floatElements(input, input.dtype);
    const losses = computeDtype(input.dtype).allocate(weights.length) as FloatArray;
    let total = 0;
    forEachTarget(layout, target, (i, at) => {
      if (weights[i] === 0) return; // an ignored target points nowhere
      losses[i] = -weights[i] * values[at];
      total += losses[i];
    });
    const { reduction = "mean" } = options;
    if (reduction === "none") return tensorFromComputed(losses, layout.shape, input.dtype);
    const divisor = reduction === "mean" ? sumOf(weights) : 1;
    const out = computeDtype(input.dtype).allocate(1);
    out[0] = total / divisor;
    return tensorFromComputed(out, [], input.dtype);
  },
  (_out, input, target, options = {}) => {
    const { shape, dtype } = input;
    const { reduction = "mean" } = options;
    const layout = classLayout("nllLoss", input, target);
    const [indices, weight] = [saved(target), options.weight ? saved(options.weight) : () => null];
    return (g) => {
      const weights = targetWeights("nllLoss", indices(), layout.classes, { ...options, weight: weight() });
      const gradient = computeDtype(dtype).allocate(numelOf(shape)) as FloatArray;
      const given = g.toNumbers();
      const divisor = reduction === "mean" ? sumOf(weights) : 1;
      forEachTarget(layout, indices(), (i, at) => {
        if (weights[i] !== 0) gradient[at] = (-weights[i] * given[reduction === "none" ? i : 0]) / divisor;
      });
      return [tensorFromComputed(gradient, shape, dtype), null];
    };
  },
);

function sumOf(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

export interface CrossEntropyOptions extends NllOptions {
  /** Mixes the target with the uniform distribution, 0 (the default) to 1. */
  readonly labelSmoothing?: number;
}

/**
 * −log softmax(input)[target]. `input` holds scores [N, C, ...] or [C]; `target` either class indices [N, ...], or
 * probabilities in the shape of the input.
 */
export const crossEntropy = composite(
  "crossEntropy",
  (input: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor => {
    const { labelSmoothing = 0 } = options;
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
      throw new OctetError(`crossEntropy: labelSmoothing must be between 0.0 and 1.0. Got: ${labelSmoothing}`);
    }
    const classDim = input.ndim === 1 ? 0 : 1;
    const scores = logSoftmax(input, classDim);
    const sameShape = input.ndim === target.ndim && input.shape.every((size, d) => size === target.shape[d]);
    if (sameShape && target.dtype.isFloatingPoint) return ofProbabilities(scores, target, classDim, options);
    const loss = nllLoss(scores, target, options);
    if (labelSmoothing === 0) return loss;
    const smooth = ofUniform(scores, target, classDim, options);
    return add(mul(loss, 1 - labelSmoothing), mul(smooth, labelSmoothing / input.shape[classDim]));
  },
);

/** The weights of the classes, ready to be multiplied with scores. */
function classWeights(scores: Tensor, weight: Tensor, classDim: number): Tensor {
  return reshape(
    weight,
    scores.shape.map((_, d) => (d === classDim ? weight.numel() : 1)),
  );
}

/** Cross entropy with target probabilities. "mean" divides by the number of samples, whatever the weights. */
function ofProbabilities(scores: Tensor, target: Tensor, classDim: number, options: CrossEntropyOptions): Tensor {
  const { weight, labelSmoothing = 0, reduction = "mean" } = options;
  const classes = scores.shape[classDim];
  const smoothed = labelSmoothing > 0 ? add(mul(target, 1 - labelSmoothing), labelSmoothing / classes) : target;
  const products = mul(scores, smoothed);
  const weighted = weight ? mul(products, classWeights(scores, weight, classDim)) : products;
  if (reduction === "none") return neg(sum(weighted, classDim));
  const total = neg(sum(weighted));
  return reduction === "mean" ? div(total, scores.numel() / classes) : total;
}

/** Σ of the losses of all classes: cross entropy with the uniform distribution, times the number of classes. */
function ofUniform(scores: Tensor, target: Tensor, classDim: number, options: CrossEntropyOptions): Tensor {
  const { weight, ignoreIndex = -100, reduction = "mean" } = options;
  const weighted = weight ? mul(scores, classWeights(scores, weight, classDim)) : scores;
  const losses = where(eq(target, ignoreIndex), 0, neg(sum(weighted, classDim)));
  if (reduction === "none") return losses;
  if (reduction === "sum") return sum(losses);
  return div(sum(losses), sumOf(targetWeights("crossEntropy", target, scores.shape[classDim], options)));
}

// ---------------------------------------------------------------- yes or no

export interface WeightOptions extends ReductionOptions {
  /** Multiplies each loss; broadcasts with the input. */
  readonly weight?: Tensor | null;
}

function weightedLoss(
  op: string,
  losses: Tensor,
  weight: Tensor | null | undefined,
  reduction?: LossReduction,
): Tensor {
  return reduceLoss(op, weight ? mul(losses, weight) : losses, reduction);
}

/** Logarithms are taken to be no smaller than this, so that a wrong certainty costs a finite amount. */
const SMALLEST_LOG = -100;

/** The slope divides by no less than this; PyTorch rounds it to single precision, for doubles too. */
const SMALLEST_PRODUCT = Math.fround(1e-12);

/** −(target · log(input) + (1 − target) · log(1 − input)): `input` holds probabilities. */
export const binaryCrossEntropy = composite(
  "binaryCrossEntropy",
  (input: Tensor, target: Tensor, options: WeightOptions = {}): Tensor => {
    checkSameShape("binaryCrossEntropy", input, target);
    return weightedLoss("binaryCrossEntropy", entropies(input, target), options.weight, options.reduction);
  },
);

const entropies = primitive(
  "binaryCrossEntropy",
  (input: Tensor, target: Tensor): Tensor => {
    if (input.elements().some((p) => !(p >= 0 && p <= 1))) {
      throw new OctetError("binaryCrossEntropy: all elements of input should be between 0 and 1");
    }
    const yes = clamp(log(input), { min: SMALLEST_LOG });
    const no = clamp(log1p(neg(input)), { min: SMALLEST_LOG });
    return neg(add(mul(target, yes), mul(sub(1, target), no)));
  },
  (_out, input, target) => {
    const [p, wanted] = [saved(input), saved(target)];
    return (g, [needInput, needTarget]) => {
      const slope = () => div(sub(p(), wanted()), clamp(mul(sub(1, p()), p()), { min: SMALLEST_PRODUCT }));
      const bounded = (x: Tensor) => clamp(x, { min: SMALLEST_LOG });
      const targetSlope = () => sub(bounded(log1p(neg(p()))), bounded(log(p())));
      return [needInput ? mul(g, slope()) : null, needTarget ? mul(g, targetSlope()) : null];
    };
  },
);

export interface BceWithLogitsOptions extends WeightOptions {
  /** Weight of the positive labels, one per class; broadcasts with the target. */
  readonly posWeight?: Tensor | null;
}

/** {@link binaryCrossEntropy} of sigmoid(input), without loss of precision. */
export const binaryCrossEntropyWithLogits = composite(
  "binaryCrossEntropyWithLogits",
  (input: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor => {
    checkSameShape("binaryCrossEntropyWithLogits", input, target);
    const { weight, posWeight, reduction } = options;
    const yes = logsigmoid(input);
    const logs = posWeight ? mul(add(mul(sub(posWeight, 1), target), 1), yes) : yes;
    const losses = sub(mul(sub(1, target), input), logs);
    return weightedLoss("binaryCrossEntropyWithLogits", losses, weight, reduction);
  },
);

/** The mean over C labels of [N, C] of the losses of {@link binaryCrossEntropyWithLogits}. */
export const multilabelSoftMarginLoss = composite(
  "multilabelSoftMarginLoss",
  (input: Tensor, target: Tensor, options: WeightOptions = {}): Tensor => {
    const { weight, reduction } = options;
    const losses = neg(add(mul(target, logsigmoid(input)), mul(sub(1, target), logsigmoid(neg(input)))));
    const perSample = div(sum(weight ? mul(losses, weight) : losses, -1), input.shape.at(-1) ?? 1);
    return reduceLoss("multilabelSoftMarginLoss", perSample, reduction);
  },
);
