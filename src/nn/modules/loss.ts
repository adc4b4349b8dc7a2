/**
 * Losses as modules (`torch.nn`): `new nn.MSELoss({ reduction: "sum" })(input, target)`. The functions, and what they compute,
 * are in ops/loss.ts, ops/loss-classes.ts and ops/loss-margin.ts.
 */
import type { Tensor } from "../../tensor/tensor.ts";
import * as classes from "../../ops/loss-classes.ts";
import type { LossReduction, ReductionOptions } from "../../ops/loss-reduction.ts";
import * as margins from "../../ops/loss-margin.ts";
import * as losses from "../../ops/loss.ts";
import { Module } from "../module.ts";

/** What all losses share. */
abstract class Loss extends Module {
  readonly reduction: LossReduction;

  constructor(options: ReductionOptions = {}) {
    super();
    this.reduction = options.reduction ?? "mean";
  }
}

/** Losses with a weight, which is a buffer: it is saved, and converted with the module. */
abstract class WeightedLoss extends Loss {
  weight: Tensor | null = null;

  constructor(options: classes.WeightOptions = {}) {
    super(options);
    this.registerBuffer("weight", options.weight ?? null);
  }
}

// ---------------------------------------------------------------- numbers

export class L1Loss extends Loss {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.l1Loss(input, target, { reduction: this.reduction });
  }
}

export class MSELoss extends Loss {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.mseLoss(input, target, { reduction: this.reduction });
  }
}

export class SmoothL1Loss extends Loss {
  readonly beta: number;

  constructor(options: losses.SmoothL1Options = {}) {
    super(options);
    this.beta = options.beta ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { beta, reduction } = this;
    return losses.smoothL1Loss(input, target, { beta, reduction });
  }
}

export class HuberLoss extends Loss {
  readonly delta: number;

  constructor(options: losses.HuberOptions = {}) {
    super(options);
    this.delta = options.delta ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { delta, reduction } = this;
    return losses.huberLoss(input, target, { delta, reduction });
  }
}

/** Takes the reduction "batchmean" too. */
export class KLDivLoss extends Module {
  readonly reduction: LossReduction | "batchmean";
  readonly logTarget: boolean;

  constructor(options: losses.KlDivOptions = {}) {
    super();
    this.reduction = options.reduction ?? "mean";
    this.logTarget = options.logTarget ?? false;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { logTarget, reduction } = this;
    return losses.klDiv(input, target, { logTarget, reduction });
  }
}

export class PoissonNLLLoss extends Loss {
  readonly logInput: boolean;
  readonly full: boolean;
  readonly eps: number;

  constructor(options: losses.PoissonNllOptions = {}) {
    super(options);
    this.logInput = options.logInput ?? true;
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-8;
  }

  override forward(logInput: Tensor, target: Tensor): Tensor {
    const { full, eps, reduction } = this;
    return losses.poissonNllLoss(logInput, target, { logInput: this.logInput, full, eps, reduction });
  }
}

export class GaussianNLLLoss extends Loss {
  readonly full: boolean;
  readonly eps: number;

  constructor(options: losses.GaussianNllOptions = {}) {
    super(options);
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-6;
  }

  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    const { full, eps, reduction } = this;
    return losses.gaussianNllLoss(input, target, variance, { full, eps, reduction });
  }
}

// ---------------------------------------------------------------- classes

export class NLLLoss extends WeightedLoss {
  readonly ignoreIndex: number;

  constructor(options: classes.NllOptions = {}) {
    super(options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, reduction } = this;
    return classes.nllLoss(input, target, { weight, ignoreIndex, reduction });
  }
}

export class CrossEntropyLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;

  constructor(options: classes.CrossEntropyOptions = {}) {
    super(options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, labelSmoothing, reduction } = this;
    return classes.crossEntropy(input, target, { weight, ignoreIndex, labelSmoothing, reduction });
  }
}

export class BCELoss extends WeightedLoss {
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return classes.binaryCrossEntropy(input, target, { weight, reduction });
  }
}

export class BCEWithLogitsLoss extends WeightedLoss {
  pos_weight: Tensor | null = null;

  constructor(options: classes.BceWithLogitsOptions = {}) {
    super(options);
    this.registerBuffer("pos_weight", options.posWeight ?? null);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, pos_weight: posWeight, reduction } = this;
    return classes.binaryCrossEntropyWithLogits(input, target, { weight, posWeight, reduction });
  }
}

export class MultiLabelSoftMarginLoss extends WeightedLoss {
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return classes.multilabelSoftMarginLoss(input, target, { weight, reduction });
  }
}

export class MultiMarginLoss extends WeightedLoss {
  readonly p: number;
  readonly margin: number;

  constructor(options: margins.MultiMarginOptions = {}) {
    super(options);
    this.p = options.p ?? 1;
    this.margin = options.margin ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return margins.multiMarginLoss(input, target, { p, margin, weight, reduction });
  }
}

// ---------------------------------------------------------------- margins

export class MarginRankingLoss extends Loss {
  readonly margin: number;

  constructor(options: margins.MarginOptions = {}) {
    super(options);
    this.margin = options.margin ?? 0;
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return margins.marginRankingLoss(input1, input2, target, { margin, reduction });
  }
}

export class HingeEmbeddingLoss extends Loss {
  readonly margin: number;

  constructor(options: margins.MarginOptions = {}) {
    super(options);
    this.margin = options.margin ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return margins.hingeEmbeddingLoss(input, target, { margin, reduction });
  }
}

export class SoftMarginLoss extends Loss {
  override forward(input: Tensor, target: Tensor): Tensor {
    return margins.softMarginLoss(input, target, { reduction: this.reduction });
  }
}

export class CosineEmbeddingLoss extends Loss {
  readonly margin: number;

  constructor(options: margins.MarginOptions = {}) {
    super(options);
    this.margin = options.margin ?? 0;
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return margins.cosineEmbeddingLoss(input1, input2, target, { margin, reduction });
  }
}

export class TripletMarginLoss extends Loss {
  readonly margin: number;
  readonly p: number;
  readonly eps: number;
  readonly swap: boolean;

  constructor(options: margins.TripletMarginOptions = {}) {
    super(options);
    this.margin = options.margin ?? 1;
    this.p = options.p ?? 2;
    this.eps = options.eps ?? 1e-6;
    this.swap = options.swap ?? false;
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, p, eps, swap, reduction } = this;
    return margins.tripletMarginLoss(anchor, positive, negative, { margin, p, eps, swap, reduction });
  }
}
