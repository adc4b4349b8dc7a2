/**
 * Normalizations. All are one primitive, the normalization of each channel of x viewed as [n, channels, inner]:
 *
 *     batchNorm       n = batch, channels = channels, inner = everything after them
 *     layerNorm       n = 1, channels = rows, inner = the normalized dimensions
 *     groupNorm       n = 1, channels = batch × groups, inner = channels of a group × everything after them
 *     instanceNorm    n = 1, channels = batch × channels, inner = everything after them
 */
import { saved } from "../autograd/node.ts";
import type { DType, FloatArray } from "../core/dtype.ts";
import { float16, float64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, floatElements, storeElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkVector, sameFloatDtype } from "./checks.ts";
import { add, clamp, div, mul, rsqrt, square } from "./elementwise.ts";
import { composite, primitive } from "./op.ts";
import { repeat } from "./rearrange.ts";
import { mean as meanOver } from "./reduce.ts";
import { reshape } from "./shape.ts";
import { norm } from "./statistics.ts";
import { unsafeView } from "./unsafe-view.ts";

// ---------------------------------------------------------------- the primitive

interface ChannelSizes {
  readonly n: number;
  readonly channels: number;
  readonly inner: number;
}

/** The sizes of [N, C, *]. */
function channelSizes(x: Tensor): ChannelSizes {
  return { n: x.shape[0], channels: x.shape[1], inner: numelOf(x.shape.slice(2)) };
}

