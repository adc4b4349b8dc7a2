/**
 * Adaptive pooling: max and average pooling to a given output size. Output position i of a dimension covers the input
 * from ⌊i · in / out⌋ up to ⌈(i + 1) · in / out⌉, so that windows may overlap and differ in size.
 */
import { saved } from "../autograd/node.ts";
import type { FloatArray, NumericArray } from "../core/dtype.ts";
import { bool, int32 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import type { PoolGeometry } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sameFloatDtype } from "./checks.ts";
import type { Op, OpInfo } from "./op.ts";
import { composite, primitive } from "./op.ts";
import { asInt64, maxPoolGradient } from "./pool.ts";
import type { Taps } from "./resample.ts";
import { resample, resampleGradient, tapsOf } from "./resample.ts";
import type { SpatialRank, Triple } from "./spatial.ts";
import { checkNotEmpty, spatialInput, triple } from "./spatial.ts";

/** One size for every dimension, or one per dimension; null keeps the input's. */
export type AdaptiveSize = number | null | readonly (number | null)[];

interface AdaptivePlan {
  readonly inSize: readonly number[];
  readonly outSize: readonly number[];
  readonly shape: readonly number[];
  /** Where all windows of a dimension are alike: an ordinary pool. */
  readonly regular: PoolGeometry | null;
}

function planAdaptive(op: string, rank: SpatialRank, input: Tensor, outputSize: AdaptiveSize): AdaptivePlan {
  const source = spatialInput(op, input, rank);
  checkNotEmpty(op, input, source);
  const { size: inSize, lead } = source;
  const requested = Array.isArray(outputSize)
    ? (outputSize as readonly (number | null)[])
    : [outputSize as number | null];
  const list = requested.length === 1 ? inSize.map(() => requested[0]) : requested;
  if (list.length !== rank) {
    throw new OctetError(`${op}: output size must be one number or ${rank} numbers, got [${requested.join(", ")}]`);
  }
  const outSize = list.map((size, d) => size ?? inSize[d]);
  if (outSize.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new OctetError(`${op}: output sizes must be whole numbers of at least 1, got ${formatShape(outSize)}`);
  }
  const divides = inSize.every((size, d) => size % outSize[d] === 0);
  const kernel = triple(
    inSize.map((size, d) => size / outSize[d]),
    1,
  );
  const regular = divides
    ? {
        planes: numelOf(lead),
        inSize: triple(inSize, 1),
        outSize: triple(outSize, 1),
        kernel,
        stride: kernel,
        padding: triple([], 0),
        dilation: triple([], 1),
      }
    : null;
  return { inSize, outSize, shape: [...lead, ...outSize], regular };
}

function windowStart(i: number, inSize: number, outSize: number): number {
  return Math.floor((i * inSize) / outSize);
}

function windowEnd(i: number, inSize: number, outSize: number): number {
  return Math.ceil(((i + 1) * inSize) / outSize);
}

// ---------------------------------------------------------------- average

/** A window's mean is the mean over rows of means over columns, so each dimension can be averaged by itself. */
function averageTaps({ inSize, outSize }: AdaptivePlan): Taps[] {
  return inSize.map((size, d) => {
    const rows = Array.from({ length: outSize[d] }, (_, i) => {
      const start = windowStart(i, size, outSize[d]);
      const length = windowEnd(i, size, outSize[d]) - start;
      return Array.from({ length }, (_unused, j) => [start + j, 1 / length] as const);
    });
    return tapsOf(size, rows);
  });
}

const plainMean = { countIncludePad: true, divisorOverride: null };

function adaptiveAvgPoolFamily(rank: SpatialRank): Op<[input: Tensor, outputSize: AdaptiveSize], Tensor> {
  const name = `adaptiveAvgPool${rank}d`;
  return primitive(
    name,
    (input: Tensor, outputSize: AdaptiveSize): Tensor => {
      const dtype = computeDtype(sameFloatDtype(name, { input }));
      const plan = planAdaptive(name, rank, input, outputSize);
      if (!plan.regular) return resample(input, averageTaps(plan));
      const out = dtype.allocate(numelOf(plan.shape)) as FloatArray;
      kernels().avgPool(plan.regular, plainMean, floatElements(input, dtype), out);
      return tensorFromComputed(out, plan.shape, input.dtype);
    },
    (_out, input, outputSize) => {
      const { shape } = input;
      const plan = planAdaptive(name, rank, input, outputSize);
      return (g) => {
        if (!plan.regular) return [resampleGradient(g, averageTaps(plan))];
        const dtype = computeDtype(g.dtype);
        const out = dtype.allocate(numelOf(shape)) as FloatArray;
        kernels().avgPoolGrad(plan.regular, plainMean, floatElements(g, dtype), out);
        return [tensorFromComputed(out, shape, g.dtype)];
      };
    },
  );
}

