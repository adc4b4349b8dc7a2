/** Linears for quantization-aware training (`torch.ao.nn.qat`, `torch.ao.nn.intrinsic.qat`): the weight is fake-quantized. */
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import type { RunningNorm } from "../../../nn/modules/norm.ts";
import { BatchNorm1d } from "../../../nn/modules/norm.ts";
import { fuseBnWeights } from "../../../nn/utils/fusion.ts";
import { add, div, mul } from "../../../ops/elementwise.ts";
import { linear } from "../../../ops/linear.ts";
import { relu } from "../../../ops/activation.ts";
import { reshape } from "../../../ops/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { QConfig } from "../../qconfig.ts";
import { _activationIsMemoryless } from "../../qconfig.ts";
import { create } from "../../with-args.ts";
import type { Factory } from "../../with-args.ts";
import { gainOf, withBatchStatistics } from "../batch-statistics.ts";
import { weighted } from "../weight.ts";
import { LinearReLU as FusedLinearReLU } from "./fused.ts";
import type { LinearOptions } from "./packed-params.ts";

export interface QatLinearOptions extends LinearOptions {
  readonly qconfig: QConfig;
}

/** x · fakeQuantize(weight)ᵀ + bias. */
export class Linear extends FloatLinear {
  weight_fake_quant: Module;

  constructor(inFeatures: number, outFeatures: number, options: QatLinearOptions) {
    super(inFeatures, outFeatures, options);
    if (!options.qconfig) throw new OctetError("qconfig must be provided for QAT module");
    this.qconfig = options.qconfig;
    this.weight_fake_quant = create(options.qconfig.weight as Factory<Module>);
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight_fake_quant(this.weight) as Tensor, this.bias);
  }

  /** Shares the float module's parameters. */
  static fromFloat(module: Module): Linear {
    const source = weighted<FloatLinear>(module);
    if (!module.qconfig) throw new OctetError("Input float module must have a valid qconfig");
    const made = new this(source.inFeatures, source.outFeatures, {
      bias: source.bias !== null,
      qconfig: module.qconfig,
    });
    made.weight = source.weight;
    made.bias = source.bias;
    return made;
  }

  /** The plain float module, with the trained parameters. */
  toFloat(): Module {
    return plainLinear(this);
  }
}

function plainLinear(trained: FloatLinear): FloatLinear {
  const made = new FloatLinear(trained.inFeatures, trained.outFeatures, { bias: trained.bias !== null });
  made.weight = trained.weight;
  made.bias = trained.bias;
  return made.train(trained.training);
}

/** {@link Linear} followed by ReLU. */
export class LinearReLU extends Linear {
  override forward(x: Tensor): Tensor {
    return relu(super.forward(x));
  }

  override toFloat(): Module {
    const made = new FusedLinearReLU(plainLinear(this), new ReLU());
    return made.train(this.training);
  }
}

/**
 * BatchNorm(linear(x)) with the weight rounded as it will be once the normalization is folded into it; see ConvBn in
 * ../conv/qat.ts for the arithmetic.
 */
export class LinearBn1d extends withBatchStatistics(Linear) {
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: QatLinearOptions & { eps?: number; momentum?: number },
  ) {
    super(inFeatures, outFeatures, options);
    this.bn = new BatchNorm1d(outFeatures, { eps: options.eps ?? 1e-5, momentum: options.momentum ?? 0.1 });
  }

  override forward(x: Tensor): Tensor {
    const { bn } = this;
    const gain = gainOf(bn);
    const scaled = mul(this.weight, reshape(gain, [-1, 1]));
    const unfolded = div(linear(x, this.weight_fake_quant(scaled) as Tensor), gain);
    return bn(this.bias ? add(unfolded, this.bias) : unfolded);
  }

  static override fromFloat(module: Module): LinearBn1d {
    const [source, bn] = [...module.children()] as [FloatLinear, RunningNorm];
    if (!module.qconfig) throw new OctetError("Input float module must have a valid qconfig");
    const made = new LinearBn1d(source.inFeatures, source.outFeatures, {
      bias: source.bias !== null,
      qconfig: module.qconfig,
      eps: bn.eps,
      momentum: bn.momentum ?? undefined,
    });
    made.weight = source.weight;
    made.bias = source.bias;
    made.bn = bn;
    return made;
  }

  /** The float linear with the normalization folded in. */
  override toFloat(): Module {
    const made = plainLinear(this);
    [made.weight, made.bias] = fuseBnWeights(this.weight, this.bias, this.bn);
    return made;
  }
}

/** For dynamic quantization: activations are fake-quantized by their own range (`torch.ao.nn.qat.dynamic.Linear`). */
export class DynamicLinear extends Linear {
  constructor(inFeatures: number, outFeatures: number, options: QatLinearOptions) {
    super(inFeatures, outFeatures, options);
    if (!_activationIsMemoryless(options.qconfig)) {
      throw new OctetError(
        "Dynamic QAT requires a memoryless observer. This means a MovingAverage observer with averaging constant equal to 1",
      );
    }
  }
}