/** Given mean and variance (evaluation), or null: those of the batch (training). */
interface GivenMoments {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

function fetchOr(tensor: Tensor | null | undefined, length: number, fallback: number, dtype: DType): FloatArray {
  return tensor ? floatElements(tensor, dtype) : (dtype.allocate(length) as FloatArray).fill(fallback);
}

/**
 * (x − mean) / √(variance + eps) · weight + bias, channel by channel of x [N, C, *]. Also returns what the gradient and
 * running statistics need: the mean, the variance, and 1 / √(variance + eps).
 */
const channelNorm = primitive(
  "channelNorm",
  (x: Tensor, weight: Tensor | null, bias: Tensor | null, given: GivenMoments | null, eps: number) => {
    const dtype = computeDtype(x.dtype);
    const { n, channels, inner } = channelSizes(x);
    const data = floatElements(x, dtype);
    const perChannel = () => dtype.allocate(channels) as FloatArray;
    let [mean, variance] = [perChannel(), perChannel()];
    if (given)
      [mean, variance] = [floatElements(given.mean, dtype).slice(), floatElements(given.variance, dtype).slice()];
    else kernels().channelMoments(data, n, channels, inner, mean, variance);
    const [scale, shift, inverse] = [perChannel(), perChannel(), perChannel()];
    const gain = fetchOr(weight, channels, 1, dtype);
    const offset = fetchOr(bias, channels, 0, dtype);
    for (let c = 0; c < channels; c++) {
      const inverseDeviation = 1 / Math.sqrt(variance[c] + eps);
      inverse[c] = inverseDeviation;
      scale[c] = inverseDeviation * gain[c];
      shift[c] = offset[c] - mean[c] * inverseDeviation * gain[c];
    }
    const out = dtype.allocate(data.length) as FloatArray;
    kernels().channelAffine(data, n, channels, inner, scale, shift, out);
    const statistic = (values: FloatArray) => Tensor.fromArray(values, [channels], dtype);
    return [
      tensorFromComputed(out, x.shape, x.dtype),
      statistic(mean),
      statistic(variance),
      statistic(inverse),
    ] as const;
  },
  ([, mean, , inverse], x, weight, _bias, given) => {
    const kept = {
      x: saved(x),
      mean: saved(mean),
      inverse: saved(inverse),
      weight: weight ? saved(weight) : () => null,
    };
    const trained = given === null;
    return ([g], [needX, needWeight, needBias]) => {
      if (!g) return [null, null, null];
      return channelNormGradient(g, kept.x(), kept.mean(), kept.inverse(), kept.weight(), trained, [
        needX,
        needWeight,
        needBias,
      ]);
    };
  },
);

/**
 * With x̂ = (x − mean) · inverse, Σ over the count elements of a channel, and g the output's gradient:
 *
 *     gradWeight = Σ g x̂        gradBias = Σ g
 *     gradX      = weight · inverse · (g − Σ g / count − x̂ · Σ g x̂ / count)     where the moments were the batch's own
 *                = weight · inverse · g                                          where they were given
 */
function channelNormGradient(
  g: Tensor,
  x: Tensor,
  mean: Tensor,
  inverse: Tensor,
  weight: Tensor | null,
  trained: boolean,
  [needX, needWeight, needBias]: readonly [boolean, boolean, boolean],
): (Tensor | null)[] {
  const dtype = computeDtype(x.dtype);
  const { n, channels, inner } = channelSizes(x);
  const [data, gradient] = [floatElements(x, dtype), floatElements(g, dtype)];
  const [means, inverses] = [floatElements(mean, dtype), floatElements(inverse, dtype)];
  const perChannel = () => dtype.allocate(channels) as FloatArray;
  const [sumG, sumGX] = [perChannel(), perChannel()];
  if (needWeight || needBias || trained) {
    kernels().channelGradSums(data, gradient, n, channels, inner, means, sumG, sumGX);
  }
  const vector = (values: FloatArray) => tensorFromComputed(values, [channels], x.dtype);
  const gradWeight = needWeight ? vector(sumGX.map((sum, c) => sum * inverses[c])) : null;
  const gradBias = needBias ? vector(sumG) : null;
  if (!needX) return [null, gradWeight, gradBias];

  const gain = fetchOr(weight, channels, 1, dtype);
  const out = dtype.allocate(data.length) as FloatArray;
  const forG = perChannel();
  for (let c = 0; c < channels; c++) forG[c] = gain[c] * inverses[c];
  if (!trained) {
    kernels().channelAffine(gradient, n, channels, inner, forG, perChannel(), out);
  } else {
    const count = n * inner;
    const [forX, shift] = [perChannel(), perChannel()];
    for (let c = 0; c < channels; c++) {
      const slope = (-forG[c] * inverses[c] * inverses[c] * sumGX[c]) / count;
      forX[c] = slope;
      shift[c] = (-forG[c] * sumG[c]) / count - slope * means[c];
    }
    kernels().channelCombine(data, gradient, n, channels, inner, forG, forX, shift, out);
  }
  return [tensorFromComputed(out, x.shape, x.dtype), gradWeight, gradBias];
}

// ---------------------------------------------------------------- batch and instance normalization

export interface BatchNormOptions {
  /** Normalizes by the batch's own statistics and updates the running ones. Default false. */
  readonly training?: boolean;
  /** Weight of the batch in the running statistics, default 0.1. */
  readonly momentum?: number;
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
}

/**
 * Normalizes each channel of [N, C, *] over batch and positions (Ioffe and Szegedy 2015). In training the running
 * statistics, where given, move towards the batch's in place, the variance towards the unbiased one; in evaluation they
 * are what the input is normalized by.
 */
export const batchNorm = composite(
  "batchNorm",
  (
    input: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    { training = false, momentum = 0.1, eps = 1e-5 }: BatchNormOptions = {},
  ): Tensor => {
    if (input.ndim < 2)
      throw new OctetError(`batchNorm: expects input [N, C, *], got shape ${formatShape(input.shape)}`);
    sameFloatDtype("batchNorm", { input, weight, bias });
    const channels = input.shape[1];
    for (const [name, vector] of Object.entries({ runningMean, runningVar, weight, bias })) {
      checkVector("batchNorm", name, vector, channels);
    }
    if (!training) {
      if (!runningMean || !runningVar) {
        throw new OctetError("batchNorm: expected runningMean and runningVar to be given when training is false");
      }
      return channelNorm(input, weight, bias, { mean: runningMean, variance: runningVar }, eps)[0];
    }
    const count = input.numel() / Math.max(channels, 1);
    if (count <= 1) {
      throw new OctetError(
        `batchNorm: expected more than 1 value per channel when training, got input of shape ${formatShape(input.shape)}`,
      );
    }
    const [out, mean, variance] = channelNorm(input, weight, bias, null, eps);
    if (runningMean) moveTowards(runningMean, mean, momentum, 1);
    if (runningVar) moveTowards(runningVar, variance, momentum, count / (count - 1));
    return out;
  },
);

/** running = (1 − momentum) · running + momentum · factor · value, in place and outside autograd. */
function moveTowards(running: Tensor, value: Tensor, momentum: number, factor: number): void {
  const dtype = computeDtype(running.dtype);
  const [before, step] = [floatElements(running, dtype), floatElements(value, dtype)];
  const after = before.map((old, c) => (1 - momentum) * old + momentum * factor * step[c]);
  storeElements("batchNorm", running, Tensor.fromArray(after, running.shape, dtype));
}

export interface InstanceNormOptions {
  readonly runningMean?: Tensor | null;
  readonly runningVar?: Tensor | null;
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  /** Normalizes by each instance's own statistics (default), or else by the running ones. */
  readonly useInputStats?: boolean;
  readonly momentum?: number;
  readonly eps?: number;
}

/**
 * Normalizes each channel of each image of [N, C, *] over its positions (Ulyanov 2016). Running statistics move towards
 * the mean over the batch of the images' statistics.
 */
export const instanceNorm = composite("instanceNorm", (input: Tensor, options: InstanceNormOptions = {}): Tensor => {
  const { runningMean = null, runningVar = null, weight = null, bias = null } = options;
  const { useInputStats = true, momentum = 0.1, eps = 1e-5 } = options;
  if (input.ndim < 3)
    throw new OctetError(`instanceNorm: expects input [N, C, *], got shape ${formatShape(input.shape)}`);
  if (!useInputStats) return batchNorm(input, runningMean, runningVar, weight, bias, { training: false, eps });
  const [n, channels, ...size] = input.shape;
  if (numelOf(size) <= 1) {
    throw new OctetError(
      `instanceNorm: expected more than 1 spatial element when training, got input of shape ${formatShape(input.shape)}`,
    );
  }
  const perImage = (vector: Tensor | null) => (vector ? repeat(vector, n) : null);
  const [means, variances] = [perImage(runningMean), perImage(runningVar)];
  const flat = reshape(input, [1, n * channels, ...size]);
  const options_ = { training: true, momentum, eps };
  const out = batchNorm(flat, means, variances, perImage(weight), perImage(bias), options_);
  if (runningMean && means) storeBatchMean(runningMean, means, n);
  if (runningVar && variances) storeBatchMean(runningVar, variances, n);
  return unsafeView(out, input.shape);
});

/** running[c] = the mean over the batch of values[n · channels + c]. */
function storeBatchMean(running: Tensor, values: Tensor, n: number): void {
  const dtype = computeDtype(running.dtype);
  const all = floatElements(values, dtype);
  const channels = running.numel();
  const means = (dtype.allocate(channels) as FloatArray).map((_, c) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += all[i * channels + c];
    return sum / n;
  });
  storeElements("instanceNorm", running, Tensor.fromArray(means, running.shape, dtype));
}

