/** What changes where elements stand, and what asks for sizes. Sizes are computed in the ONNX graph, so they may vary. */
import type { DType } from "../../core/dtype.ts";
import { bool, float32, int64 } from "../../core/dtype.ts";
import { parseSlice } from "../../ops/subscript.ts";
import type { CallContext, OpExport, OpExports } from "../export-context.ts";
import type { Argument, QuantizedValue, TensorValue } from "../export-value.ts";
import { isQuantizedValue, isTensorValue } from "../export-value.ts";

const identity: OpExport = (c) => c.args[0];

/** Sizes as one list or as several arguments. */
function sizesOf(c: CallContext): readonly Argument[] {
  const [, first] = c.args;
  return Array.isArray(first) ? (first as readonly Argument[]) : c.args.slice(1);
}

function numbersOf(c: CallContext, what: string): number[] {
  const list = sizesOf(c);
  c.require(
    list.every((item) => typeof item === "number"),
    `${what} must be numbers that are known`,
  );
  return list as number[];
}

// ---------------------------------------------------------------- views

function flatten(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const [start, end] = [c.number(1, "startDim", 0), c.number(2, "endDim", -1)];
  // To one row per entry of the batch: needs no sizes.
  if (start === 1 && end === -1) return c.node("Flatten", [x], { axis: 1 });
  if (start === 0 && end === -1) return c.reshape(x, [-1]);
  const [first, last] = [c.dim(start, x), c.dim(end, x)];
  const rest = c.shape(x).slice(last + 1);
  // A 0 keeps the input's size at its place; those behind are counted, since the place moves.
  return c.reshape(x, [...new Array<number>(first).fill(0), -1, ...rest]);
}

function unflatten(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const at = c.dim(c.number(1, "dim", 0), x);
  const sizes = c.numbers(2, "sizes") ?? [];
  return c.reshape(x, [...new Array<number>(at).fill(0), ...sizes, ...c.shape(x).slice(at + 1)]);
}

function squeeze(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const dims = c.numbers(1, "dim");
  if (!dims) return c.node("Squeeze", [x]);
  // PyTorch leaves dimensions of other sizes alone.
  const ones = x.shape ? dims.filter((dim) => x.shape?.at(dim) === 1) : dims;
  return ones.length ? c.squeeze(x, ones) : x;
}

function expand(c: CallContext): TensorValue {
  const sizes = sizesOf(c).map((size) => (size === -1 ? 1 : size));
  return c.node("Expand", [c.tensor(0), c.shapeVector(sizes)]);
}

function permute(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const order = numbersOf(c, "dims");
  return c.transpose(
    x,
    order.map((dim) => (dim < 0 ? dim + order.length : dim)),
  );
}

function transpose(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const [a, b] = [c.dim(c.number(1, "dim0", 0), x), c.dim(c.number(2, "dim1", 1), x)];
  const perm = c.shape(x).map((_, d) => (d === a ? b : d === b ? a : d));
  return c.transpose(x, perm);
}

function movedim(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const each = (position: number, key: string) => (c.numbers(position, key) ?? []).map((dim) => c.dim(dim, x));
  const [from, to] = [each(1, "source"), each(2, "destination")];
  const left = c.shape(x).flatMap((_, d) => (from.includes(d) ? [] : [d]));
  const perm = c.shape(x).map((_, d) => (to.includes(d) ? from[to.indexOf(d)] : (left.shift() as number)));
  return c.transpose(x, perm);
}

// ---------------------------------------------------------------- joining and splitting

function cat(c: CallContext): TensorValue {
  const list = c.tensors(0, "tensors");
  const dtype = list.find((item) => item.dtype.isFloatingPoint)?.dtype ?? list[0].dtype;
  const same = list.map((item) => (item.dtype === dtype ? item : c.cast(item, dtype)));
  return c.node("Concat", same, { axis: c.number(1, "dim", 0) }, dtype);
}

function stack(c: CallContext): TensorValue {
  const axis = c.number(1, "dim", 0);
  const list = c.tensors(0, "tensors");
  return c.node(
    "Concat",
    list.map((item) => c.unsqueeze(item, [axis])),
    { axis },
  );
}

function splitInto(c: CallContext, x: TensorValue, sizes: readonly number[], axis: number): TensorValue[] {
  const dtypes = sizes.map(() => x.dtype);
  return sizes.length === 1 ? [x] : c.nodes("Split", [x, c.ints(sizes)], { axis }, dtypes);
}

/** Pieces of `size`, the last one of what is left. */
function pieces(total: number, size: number): number[] {
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));
}

