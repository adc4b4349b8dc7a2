/** Reading and writing chosen elements: by index tensors along a dimension (this file's operators) and by masks. */
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { broadcastShapes, contiguousStrides, numelOf, wrapDim } from "../core/shape.ts";
import { bool, int32, int64 } from "../core/dtype.ts";
import type { DType } from "../core/dtype.ts";
import { saved } from "../autograd/node.ts";
import { computeDtype, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import { stridedPositions } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { evaluateSelect, sumTo } from "./broadcast.ts";
import { clone, scalarOf } from "./copy.ts";
import { mul } from "./elementwise.ts";
import type { ArgumentGradient, Op } from "./op.ts";
import { assign_, composite, nondifferentiable, primitive, traceable } from "./op.ts";
import { expand, flatten, reshape } from "./views.ts";

// ---------------------------------------------------------------- checks

/** The values of an index tensor; int32 or int64 only. */
export function indexValues(op: string, index: Tensor): ArrayLike<number> {
  if (index.dtype !== int64 && index.dtype !== int32) {
    throw new OctetError(`${op}: expected dtype int32/int64 for index, got ${index.dtype.name}`);
  }
  return index.elements();
}

/** Refuses indices outside [lowest, size). */
function checkRange(op: string, values: ArrayLike<number>, size: number, dim: number, lowest = 0): void {
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] >= lowest && values[i] < size)) {
      throw new OctetError(`${op}: index ${values[i]} is out of bounds for dimension ${dim} with size ${size}`);
    }
  }
}

// ---------------------------------------------------------------- whole slices along a dimension

/** A tensor as [outer, n, inner] around dimension `d`; a scalar counts as one entry. */
function around(shape: Shape, d: number) {
  return { outer: numelOf(shape.slice(0, d)), n: shape[d] ?? 1, inner: numelOf(shape.slice(d + 1)) };
}

function selection(op: string, x: Tensor, dim: number, index: Tensor) {
  const d = wrapDim(op, dim, x.ndim);
  if (index.ndim > 1) throw new OctetError(`${op}: index is supposed to be a vector, got ${formatShape(index.shape)}`);
  const values = Uint32Array.from(checked(op, indexValues(op, index), x.shape[d] ?? 1, d));
  return { d, values, shape: x.ndim === 0 ? [] : x.shape.with(d, values.length) };
}

function checked(op: string, values: ArrayLike<number>, size: number, dim: number): ArrayLike<number> {
  checkRange(op, values, size, dim);
  return values;
}

/** The entries of dimension `dim` at the positions in `index` (a vector of int32 or int64), in that order. */
export const indexSelect = primitive(
  "indexSelect",
  (x: Tensor, dim: number, index: Tensor): Tensor => {
    const { d, values, shape } = selection("indexSelect", x, dim, index);
    const { outer, n, inner } = around(x.shape, d);
    const source = x.elements();
    const out = x.dtype.allocate(outer * values.length * inner);
    let to = 0;
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < values.length; i++, to += inner) {
        const from = (o * n + values[i]) * inner;
        if (inner >= 16) out.set(source.subarray(from, from + inner), to);
        else for (let j = 0; j < inner; j++) out[to + j] = source[from + j];
      }
    }
    return Tensor.fromArray(out, shape, x.dtype);
  },
  (_out, x, dim, index) => {
    const { shape } = x;
    const { d, values } = selection("indexSelect", x, dim, index);
    return (g) => [rowsAdded(Tensor.zeros(shape, g.dtype), d, values, g, 1)];
  },
);

