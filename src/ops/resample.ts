/**
 * Linear maps along single dimensions: every output position is a weighted sum of a few input positions. Interpolation and
 * adaptive average pooling over several dimensions are such maps, one dimension after the other.
 */
import type { FloatArray } from "../core/dtype.ts";
import { numelOf } from "../core/shape.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Output position i is Σⱼ weights[t] · input[positions[t]] for t from starts[i] up to starts[i + 1].
 */
export interface Taps {
  readonly inSize: number;
  readonly starts: readonly number[];
  readonly positions: readonly number[];
  readonly weights: readonly number[];
}

/** Builds a table from each output position's list of [input position, weight]. */
export function tapsOf(inSize: number, rows: readonly (readonly (readonly [number, number])[])[]): Taps {
  const starts = [0];
  for (const row of rows) starts.push(starts[starts.length - 1] + row.length);
  const flat = rows.flat();
  return { inSize, starts, positions: flat.map(([at]) => at), weights: flat.map(([, weight]) => weight) };
}

/** Maps the last `maps.length` dimensions of `x`, one table each. Outside autograd. */
export function resample(x: Tensor, maps: readonly Taps[]): Tensor {
  return throughDimensions(x, maps, (taps) => taps.starts.length - 1, resampleDimension);
}

/** The gradient of {@link resample}: the transposed maps. */
export function resampleGradient(gradient: Tensor, maps: readonly Taps[]): Tensor {
  return throughDimensions(gradient, maps, (taps) => taps.inSize, spreadDimension);
}

/** Applies `along` to each of the last dimensions in turn; `sizeAfter` tells the dimension's new size. */
function throughDimensions(
  x: Tensor,
  maps: readonly Taps[],
  sizeAfter: (taps: Taps) => number,
  along: (taps: Taps, x: FloatArray, outer: number, inner: number, out: FloatArray) => void,
): Tensor {
  const dtype = computeDtype(x.dtype);
  const shape = [...x.shape];
  const first = shape.length - maps.length;
  let data = floatElements(x, dtype);
  let own = false;
  maps.forEach((taps, d) => {
    if (isIdentity(taps)) return;
    const outer = numelOf(shape.slice(0, first + d));
    const inner = numelOf(shape.slice(first + d + 1));
    shape[first + d] = sizeAfter(taps);
    const out = dtype.allocate(outer * shape[first + d] * inner) as FloatArray;
    along(taps, data, outer, inner, out);
    [data, own] = [out, true];
  });
  return tensorFromComputed(own ? data : data.slice(), shape, x.dtype);
}

function isIdentity({ inSize, starts, positions, weights }: Taps): boolean {
  return (
    starts.length - 1 === inSize &&
    positions.length === inSize &&
    positions.every((at, i) => at === i && weights[i] === 1)
  );
}

/** out[o, i, :] = Σ weight · x[o, position, :]. */
function resampleDimension(taps: Taps, x: FloatArray, outer: number, inner: number, out: FloatArray): void {
  const { inSize, starts, positions, weights } = taps;
  const outSize = starts.length - 1;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < outSize; i++) {
      const target = (o * outSize + i) * inner;
      for (let t = starts[i]; t < starts[i + 1]; t++) {
        const source = (o * inSize + positions[t]) * inner;
        const weight = weights[t];
        for (let e = 0; e < inner; e++) out[target + e] += weight * x[source + e];
      }
    }
  }
}

/** out[o, position, :] += weight · g[o, i, :]. */
function spreadDimension(taps: Taps, g: FloatArray, outer: number, inner: number, out: FloatArray): void {
  const { inSize, starts, positions, weights } = taps;
  const outSize = starts.length - 1;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < outSize; i++) {
      const source = (o * outSize + i) * inner;
      for (let t = starts[i]; t < starts[i + 1]; t++) {
        const target = (o * inSize + positions[t]) * inner;
        const weight = weights[t];
        for (let e = 0; e < inner; e++) out[target + e] += weight * g[source + e];
      }
    }
  }
}
