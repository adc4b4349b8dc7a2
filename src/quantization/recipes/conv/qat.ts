/**
 * Convolutions for quantization-aware training (`torch.ao.nn.qat`, `torch.ao.nn.intrinsic.qat`): the weight is
 * fake-quantized, with the batch normalization behind it folded in on the fly where there is one.
 */
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import type { ConvModuleOptions, ConvNd } from "../../../nn/modules/conv.ts";
import { Conv1d as FloatConv1d, Conv2d as FloatConv2d, Conv3d as FloatConv3d } from "../../../nn/modules/conv.ts";
import type { RunningNorm } from "../../../nn/modules/norm.ts";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from "../../../nn/modules/norm.ts";
import { fuseBnWeights } from "../../../nn/utils/fusion.ts";
import { relu } from "../../../ops/activation.ts";
import { add, div, mul } from "../../../ops/elementwise.ts";
import { reshape } from "../../../ops/shape.ts";
import type { SpatialSize } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { QConfig } from "../../qconfig.ts";
import type { Factory } from "../../with-args.ts";
import { create } from "../../with-args.ts";
import type { HasBatchStatistics } from "../batch-statistics.ts";
import { gainOf, withBatchStatistics } from "../batch-statistics.ts";
import { weighted } from "../weight.ts";
import * as fused from "./fused.ts";

export interface QatConvOptions extends ConvModuleOptions {
  readonly qconfig: QConfig;
}

export interface QatConvBnOptions extends QatConvOptions {
  /** Batch normalization's, default 1e-5. */
  readonly eps?: number;
  /** Batch normalization's, default 0.1. */
  readonly momentum?: number;
  /** Starts with frozen batch statistics. */
  readonly freezeBn?: boolean;
}

// A class cannot extend a union of classes. The layers of all ranks have one interface, so rank 2 stands for each.
type AnyConv = typeof FloatConv1d | typeof FloatConv2d | typeof FloatConv3d;
type AnyBatchNorm = typeof BatchNorm1d | typeof BatchNorm2d | typeof BatchNorm3d;
type FusedConvReLU = new (conv: ConvNd, relu: ReLU) => Module;

/** A convolution with a fake-quantized weight. */
export type QatConv = ConvNd & { weight_fake_quant: Module; toFloat(): Module };

/** One whose batch normalization is folded in on the fly. */
export type QatConvBn = QatConv & HasBatchStatistics & { resetRunningStats(): void };

export interface QatClass<M extends Module, O> {
  new (inChannels: number, outChannels: number, kernelSize: SpatialSize, options: O): M;
  fromFloat(module: Module): Module;
}

/** The classes of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface QatConvClasses {
  readonly Conv: QatClass<QatConv, QatConvOptions>;
  readonly ConvReLU: QatClass<QatConv, QatConvOptions>;
  readonly ConvBn: QatClass<QatConvBn, QatConvBnOptions>;
  readonly ConvBnReLU: QatClass<QatConvBn, QatConvBnOptions>;
}

function requireQconfig(module: Module): QConfig {
  if (!module.qconfig) throw new OctetError(`${module.getName()}: Input float module must have a valid qconfig`);
  return module.qconfig;
}

function optionsOf(conv: ConvNd): ConvModuleOptions {
  const { stride, padding, dilation, groups, paddingMode } = conv;
  return { stride, padding, dilation, groups, paddingMode, bias: conv.bias !== null };
}

/** [-1, 1, 1, …]: one value per output channel of a weight; or [1, -1, 1, …] of an activation. */
function perChannelShape(rank: number, dim: 0 | 1): number[] {
  return Array.from({ length: rank + 2 }, (_, d) => (d === dim ? -1 : 1));
}

function requireOwnQconfig({ qconfig }: QatConvOptions): QConfig {
  if (!qconfig) throw new OctetError("qconfig must be provided for QAT module");
  return qconfig;
}

/** The float classes of one rank. */
interface FloatClasses {
  readonly rank: 1 | 2 | 3;
  readonly Conv: AnyConv;
  readonly BatchNorm: AnyBatchNorm;
  readonly ConvReLU: FusedConvReLU;
}

/** What trained layers of one rank turn back into. */
function floatForms({ Conv, ConvReLU }: FloatClasses) {
  const FloatConv = Conv as typeof FloatConv2d;
  const plain = (trained: ConvNd): ConvNd => {
    const { inChannels, outChannels, kernelSize } = trained;
    return adopt(new FloatConv(inChannels, outChannels, kernelSize, optionsOf(trained)), trained);
  };
  const folded = (trained: QatConvBn): ConvNd => {
    const conv = plain(trained);
    [conv.weight, conv.bias] = fuseBnWeights(trained.weight, trained.bias, trained.bn);
    return conv;
  };
  const withRelu = (conv: ConvNd): Module => new ConvReLU(conv, new ReLU()).train(conv.training);
  return { plain, folded, withRelu };
}

