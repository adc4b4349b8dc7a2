/** Convolution layers for one, two and three dimensions, plain and transposed, over one base (`torch.nn`). */
import { OctetError, formatShape } from "../../core/errors.ts";
import type { PadMode, SpatialSize } from "../../ops/index.ts";
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d, pad } from "../../ops/index.ts";
import type { SpatialRank } from "../../ops/spatial.ts";
import { spatialSizes } from "../../ops/spatial.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { pythonValue } from "../repr.ts";
import { newParameter, resetWeightAndBias } from "./linear.ts";

/** What lies around the input. */
export type PaddingMode = "zeros" | Exclude<PadMode, "constant">;

interface ConvBaseOptions {
  /** Default 1. */
  readonly stride?: SpatialSize;
  /** Default 1. */
  readonly dilation?: SpatialSize;
  /** Default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
}

export interface ConvModuleOptions extends ConvBaseOptions {
  /** Added at both ends of each dimension; "same" keeps the size (stride 1 only), "valid" is 0. Default 0. */
  readonly padding?: SpatialSize | "same" | "valid";
  /** Default "zeros". */
  readonly paddingMode?: PaddingMode;
}

export interface ConvTransposeModuleOptions extends ConvBaseOptions {
  /** Taken off both ends of the output. Default 0. */
  readonly padding?: SpatialSize;
  /** Makes the output longer at its end. Default 0. */
  readonly outputPadding?: SpatialSize;
  /** Only "zeros" exists. */
  readonly paddingMode?: "zeros";
}

/** What plain and transposed convolutions share: sizes, weights, their initial values, and printing. */
abstract class ConvBase extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | "same" | "valid";
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  readonly transposed: boolean;
  /** [out, in / groups, ...kernel]; of a transposed convolution [in, out / groups, ...kernel]. */
  weight: Parameter;
  bias: Parameter | null;

  constructor(
    rank: SpatialRank,
    transposed: boolean,
    inChannels: number,
    outChannels: number,
    kernelSize: SpatialSize,
    options: ConvModuleOptions & { readonly outputPadding?: SpatialSize },
  ) {
    super();
    const op = this.getName();
    const { groups = 1, padding = 0, paddingMode = "zeros" } = options;
    const sizes = (what: string, value: SpatialSize, least: number) => spatialSizes(op, what, value, rank, least);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = sizes("kernel size", kernelSize, 1);
    this.stride = sizes("stride", options.stride ?? 1, 1);
    this.padding = padding === "same" || padding === "valid" ? padding : sizes("padding", padding, 0);
    this.dilation = sizes("dilation", options.dilation ?? 1, 1);
    this.outputPadding = sizes("output padding", options.outputPadding ?? 0, 0);
    this.groups = groups;
    this.paddingMode = paddingMode;
    this.transposed = transposed;
    checkChannels(op, inChannels, outChannels, groups);
    if (padding === "same" && this.stride.some((step) => step !== 1)) {
      throw new OctetError(`${op}: padding "same" needs stride 1, got ${formatShape(this.stride)}`);
    }
    if (transposed ? paddingMode !== "zeros" : !["zeros", "reflect", "replicate", "circular"].includes(paddingMode)) {
      throw new OctetError(`${op}: paddingMode "${paddingMode}" is not supported`);
    }
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    this.weight = newParameter(first, second / groups, ...this.kernelSize);
    this.bias = (options.bias ?? true) ? newParameter(outChannels) : null;
    this.resetParameters();
  }

  resetParameters(): void {
    resetWeightAndBias(this.weight, this.bias);
  }

  override extraRepr(): string {
    const { padding, dilation, outputPadding, groups } = this;
    const isNot = (value: number) => (size: number) => size !== value;
    return [
      `${this.inChannels}, ${this.outChannels}`,
      `kernel_size=${pythonValue(this.kernelSize)}`,
      `stride=${pythonValue(this.stride)}`,
      ...(typeof padding === "string" ? [`padding=${padding}`] : []),
      ...(typeof padding !== "string" && padding.some(isNot(0)) ? [`padding=${pythonValue(padding)}`] : []),
      ...(dilation.some(isNot(1)) ? [`dilation=${pythonValue(dilation)}`] : []),
      ...(outputPadding.some(isNot(0)) ? [`output_padding=${pythonValue(outputPadding)}`] : []),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...(this.bias ? [] : ["bias=False"]),
      ...(this.paddingMode === "zeros" ? [] : [`padding_mode=${this.paddingMode}`]),
    ].join(", ");
  }
}

function checkChannels(op: string, inChannels: number, outChannels: number, groups: number): void {
  for (const [name, value] of Object.entries({ inChannels, outChannels, groups })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new OctetError(`${op}: ${name} must be a whole number of at least 1, got ${value}`);
    }
    if (value % groups !== 0) throw new OctetError(`${op}: ${name} ${value} must be divisible by groups ${groups}`);
  }
}

