/** What static and dynamic quantized convolutions, plain and transposed, share: sizes and the packed weight. */
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
import { pythonValue } from "../../../nn/repr.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { sizeMismatch } from "../../../nn/state-dict.ts";
import { full } from "../../../ops/create.ts";
import { pad } from "../../../ops/pad.ts";
import { _emptyAffineQuantized } from "../../../ops/quantize.ts";
import type { ConvPackedParams } from "../../../ops/quantized/conv.ts";
import { convPrepack, convTransposePrepack } from "../../../ops/quantized/conv.ts";
import type { SpatialRank, SpatialSize } from "../../../ops/spatial.ts";
import { spatialSizes } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { FromFloatOptions } from "../recipe.ts";
import { weighted } from "../weight.ts";

export type PackedConvOptions = ConvModuleOptions & Pick<ConvTransposeModuleOptions, "outputPadding">;

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
    options: PackedConvOptions = {},
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

/** A fresh convolution of the sizes of `module`, or of the one in it. */
export function emptyLike<M extends PackedConv>(
  Class: new (inChannels: number, outChannels: number, kernelSize: SpatialSize, options: PackedConvOptions) => M,
  module: Module,
): M {
  const source = weighted<ConvNd | ConvTransposeNd>(module);
  const { stride, padding, dilation, outputPadding, groups, paddingMode } = source;
  const bias = source.bias !== null;
  const options = { stride, padding, dilation, outputPadding, groups, paddingMode, bias };
  return new Class(source.inChannels, source.outChannels, source.kernelSize, options);
}

export interface ConvClass<M extends Module, O> {
  new (inChannels: number, outChannels: number, kernelSize: SpatialSize, options?: O): M;
  fromFloat(module: Module, options?: FromFloatOptions): M;
}
