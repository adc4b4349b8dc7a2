/**
 * Quantized normalizations (`torch.ao.nn.quantized`, and `torch.ao.nn.intrinsic.quantized` where a ReLU follows): integers
 * in and out, weights and statistics float. `fromFloat` takes a calibrated module; `fromReference` takes a float one and the
 * qparams of its output.
 */
import { warn } from "../../../core/warnings.ts";
import type { Module } from "../../../nn/module.ts";
import * as float from "../../../nn/modules/norm.ts";
import type { Parameter } from "../../../nn/parameter.ts";
import * as quantized from "../../../ops/quantized/norm.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { FusedModule } from "../fused-module.ts";
import type { OnGrid } from "../on-grid.ts";
import { observedGrid, onGrid } from "../on-grid.ts";

// ---------------------------------------------------------------- layer and group normalization

export interface QuantizedLayerNormOptions {
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
  /** Only printed: `weight` and `bias` say what there is. Default true. */
  readonly elementwiseAffine?: boolean;
}

/** Normalizes over the last dimensions, whose sizes are `normalizedShape`. */
export class LayerNorm extends onGrid(float.LayerNorm) {
  constructor(
    normalizedShape: number | readonly number[],
    weight: Parameter | null,
    bias: Parameter | null,
    scale: number,
    zeroPoint: number,
    options: QuantizedLayerNormOptions = {},
  ) {
    super(normalizedShape, options);
    this.weight = weight;
    this.bias = bias;
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    return quantized.layerNorm(x, normalizedShape, weight, bias, eps, this.scale, this.zero_point);
  }

  static fromFloat(module: float.LayerNorm): LayerNorm {
    return LayerNorm.fromReference(module, ...observedGrid(module));
  }

  static fromReference(module: float.LayerNorm, scale: number, zeroPoint: number): LayerNorm {
    const { normalizedShape, weight, bias, eps, elementwiseAffine } = module;
    return new LayerNorm(normalizedShape, weight, bias, scale, zeroPoint, { eps, elementwiseAffine });
  }
}

export interface QuantizedGroupNormOptions {
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
  /** Only printed: `weight` and `bias` say what there is. Default true. */
  readonly affine?: boolean;
}

/** Normalizes `numGroups` groups of the channels of [N, numChannels, *]. Graph mode does not make it, as in PyTorch. */
export class GroupNorm extends onGrid(float.GroupNorm) {
  constructor(
    numGroups: number,
    numChannels: number,
    weight: Parameter | null,
    bias: Parameter | null,
    scale: number,
    zeroPoint: number,
    options: QuantizedGroupNormOptions = {},
  ) {
    super(numGroups, numChannels, options);
    this.weight = weight;
    this.bias = bias;
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    const { numGroups, weight, bias, eps } = this;
    return quantized.groupNorm(x, numGroups, weight, bias, eps, this.scale, this.zero_point);
  }

  static fromFloat(module: float.GroupNorm): GroupNorm {
    const { numGroups, numChannels, weight, bias, eps, affine } = module;
    return new GroupNorm(numGroups, numChannels, weight, bias, ...observedGrid(module), { eps, affine });
  }
}

// ---------------------------------------------------------------- instance normalization

/** The normalization of each channel of each image. */
export type QuantizedInstanceNorm = float.InstanceNorm & OnGrid;

/** The class of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface QuantizedInstanceNormClass {
  new (
    numFeatures: number,
    weight: Parameter | null,
    bias: Parameter | null,
    scale: number,
    zeroPoint: number,
    options?: float.RunningNormOptions,
  ): QuantizedInstanceNorm;
  fromFloat(module: float.InstanceNorm): QuantizedInstanceNorm;
  fromReference(module: float.InstanceNorm, scale: number, zeroPoint: number): QuantizedInstanceNorm;
}

/** A class of float modules of one rank; that of rank 2 stands for each, since all have one interface. */
type AnyInstanceNorm = typeof float.InstanceNorm1d | typeof float.InstanceNorm2d | typeof float.InstanceNorm3d;

