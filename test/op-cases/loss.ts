/** How the losses of src/ops/loss*.ts, and their modules, are called. */
import * as nn from "../../src/nn/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { clone } from "../../src/ops/copy.ts";
import * as classes from "../../src/ops/loss-classes.ts";
import * as margins from "../../src/ops/loss-margin.ts";
import * as losses from "../../src/ops/loss.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { OpCase, OpTable } from "./types.ts";
import { optionsOf } from "./types.ts";

type AnyFunction = (...args: never[]) => unknown;

/** The same reason for all reductions of a case. */
function atKink(name: string, why = "the kink at equality"): OpCase["noDifferences"] {
  return { [`${name}_none`]: why, [`${name}_mean`]: why, [`${name}_sum`]: why };
}

/** Inputs called `weight` and `pos_weight` are options. */
function loss(op: AnyFunction, noDifferences: OpCase["noDifferences"] = {}): OpCase {
  const anyOp = op as (...args: unknown[]) => unknown;
  return {
    call: ({ weight, pos_weight: posWeight, ...inputs }, kwargs) => {
      const options = { ...kwargs, ...(weight && { weight }), ...(posWeight && { posWeight }) };
      return anyOp(...Object.values(inputs), ...optionsOf(options));
    },
    noDifferences,
  };
}

const ALL_IGNORED = "the mean of no losses is NaN";

type LossClass = new (options: object) => Module;

/** Weights are arguments of the constructor: where the state has them, the module must start with some. */
function weighted(lossClass: LossClass): OpCase {
  return {
    make: (_args, kwargs, state) => {
      const copied = (key: string): Tensor | undefined => state.get(key) && clone(state.get(key) as Tensor);
      return new lossClass({ ...kwargs, weight: copied("weight"), posWeight: copied("pos_weight") });
    },
  };
}

export const lossCases: OpTable = {
  mseLoss: loss(losses.mseLoss),
  l1Loss: loss(losses.l1Loss, atKink("l1_equal")),
  smoothL1Loss: loss(losses.smoothL1Loss),
  huberLoss: loss(losses.huberLoss),
  klDiv: loss(losses.klDiv),
  poissonNllLoss: loss(losses.poissonNllLoss),
  gaussianNllLoss: loss(
    losses.gaussianNllLoss,
    atKink("gaussian_nll_limited", "by definition the limit of the variance lets gradients pass"),
  ),
  nllLoss: loss(classes.nllLoss, { nll_single_ignore_mean: ALL_IGNORED, nll_all_ignored_mean: ALL_IGNORED }),
  crossEntropy: loss(classes.crossEntropy, {
    ce_single_ignore_mean: ALL_IGNORED,
    ce_single_smooth_ignore_mean: ALL_IGNORED,
    ce_single_weight_ignore_mean: ALL_IGNORED,
    ce_single_weight_smooth_ignore_mean: ALL_IGNORED,
  }),
  binaryCrossEntropy: loss(classes.binaryCrossEntropy, atKink("bce_certain", "probabilities 0 and 1 end the domain")),
  binaryCrossEntropyWithLogits: loss(classes.binaryCrossEntropyWithLogits),
  multilabelSoftMarginLoss: loss(classes.multilabelSoftMarginLoss),
  multiMarginLoss: loss(margins.multiMarginLoss),
  cosineSimilarity: loss(margins.cosineSimilarity, {
    cosine_similarity_zero: "a vector of length 0 has no direction",
  }),
  pairwiseDistance: loss(margins.pairwiseDistance),
  marginRankingLoss: loss(margins.marginRankingLoss),
  hingeEmbeddingLoss: loss(margins.hingeEmbeddingLoss),
  softMarginLoss: loss(margins.softMarginLoss),
  cosineEmbeddingLoss: loss(margins.cosineEmbeddingLoss),
  tripletMarginLoss: loss(margins.tripletMarginLoss),

  NLLLoss: weighted(nn.NLLLoss),
  CrossEntropyLoss: weighted(nn.CrossEntropyLoss),
  BCELoss: weighted(nn.BCELoss),
  BCEWithLogitsLoss: weighted(nn.BCEWithLogitsLoss),
  MultiLabelSoftMarginLoss: weighted(nn.MultiLabelSoftMarginLoss),
  MultiMarginLoss: weighted(nn.MultiMarginLoss),
};
