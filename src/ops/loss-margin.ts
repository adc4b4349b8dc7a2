/** Distances, similarities, and the losses that ask them to keep a margin (`torch.nn.functional`). */
import { OctetError, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, div, exp, log1p, minimum, mul, neg, pow, sqrt, sub, where } from "./arithmetic.ts";
import { clamp } from "./combinations.ts";
import { eq } from "./comparison.ts";
import { gather, indexSelect, oneHot } from "./indexing.ts";
import type { ReductionOptions } from "./loss-reduction.ts";
import { checkSameShape, reduceLoss } from "./loss-reduction.ts";
import { composite } from "./op.ts";
import { sum } from "./reduce.ts";
import { norm } from "./statistics.ts";
import { reshape, unsqueeze } from "./views.ts";

// ---------------------------------------------------------------- distances

export interface CosineSimilarityOptions {
  /** The dimension that holds the vectors, default 1. */
  readonly dim?: number;
  /** Smallest length to divide by, default 1e-8. */
  readonly eps?: number;
}

/** a · b / (|a| |b|) along `dim`; a and b broadcast. */
export const cosineSimilarity = composite(
  "cosineSimilarity",
  (a: Tensor, b: Tensor, options: CosineSimilarityOptions = {}): Tensor => {
    const { dim = 1, eps = 1e-8 } = options;
    const direction = (x: Tensor) => div(x, clamp(norm(x, 2, dim, { keepdim: true }), { min: eps }));
    return sum(mul(direction(a), direction(b)), dim);
  },
);

export interface PairwiseDistanceOptions {
  /** Degree of the norm, default 2. */
  readonly p?: number;
  /** Added to each difference, default 1e-6. */
  readonly eps?: number;
  readonly keepdim?: boolean;
}

/** The p-norm of a − b + eps along the last dimension; a and b broadcast. */
export const pairwiseDistance = composite(
  "pairwiseDistance",
  (a: Tensor, b: Tensor, options: PairwiseDistanceOptions = {}): Tensor => {
    const { p = 2, eps = 1e-6, keepdim = false } = options;
    return norm(add(sub(a, b), eps), p, -1, { keepdim });
  },
);

// ---------------------------------------------------------------- losses

export interface MarginOptions extends ReductionOptions {
  readonly margin?: number;
}

const atLeastZero = (x: Tensor): Tensor => clamp(x, { min: 0 });

/** max(0, −target · (a − b) + margin): target 1 asks that a be the larger, −1 that b be. The margin is 0 by default. */
export const marginRankingLoss = composite(
  "marginRankingLoss",
  (a: Tensor, b: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    const { margin = 0, reduction } = options;
    return reduceLoss("marginRankingLoss", atLeastZero(add(mul(neg(target), sub(a, b)), margin)), reduction);
  },
);

/** The input itself where target is 1, max(0, margin − input) where it is −1. The margin is 1 by default. */
export const hingeEmbeddingLoss = composite(
  "hingeEmbeddingLoss",
  (input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    const { margin = 1, reduction } = options;
    const far = where(eq(target, 1), 0, atLeastZero(sub(margin, input)));
    const near = where(eq(target, -1), 0, input);
    return reduceLoss("hingeEmbeddingLoss", add(far, near), reduction);
  },
);

/** log(1 + exp(−target · input)), target 1 or −1. */
export const softMarginLoss = composite(
  "softMarginLoss",
  (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor => {
    checkSameShape("softMarginLoss", input, target);
    return reduceLoss("softMarginLoss", log1p(exp(mul(neg(target), input))), options.reduction);
  },
);

/** 1 − cos(a, b) where target is 1, max(0, cos(a, b) − margin) where it is −1; of vectors [N, D], or of one pair [D]. */
export const cosineEmbeddingLoss = composite(
  "cosineEmbeddingLoss",
  (a: Tensor, b: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    const { margin = 0, reduction } = options;
    if (target.ndim > 1 || a.ndim !== target.ndim + 1 || b.ndim !== a.ndim) {
      throw new OctetError(
        `cosineEmbeddingLoss: ${target.ndim}D target tensor expects ${target.ndim + 1}D input tensors, but found inputs ` +
          `with sizes ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      );
    }
    const product = (x: Tensor, y: Tensor) => sum(mul(x, y), target.ndim);
    const lengths = mul(add(product(a, a), 1e-12), add(product(b, b), 1e-12));
    const cosine = div(product(a, b), sqrt(lengths));
    const alike = where(eq(target, 1), sub(1, cosine), 0);
    const apart = where(eq(target, -1), atLeastZero(sub(cosine, margin)), 0);
    return reduceLoss("cosineEmbeddingLoss", add(alike, apart), reduction);
  },
);

export interface TripletMarginOptions extends MarginOptions {
  /** Degree of the norm, default 2. */
  readonly p?: number;
  /** Added to each difference, default 1e-6. */
  readonly eps?: number;
  /** Also looks at the distance between positive and negative, and takes the smaller one. */
  readonly swap?: boolean;
}

/** max(0, |anchor − positive| − |anchor − negative| + margin), along the last dimension. The margin is 1 by default. */
export const tripletMarginLoss = composite(
  "tripletMarginLoss",
  (anchor: Tensor, positive: Tensor, negative: Tensor, options: TripletMarginOptions = {}): Tensor => {
    const { margin = 1, p = 2, eps = 1e-6, swap = false, reduction } = options;
    if (!(margin > 0)) throw new OctetError(`tripletMarginLoss: margin must be greater than 0, got ${margin}`);
    const near = pairwiseDistance(anchor, positive, { p, eps });
    const far = pairwiseDistance(anchor, negative, { p, eps });
    const farther = swap ? minimum(far, pairwiseDistance(positive, negative, { p, eps })) : far;
    return reduceLoss("tripletMarginLoss", atLeastZero(add(sub(near, farther), margin)), reduction);
  },
);

export interface MultiMarginOptions extends MarginOptions {
  /** 1 (the default) or 2. */
  readonly p?: number;
  /** One weight per class. */
  readonly weight?: Tensor | null;
}

/** Σ over the other classes of max(0, margin − input[target] + input)^p, divided by C. Of [N, C], or of one sample [C]. */
export const multiMarginLoss = composite(
  "multiMarginLoss",
  (input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor => {
    const { p = 1, margin = 1, weight, reduction } = options;
    if (p !== 1 && p !== 2) throw new OctetError(`multiMarginLoss: only p == 1 and p == 2 supported, got ${p}`);
    const classes = input.shape.at(-1) ?? 1;
    const rows = reshape(input, -1, classes);
    const labels = reshape(target, -1);
    const gaps = atLeastZero(add(sub(rows, gather(rows, 1, unsqueeze(labels, 1))), margin));
    const powers = p === 2 ? pow(gaps, 2) : gaps;
    const weighted = weight ? mul(powers, unsqueeze(indexSelect(weight, 0, labels), 1)) : powers;
    const others = where(eq(oneHot(labels, classes), 0), weighted, 0);
    const losses = div(sum(others, 1), classes);
    return reduceLoss("multiMarginLoss", input.ndim === 1 ? reshape(losses, []) : losses, reduction);
  },
);
