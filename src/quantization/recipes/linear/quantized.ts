/** Static quantized linears (`torch.ao.nn.quantized.Linear` and its fused forms). */
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import type { LeakyReLU } from "../../../nn/modules/activation.ts";
import type { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import { pythonFloat } from "../../../nn/repr.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { linear, linearLeakyRelu, linearRelu, linearTanh } from "../../../ops/quantized/linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { loadOutputQparams, saveOutputQparams } from "../output-qparams.ts";
import type { FromFloatOptions } from "../recipe.ts";
import { observedWeight, outputQparams, weighted } from "../weight.ts";
import { PackedLinear } from "./packed-params.ts";
import type { LinearOptions } from "./packed-params.ts";
import type { Linear as ReferenceLinear } from "./reference.ts";

/** x · weightᵀ + bias on 8-bit tensors, rounded to the grid of `scale` and `zero_point`. */
export class Linear extends PackedLinear {
  /** Qparams of the output. */
  scale = 1;
  zero_point = 0;

  override forward(x: Tensor): Tensor {
    return linear(x, this._packed_params.packed, this.scale, this.zero_point);
  }

  /** From a Linear (fused or not) that was observed, or trained with fake quantization. */
  static fromFloat(module: Module, options: FromFloatOptions = {}): Linear {
    return fromFloatInto(module, options, (inFeatures, outFeatures) => new this(inFeatures, outFeatures));
  }

  /** From a reference linear or a fused module around it. */
  static fromReference(module: Module, outputScale: number, outputZeroPoint: number): Linear {
    return fromReferenceInto(module, outputScale, outputZeroPoint, (i, o) => new this(i, o));
  }

  override stateVersion(): number {
    return 3;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    saveOutputQparams(this, state, prefix);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    return loadOutputQparams(this, context, prefix);
  }

  override getName(): string {
    return "QuantizedLinear";
  }

  override extraRepr(): string {
    return (
      `in_features=${this.inFeatures}, out_features=${this.outFeatures}, scale=${pythonFloat(this.scale)}, ` +
      `zero_point=${this.zero_point}, qscheme=${String(this.weight().quantizer?.qscheme)}`
    );
  }
}

function fromFloatInto<M extends Linear>(
  module: Module,
  options: FromFloatOptions,
  make: (inFeatures: number, outFeatures: number) => M,
): M {
  const source = weighted<FloatLinear>(module);
  const { weight, bias } = observedWeight(module, options);
  return fill(make(source.inFeatures, source.outFeatures), weight, bias, outputQparams(module));
}

function fromReferenceInto<M extends Linear>(
  module: Module,
  scale: number,
  zeroPoint: number,
  make: (inFeatures: number, outFeatures: number) => M,
): M {
  const reference = weighted<ReferenceLinear>(module);
  const made = make(reference.inFeatures, reference.outFeatures);
  return fill(made, reference.getQuantizedWeight(), reference.bias, { scale, zeroPoint });
}

function fill<M extends Linear>(
  target: M,
  weight: Tensor,
  bias: Tensor | null,
  output: { scale: number; zeroPoint: number },
): M {
  target.setWeightBias(weight, bias);
  target.scale = output.scale;
  target.zero_point = output.zeroPoint;
  return target;
}

/** {@link Linear} followed by ReLU, in one pass. */
export class LinearReLU extends Linear {
  override forward(x: Tensor): Tensor {
    return linearRelu(x, this._packed_params.packed, this.scale, this.zero_point);
  }

  override getName(): string {
    return "QuantizedLinearReLU";
  }
}

/** {@link Linear} followed by LeakyReLU, in one pass. */
export class LinearLeakyReLU extends Linear {
  readonly negativeSlope: number;

  constructor(inFeatures: number, outFeatures: number, negativeSlope: number, options: LinearOptions = {}) {
    super(inFeatures, outFeatures, options);
    this.negativeSlope = negativeSlope;
  }

  override forward(x: Tensor): Tensor {
    return linearLeakyRelu(x, this._packed_params.packed, this.scale, this.zero_point, this.negativeSlope);
  }

  static override fromFloat(module: Module, options: FromFloatOptions = {}): LinearLeakyReLU {
    const { negativeSlope } = slopeOf(module);
    return fromFloatInto(module, options, (i, o) => new LinearLeakyReLU(i, o, negativeSlope));
  }

  static override fromReference(module: Module, outputScale: number, outputZeroPoint: number): LinearLeakyReLU {
    const { negativeSlope } = slopeOf(module);
    const make = (i: number, o: number): LinearLeakyReLU => new LinearLeakyReLU(i, o, negativeSlope);
    return fromReferenceInto(module, outputScale, outputZeroPoint, make);
  }

  override getName(): string {
    return "QuantizedLinearLeakyReLU";
  }
}

function slopeOf(module: Module): LeakyReLU {
  const activation = [...module.children()][1] as LeakyReLU | undefined;
  if (!activation) throw new OctetError("LinearLeakyReLU: expects a fused LinearLeakyReLU module");
  return activation;
}

/** {@link Linear} followed by Tanh, in one pass. */
export class LinearTanh extends Linear {
  override forward(x: Tensor): Tensor {
    return linearTanh(x, this._packed_params.packed, this.scale, this.zero_point);
  }

  override getName(): string {
    return "QuantizedLinearTanh";
  }
}