/** A convolution; see the subclasses for shapes. */
export abstract class ConvNd extends ConvBase {
  /** The operator of this rank. */
  protected abstract convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    padding: readonly number[] | "same" | "valid",
  ): Tensor;

  override forward(input: Tensor): Tensor {
    return this.convForward(input, this.weight, this.bias);
  }

  /** The layer's computation with another weight and bias, as quantization-aware layers need it. */
  convForward(input: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
    if (this.paddingMode === "zeros") return this.convolve(input, weight, bias, this.padding);
    const padded = pad(input, this.explicitPadding(), { mode: this.paddingMode });
    return this.convolve(padded, weight, bias, this.kernelSize.map(() => 0)); // prettier-ignore
  }

  /** Elements before and after each dimension in the order of `pad`: the last dimension first. */
  private explicitPadding(): number[] {
    const { padding, kernelSize, dilation } = this;
    const pairs = kernelSize.map((taps, d): [number, number] => {
      if (padding === "valid") return [0, 0];
      if (padding !== "same") return [padding[d], padding[d]];
      const total = dilation[d] * (taps - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
    return pairs.toReversed().flat();
  }
}

/** Convolution over [N, inChannels, L] or [inChannels, L]. */
export class Conv1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: ConvModuleOptions = {}) {
    super(1, false, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, weight: Tensor, bias: Tensor | null, padding: ConvNd["padding"]): Tensor {
    const { stride, dilation, groups } = this;
    return conv1d(input, weight, bias, { stride, padding, dilation, groups });
  }
}

/** Convolution over [N, inChannels, H, W] or [inChannels, H, W]. */
export class Conv2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: ConvModuleOptions = {}) {
    super(2, false, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, weight: Tensor, bias: Tensor | null, padding: ConvNd["padding"]): Tensor {
    const { stride, dilation, groups } = this;
    return conv2d(input, weight, bias, { stride, padding, dilation, groups });
  }
}

/** Convolution over [N, inChannels, D, H, W] or [inChannels, D, H, W]. */
export class Conv3d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: ConvModuleOptions = {}) {
    super(3, false, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, weight: Tensor, bias: Tensor | null, padding: ConvNd["padding"]): Tensor {
    const { stride, dilation, groups } = this;
    return conv3d(input, weight, bias, { stride, padding, dilation, groups });
  }
}

/** A transposed convolution: the gradient of a convolution by its input, as a layer. */
export abstract class ConvTransposeNd extends ConvBase {
  declare readonly padding: readonly number[];

  protected abstract convolve(input: Tensor, outputPadding: readonly number[]): Tensor;

  /**
   * `outputSize` (the spatial sizes, or the whole shape) chooses among the output sizes that a stride above 1 allows, in place
   * of the layer's `outputPadding`.
   */
  override forward(input: Tensor, outputSize?: readonly number[]): Tensor {
    return this.convolve(input, outputSize ? this.paddingFor(input, outputSize) : this.outputPadding);
  }

  private paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const rank = this.kernelSize.length;
    const op = this.getName();
    if (outputSize.length !== rank && outputSize.length !== input.ndim) {
      throw new OctetError(
        `${op}: outputSize must have ${rank} or ${input.ndim} elements, got ${formatShape(outputSize)}`,
      );
    }
    const wanted = outputSize.slice(outputSize.length - rank);
    const inSize = input.shape.slice(input.ndim - rank);
    return wanted.map((size, d) => {
      const reach = this.dilation[d] * (this.kernelSize[d] - 1) + 1;
      const least = (inSize[d] - 1) * this.stride[d] - 2 * this.padding[d] + reach;
      const most = least + this.stride[d] - 1;
      if (!(size >= least && size <= most)) {
        throw new OctetError(
          `${op}: outputSize ${formatShape(wanted)} is not possible for input ${formatShape(inSize)}: dimension ${d} ` +
            `ranges from ${least} to ${most}`,
        );
      }
      return size - least;
    });
  }
}

/** Transposed convolution over [N, inChannels, L] or [inChannels, L]. */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: SpatialSize,
    options: ConvTransposeModuleOptions = {},
  ) {
    super(1, true, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, outputPadding: readonly number[]): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return convTranspose1d(input, weight, bias, { stride, padding, outputPadding, groups, dilation });
  }
}

/** Transposed convolution over [N, inChannels, H, W] or [inChannels, H, W]. */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: SpatialSize,
    options: ConvTransposeModuleOptions = {},
  ) {
    super(2, true, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, outputPadding: readonly number[]): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return convTranspose2d(input, weight, bias, { stride, padding, outputPadding, groups, dilation });
  }
}

/** Transposed convolution over [N, inChannels, D, H, W] or [inChannels, D, H, W]. */
export class ConvTranspose3d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: SpatialSize,
    options: ConvTransposeModuleOptions = {},
  ) {
    super(3, true, inChannels, outChannels, kernelSize, options);
  }

  protected convolve(input: Tensor, outputPadding: readonly number[]): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return convTranspose3d(input, weight, bias, { stride, padding, outputPadding, groups, dilation });
  }
}
