/** The weight of a reference module: float, with the qparams that say which grid it is to be rounded to. */
import { float16, float32, float64, int32, int64, qint8 } from "../../core/dtype.ts";
import { perTensorAffine } from "../../core/qparams.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import type { Module } from "../../nn/module.ts";
import { asDtype } from "../../ops/elementwise.ts";
import { full, tensor } from "../../ops/create.ts";
import { dequantize, quantizePerChannel, quantizePerTensor } from "../../ops/quantize.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WeightQparams } from "./recipe.ts";

const none: WeightQparams = {
  scale: full([], 1, { dtype: float32 }),
  zeroPoint: full([], 0, { dtype: int32 }),
  qscheme: perTensorAffine,
  dtype: qint8,
};

/** A weight that is kept as float16: it has no grid, and is used unrounded until it is packed, as in PyTorch. */
export const float16Weight: WeightQparams = Object.freeze({ ...none, dtype: float16 });

export class ReferenceWeight {
  readonly qparams: WeightQparams;
  private readonly owner: Module;
  private readonly prefix: string;

  /** Registers the buffers `weight_scale`, `weight_zero_point` and `weight_axis` (int32) on `owner`, as PyTorch does. */
  constructor(owner: Module, qparams: WeightQparams = none, prefix = "weight") {
    this.owner = owner;
    this.prefix = prefix;
    this.qparams = qparams;
    owner.registerBuffer(`${prefix}_scale`, qparams.scale.detach());
    owner.registerBuffer(`${prefix}_zero_point`, qparams.zeroPoint.detach());
    owner.registerBuffer(`${prefix}_axis`, tensor(qparams.axis ?? 0, { dtype: int32 }));
  }

  private buffer(what: "scale" | "zero_point" | "axis"): Tensor {
    return (this.owner as unknown as Record<string, Tensor>)[`${this.prefix}_${what}`];
  }

  /** The float weight as integers, or as float16. */
  quantized(weight: Tensor): Tensor {
    const { qscheme, dtype } = this.qparams;
    if (dtype === float16) return asDtype(weight.detach(), float16);
    const value = asDtype(weight.detach(), float32);
    const [scale, zeroPoint] = [this.buffer("scale"), this.buffer("zero_point")];
    if (!qscheme.isPerChannel) return quantizePerTensor(value, scale.item(), zeroPoint.item(), dtype);
    const asFloat = zeroPoint.dtype.isFloatingPoint;
    const zeroPoints = asFloat ? zeroPoint : asDtype(zeroPoint, int64);
    const scales = asFloat ? scale : asDtype(scale, float64);
    return quantizePerChannel(value, scales, zeroPoints, this.buffer("axis").item(), dtype);
  }

  /** The float weight rounded to its grid. */
  dequantized(weight: Tensor): Tensor {
    if (this.qparams.dtype === float16) return weight;
    return noGrad(() => dequantize(this.quantized(weight)));
  }
}