// ---------------------------------------------------------------- layer and group normalization

export interface LayerNormOptions {
  /** Of shape `normalizedShape`. */
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  /** Added to the variance, default 1e-5. */
  readonly eps?: number;
}

/** Checks that `shape` ends with `normalizedShape` and returns how many rows come before that. */
function rowsBefore(op: string, input: Tensor, normalizedShape: readonly number[]): number {
  const lead = input.ndim - normalizedShape.length;
  if (normalizedShape.length === 0 || lead < 0 || normalizedShape.some((size, d) => size !== input.shape[lead + d])) {
    throw new OctetError(
      `${op}: normalizedShape ${formatShape(normalizedShape)} is not how the input's shape ${formatShape(input.shape)} ends`,
    );
  }
  return numelOf(input.shape.slice(0, lead));
}

function checkAffine(
  op: string,
  normalizedShape: readonly number[],
  affine: Record<string, Tensor | null | undefined>,
): void {
  for (const [name, tensor] of Object.entries(affine)) {
    if (tensor && formatShape(tensor.shape) !== formatShape(normalizedShape)) {
      throw new OctetError(
        `${op}: ${name} must have the normalized shape ${formatShape(normalizedShape)}, got ${formatShape(tensor.shape)}`,
      );
    }
  }
}

/** x · weight + bias, where given. */
function affineOf(x: Tensor, weight: Tensor | null | undefined, bias: Tensor | null | undefined): Tensor {
  const scaled = weight ? mul(x, weight) : x;
  return bias ? add(scaled, bias) : scaled;
}

