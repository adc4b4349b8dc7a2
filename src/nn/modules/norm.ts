/** Normalization layers (`torch.nn`): batch, instance, layer and group normalization. */
import { getDefaultDtype, int64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, rmsNorm, squeeze, unsqueeze } from "../../ops/index.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant_, ones_, zeros_ } from "../init.ts";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { pythonBool, pythonFloat, pythonValue } from "../repr.ts";
import type { LoadContext } from "../state-dict.ts";
import { newParameter } from "./linear.ts";

// ---------------------------------------------------------------- batch and instance normalization

export interface RunningNormOptions {
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
  /** Weight of a batch in the running statistics, default 0.1; null averages all batches alike (batch normalization only). */
  readonly momentum?: number | null;
  /** Has a weight and a bias per channel. Default true; false for instance normalization. */
  readonly affine?: boolean;
  /** Keeps running statistics for evaluation. Default true; false for instance normalization. */
  readonly trackRunningStats?: boolean;
}

/** Normalization per channel with running statistics. */
export abstract class RunningNorm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  running_mean: Tensor | null = null;
  running_var: Tensor | null = null;
  /** Batches seen in training, an int64 scalar. */
  num_batches_tracked: Tensor | null = null;

  constructor(numFeatures: number, options: Required<RunningNormOptions>) {
    super();
    if (!Number.isInteger(numFeatures) || numFeatures < 0) {
      throw new OctetError(`${this.getName()}: numFeatures must be a whole number of at least 0, got ${numFeatures}`);
    }
    this.numFeatures = numFeatures;
    this.eps = options.eps;
    this.momentum = options.momentum;
    this.affine = options.affine;
    this.trackRunningStats = options.trackRunningStats;
    this.weight = this.affine ? newParameter(numFeatures) : null;
    this.bias = this.affine ? newParameter(numFeatures) : null;
    const tracked = (tensor: Tensor) => (this.trackRunningStats ? tensor : null);
    this.registerBuffer("running_mean", tracked(Tensor.zeros([numFeatures], getDefaultDtype())));
    this.registerBuffer("running_var", tracked(Tensor.zeros([numFeatures], getDefaultDtype())));
    this.registerBuffer("num_batches_tracked", tracked(Tensor.zeros([], int64)));
    this.resetParameters();
  }

  /** Mean 0, variance 1, no batches seen. */
  resetRunningStats(): void {
    if (this.running_mean) zeros_(this.running_mean);
    if (this.running_var) ones_(this.running_var);
    if (this.num_batches_tracked) zeros_(this.num_batches_tracked);
  }

  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
  }

  /** Version 2 added `num_batches_tracked`. */
  override stateVersion(): number {
    return 2;
  }

  /** A state dict from before version 2 need not have `num_batches_tracked`. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const known = super.loadFromStateDict(context, prefix);
    const version = context.metadata.get(prefix.slice(0, -1))?.version ?? 1;
    const missing = context.missingKeys.indexOf(`${prefix}num_batches_tracked`);
    if (version < 2 && missing >= 0) context.missingKeys.splice(missing, 1);
    return known;
  }

  override extraRepr(): string {
    const momentum = this.momentum === null ? "None" : pythonFloat(this.momentum);
    return (
      `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${momentum}, affine=${pythonBool(this.affine)}, ` +
      `track_running_stats=${pythonBool(this.trackRunningStats)}`
    );
  }
}

/** What BatchNorm1d to 3d share; they differ in the inputs they take. */
export abstract class BatchNorm extends RunningNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    super(numFeatures, { eps, momentum, affine, trackRunningStats });
  }

  /** Numbers of dimensions that {@link forward} takes. */
  protected abstract acceptedDims(): readonly number[];

  override forward(input: Tensor): Tensor {
    checkDims(this.getName(), input, this.acceptedDims());
    const momentum = this.countBatch();
    // Without running statistics the batch's own are used in evaluation too.
    const training = this.training || (!this.running_mean && !this.running_var);
    const usesRunning = !this.training || this.trackRunningStats;
    const [mean, variance] = usesRunning ? [this.running_mean, this.running_var] : [null, null];
    return batchNorm(input, mean, variance, this.weight, this.bias, { training, momentum, eps: this.eps });
  }

  /** Counts a training batch, and returns its weight in the running statistics. */
  private countBatch(): number {
    const counter = this.num_batches_tracked;
    if (this.training && this.trackRunningStats && counter) {
      const seen = counter.item() + 1;
      noGrad(() => constant_(counter, seen));
      if (this.momentum === null) return 1 / seen;
    }
    return this.momentum ?? 0;
  }
}

function checkDims(op: string, input: Tensor, accepted: readonly number[]): void {
  if (!accepted.includes(input.ndim)) {
    throw new OctetError(`${op}: expected ${accepted.join("D or ")}D input, got shape ${formatShape(input.shape)}`);
  }
}