/** The layers without batch normalization. */
function plainClasses(float: FloatClasses): Pick<QatConvClasses, "Conv" | "ConvReLU"> {
  const { plain, withRelu } = floatForms(float);

  /** conv(x, fakeQuantize(weight)) + bias. */
  class Conv extends (float.Conv as typeof FloatConv2d) {
    weight_fake_quant: Module;

    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: QatConvOptions) {
      super(inChannels, outChannels, kernelSize, options);
      this.qconfig = requireOwnQconfig(options);
      this.weight_fake_quant = create(this.qconfig.weight as Factory<Module>);
    }

    override forward(x: Tensor): Tensor {
      return this.convForward(x, this.weight_fake_quant(this.weight) as Tensor, this.bias);
    }

    /** Shares the float module's parameters. */
    static fromFloat(module: Module): Module {
      const source = weighted<ConvNd>(module);
      const options = { ...optionsOf(source), qconfig: requireQconfig(module) };
      return adopt(new this(source.inChannels, source.outChannels, source.kernelSize, options), source);
    }

    /** The plain float module with the trained parameters. */
    toFloat(): Module {
      return plain(this);
    }
  }

  class ConvReLU extends Conv {
    override forward(x: Tensor): Tensor {
      return relu(super.forward(x));
    }

    override toFloat(): Module {
      return withRelu(plain(this));
    }
  }
  return { Conv, ConvReLU };
}

/** The layers with batch normalization. */
function batchNormClasses(float: FloatClasses): Pick<QatConvClasses, "ConvBn" | "ConvBnReLU"> {
  const { folded, withRelu } = floatForms(float);
  const BatchNorm = float.BatchNorm as typeof BatchNorm2d;
  const [ofWeight, ofOutput] = ([0, 1] as const).map((dim) => perChannelShape(float.rank, dim));

  /**
   * BatchNorm(conv(x)) with the weight rounded as it will be once the normalization is folded into it: with running
   * statistics, k = γ / √(var + eps), y = bn(conv(x, fakeQuantize(w · k)) / k + bias).
   */
  class ConvBn extends withBatchStatistics(float.Conv as typeof FloatConv2d) {
    weight_fake_quant: Module;

    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: QatConvBnOptions) {
      super(inChannels, outChannels, kernelSize, options);
      this.qconfig = requireOwnQconfig(options);
      this.bn = new BatchNorm(outChannels, { eps: options.eps ?? 1e-5, momentum: options.momentum ?? 0.1 });
      this.weight_fake_quant = create(this.qconfig.weight as Factory<Module>);
      if (options.freezeBn) this.freezeBnStats();
    }

    override stateVersion(): number {
      return 2;
    }

    /** Version 1 held the normalization's state itself. */
    override oldStateKeys(): Readonly<Record<string, string>> {
      const statistics = ["running_mean", "running_var", "num_batches_tracked"].map((name) => [name, `bn.${name}`]);
      return { gamma: "bn.weight", beta: "bn.bias", ...(Object.fromEntries(statistics) as Record<string, string>) };
    }

    override forward(x: Tensor): Tensor {
      const gain = gainOf(this.bn);
      const scaled = mul(this.weight, reshape(gain, ofWeight));
      const product = this.convForward(x, this.weight_fake_quant(scaled) as Tensor, null);
      const unfolded = div(product, reshape(gain, ofOutput));
      return this.bn(this.bias ? add(unfolded, reshape(this.bias, ofOutput)) : unfolded);
    }

    resetRunningStats(): void {
      this.bn.resetRunningStats();
    }

    static fromFloat(module: Module): Module {
      const [conv, bn] = [...module.children()] as [ConvNd, RunningNorm];
      const { eps, momentum } = bn;
      const options = { ...optionsOf(conv), qconfig: requireQconfig(module), eps, momentum: momentum ?? undefined };
      const made = adopt(new this(conv.inChannels, conv.outChannels, conv.kernelSize, options), conv);
      made.bn = bn;
      return made;
    }

    /** The float convolution with the normalization folded in. */
    toFloat(): Module {
      return folded(this);
    }
  }

  class ConvBnReLU extends ConvBn {
    override forward(x: Tensor): Tensor {
      return relu(super.forward(x));
    }

    override toFloat(): Module {
      return withRelu(folded(this));
    }
  }
  return { ConvBn, ConvBnReLU };
}

/** The QAT classes of one rank. */
function qatConvs(float: FloatClasses): QatConvClasses {
  const classes = { ...plainClasses(float), ...batchNormClasses(float) };
  for (const [name, made] of Object.entries(classes)) {
    Object.defineProperty(made, "name", { value: `${name}${float.rank}d` });
  }
  return classes;
}

function adopt<M extends ConvNd>(target: M, source: ConvNd): M {
  target.weight = source.weight;
  target.bias = source.bias;
  return target.train(source.training);
}

/** The classes of each rank; recipes and namespaces name them. */
export const qatConvClasses = Object.freeze({
  1: qatConvs({ rank: 1, Conv: FloatConv1d, BatchNorm: BatchNorm1d, ConvReLU: fused.ConvReLU1d }),
  2: qatConvs({ rank: 2, Conv: FloatConv2d, BatchNorm: BatchNorm2d, ConvReLU: fused.ConvReLU2d }),
  3: qatConvs({ rank: 3, Conv: FloatConv3d, BatchNorm: BatchNorm3d, ConvReLU: fused.ConvReLU3d }),
});