/** Normalizes over the last dimensions, whose sizes are `normalizedShape` (Ba, Kiros and Hinton 2016). */
export const layerNorm = composite(
  "layerNorm",
  (input: Tensor, normalizedShape: readonly number[], options: LayerNormOptions = {}): Tensor => {
    const { weight, bias, eps = 1e-5 } = options;
    sameFloatDtype("layerNorm", { input, weight, bias });
    const rows = rowsBefore("layerNorm", input, normalizedShape);
    checkAffine("layerNorm", normalizedShape, { weight, bias });
    const [out] = channelNorm(reshape(input, [1, rows, numelOf(normalizedShape)]), null, null, null, eps);
    return affineOf(unsafeView(out, input.shape), weight, bias);
  },
);

/** Normalizes groups of channels of [N, C, *], image by image (Wu and He 2018). `weight` and `bias` are per channel. */
export const groupNorm = composite(
  "groupNorm",
  (input: Tensor, numGroups: number, options: LayerNormOptions = {}): Tensor => {
    const { weight, bias, eps = 1e-5 } = options;
    sameFloatDtype("groupNorm", { input, weight, bias });
    if (input.ndim < 2)
      throw new OctetError(`groupNorm: expects input [N, C, *], got shape ${formatShape(input.shape)}`);
    const [n, channels, ...size] = input.shape;
    if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
      throw new OctetError(`groupNorm: ${channels} channels are not divisible into ${numGroups} groups`);
    }
    checkVector("groupNorm", "weight", weight, channels);
    checkVector("groupNorm", "bias", bias, channels);
    const perGroup = (channels / numGroups) * numelOf(size);
    const [out] = channelNorm(reshape(input, [1, n * numGroups, perGroup]), null, null, null, eps);
    const perChannel = (vector: Tensor | null | undefined) =>
      vector && reshape(vector, [channels, ...size.map(() => 1)]);
    return affineOf(unsafeView(out, input.shape), perChannel(weight), perChannel(bias));
  },
);

// ---------------------------------------------------------------- root mean square and Lp normalization

export interface RmsNormOptions {
  /** Of shape `normalizedShape`. */
  readonly weight?: Tensor | null;
  /** Added to the mean square; default (and null): the smallest number that makes a difference to 1 in the input's dtype. */
  readonly eps?: number | null;
}

/** The distance from 1 to the next number (`torch.finfo(dtype).eps`). */
function machineEpsilon(dtype: DType): number {
  return dtype === float64 ? 2 ** -52 : dtype === float16 ? 2 ** -10 : 2 ** -23;
}

/** x / √(mean x² + eps) · weight over the last dimensions (Zhang and Sennrich 2019). */
export const rmsNorm = composite(
  "rmsNorm",
  (input: Tensor, normalizedShape: readonly number[], options: RmsNormOptions = {}): Tensor => {
    const { weight, eps } = options;
    sameFloatDtype("rmsNorm", { input, weight });
    rowsBefore("rmsNorm", input, normalizedShape);
    checkAffine("rmsNorm", normalizedShape, { weight });
    const dims = normalizedShape.map((_, i) => i - normalizedShape.length);
    const meanSquare = meanOver(square(input), dims, { keepdim: true });
    return affineOf(mul(input, rsqrt(add(meanSquare, eps ?? machineEpsilon(input.dtype)))), weight, null);
  },
);

export interface NormalizeOptions {
  /** The p of the norm, default 2. */
  readonly p?: number;
  /** The dimension whose vectors are scaled, default 1. */
  readonly dim?: number;
  /** Smallest divisor, default 1e-12. */
  readonly eps?: number;
}

/** Scales the vectors along a dimension to an Lp norm of 1. */
export const normalize = composite("normalize", (input: Tensor, options: NormalizeOptions = {}): Tensor => {
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return div(input, clamp(norm(input, p, dim, { keepdim: true }), { min: eps }));
});
