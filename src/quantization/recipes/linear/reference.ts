/** The reference linear (`torch.ao.nn.quantized.reference.Linear`): float arithmetic on a weight rounded to its grid. */
import type { Module } from "../../../nn/module.ts";
import { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import { linear } from "../../../ops/linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { WeightQparams } from "../recipe.ts";
import { ReferenceWeight } from "../reference-weight.ts";
import { weighted } from "../weight.ts";

export class Linear extends FloatLinear {
  static readonly isReference = true;
  readonly referenceWeight: ReferenceWeight;

  constructor(
    inFeatures: number,
    outFeatures: number,
    options: { bias?: boolean; weightQparams?: WeightQparams } = {},
  ) {
    super(inFeatures, outFeatures, options);
    this.referenceWeight = new ReferenceWeight(this, options.weightQparams);
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.getWeight(), this.bias);
  }

  /** The weight quantized and dequantized. */
  getWeight(): Tensor {
    return this.referenceWeight.dequantized(this.weight);
  }

  getQuantizedWeight(): Tensor {
    return this.referenceWeight.quantized(this.weight);
  }

  static fromFloat(module: Module, weightQparams: WeightQparams): Linear {
    const source = weighted<FloatLinear>(module);
    const made = new this(source.inFeatures, source.outFeatures, { bias: source.bias !== null, weightQparams });
    made.weight = source.weight;
    made.bias = source.bias;
    return made;
  }

  override getName(): string {
    return "QuantizedLinear(Reference)";
  }
}
