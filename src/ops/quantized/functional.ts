/**
 * Functions on quantized tensors under the names of float ones (`torch.ao.nn.quantized.functional`). They keep the grid of the
 * input, or take one for the result; weights are packed at every call, so layers are what modules are for.
 */
import type { DType } from "../../core/dtype.ts";
import { qint8, quint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { warn } from "../../core/warnings.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import * as float from "../activation.ts";
import type { AdaptiveSize } from "../adaptive-pool.ts";
import * as adaptive from "../adaptive-pool.ts";
import { clamp as floatClamp } from "../combinations.ts";
import type { ConvOptions } from "../conv.ts";
import type { AvgPoolOptions, MaxPoolOptions } from "../pool.ts";
import * as pool from "../pool.ts";
import { qScale, qZeroPoint } from "../quantize.ts";
import type { SpatialRank, SpatialSize } from "../spatial.ts";
import type { InterpolateOptions } from "../upsample.ts";
import { interpolate as floatInterpolate } from "../upsample.ts";
import * as quantized from "./activation.ts";
import * as conv from "./conv-operators.ts";
import * as dense from "./linear.ts";

function checkInput(name: string, input: Tensor): void {
  if (!input.isQuantized) throw new OctetError(`Input to 'quantized.${name}' must be quantized!`);
}

// ---------------------------------------------------------------- pools

/** The mean of each window of [N, C, H, W] or [C, H, W]. */
export function avgPool2d(input: Tensor, kernelSize: SpatialSize, options: AvgPoolOptions = {}): Tensor {
  checkInput("avg_pool2d", input);
  return pool.avgPool2d(input, kernelSize, options);
}

/** The mean of each window of [N, C, D, H, W] or [C, D, H, W]. */
export function avgPool3d(input: Tensor, kernelSize: SpatialSize, options: AvgPoolOptions = {}): Tensor {
  checkInput("avg_pool3d", input);
  return pool.avgPool3d(input, kernelSize, options);
}

/** Means over as many windows as `outputSize` says, for [N, C, H, W] or [C, H, W]. */
export function adaptiveAvgPool2d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  checkInput("functional.adaptive_avg_pool2d", input);
  return adaptive.adaptiveAvgPool2d(input, outputSize);
}

/** Means over as many windows as `outputSize` says, for [N, C, D, H, W] or [C, D, H, W]. */
export function adaptiveAvgPool3d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  checkInput("functional.adaptive_avg_pool3d", input);
  return adaptive.adaptiveAvgPool3d(input, outputSize);
}

function checkNoIndices({ returnIndices }: MaxPoolOptions): void {
  if (returnIndices) throw new OctetError("return_indices is not yet implemented!");
}

/** The largest value of each window of [N, C, L] or [C, L]. A float input is pooled as it is, as in PyTorch. */
export function maxPool1d(input: Tensor, kernelSize: SpatialSize, options: MaxPoolOptions = {}): Tensor {
  checkNoIndices(options);
  return pool.maxPool1d(input, kernelSize, { ...options, returnIndices: false });
}

/** The largest value of each window of [N, C, H, W] or [C, H, W]. A float input is pooled as it is, as in PyTorch. */
export function maxPool2d(input: Tensor, kernelSize: SpatialSize, options: MaxPoolOptions = {}): Tensor {
  checkNoIndices(options);
  return pool.maxPool2d(input, kernelSize, { ...options, returnIndices: false });
}

// ---------------------------------------------------------------- layers

export interface QuantizedConvOptions extends Omit<ConvOptions, "padding"> {
  /** Zeros at both ends of each dimension, default 0. */
  readonly padding?: SpatialSize;
  /** Only "zeros". */
  readonly paddingMode?: string;
  /** Of the result, default 1. */
  readonly scale?: number;
  /** Of the result, default 0. */
  readonly zeroPoint?: number;
  /** Without effect, as in PyTorch: the result has the dtype of the input. */
  readonly dtype?: DType;
}

const SHAPES: Readonly<Record<SpatialRank, string>> = { 1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)" };

function checkConv(rank: SpatialRank, input: Tensor, weight: Tensor, paddingMode: string): void {
  if (paddingMode !== "zeros") throw new OctetError("Only zero-padding is supported!");
  if (input.dtype !== quint8) throw new OctetError("Only torch.quint8 is supported for activation tensor!");
  if (weight.dtype !== qint8) throw new OctetError("Only torch.qint8 is supported for weight tensor!");
  if (input.ndim !== rank + 2) throw new OctetError(`Input shape must be \`${SHAPES[rank]}\`!`);
}

const OPERATORS = {
  1: { run: conv.conv1d, prepack: conv.conv1dPrepack },
  2: { run: conv.conv2d, prepack: conv.conv2dPrepack },
  3: { run: conv.conv3d, prepack: conv.conv3dPrepack },
} as const;

/** (input, weight, bias, options): a quint8 input [N, C, …size], a qint8 weight [out, in / groups, …kernel], a float bias. */
export type QuantizedConvFunction = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  options?: QuantizedConvOptions,
) => Tensor;