/** x with alpha · source added to the entries of dimension `dim` at the positions in `index`. */
export const indexAdd = primitive(
  "indexAdd",
  (x: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: number } = {}): Tensor => {
    const { d, values, shape } = selection("indexAdd", x, dim, index);
    if (formatShape(shape) !== formatShape(source.shape)) {
      throw new OctetError(
        `indexAdd: source must have shape ${formatShape(shape)} for ${values.length} indices, got ${formatShape(source.shape)}`,
      );
    }
    if (source.dtype !== x.dtype) {
      throw new OctetError(
        `indexAdd: self (${x.dtype.name}) and source (${source.dtype.name}) must have the same dtype`,
      );
    }
    return rowsAdded(x, d, values, source, options.alpha ?? 1);
  },
  (_out, _x, dim, index, _source, options = {}) => {
    const positions = saved(index);
    return (g): ArgumentGradient[] => {
      const picked: Tensor = indexSelect(g, dim, positions());
      return [g, null, null, options.alpha === undefined ? picked : mul(picked, options.alpha)];
    };
  },
);

/** A copy of `x` with alpha · `source` added at `values` of dimension `d`. */
function rowsAdded(x: Tensor, d: number, values: Uint32Array, source: Tensor, alpha: number): Tensor {
  const { outer, n, inner } = around(x.shape, d);
  const out = writableElements(x);
  const added = elementsAs(source, computeDtype(x.dtype));
  for (let o = 0, from = 0; o < outer; o++) {
    for (let i = 0; i < values.length; i++) {
      const to = (o * n + values[i]) * inner;
      for (let j = 0; j < inner; j++, from++) out[to + j] += alpha * added[from];
    }
  }
  return tensorFromComputed(out, x.shape, x.dtype);
}

/** A fresh array of the elements in the dtype that operators compute in. */
function writableElements(x: Tensor) {
  const elements = elementsAs(x, computeDtype(x.dtype));
  return elements.buffer === x.storage.data.buffer ? elements.slice() : elements;
}

// ---------------------------------------------------------------- single elements along a dimension

/**
 * Where gather and scatter read and write: the flat position, in a contiguous tensor of `shape`, of the element that
 * stands at index's own place except along `dim`, where `index` says it.
 */
function pointedAt(op: string, shape: Shape, dim: number, index: Tensor, bounded: boolean): Uint32Array {
  const d = wrapDim(op, dim, shape.length);
  const fits = index.ndim === shape.length && (!bounded || index.shape.every((size, i) => i === d || size <= shape[i]));
  if (!fits && index.numel() > 0) {
    throw new OctetError(
      `${op}: index of shape ${formatShape(index.shape)} must have as many dimensions as self of shape ` +
        `${formatShape(shape)}, and no size larger than it apart from dimension ${d}`,
    );
  }
  const values = checked(op, indexValues(op, index), shape[d] ?? 1, d);
  const strides = contiguousStrides(shape);
  const step = strides[d] ?? 1;
  const positions = stridedPositions(index.shape, shape.length ? strides.with(d, 0) : [], 0);
  for (let i = 0; i < positions.length; i++) positions[i] += values[i] * step;
  return positions;
}

/** out[i][j][k] = x[i][index[i][j][k]][k] for `dim` = 1, and likewise for other dims and ranks. */
export const gather = primitive(
  "gather",
  (x: Tensor, dim: number, index: Tensor): Tensor =>
    takenAt(x, pointedAt("gather", x.shape, dim, index, true), index.shape),
  (_out, { shape }, dim, index) => {
    const positions = pointedAt("gather", shape, dim, index, true);
    return (g) => [addedAt(Tensor.zeros(shape, g.dtype), positions, g)];
  },
);

/** A copy of `x` with out[i][index[i][j][k]][k] = src[i][j][k] for `dim` = 1; of several writers the last one counts. */
export const scatter = primitive(
  "scatter",
  (x: Tensor, dim: number, index: Tensor, src: Tensor | number): Tensor => {
    const positions = pointedAt("scatter", x.shape, dim, index, true);
    if (typeof src === "number") return writtenAt(x, positions, scalarOf("scatter", src, x.dtype));
    return writtenAt(x, positions, corner("scatter", src, x.dtype, index.shape));
  },
  (_out, { shape }, dim, index, src) => {
    const positions = pointedAt("scatter", shape, dim, index, true);
    const back = src instanceof Tensor ? cornerGrad(src.shape, index.shape) : null;
    return (g): ArgumentGradient[] => [
      writtenAt(g, positions, Tensor.zeros([], g.dtype)),
      null,
      null,
      back && back(takenAt(g, positions, index.shape)),
    ];
  },
);

