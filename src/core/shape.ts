/** Shape arithmetic: element counts, strides, broadcasting, dimension wrapping. Pure functions over number arrays. */
import { OctetError, formatShape } from "./errors.ts";

export type Shape = readonly number[];

/** Most elements a tensor may have: what the longest typed array of every supported engine holds. */
export const MAX_ELEMENTS = 2 ** 32 - 1;

/** The number of elements of a shape: the product of its sizes, 1 for a scalar. */
export function numelOf(shape: Shape): number {
  let n = 1;
  for (const size of shape) n *= size;
  return n;
}

/** Checks that every size is a whole number ≥ 0 and that the whole is allocatable; names `op` in the error. */
export function checkShape(op: string, shape: Shape): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw new OctetError(`${op}: sizes must be whole numbers of at least 0, got ${formatShape(shape)}`);
    }
  }
  if (numelOf(shape) > MAX_ELEMENTS) throw new OctetError(`${op}: ${formatShape(shape)} has too many elements`);
}

/** True if both shapes have the same sizes in the same order. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, d) => size === b[d]);
}

/** Row-major (C-contiguous) strides, in elements. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= Math.max(shape[d], 1);
  }
  return strides;
}

/** True if `strides` lay `shape` out row-major without gaps. Dimensions of size 1 may have any stride. */
export function isContiguous(shape: Shape, strides: Shape): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] === 0) return true;
    if (shape[d] !== 1) {
      if (strides[d] !== step) return false;
      step *= shape[d];
    }
  }
  return true;
}

/** Maps a dimension in [-rank, rank) to [0, rank); a scalar accepts 0 and -1. Error text as PyTorch's. */
export function wrapDim(op: string, dim: number, rank: number): number {
  const range = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -range || dim >= range) {
    throw new OctetError(
      `${op}: Dimension out of range (expected to be in range of [${-range}, ${range - 1}], but got ${dim})`,
    );
  }
  return dim < 0 ? dim + range : dim;
}

/** Wraps each of several dimensions and refuses repeats; undefined means all. The result is sorted. */
export function wrapDims(op: string, dims: number | readonly number[] | undefined, rank: number): number[] {
  if (dims === undefined) return Array.from({ length: rank }, (_, d) => d);
  const list = (typeof dims === "number" ? [dims] : dims).map((d) => wrapDim(op, d, rank));
  if (new Set(list).size !== list.length) {
    throw new OctetError(
      `${op}: dim ${list.find((d, i) => list.indexOf(d) !== i)} appears multiple times in the list of dims`,
    );
  }
  return rank === 0 ? [] : list.sort((a, b) => a - b);
}

/** The shape both operands broadcast to; sizes are aligned at the right, and 1 stretches. */
export function broadcastShapes(op: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let d = 0; d < shape.length; d++) {
      const size = shape[d];
      if (size === 1 || size === result[lead + d]) continue;
      if (result[lead + d] !== 1) {
        throw new OctetError(
          `${op}: shapes ${shapes.map(formatShape).join(" and ")} do not broadcast: sizes ${result[lead + d]} and ${size} ` +
            `at dimension ${lead + d}`,
        );
      }
      result[lead + d] = size;
    }
  }
  return result;
}

/** True if a tensor of `shape` can be stretched to `target`. */
export function broadcastsTo(shape: Shape, target: Shape): boolean {
  const lead = target.length - shape.length;
  return lead >= 0 && shape.every((size, d) => size === 1 || size === target[lead + d]);
}

/** Strides that read a tensor of `shape`/`strides` as if it had the (broadcast) shape `target`. */
export function expandStrides(shape: Shape, strides: Shape, target: Shape): number[] {
  const lead = target.length - shape.length;
  return target.map((size, d) => (d < lead || (shape[d - lead] === 1 && size !== 1) ? 0 : strides[d - lead]));
}

/**
 * Strides of a view of `newShape` over the same elements, or null if a copy is needed. Walks both shapes from the right
 * and matches runs of dimensions with equal element counts, each of which must be contiguous in itself
 * (as `computeStride` in ATen does).
 */
export function viewStrides(shape: Shape, strides: Shape, newShape: Shape): number[] | null {
  if (numelOf(shape) === 0) return contiguousStrides(newShape);
  const result = new Array<number>(newShape.length);
  let newDim = newShape.length - 1;
  let runStride = shape.length ? strides[shape.length - 1] : 1;
  let runElements = 1;
  let newElements = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    runElements *= shape[d];
    const endOfRun = d === 0 || (shape[d - 1] !== 1 && strides[d - 1] !== runElements * runStride);
    if (!endOfRun) continue;
    while (newDim >= 0 && (newElements < runElements || newShape[newDim] === 1)) {
      result[newDim] = newElements * runStride;
      newElements *= newShape[newDim];
      newDim--;
    }
    if (newElements !== runElements) return null;
    if (d > 0) {
      runStride = strides[d - 1];
      runElements = 1;
      newElements = 1;
    }
  }
  for (; newDim >= 0; newDim--) result[newDim] = runStride;
  return result;
}

/** Replaces one -1 in a requested shape by the size that keeps `numel` elements; errors as PyTorch words them. */
export function inferShape(op: string, requested: Shape, numel: number): number[] {
  const unknown = requested.indexOf(-1);
  if (requested.some((s, d) => !Number.isInteger(s) || (s < 0 && d !== unknown))) {
    throw new OctetError(`${op}: invalid shape ${formatShape(requested)}; at most one size may be -1`);
  }
  const known = requested.reduce((n, s) => (s === -1 ? n : n * s), 1);
  if (unknown < 0 ? known !== numel : known === 0 || numel % known !== 0) {
    throw new OctetError(`${op}: shape '${formatShape(requested)}' is invalid for input of size ${numel}`);
  }
  return requested.map((s, d) => (d === unknown ? numel / known : s));
}