function split(c: CallContext): TensorValue[] {
  const x = c.tensor(0);
  const axis = c.number(2, "dim", 0);
  const sizes = c.numbers(1, "sizes") as number[];
  const isList = Array.isArray(c.argument(1, "sizes"));
  return splitInto(c, x, isList ? sizes : pieces(c.shape(x).at(axis) as number, sizes[0]), axis);
}

function chunk(c: CallContext): TensorValue[] {
  const x = c.tensor(0);
  const axis = c.number(2, "dim", 0);
  const total = c.shape(x).at(axis) as number;
  return splitInto(c, x, pieces(total, Math.ceil(total / c.number(1, "chunks", 1))), axis);
}

function unbind(c: CallContext): TensorValue[] {
  const x = c.tensor(0);
  const axis = c.number(1, "dim", 0);
  const ones = new Array<number>(c.shape(x).at(axis) as number).fill(1);
  return splitInto(c, x, ones, axis).map((item) => c.squeeze(item, [axis]));
}

// ---------------------------------------------------------------- parts

/** Larger than any size: to the end. */
const END = 2 ** 31 - 1;

function sliceAlong(
  c: CallContext,
  x: TensorValue,
  axis: number,
  start: Argument,
  stop: Argument,
  step: number,
): TensorValue {
  const bounds = [c.shapeVector([start ?? 0]), c.shapeVector([stop ?? END])];
  return c.node("Slice", [x, ...bounds, c.ints([axis]), c.ints([step])]);
}

function select(c: CallContext): TensorValue {
  const [axis, index] = [c.number(1, "dim", 0), c.argument(2, "index")];
  return takeOne(c, c.tensor(0), axis, index);
}

function takeOne(c: CallContext, x: TensorValue, axis: number, index: Argument): TensorValue {
  const at = typeof index === "number" ? c.scalar(index, int64) : index;
  c.require(isTensorValue(at), "an index must be a number or a tensor");
  return c.node("Gather", [x, at], { axis });
}

function narrow(c: CallContext): TensorValue {
  const [axis, start, length] = [c.number(1, "dim", 0), c.number(2, "start", 0), c.number(3, "length", 0)];
  return sliceAlong(c, c.tensor(0), axis, start, start + length, 1);
}

function slice(c: CallContext): TensorValue {
  const axis = c.number(1, "dim", 0);
  return sliceAlong(c, c.tensor(0), axis, c.argument(2, "start"), c.argument(3, "end"), c.number(4, "step", 1));
}

/** `value[index]`: an entry of a list, or the subscripts of a tensor one after the other. */
function getitem(c: CallContext): Argument {
  const [value, index] = c.args;
  if (Array.isArray(value)) {
    const list = value as readonly Argument[];
    c.require(typeof index === "number", "only a number can say which item of a list is meant");
    return list.at(index);
  }
  if (!isTensorValue(value)) {
    c.require(typeof value === "object" && value !== null, "it has no items");
    return (value as Record<string, Argument>)[String(index)];
  }
  return subscripts(c, value, Array.isArray(index) ? (index as readonly Argument[]) : [index]);
}

function subscripts(c: CallContext, x: TensorValue, items: readonly Argument[]): TensorValue {
  let [value, axis] = [x, 0];
  const used = items.filter((item) => item !== null && item !== "...").length;
  c.require(items.filter(isTensorValue).length <= 1, "several index tensors cannot be written");
  for (const item of items) {
    if (item === null || item === undefined) value = c.unsqueeze(value, [axis++]);
    else if (item === "...") axis += c.rank(x) - used;
    else if (typeof item === "number") value = takeOne(c, value, axis, item);
    else if (isTensorValue(item)) {
      c.require(item.dtype !== bool, "masks cannot be written");
      value = takeOne(c, value, axis, item);
      axis += item.shape?.length ?? 0;
    } else if (Array.isArray(item)) value = takeOne(c, value, axis++, c.ints(item as readonly number[]));
    else {
      const { start, stop, step } = typeof item === "string" ? parseSlice(item) : (item as Record<string, Argument>);
      const isWhole = (start ?? null) === null && (stop ?? null) === null && (step ?? 1) === 1;
      if (!isWhole) value = sliceAlong(c, value, axis, start, stop, Number(step ?? 1));
      axis++;
    }
  }
  return value;
}

function indexSelect(c: CallContext): TensorValue {
  return takeOne(c, c.tensor(0), c.number(1, "dim", 0), c.argument(2, "index"));
}

function gather(c: CallContext): TensorValue {
  return c.node("GatherElements", [c.tensor(0), c.tensor(2, "index")], { axis: c.number(1, "dim", 0) });
}

// ---------------------------------------------------------------- repeating and filling

function repeat(c: CallContext): TensorValue {
  const sizes = sizesOf(c);
  const x = c.tensor(0);
  const missing = sizes.length - c.rank(x);
  const wide =
    missing > 0
      ? c.unsqueeze(
          x,
          Array.from({ length: missing }, (_, d) => d),
        )
      : x;
  return c.node("Tile", [wide, c.shapeVector(sizes)]);
}