/** As {@link scatter}, adding to what is there: several writers add up. */
export const scatterAdd = primitive(
  "scatterAdd",
  (x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor => {
    const positions = pointedAt("scatterAdd", x.shape, dim, index, true);
    return addedAt(x, positions, corner("scatterAdd", src, x.dtype, index.shape));
  },
  (_out, { shape }, dim, index, src) => {
    const positions = pointedAt("scatterAdd", shape, dim, index, true);
    const [taken, back] = [index.shape, cornerGrad(src.shape, index.shape)];
    return (g): ArgumentGradient[] => [g, null, null, back(takenAt(g, positions, taken))];
  },
);

/** The part of `src` that an index of shape `shape` uses: its first entries along every dimension. */
function corner(op: string, src: Tensor, dtype: DType, shape: Shape): Tensor {
  if (src.dtype !== dtype) {
    throw new OctetError(
      `${op}: expected self.dtype to be equal to src.dtype, got ${dtype.name} and ${src.dtype.name}`,
    );
  }
  if (numelOf(shape) > 0 && (src.ndim !== shape.length || shape.some((size, d) => size > src.shape[d]))) {
    throw new OctetError(`${op}: index ${formatShape(shape)} must not be larger than src ${formatShape(src.shape)}`);
  }
  return src.alias(shape, src.strides, src.offset);
}

function cornerGrad(srcShape: Shape, shape: Shape): (gradient: Tensor) => Tensor {
  return (gradient) => {
    const positions = stridedPositions(shape, contiguousStrides(srcShape), 0);
    return writtenAt(Tensor.zeros(srcShape, gradient.dtype), positions, gradient);
  };
}

/** The elements of `x` (counted row-major) at `positions`. */
export function takenAt(x: Tensor, positions: Uint32Array, shape: Shape): Tensor {
  const source = x.elements();
  const out = x.dtype.allocate(positions.length);
  for (let i = 0; i < positions.length; i++) out[i] = source[positions[i]];
  return Tensor.fromArray(out, shape, x.dtype);
}

/** A copy of `x` whose elements at `positions` are those of `values`, or its only one. Same dtype. */
export function writtenAt(x: Tensor, positions: Uint32Array, values: Tensor): Tensor {
  const source = values.elements();
  const out = clone(x.detach());
  const { data } = out.storage;
  const step = values.ndim === 0 ? 0 : 1;
  for (let i = 0, from = 0; i < positions.length; i++, from += step) data[positions[i]] = source[from];
  return out;
}

/** A copy of `x` with `values` added at `positions`. */
export function addedAt(x: Tensor, positions: Uint32Array, values: Tensor): Tensor {
  const source = elementsAs(values, computeDtype(x.dtype));
  const out = writableElements(x);
  for (let i = 0; i < positions.length; i++) out[positions[i]] += source[i];
  return tensorFromComputed(out, x.shape, x.dtype);
}

/** The elements at flat positions `index`, which may be negative, in the shape of `index`. */
export const take = composite("take", (x: Tensor, index: Tensor): Tensor => {
  const n = x.numel();
  const values = indexValues("take", index);
  checkRange("take", values, n, 0, -n);
  const wrapped = Float64Array.from(values, (value) => (value < 0 ? value + n : value));
  return reshape(indexSelect(reshape(x, [-1]), 0, Tensor.fromArray(wrapped, [wrapped.length], int64)), index.shape);
});

// ---------------------------------------------------------------- masks

function checkMask(op: string, mask: Tensor): void {
  if (mask.dtype !== bool)
    throw new OctetError(`${op}: only supports boolean masks, but got mask with dtype ${mask.dtype.name}`);
}

/** `value` where `mask` is true, else `x`; shapes broadcast, the dtype is that of `x`. */
export const maskedFill = primitive(
  "maskedFill",
  (x: Tensor, mask: Tensor, value: number | boolean | Tensor): Tensor => {
    checkMask("maskedFill", mask);
    if (value instanceof Tensor && value.ndim > 0) {
      throw new OctetError(
        `maskedFill: only supports a 0-dimensional value tensor, but got tensor with ${value.ndim} dimension(s)`,
      );
    }
    return evaluateSelect(mask, value instanceof Tensor ? value : scalarOf("maskedFill", value, x.dtype), x, x.dtype);
  },
  (_out, x, mask) => {
    const { shape } = x;
    const chosen = saved(mask);
    return (g, [needX, , needValue]): ArgumentGradient[] => [
      needX ? sumTo(evaluateSelect(chosen(), 0, g, g.dtype), shape) : null,
      null,
      needValue ? sumTo(evaluateSelect(chosen(), g, 0, g.dtype), []) : null,
    ];
  },
);

/** The elements of `x` where `mask` is true, as a vector; shapes broadcast. */
export const maskedSelect = composite("maskedSelect", (x: Tensor, mask: Tensor): Tensor => {
  checkMask("maskedSelect", mask);
  const shape = broadcastShapes("maskedSelect", x.shape, mask.shape);
  const chosen = flatNonzero(expand(mask, shape));
  return indexSelect(reshape(expand(x, shape), [-1]), 0, Tensor.fromArray(chosen, [chosen.length], int64));
});

function flatNonzero(x: Tensor): Float64Array {
  const elements = x.elements();
  const found: number[] = [];
  for (let i = 0; i < elements.length; i++) if (elements[i] !== 0) found.push(i);
  return Float64Array.from(found);
}

/** The indices of the elements that are not zero, one per row: int64 of shape [count, ndim]. */
export const nonzero = nondifferentiable("nonzero", (x: Tensor): Tensor => {
  const found = flatNonzero(x);
  const strides = contiguousStrides(x.shape);
  const out = new Float64Array(found.length * x.ndim);
  found.forEach((flat, i) => {
    let rest = flat;
    for (let d = 0; d < x.ndim; d++) {
      out[i * x.ndim + d] = Math.floor(rest / strides[d]);
      rest %= strides[d];
    }
  });
  return Tensor.fromArray(out, [found.length, x.ndim], int64);
});

// ---------------------------------------------------------------- repeated entries, classes and bins

/** Every entry of dimension `dim` (default: of the flattened tensor) `repeats` times, or repeats[i] times. */
export const repeatInterleave: Op<[x: Tensor, repeats: number | Tensor, dim?: number], Tensor> = composite(
  "repeatInterleave",
  (x: Tensor, repeats: number | Tensor, dim?: number): Tensor => {
    if (dim === undefined) return repeatInterleave(flatten(x), repeats, 0);
    const size = x.shape[wrapDim("repeatInterleave", dim, x.ndim)] ?? 1;
    const given = typeof repeats === "number" ? [repeats] : Array.from(indexValues("repeatInterleave", repeats));
    const counts = given.length === 1 ? new Array<number>(size).fill(given[0]) : given;
    if (counts.length !== size || counts.some((count) => !(Number.isInteger(count) && count >= 0))) {
      throw new OctetError(
        `repeatInterleave: repeats must be whole, not negative, and as many as the dimension has entries (${size}), ` +
          `got ${formatShape(given)}`,
      );
    }
    const positions = Float64Array.from(counts.flatMap((count, i) => new Array<number>(count).fill(i)));
    return indexSelect(x, dim, Tensor.fromArray(positions, [positions.length], int64));
  },
);

/** A last dimension of `numClasses` that holds 1 at the index and 0 elsewhere, int64. -1: the largest index + 1. */
export const oneHot = nondifferentiable("oneHot", (x: Tensor, numClasses: number = -1): Tensor => {
  const values = indexValues("oneHot", x);
  let largest = -1;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i]);
  if (numClasses === -1 && values.length === 0) {
    throw new OctetError("oneHot: cannot infer the number of classes from an empty tensor");
  }
  const classes = numClasses === -1 ? largest + 1 : numClasses;
  checkRange("oneHot", values, classes, x.ndim);
  const out = new Float64Array(values.length * classes);
  for (let i = 0; i < values.length; i++) out[i * classes + values[i]] = 1;
  return Tensor.fromArray(out, [...x.shape, classes], int64);
});

