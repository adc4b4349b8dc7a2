/** Static and dynamic quantized convolutions, plain and transposed (`torch.ao.nn.quantized`, `….dynamic`). */
import { float32, qint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import { sameShape } from "../../../core/shape.ts";
import { Module } from "../../../nn/module.ts";
import type {
  ConvModuleOptions,
  ConvNd,
  ConvTransposeModuleOptions,
  ConvTransposeNd,
} from "../../../nn/modules/conv.ts";
import { pythonFloat, pythonValue } from "../../../nn/repr.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { sizeMismatch } from "../../../nn/state-dict.ts";
import { full } from "../../../ops/create.ts";
import { pad } from "../../../ops/pad.ts";
import { _emptyAffineQuantized } from "../../../ops/quantize.ts";
import type { ConvPackedParams } from "../../../ops/quantized/conv.ts";
import { conv, convDynamic, convPrepack, convRelu, convTransposePrepack } from "../../../ops/quantized/conv.ts";
import type { SpatialRank, SpatialSize } from "../../../ops/spatial.ts";
import { spatialSizes } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { loadOutputQparams, saveOutputQparams } from "../output-qparams.ts";
import type { FromFloatOptions } from "../recipe.ts";
import { observedWeight, outputQparams, weighted } from "../weight.ts";
import type { HasReferenceWeight } from "./reference.ts";

type Options = ConvModuleOptions & Pick<ConvTransposeModuleOptions, "outputPadding">;

/** What all quantized convolutions share: sizes and the packed weight. */
export abstract class PackedConv extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly paddingMode: "zeros" | "reflect";
  packed: ConvPackedParams;

  constructor(
    rank: SpatialRank,
    transposed: boolean,
    inChannels: number,
    outChannels: number,
    kernelSize: SpatialSize,
    options: Options = {},
  ) {
    super();
    const op = this.getName();
    const sizes = (what: string, value: SpatialSize, least: number) => spatialSizes(op, what, value, rank, least);
    const { groups = 1, padding = 0, paddingMode = "zeros" } = options;
    if (typeof padding === "string") throw new OctetError(`${op}: padding must be numbers, got "${padding}"`);
    if (paddingMode !== "zeros" && (paddingMode !== "reflect" || rank === 3 || transposed)) {
      throw new OctetError(`${op}: paddingMode "${paddingMode}" is not supported`);
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = sizes("kernel size", kernelSize, 1);
    this.stride = sizes("stride", options.stride ?? 1, 1);
    this.padding = sizes("padding", padding, 0);
    this.dilation = sizes("dilation", options.dilation ?? 1, 1);
    this.outputPadding = sizes("output padding", options.outputPadding ?? 0, 0);
    this.groups = groups;
    this.paddingMode = paddingMode;
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    const weight = _emptyAffineQuantized([first, second / groups, ...this.kernelSize], { dtype: qint8 });
    const bias = (options.bias ?? true) ? full([outChannels], 0, { dtype: float32 }) : null;
    this.packed = this.prepack(rank, transposed, weight, bias);
  }

  private prepack(rank: SpatialRank, transposed: boolean, weight: Tensor, bias: Tensor | null): ConvPackedParams {
    const { stride, dilation, groups, outputPadding } = this;
    if (transposed) {
      return convTransposePrepack(rank, weight, bias, {
        stride,
        padding: this.padding,
        dilation,
        groups,
        outputPadding,
      });
    }
    const padding = this.paddingMode === "zeros" ? this.padding : this.padding.map(() => 0);
    return convPrepack(rank, weight, bias, { stride, padding, dilation, groups });
  }

  /** The quantized weight. */
  weight(): Tensor {
    return this.packed.original;
  }

  /** The float bias [out], or null. */
  bias(): Tensor | null {
    return this.packed.bias;
  }

  setWeightBias(weight: Tensor, bias: Tensor | null): void {
    this.packed = this.prepack(this.packed.rank, this.packed.transposed, weight, bias ? bias.detach() : null);
  }

  /** The input with its edges mirrored, under paddingMode "reflect". */
  protected padded(x: Tensor): Tensor {
    if (this.paddingMode === "zeros") return x;
    return pad(
      x,
      this.padding.toReversed().flatMap((p) => [p, p]),
      { mode: "reflect" },
    );
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    state.set(`${prefix}weight`, this.weight());
    const bias = this.bias();
    if (bias) state.set(`${prefix}bias`, bias);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const keys = [`${prefix}weight`, `${prefix}bias`];
    const weight = context.state.get(keys[0]);
    const own = this.weight().shape;
    if (!weight) context.missingKeys.push(keys[0]);
    else if (sameShape(weight.shape, own)) this.setWeightBias(weight, context.state.get(keys[1]) ?? null);
    else context.errors.push(sizeMismatch(keys[0], weight.shape, own));
    return keys;
  }

  override extraRepr(): string {
    const isNot = (value: number) => (size: number) => size !== value;
    const { padding, dilation, outputPadding, groups } = this;
    return [
      `${this.inChannels}, ${this.outChannels}`,
      `kernel_size=${pythonValue(this.kernelSize)}`,
      `stride=${pythonValue(this.stride)}`,
      ...this.qparamsRepr(),
      ...(padding.some(isNot(0)) ? [`padding=${pythonValue(padding)}`] : []),
      ...(dilation.some(isNot(1)) ? [`dilation=${pythonValue(dilation)}`] : []),
      ...(outputPadding.some(isNot(0)) ? [`output_padding=${pythonValue(outputPadding)}`] : []),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...(this.bias() ? [] : ["bias=False"]),
    ].join(", ");
  }

  protected qparamsRepr(): string[] {
    return [];
  }
}

/** A convolution of 8-bit tensors, rounded to the grid of `scale` and `zero_point`. */
export abstract class QuantizedConv extends PackedConv {
  /** Qparams of the output. */
  scale = 1;
  zero_point = 0;

  override forward(x: Tensor): Tensor {
    return conv(this.padded(x), this.packed, this.scale, this.zero_point);
  }

  protected override qparamsRepr(): string[] {
    return [`scale=${pythonFloat(this.scale)}`, `zero_point=${this.zero_point}`];
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    super.saveToStateDict(state, prefix);
    saveOutputQparams(this, state, prefix);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const keys = loadOutputQparams(this, context, prefix);
    return [...super.loadFromStateDict(context, prefix), ...keys];
  }
}

/** Gives a fresh quantized convolution the weight of a float, fused or trained one, and its output's qparams. */
function fillFrom<M extends PackedConv>(
  module: Module,
  options: FromFloatOptions,
  make: (source: ConvNd | ConvTransposeNd) => M,
): M {
  const source = weighted<ConvNd | ConvTransposeNd>(module);
  const made = make(source);
  const { weight, bias } = observedWeight(module, options);
  made.setWeightBias(weight, bias);
  return made;
}

/** Gives a fresh quantized convolution the weight of a reference module, or of a fused one around it. */
function fillFromReference<M extends QuantizedConv>(
  module: Module,
  scale: number,
  zeroPoint: number,
  make: (source: ConvNd | ConvTransposeNd) => M,
): M {
  const source = weighted<(ConvNd | ConvTransposeNd) & HasReferenceWeight>(module);
  const made = make(source);
  made.setWeightBias(source.getQuantizedWeight(), source.bias);
  made.scale = scale;
  made.zero_point = zeroPoint;
  return made;
}

function optionsOf(source: ConvNd | ConvTransposeNd): Options {
  const { stride, padding, dilation, outputPadding, groups, paddingMode } = source;
  return { stride, padding, dilation, outputPadding, groups, paddingMode, bias: source.bias !== null };
}

export interface ConvClass<M extends Module, O> {
  new (inChannels: number, outChannels: number, kernelSize: SpatialSize, options?: O): M;
  fromFloat(module: Module, options?: FromFloatOptions): M;
}

export interface StaticConvClass<O> extends ConvClass<QuantizedConv, O> {
  /** From a reference module and the qparams of the output. */
  fromReference(reference: Module, outputScale: number, outputZeroPoint: number): QuantizedConv;
}

/** A dynamic convolution; `reduceRange` limits activations to 7 bits on engines that honour it. */
export type DynamicConv = PackedConv & { reduceRange: boolean };

/** The classes of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface QuantizedConvClasses {
  readonly Conv: StaticConvClass<ConvModuleOptions>;
  readonly ConvReLU: StaticConvClass<ConvModuleOptions>;
  readonly ConvTranspose: StaticConvClass<ConvTransposeModuleOptions>;
  readonly DynamicConv: ConvClass<DynamicConv, ConvModuleOptions>;
  readonly DynamicConvTranspose: ConvClass<DynamicConv, ConvTransposeModuleOptions>;
}

/** The public classes of one rank. */
function convClasses(rank: SpatialRank): QuantizedConvClasses {
  class Conv extends QuantizedConv {
    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: ConvModuleOptions = {}) {
      super(rank, false, inChannels, outChannels, kernelSize, options);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): Conv {
      return withOutput(
        module,
        fillFrom(module, options, (s) => new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s))),
      );
    }

    static fromReference(reference: Module, scale: number, zeroPoint: number): Conv {
      const make = (s: ConvNd | ConvTransposeNd) =>
        new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s) as ConvModuleOptions);
      return fillFromReference(reference, scale, zeroPoint, make);
    }

    override getName(): string {
      return `QuantizedConv${rank}d`;
    }
  }

  class ConvReLU extends Conv {
    override forward(x: Tensor): Tensor {
      return convRelu(this.padded(x), this.packed, this.scale, this.zero_point);
    }

    override getName(): string {
      return `QuantizedConvReLU${rank}d`;
    }
  }

  class ConvTranspose extends QuantizedConv {
    constructor(
      inChannels: number,
      outChannels: number,
      kernelSize: SpatialSize,
      options: ConvTransposeModuleOptions = {},
    ) {
      super(rank, true, inChannels, outChannels, kernelSize, options);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): ConvTranspose {
      const make = (s: ConvNd | ConvTransposeNd) =>
        new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s) as ConvTransposeModuleOptions);
      return withOutput(module, fillFrom(module, options, make));
    }

    static fromReference(reference: Module, scale: number, zeroPoint: number): ConvTranspose {
      const make = (s: ConvNd | ConvTransposeNd) =>
        new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s) as ConvTransposeModuleOptions);
      return fillFromReference(reference, scale, zeroPoint, make);
    }

    override getName(): string {
      return `QuantizedConvTranspose${rank}d`;
    }
  }

  class DynamicConv extends PackedConv {
    /** 7-bit activations, on engines that honour it. */
    reduceRange = true;

    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: ConvModuleOptions = {}) {
      super(rank, false, inChannels, outChannels, kernelSize, options);
    }

    override forward(x: Tensor): Tensor {
      return convDynamic(this.padded(x), this.packed, this.reduceRange);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): DynamicConv {
      return fillFrom(module, options, (s) => new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s)));
    }

    override getName(): string {
      return `DynamicQuantizedConv${rank}d`;
    }
  }

  class DynamicConvTranspose extends PackedConv {
    reduceRange = true;

    constructor(
      inChannels: number,
      outChannels: number,
      kernelSize: SpatialSize,
      options: ConvTransposeModuleOptions = {},
    ) {
      super(rank, true, inChannels, outChannels, kernelSize, options);
    }

    override forward(x: Tensor): Tensor {
      return convDynamic(x, this.packed, this.reduceRange);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): DynamicConvTranspose {
      const make = (s: ConvNd | ConvTransposeNd) =>
        new this(s.inChannels, s.outChannels, s.kernelSize, optionsOf(s) as ConvTransposeModuleOptions);
      return fillFrom(module, options, make);
    }

    override getName(): string {
      return `DynamicQuantizedConvTranspose${rank}d`;
    }
  }
  return { Conv, ConvReLU, ConvTranspose, DynamicConv, DynamicConvTranspose };
}

function withOutput<M extends QuantizedConv>(module: Module, made: M): M {
  const { scale, zeroPoint } = outputQparams(module);
  made.scale = scale;
  made.zero_point = zeroPoint;
  return made;
}

/** The classes of each rank; recipes and namespaces name them. */
export const quantizedConvs = Object.freeze({ 1: convClasses(1), 2: convClasses(2), 3: convClasses(3) });