function flip(c: CallContext): TensorValue {
  const x = c.tensor(0);
  return numbersOf(c, "dims").reduce((value, axis) => sliceAlong(c, value, axis, -1, -END, -1), x);
}

function pad(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const amounts = c.numbers(1, "pad") ?? [];
  const mode = c.text(2, "mode", "constant");
  const names: Readonly<Record<string, string>> = {
    constant: "constant",
    reflect: "reflect",
    replicate: "edge",
    circular: "wrap",
  };
  if (mode === "circular") c.builder.needs(19);
  // PyTorch counts from the last dimension on: its begin, its end, then those of the dimension before.
  const untouched = new Array<number>(c.rank(x) - amounts.length / 2).fill(0);
  const every = (offset: number) => amounts.filter((_, i) => i % 2 === offset).toReversed();
  const pads = c.ints([...untouched, ...every(0), ...untouched, ...every(1)], "pads");
  const value = mode === "constant" ? c.scalar(c.number(3, "value", 0), x.dtype) : null;
  return c.node("Pad", [x, pads, value], { mode: names[mode] });
}

function triangle(upper: number): OpExport {
  return (c: CallContext) => {
    c.builder.needs(14);
    return c.node("Trilu", [c.tensor(0), c.scalar(c.number(1, "diagonal", 0), int64)], { upper });
  };
}

function maskedFill(c: CallContext): TensorValue {
  const x = c.tensor(0);
  return c.node("Where", [c.tensor(1, "mask"), c.operand(c.argument(2, "value"), x), x], {}, x.dtype);
}

// ---------------------------------------------------------------- sizes and dtypes

function shapeOf(c: CallContext, x: Argument): TensorValue {
  c.require(isTensorValue(x) || isQuantizedValue(x), "only tensors have a shape");
  const measured: TensorValue | QuantizedValue = x;
  return { ...c.node("Shape", [measured], {}, int64), shape: measured.shape && [measured.shape.length] };
}

function size(c: CallContext): TensorValue {
  const shape = shapeOf(c, c.args[0]);
  const dim = c.numbers(1, "dim");
  return dim ? { ...takeOne(c, shape, 0, dim[0]), shape: [] } : shape;
}

function getattr(c: CallContext): Argument {
  const [value, name] = c.args;
  if (name === "shape") return shapeOf(c, value);
  c.require(isTensorValue(value) || isQuantizedValue(value), "only tensors have attributes");
  if (name === "ndim") return c.rank(value);
  if (name === "dtype" && isTensorValue(value)) return value.dtype;
  return c.refuse(`the attribute ${String(name)} of a tensor cannot be written`);
}

function to(c: CallContext): Argument {
  const x = c.tensor(0);
  const target = c.argument(1, "dtype") ?? x.dtype;
  const dtype = isTensorValue(target) ? target.dtype : (target as DType);
  return dtype === x.dtype ? x : c.cast(x, dtype);
}

export const shapeExports: OpExports = {
  view: (c) => c.reshape(c.tensor(0), sizesOf(c)),
  reshape: (c) => c.reshape(c.tensor(0), sizesOf(c)),
  flatten,
  unflatten,
  squeeze,
  unsqueeze: (c) => c.unsqueeze(c.tensor(0), [c.number(1, "dim", 0)]),
  expand,
  broadcastTo: expand,
  expandAs: (c) => c.node("Expand", [c.tensor(0), shapeOf(c, c.args[1])]),
  permute,
  transpose,
  t: (c) => c.transpose(c.tensor(0), [1, 0]),
  movedim,
  contiguous: identity,
  clone: identity,
  detach: identity,
  requiresGrad: identity,
  cat,
  stack,
  split,
  chunk,
  unbind,
  select,
  narrow,
  slice,
  getitem,
  index: (c) => subscripts(c, c.tensor(0), c.args.slice(1)),
  indexSelect,
  gather,
  repeat,
  tile: (c) => c.node("Tile", [c.tensor(0), c.shapeVector(sizesOf(c))]),
  flip,
  pad,
  tril: triangle(0),
  triu: triangle(1),
  maskedFill,
  size,
  getattr,
  dim: (c) => c.rank(c.tensor(0)),
  numel: (c) => c.node("Size", [c.tensor(0)], {}, int64),
  to,
  typeAs: (c) => to(c.with([c.tensor(0), c.tensor(1)])),
  float: (c) => c.cast(c.tensor(0), float32),
  long: (c) => c.cast(c.tensor(0), int64),
  bool: (c) => c.cast(c.tensor(0), bool),
  tuple: identity,
};
