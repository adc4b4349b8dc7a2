/**
 * Subscripts: what Python writes as `x[1, None, 2:5, ..., mask]` is `index(x, 1, null, "2:5", "...", mask)`, and
 * assignment to it is `setIndex(x, [1, …], value)`. Numbers, slices and null make views; index tensors and masks copy.
 */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import { bool, int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { broadcastShapes, broadcastsTo, contiguousStrides, expandStrides, numelOf } from "../core/shape.ts";
import { copyStrided, stridedPositions } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumTo } from "./broadcast.ts";
import { copy_, scalarOf } from "./copy.ts";
import { asDtype } from "./elementwise.ts";
import { addedAt, indexSelect, indexValues, nonzero, takenAt, writtenAt } from "./indexing.ts";
import type { ArgumentGradient } from "./op.ts";
import { assign_, composite, primitive, traceable } from "./op.ts";
import { requantized } from "./quantized/copy.ts";
import { expand, permute, reshape, unsqueeze } from "./views.ts";
import { select, slice } from "./windows.ts";

/** The entries start, start + step, … before stop, as a Python slice; negative bounds count from the end. */
export interface Slice {
  readonly start?: number | null;
  readonly stop?: number | null;
  readonly step?: number | null;
}

/**
 * One subscript:
 * - a number takes one entry of a dimension, which goes away;
 * - a {@link Slice}, or Python's text for one (":", "1:", "::2", "-3:-1"), takes a range;
 * - null puts in a dimension of size 1; "..." stands for as many ":" as are missing;
 * - an int64 or int32 tensor, or an array of numbers, takes the entries it names; several broadcast together;
 * - a bool tensor takes the entries at which it is true, and uses up as many dimensions as it has.
 */
export type Index = number | null | string | Slice | Tensor | readonly number[];

/** `x[...indices]`. */
export const index = composite("index", (x: Tensor, ...indices: readonly Index[]): Tensor => {
  const { view, chosen } = applyBasic(x, indices);
  return chosen.some(Boolean) ? takeChosen(view, chosen) : view;
});

/**
 * Does all that needs no copy. What is left are the index tensors, one place per dimension of the view (sparse: undefined
 * where a dimension is taken whole); masks have become index tensors.
 */
function applyBasic(x: Tensor, indices: readonly Index[]): { view: Tensor; chosen: (Tensor | undefined)[] } {
  let view = x;
  const chosen: (Tensor | undefined)[] = [];
  for (const item of withoutEllipsis(x, indices)) {
    const d = chosen.length;
    if (item === null) {
      view = unsqueeze(view, d);
      chosen.push(undefined);
    } else if (typeof item === "number") {
      view = select(view, d, item);
    } else if (item instanceof Tensor || Array.isArray(item)) {
      chosen.push(...indexTensors(view, d, item as Tensor | readonly number[]));
    } else {
      const { start, stop, step } = typeof item === "string" ? parseSlice(item) : (item as Slice);
      const whole = start === undefined && stop === undefined && step === undefined;
      if (!whole) view = slice(view, d, start, stop, step ?? 1);
      chosen.push(undefined);
    }
  }
  return { view, chosen };
}

/** Dimensions of the tensor that a subscript uses up. */
function consumed(item: Index): number {
  if (item === null || item === "...") return 0;
  return item instanceof Tensor && item.dtype === bool ? item.ndim : 1;
}

/** The subscripts with "..." written out, and refused if they are too many. */
function withoutEllipsis(x: Tensor, indices: readonly Index[]): Index[] {
  const used = indices.reduce<number>((n, item) => n + consumed(item), 0);
  if (used > x.ndim) throw new OctetError(`index: too many indices for tensor of dimension ${x.ndim}`);
  const at = indices.indexOf("...");
  if (at < 0) return [...indices];
  if (indices.indexOf("...", at + 1) >= 0)
    throw new OctetError("index: an index can only have a single ellipsis ('...')");
  return [...indices.slice(0, at), ...new Array<Index>(x.ndim - used).fill(":"), ...indices.slice(at + 1)];
}