export interface SearchOptions {
  /** false (default): the first place where the sorted values are ≥ the value; true: > the value. */
  readonly right?: boolean;
}

/**
 * For each value the place at which it would go into the sorted sequence: `sorted` is a vector, or has the leading sizes of
 * `values` and a sequence in each row. int64.
 */
export const searchsorted = nondifferentiable(
  "searchsorted",
  (sorted: Tensor, values: Tensor | number, options: SearchOptions = {}): Tensor => {
    const wanted = typeof values === "number" ? Tensor.fromArray(Float64Array.of(values), [], sorted.dtype) : values;
    const shared = sorted.ndim === 1;
    if (!shared && formatShape(sorted.shape.slice(0, -1)) !== formatShape(wanted.shape.slice(0, -1))) {
      throw new OctetError(
        `searchsorted: boundaries of shape ${formatShape(sorted.shape)} should be 1 dimensional or match the leading ` +
          `sizes of the values, ${formatShape(wanted.shape)}`,
      );
    }
    const [bounds, given] = [sorted.toNumbers(), typeof values === "number" ? [values] : wanted.toNumbers()];
    const n = sorted.shape.at(-1) as number;
    const perRow = shared ? given.length : (wanted.shape.at(-1) as number);
    const out = Float64Array.from(given, (value, i) => {
      const row = shared ? 0 : Math.floor(i / perRow) * n;
      return insertionPoint(bounds, row, n, value, options.right ?? false);
    });
    return Tensor.fromArray(out, wanted.shape, int64);
  },
);