/** Batch normalization of [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
  protected acceptedDims(): readonly number[] {
    return [2, 3];
  }
}

/** Batch normalization of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  protected acceptedDims(): readonly number[] {
    return [4];
  }
}

/** Batch normalization of [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  protected acceptedDims(): readonly number[] {
    return [5];
  }
}

/** What InstanceNorm1d to 3d share; they differ in the inputs they take. */
export abstract class InstanceNorm extends RunningNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    const { eps = 1e-5, momentum = 0.1, affine = false, trackRunningStats = false } = options;
    super(numFeatures, { eps, momentum, affine, trackRunningStats });
  }

  /** Number of dimensions of an input without a batch. */
  protected abstract unbatchedDims(): number;

  override forward(input: Tensor): Tensor {
    const dims = this.unbatchedDims();
    checkDims(this.getName(), input, [dims, dims + 1]);
    const channels = input.shape[input.ndim - dims];
    if (this.affine && channels !== this.numFeatures) {
      throw new OctetError(`${this.getName()}: expected ${this.numFeatures} channels, input has ${channels}`);
    }
    if (input.ndim === dims + 1) return this.normalize(input);
    return squeeze(this.normalize(unsqueeze(input, 0)), 0);
  }

  private normalize(input: Tensor): Tensor {
    return instanceNorm(input, {
      runningMean: this.running_mean,
      runningVar: this.running_var,
      weight: this.weight,
      bias: this.bias,
      useInputStats: this.training || !this.trackRunningStats,
      momentum: this.momentum ?? 0,
      eps: this.eps,
    });
  }
}

/** Instance normalization of [N, C, L] or [C, L]. */
export class InstanceNorm1d extends InstanceNorm {
  protected unbatchedDims(): number {
    return 2;
  }
}

/** Instance normalization of [N, C, H, W] or [C, H, W]. */
export class InstanceNorm2d extends InstanceNorm {
  protected unbatchedDims(): number {
    return 3;
  }
}

/** Instance normalization of [N, C, D, H, W] or [C, D, H, W]. */
export class InstanceNorm3d extends InstanceNorm {
  protected unbatchedDims(): number {
    return 4;
  }
}

// ---------------------------------------------------------------- layer and group normalization

export interface LayerNormModuleOptions {
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
  /** Has a weight (and a bias) of the normalized shape. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Default true. */
  readonly bias?: boolean;
}

/** Normalizes over the last dimensions, whose sizes are `normalizedShape`. */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormModuleOptions = {}) {
    super();
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? newParameter(...this.normalizedShape) : null;
    this.bias = elementwiseAffine && bias ? newParameter(...this.normalizedShape) : null;
    this.resetParameters();
  }

  resetParameters(): void {
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return layerNorm(input, this.normalizedShape, { weight, bias, eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    return `${pythonValue(normalizedShape)}, eps=${pythonFloat(eps)}, elementwise_affine=${pythonBool(elementwiseAffine)}`;
  }
}

export interface RmsNormModuleOptions {
  /** Added to the mean square; default and null: machine epsilon of the input's dtype. */
  readonly eps?: number | null;
  /** Has a weight of the normalized shape. Default true. */
  readonly elementwiseAffine?: boolean;
}

/** Divides by the root mean square over the last dimensions, whose sizes are `normalizedShape`. */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: RmsNormModuleOptions = {}) {
    super();
    const { eps = null, elementwiseAffine = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    this.weight = elementwiseAffine ? newParameter(...this.normalizedShape) : null;
    this.resetParameters();
  }

  resetParameters(): void {
    if (this.weight) ones_(this.weight);
  }

  override forward(input: Tensor): Tensor {
    const { weight, eps } = this;
    return rmsNorm(input, this.normalizedShape, { weight, eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine } = this;
    const printedEps = eps === null ? "None" : pythonFloat(eps);
    return `${pythonValue(normalizedShape)}, eps=${printedEps}, elementwise_affine=${pythonBool(elementwiseAffine)}`;
  }
}

export interface GroupNormOptions {
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
  /** Has a weight and a bias per channel. Default true. */
  readonly affine?: boolean;
}

/** Normalizes `numGroups` groups of the channels of [N, numChannels, *], image by image. */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const { eps = 1e-5, affine = true } = options;
    if (numChannels % numGroups !== 0) {
      throw new OctetError(`GroupNorm: numChannels ${numChannels} must be divisible by numGroups ${numGroups}`);
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
    this.weight = affine ? newParameter(numChannels) : null;
    this.bias = affine ? newParameter(numChannels) : null;
    this.resetParameters();
  }

  resetParameters(): void {
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return groupNorm(input, this.numGroups, { weight, bias, eps });
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine } = this;
    return `${numGroups}, ${numChannels}, eps=${pythonFloat(eps)}, affine=${pythonBool(affine)}`;
  }
}