function instanceNormClass(rank: 1 | 2 | 3, floatClass: AnyInstanceNorm): QuantizedInstanceNormClass {
  class InstanceNorm extends onGrid(floatClass as typeof float.InstanceNorm2d) {
    constructor(
      numFeatures: number,
      weight: Parameter | null,
      bias: Parameter | null,
      scale: number,
      zeroPoint: number,
      options: float.RunningNormOptions = {},
    ) {
      super(numFeatures, options);
      this.weight = weight;
      this.bias = bias;
      this.setOutputQparams(scale, zeroPoint);
    }

    override forward(x: Tensor): Tensor {
      return quantized.instanceNorm(x, this.weight, this.bias, this.eps, this.scale, this.zero_point);
    }

    static fromFloat(module: float.InstanceNorm): InstanceNorm {
      return InstanceNorm.fromReference(module, ...observedGrid(module));
    }

    static fromReference(module: float.InstanceNorm, scale: number, zeroPoint: number): InstanceNorm {
      const { numFeatures, weight, bias, eps, momentum, affine, trackRunningStats } = module;
      if (trackRunningStats) {
        warn(
          `${module.getName()}: quantized, it normalizes by each input's own statistics and not by the running ones`,
        );
      }
      // PyTorch passes `affine` on in the place of the momentum, and prints both so.
      return new InstanceNorm(numFeatures, weight, bias, scale, zeroPoint, { eps, momentum, affine });
    }
  }
  return Object.defineProperty(InstanceNorm, "name", { value: `InstanceNorm${rank}d` });
}

export const InstanceNorm1d = instanceNormClass(1, float.InstanceNorm1d);
export const InstanceNorm2d = instanceNormClass(2, float.InstanceNorm2d);
export const InstanceNorm3d = instanceNormClass(3, float.InstanceNorm3d);

// ---------------------------------------------------------------- batch normalization

/** The normalization of each channel by its running statistics. */
export type QuantizedBatchNorm = float.BatchNorm & OnGrid;

/** (Named, because declaration files cannot describe classes made in functions.) */
export interface QuantizedBatchNormClass {
  new (numFeatures: number, options?: Pick<float.RunningNormOptions, "eps" | "momentum">): QuantizedBatchNorm;
  /** From a batch norm, or one fused with a ReLU. */
  fromFloat(module: Module): QuantizedBatchNorm;
  fromReference(module: Module, scale: number, zeroPoint: number): QuantizedBatchNorm;
}

/** The class called `className` that normalizes by `normalize`. */
function batchNormClass(
  className: string,
  floatClass: typeof float.BatchNorm2d | typeof float.BatchNorm3d,
  normalize: quantized.QuantizedBatchNorm,
): QuantizedBatchNormClass {
  class BatchNorm extends onGrid(floatClass as typeof float.BatchNorm2d) {
    constructor(numFeatures: number, { eps, momentum }: Pick<float.RunningNormOptions, "eps" | "momentum"> = {}) {
      super(numFeatures, { eps, momentum });
    }

    override forward(x: Tensor): Tensor {
      const [mean, variance] = [this.running_mean, this.running_var] as [Tensor, Tensor];
      return normalize(x, this.weight, this.bias, mean, variance, this.eps, this.scale, this.zero_point);
    }

    static fromFloat(module: Module): BatchNorm {
      return BatchNorm.fromReference(module, ...observedGrid(module));
    }

    static fromReference(module: Module, scale: number, zeroPoint: number): BatchNorm {
      const [source] = (module instanceof FusedModule ? [...module.children()] : [module]) as float.BatchNorm[];
      const made = new BatchNorm(source.numFeatures, { eps: source.eps, momentum: source.momentum });
      made.weight = source.weight;
      made.bias = source.bias;
      made.running_mean = source.running_mean;
      made.running_var = source.running_var;
      made.setOutputQparams(scale, zeroPoint);
      return made;
    }
  }
  return Object.defineProperty(BatchNorm, "name", { value: className });
}

export const BatchNorm2d = batchNormClass("BatchNorm2d", float.BatchNorm2d, quantized.batchNorm2d);
export const BatchNorm3d = batchNormClass("BatchNorm3d", float.BatchNorm3d, quantized.batchNorm3d);
/** {@link BatchNorm2d} followed by ReLU. */
export const BNReLU2d = batchNormClass("BNReLU2d", float.BatchNorm2d, quantized.batchNorm2dRelu);
/** {@link BatchNorm3d} followed by ReLU. */
export const BNReLU3d = batchNormClass("BNReLU3d", float.BatchNorm3d, quantized.batchNorm3dRelu);