/** Averages [N, C, L] or [C, L] to length `outputSize`. */
export const adaptiveAvgPool1d = adaptiveAvgPoolFamily(1);
/** Averages [N, C, H, W] or [C, H, W] to height and width `outputSize`. */
export const adaptiveAvgPool2d = adaptiveAvgPoolFamily(2);
/** Averages [N, C, D, H, W] or [C, D, H, W] to depth, height and width `outputSize`. */
export const adaptiveAvgPool3d = adaptiveAvgPoolFamily(3);

// ---------------------------------------------------------------- max

export interface AdaptiveMaxPoolOptions {
  /** Also returns each maximum's flat position in its plane, as int64. */
  readonly returnIndices?: boolean;
}

/** Two results with `returnIndices: true`, one without. */
export interface AdaptiveMaxPool {
  (input: Tensor, outputSize: AdaptiveSize, options: { readonly returnIndices: true }): [Tensor, Tensor];
  (input: Tensor, outputSize: AdaptiveSize, options?: { readonly returnIndices?: false }): Tensor;
  (input: Tensor, outputSize: AdaptiveSize, options?: AdaptiveMaxPoolOptions): Tensor | [Tensor, Tensor];
  readonly op: OpInfo;
}

function adaptiveMaxPoolFamily(rank: SpatialRank): AdaptiveMaxPool {
  const name = `adaptiveMaxPool${rank}d`;
  const withIndices = primitive(
    name,
    (input: Tensor, outputSize: AdaptiveSize): readonly [Tensor, Tensor] => {
      if (input.dtype === bool) throw new OctetError(`${name}: not supported for bool tensors`);
      const { inSize, outSize, shape, regular } = planAdaptive(name, rank, input, outputSize);
      const dtype = computeDtype(input.dtype);
      const data = elementsAs(input, dtype);
      const out = dtype.allocate(numelOf(shape));
      const indices = new Int32Array(out.length);
      if (regular) kernels().maxPool(regular, data, out, indices);
      else poolUnevenly(triple(inSize, 1), triple(outSize, 1), data, out, indices);
      return [tensorFromComputed(out, shape, input.dtype), Tensor.fromArray(indices, shape, int32)];
    },
    ([, indices], { shape }) => {
      const positions = saved(indices);
      return ([g]) => [g ? maxPoolGradient(g, positions(), shape, rank) : null];
    },
  );
  return composite(name, (input: Tensor, outputSize: AdaptiveSize, options: AdaptiveMaxPoolOptions = {}) => {
    const [values, indices] = withIndices(input, outputSize);
    return options.returnIndices ? [values, asInt64(indices)] : values;
  }) as AdaptiveMaxPool;
}

/** Max pooling over windows of different sizes, plane by plane. Ties: the first; NaN: the last. */
function poolUnevenly(
  inSize: Triple,
  outSize: Triple,
  data: NumericArray,
  out: NumericArray,
  indices: Int32Array,
): void {
  const inPlane = numelOf(inSize);
  const windows = (d: 0 | 1 | 2) =>
    Array.from({ length: outSize[d] }, (_, i) => ({
      start: windowStart(i, inSize[d], outSize[d]),
      end: windowEnd(i, inSize[d], outSize[d]),
    }));
  const [depths, heights, widths] = [windows(0), windows(1), windows(2)];
  const largest = (base: number, ...[depth, height, width]: { start: number; end: number }[]): number => {
    let best = (depth.start * inSize[1] + height.start) * inSize[2] + width.start;
    for (let d = depth.start; d < depth.end; d++) {
      for (let h = height.start; h < height.end; h++) {
        const row = (d * inSize[1] + h) * inSize[2];
        for (let at = row + width.start; at < row + width.end; at++) {
          const value = data[base + at];
          if (value > data[base + best] || Number.isNaN(value)) best = at;
        }
      }
    }
    return best;
  };
  let o = 0;
  for (let base = 0; base < data.length; base += inPlane) {
    for (const depth of depths) {
      for (const height of heights) {
        for (const width of widths) {
          const best = largest(base, depth, height, width);
          out[o] = data[base + best];
          indices[o++] = best;
        }
      }
    }
  }
}

/** The maxima of [N, C, L] or [C, L] over `outputSize` windows. */
export const adaptiveMaxPool1d = adaptiveMaxPoolFamily(1);
/** The maxima of [N, C, H, W] or [C, H, W] over `outputSize` windows. */
export const adaptiveMaxPool2d = adaptiveMaxPoolFamily(2);
/** The maxima of [N, C, D, H, W] or [C, D, H, W] over `outputSize` windows. */
export const adaptiveMaxPool3d = adaptiveMaxPoolFamily(3);
