/** Copies between strided layouts: the one loop nest under `contiguous`, `copy_`, `cat` and every other rearrangement. */
import type { NumericArray } from "../core/dtype.ts";

/** How one element becomes another when the two arrays hold different dtypes. */
export type Convert = (value: number) => number;

/**
 * destination[i] = convert(source[i]) for every index i of `shape`. Dimensions that lie without gaps in both layouts are
 * merged first, so that the inner loop is as long as the layouts allow.
 */
export function copyStrided(
  shape: readonly number[],
  source: NumericArray,
  sourceStrides: readonly number[],
  sourceOffset: number,
  destination: NumericArray,
  destinationStrides: readonly number[],
  destinationOffset: number,
  convert?: Convert,
): void {
  const { sizes, a, b } = mergeDimensions(shape, sourceStrides, destinationStrides);
  if (sizes.includes(0)) return;
  const rank = sizes.length;
  const inner = rank ? sizes[rank - 1] : 1;
  const sourceStep = rank ? a[rank - 1] : 1;
  const destinationStep = rank ? b[rank - 1] : 1;
  const index = new Array<number>(Math.max(rank - 1, 0)).fill(0);
  let s = sourceOffset;
  let d = destinationOffset;
  for (;;) {
    copyRow(inner, source, s, sourceStep, destination, d, destinationStep, convert);
    let dim = rank - 2;
    for (; dim >= 0; dim--) {
      s += a[dim];
      d += b[dim];
      if (++index[dim] < sizes[dim]) break;
      s -= a[dim] * sizes[dim];
      d -= b[dim] * sizes[dim];
      index[dim] = 0;
    }
    if (dim < 0) return;
  }
}

function copyRow(
  n: number,
  source: NumericArray,
  s: number,
  sourceStep: number,
  destination: NumericArray,
  d: number,
  destinationStep: number,
  convert: Convert | undefined,
): void {
  if (convert) {
    for (let i = 0; i < n; i++) destination[d + i * destinationStep] = convert(source[s + i * sourceStep]);
  } else if (sourceStep === 1 && destinationStep === 1 && n >= 32) {
    destination.set(source.subarray(s, s + n), d);
  } else if (sourceStep === 0 && destinationStep === 1) {
    destination.fill(source[s], d, d + n);
  } else {
    for (let i = 0; i < n; i++) destination[d + i * destinationStep] = source[s + i * sourceStep];
  }
}

/** Drops dimensions of size 1 and merges neighbours that are contiguous with each other in both layouts. */
function mergeDimensions(
  shape: readonly number[],
  sourceStrides: readonly number[],
  destinationStrides: readonly number[],
) {
  const sizes: number[] = [];
  const a: number[] = [];
  const b: number[] = [];
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && a[last] === sourceStrides[d] * shape[d] && b[last] === destinationStrides[d] * shape[d]) {
      sizes[last] *= shape[d];
      a[last] = sourceStrides[d];
      b[last] = destinationStrides[d];
    } else {
      sizes.push(shape[d]);
      a.push(sourceStrides[d]);
      b.push(destinationStrides[d]);
    }
  }
  return { sizes, a, b };
}

/** The storage index of every element of a layout, in row-major order. */
export function stridedPositions(shape: readonly number[], strides: readonly number[], offset: number): Uint32Array {
  let positions = Uint32Array.of(offset);
  for (let d = 0; d < shape.length; d++) {
    const [size, stride] = [shape[d], strides[d]];
    const next = new Uint32Array(positions.length * size);
    for (let i = 0, k = 0; i < positions.length; i++) {
      for (let j = 0, at = positions[i]; j < size; j++, k++, at += stride) next[k] = at;
    }
    positions = next;
  }
  return positions;
}