export function parseSlice(text: string): Slice {
  const match = /^(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?$/.exec(text.replaceAll(" ", ""));
  if (!match) throw new OctetError(`index: "${text}" is not a slice; write "start:stop:step", ":" or "..."`);
  const [start, stop, step] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  return { start, stop, step };
}

/** A subscript that copies, as one int64 tensor per dimension that it uses up. */
function indexTensors(view: Tensor, d: number, item: Tensor | readonly number[]): Tensor[] {
  if (!(item instanceof Tensor)) return [Tensor.fromArray(Float64Array.from(item), [item.length], int64)];
  if (item.dtype !== bool) return [item];
  if (item.ndim === 0) throw new OctetError("index: a bool tensor without dimensions is not supported as an index");
  item.shape.forEach((size, i) => {
    if (size !== view.shape[d + i]) {
      throw new OctetError(
        `index: the shape of the mask ${formatShape(item.shape)} at index ${i} does not match the shape of the indexed ` +
          `tensor ${formatShape(view.shape)} at index ${d + i}`,
      );
    }
  });
  const places = nonzero(item);
  return item.shape.map((_, i) => select(places, 1, i));
}

/**
 * The entries named by index tensors. They become one vector of positions in the dimensions they index, laid side by side;
 * the result has their common shape in that place, or in front if the indexed dimensions are not neighbours.
 */
function takeChosen(x: Tensor, chosen: readonly (Tensor | undefined)[]): Tensor {
  const dims = chosen.flatMap((tensor, d) => (tensor ? [d] : []));
  const rest = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  const neighbours = dims.every((d, i) => i === 0 || d === dims[i - 1] + 1);
  const before = neighbours ? rest.filter((d) => d < dims[0]) : [];
  const after = rest.slice(before.length);
  const sizes = (of: readonly number[]): number[] => of.map((d) => x.shape[d]);
  const { positions, shape } = combine(
    dims.map((d) => chosen[d] as Tensor),
    dims,
    sizes(dims),
  );
  const moved = neighbours ? x : permute(x, [...dims, ...after]);
  const flat = reshape(moved, [...sizes(before), numelOf(sizes(dims)), ...sizes(after)]);
  const taken = indexSelect(flat, before.length, positions);
  return reshape(taken, [...sizes(before), ...shape, ...sizes(after)]);
}

/** Index tensors for dimensions of the given sizes as one vector of positions, and the shape they broadcast to. */
function combine(tensors: readonly Tensor[], dims: Shape, sizes: Shape): { positions: Tensor; shape: number[] } {
  const shape = broadcastShapes("index", ...tensors.map((tensor) => tensor.shape));
  const positions = new Float64Array(numelOf(shape));
  const strides = contiguousStrides(sizes);
  const expanded = new Float64Array(positions.length);
  tensors.forEach((tensor, i) => {
    const values = Float64Array.from(indexValues("index", tensor));
    const layout = expandStrides(tensor.shape, contiguousStrides(tensor.shape), shape);
    copyStrided(shape, values, layout, 0, expanded, contiguousStrides(shape), 0);
    for (let k = 0; k < positions.length; k++) {
      const value = expanded[k];
      if (!(value >= -sizes[i] && value < sizes[i])) {
        throw new OctetError(`index: index ${value} is out of bounds for dimension ${dims[i]} with size ${sizes[i]}`);
      }
      positions[k] += (value < 0 ? value + sizes[i] : value) * strides[i];
    }
  });
  return { positions: Tensor.fromArray(positions, [positions.length], int64), shape };
}

// ---------------------------------------------------------------- writing

export interface IndexPutOptions {
  /** Adds the values to what is there; values for the same element add up. Otherwise the last one counts. */
  readonly accumulate?: boolean;
}

/** A copy of `x` in which `x[...indices]` is `values`, which broadcast to its shape (`torch.index_put`). */
export const indexPut = primitive(
  "indexPut",
  (x: Tensor, indices: readonly Index[], values: Tensor, options: IndexPutOptions = {}): Tensor => {
    const { positions, shape } = positionsOf(x, indices);
    const source = broadcastValues(x, values, shape);
    return options.accumulate ? addedAt(x, positions, source) : writtenAt(x, positions, source);
  },
  (_out, x, indices, values, options = {}) => {
    const { positions, shape } = positionsOf(x, indices);
    const { shape: valueShape, dtype } = values;
    return (g, [needX, , needValues]): ArgumentGradient[] => {
      const rest = options.accumulate ? g : writtenAt(g, positions, Tensor.zeros([], g.dtype));
      const taken = takenAt(g, positions, shape);
      return [needX ? rest : null, null, needValues ? asDtype(sumToValues(taken, valueShape), dtype) : null];
    };
  },
);

/** The place of every element of `x[...indices]` in a tensor of the shape of `x`, laid out by `strides` from `offset` on. */
function positionsOf(x: Tensor, indices: readonly Index[], strides: Shape = contiguousStrides(x.shape), offset = 0) {
  const places = Float64Array.from(stridedPositions(x.shape, strides, offset));
  const picked = index(Tensor.fromArray(places, x.shape, int64), ...indices);
  return { positions: Uint32Array.from(picked.elements()), shape: picked.shape };
}

/** `values` in the dtype of `x`, stretched to `shape`. Leading dimensions of size 1 too many are dropped. */
function broadcastValues(x: Tensor, values: Tensor, shape: Shape): Tensor {
  const fitted = droppedLead(values.shape, shape.length);
  if (!broadcastsTo(fitted, shape)) {
    throw new OctetError(
      `setIndex: shape mismatch: value tensor of shape ${formatShape(values.shape)} cannot be broadcast to indexing ` +
        `result of shape ${formatShape(shape)}`,
    );
  }
  const stored = x.isQuantized ? requantized("index_put", values, x) : asDtype(values.detach(), x.dtype);
  return expand(reshape(stored, fitted), shape);
}

function droppedLead(shape: Shape, rank: number): Shape {
  let first = 0;
  while (shape.length - first > rank && shape[first] === 1) first++;
  return shape.slice(first);
}

function sumToValues(gradient: Tensor, shape: Shape): Tensor {
  return reshape(sumTo(gradient, droppedLead(shape, gradient.ndim)), shape);
}

/** {@link indexPut} into `self`. */
export const indexPut_ = traceable(
  "indexPut_",
  (self: Tensor, indices: readonly Index[], values: Tensor, options: IndexPutOptions = {}): Tensor => {
    return assign_("indexPut_", self, indexPut(self, indices, values, options));
  },
);

/** Writes `value`, a number or a tensor that broadcasts, to `self[...indices]`; any dtype is converted. */
export const setIndex = traceable(
  "setIndex",
  (self: Tensor, indices: readonly Index[], value: Tensor | number | boolean): Tensor => {
    const values = value instanceof Tensor ? value : scalarOf("setIndex", value, self.dtype);
    if (isGradEnabled() && (self.requiresGrad || values.requiresGrad)) {
      return assign_("setIndex", self, indexPut(self, indices, values));
    }
    const { view, chosen } = applyBasic(self, indices);
    if (!chosen.some(Boolean)) {
      copy_(view, reshape(values, droppedLead(values.shape, view.ndim)));
      return self;
    }
    const { positions, shape } = positionsOf(self, indices, self.strides, self.offset);
    const source = broadcastValues(self, values, shape).elements();
    const { data } = self.storage;
    // A copy: the values may lie in the storage that is written to.
    const own = source.buffer === data.buffer ? source.slice() : source;
    for (let i = 0; i < positions.length; i++) data[positions[i]] = own[i];
    self.bumpVersion();
    return self;
  },
);