function convolution(rank: SpatialRank): QuantizedConvFunction {
  const { run, prepack } = OPERATORS[rank];
  return (input, weight, bias, { paddingMode = "zeros", scale = 1, zeroPoint = 0, dtype: _dtype, ...options } = {}) => {
    checkConv(rank, input, weight, paddingMode);
    return run(input, prepack(weight, bias, options), scale, zeroPoint);
  };
}

export const conv1d = convolution(1);
export const conv2d = convolution(2);
export const conv3d = convolution(3);

export interface OutputGridOptions {
  /** Of the result; by default the input's. */
  readonly scale?: number | null;
  /** Of the result; by default the input's. */
  readonly zeroPoint?: number | null;
}

/** input · weightᵀ + bias for a quantized weight [out, in] and a float bias [out]. */
export function linear(
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: OutputGridOptions = {},
): Tensor {
  const scale = options.scale ?? qScale(input);
  const zeroPoint = options.zeroPoint ?? qZeroPoint(input);
  return dense.linear(input, dense.linearPrepack(weight, bias), scale, zeroPoint);
}

// ---------------------------------------------------------------- activation functions

/** x, or alpha · (exp(x / alpha) − 1) where x is negative. */
export function celu(
  input: Tensor,
  scale: number,
  zeroPoint: number,
  options: { readonly alpha?: number } = {},
): Tensor {
  checkInput("celu", input);
  return quantized.celu(input, scale, zeroPoint, options.alpha);
}

/** x, or alpha · (exp(x) − 1) where x is negative. */
export function elu(
  input: Tensor,
  scale: number,
  zeroPoint: number,
  options: { readonly alpha?: number } = {},
): Tensor {
  checkInput("elu", input);
  return quantized.elu(input, scale, zeroPoint, options.alpha);
}

export interface QuantizedLeakyReluOptions extends OutputGridOptions {
  /** Default 0.01. */
  readonly negativeSlope?: number;
  /** Overwrites the input; not together with a grid for the result. */
  readonly inplace?: boolean;
}

/** x, or negativeSlope · x where x is negative; on the grid of x unless both scale and zeroPoint are given. */
export function leakyRelu(input: Tensor, options: QuantizedLeakyReluOptions = {}): Tensor {
  const { negativeSlope = 0.01, inplace = false, scale = null, zeroPoint = null } = options;
  if (scale === null || zeroPoint === null) return float.leakyRelu(input, { negativeSlope, inplace });
  if (inplace) throw new OctetError("Cannot rescale with `inplace`");
  return quantized.leakyRelu(input, negativeSlope, false, scale, zeroPoint);
}

export interface QuantizedHardtanhOptions {
  /** Default −1. */
  readonly minVal?: number;
  /** Default 1. */
  readonly maxVal?: number;
  readonly inplace?: boolean;
}

/** x limited to [minVal, maxVal]. */
export function hardtanh(input: Tensor, options: QuantizedHardtanhOptions = {}): Tensor {
  checkInput("hardtanh", input);
  return float.hardtanh(input, options);
}

/** x · relu6(x + 3) / 6. */
export function hardswish(input: Tensor, scale: number, zeroPoint: number): Tensor {
  checkInput("hardswish", input);
  return quantized.hardswish(input, scale, zeroPoint);
}

/** x where x > limit, else `value`. */
export function threshold(input: Tensor, limit: number, value: number): Tensor {
  checkInput("threshold", input);
  return quantized.threshold(input, limit, value);
}

/** relu6(x + 3) / 6, with scale 1/256 and the lowest zero point; in place, the input gets these qparams. */
export function hardsigmoid(input: Tensor, options: { readonly inplace?: boolean } = {}): Tensor {
  checkInput("hardsigmoid", input);
  return float.hardsigmoid(input, options);
}

/** x limited to [min, max]. */
export function clamp(input: Tensor, min: number, max: number): Tensor {
  checkInput("clamp", input);
  return floatClamp(input, { min, max });
}

// ---------------------------------------------------------------- resizing

export type QuantizedInterpolateOptions = Omit<InterpolateOptions, "recomputeScaleFactor">;

/** Resizes [N, C, …size]: modes "nearest" (the default), "nearest-exact", "area", and in two dimensions "bilinear". */
export function interpolate(input: Tensor, options: QuantizedInterpolateOptions): Tensor {
  checkInput("interpolate", input);
  return floatInterpolate(input, options);
}

function deprecated(name: string): void {
  warn(`nn.quantized.functional.${name} is deprecated. Use nn.quantized.functional.interpolate instead.`);
}

/** @deprecated {@link interpolate} */
export function upsample(input: Tensor, options: QuantizedInterpolateOptions): Tensor {
  deprecated("upsample");
  return interpolate(input, options);
}

/** Where to resize to. */
export type UpsampleSize = Pick<InterpolateOptions, "size" | "scaleFactor">;

/** @deprecated {@link interpolate} with mode "bilinear" and alignCorners */
export function upsampleBilinear(input: Tensor, { size, scaleFactor }: UpsampleSize): Tensor {
  deprecated("upsampleBilinear");
  return interpolate(input, { size, scaleFactor, mode: "bilinear", alignCorners: true });
}

/** @deprecated {@link interpolate} */
export function upsampleNearest(input: Tensor, { size, scaleFactor }: UpsampleSize): Tensor {
  deprecated("upsampleNearest");
  return interpolate(input, { size, scaleFactor });
}