/** The number of entries of bounds[start … start + n) that lie below `value` (with `right`: that are not above it). */
function insertionPoint(bounds: ArrayLike<number>, start: number, n: number, value: number, right: boolean): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    const bound = bounds[start + middle];
    // Written so that a NaN value goes to the end.
    if (right ? !(bound > value) : !(bound >= value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** {@link searchsorted} with the arguments in the order values, boundaries. */
export const bucketize = composite("bucketize", (values: Tensor, boundaries: Tensor, options: SearchOptions = {}) =>
  searchsorted(boundaries, values, options),
);

// ---------------------------------------------------------------- in place

/** {@link scatter} into `self`. */
export const scatter_ = traceable(
  "scatter_",
  (self: Tensor, dim: number, index: Tensor, src: Tensor | number): Tensor => {
    return assign_("scatter_", self, scatter(self, dim, index, src));
  },
);

/** {@link scatterAdd} into `self`. */
export const scatterAdd_ = traceable("scatterAdd_", (self: Tensor, dim: number, index: Tensor, src: Tensor): Tensor => {
  return assign_("scatterAdd_", self, scatterAdd(self, dim, index, src));
});

/** {@link indexAdd} into `self`. */
export const indexAdd_ = traceable(
  "indexAdd_",
  (self: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: number } = {}): Tensor => {
    return assign_("indexAdd_", self, indexAdd(self, dim, index, source, options));
  },
);

/** {@link maskedFill} of `self`. */
export const maskedFill_ = traceable(
  "maskedFill_",
  (self: Tensor, mask: Tensor, value: number | boolean | Tensor): Tensor => {
    return assign_("maskedFill_", self, maskedFill(self, mask, value));
  },
);
