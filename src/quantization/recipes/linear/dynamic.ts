/** Dynamic quantized linears (`torch.ao.nn.quantized.dynamic.Linear`): float in, float out, 8-bit weights. */
import type { Module } from "../../../nn/module.ts";
import type { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import { linearDynamic, linearReluDynamic } from "../../../ops/quantized/linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { observedWeight, weighted } from "../weight.ts";
import { PackedLinear } from "./packed-params.ts";

/** x · weightᵀ + bias in float32; x is quantized by its own range at every call. */
export class Linear extends PackedLinear {
  /** 7-bit activations, on engines that honour it; always so for modules made by this version. */
  reduceRange = true;

  override forward(x: Tensor): Tensor {
    return linearDynamic(x, this._packed_params.packed, this.reduceRange);
  }

  static fromFloat(module: Module): Linear {
    const source = weighted<FloatLinear>(module);
    const made = new this(source.inFeatures, source.outFeatures);
    const { weight, bias } = observedWeight(module);
    made.setWeightBias(weight, bias);
    return made;
  }

  override stateVersion(): number {
    return 4;
  }

  override getName(): string {
    return "DynamicQuantizedLinear";
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures } = this;
    return `in_features=${inFeatures}, out_features=${outFeatures}, dtype=torch.qint8, qscheme=${String(this.weight().quantizer?.qscheme)}`;
  }
}

/** {@link Linear} followed by ReLU, in one pass. */
export class LinearReLU extends Linear {
  override forward(x: Tensor): Tensor {
    return linearReluDynamic(x, this._packed_params.packed, this.reduceRange);
  }

  override getName(): string {
    return "DynamicQuantizedLinearReLU";
  }
}
