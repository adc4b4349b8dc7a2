/** Joining, splitting, cutting, repeating and padding. */
import { OctetError } from "../../core/errors.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import type { Dim, SymbolicShape, Value } from "../import-value.ts";
import { wrappedDim } from "../import-value.ts";
import { vector, wholeNumbers } from "./shape.ts";
import { padAmounts } from "./window.ts";

// ---------------------------------------------------------------- joining and splitting

const concat: OnnxOp = {
  since: [4],
  import(c: NodeContext) {
    const parts = c.allInputs();
    const axis = c.int("axis", 0);
    const elements = parts.every((part) => part.elements && part.shape?.length === 1)
      ? parts.flatMap((part) => part.elements ?? [])
      : null;
    return c.call(ops.cat, [parts, axis], { shape: joinedShape(parts, axis), elements });
  },
};

function joinedShape(parts: readonly Value[], axis: number): SymbolicShape | null {
  const first = parts.find(({ shape }) => shape)?.shape;
  if (!first) return null;
  const d = wrappedDim(axis, first.length);
  const sizes = parts.map(({ shape }) => shape?.[d] ?? null);
  const total = sizes.every((size) => typeof size === "number")
    ? sizes.reduce<number>((sum, size) => sum + (size as number), 0)
    : null;
  return first.with(d, total);
}

/** Parts of equal size, the last one perhaps smaller. */
const splitEvenly = traceable("onnx.split", (x: Tensor, count: number, axis: number): readonly Tensor[] => {
  const size = x.shape[axis < 0 ? axis + x.ndim : axis];
  const part = Math.ceil(size / count);
  const sizes = Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, size - i * part)));
  return ops.split(x, sizes, axis);
});

const splitInto = traceable("onnx.splitInto", (x: Tensor, sizes: Tensor, axis: number): readonly Tensor[] =>
  ops.split(x, wholeNumbers(sizes), axis),
);

const split: OnnxOp = {
  since: [2, 13, 18],
  import(c: NodeContext) {
    const x = c.input(0);
    const axis = c.int("axis", 0);
    const sizes = c.intsOrInput("split", 1);
    if (sizes && !Array.isArray(sizes)) {
      const part = { dtype: x.dtype, shape: x.shape && x.shape.with(wrappedDim(axis, x.shape.length), null) };
      const facts = c.node.outputs.map(() => part);
      return c.items(c.call(splitInto, [x, sizes as Value, axis]), facts);
    }
    const count = c.node.outputs.length;
    const d = wrappedDim(axis, x.shape?.length ?? 0);
    const size = x.shape?.[d];
    const part = typeof size === "number" ? Math.ceil(size / count) : null;
    const partSize = (i: number): Dim =>
      sizes ? sizes[i] : part === null ? null : Math.max(0, Math.min(part, (size as number) - i * part));
    const facts = c.node.outputs.map((_, i) => ({ dtype: x.dtype, shape: x.shape && x.shape.with(d, partSize(i)) }));
    if (!sizes && part === null) return c.items(c.call(splitEvenly, [x, count, axis]), facts);
    const all = c.node.outputs.map((_, i) => partSize(i) as number);
    return c.items(c.call(ops.split, [x, all, axis]), facts);
  },
};

// ---------------------------------------------------------------- slices

/** Bounds beyond the ends are moved to them; steps may be negative. Without axes: the first ones. */
const slicedTo = traceable(
  "onnx.slice",
  (x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | null, steps: Tensor | null): Tensor => {
    const [from, to] = [wholeNumbers(starts), wholeNumbers(ends)];
    const dims = axes ? wholeNumbers(axes) : from.map((_, i) => i);
    const by = steps ? wholeNumbers(steps) : from.map(() => 1);
    return dims.reduce((y, d, i) => sliceAlong(y, d < 0 ? d + x.ndim : d, from[i], to[i], by[i]), x);
  },
);

function sliceAlong(x: Tensor, d: number, start: number, end: number, step: number): Tensor {
  if (step === 0) throw new OctetError("onnx.slice: a step is 0");
  if (step > 0) return ops.slice(x, d, start, end, step);
  const size = x.shape[d];
  const bound = (value: number): number => Math.max(-1, Math.min(value < 0 ? value + size : value, size - 1));
  const [first, last] = [bound(start), bound(end)];
  const count = Math.max(0, Math.ceil((first - last) / -step));
  return ops.indexSelect(x, d, vector(Array.from({ length: count }, (_, i) => first + i * step)));
}

const slice: OnnxOp = {
  since: [1, 10],
  import(c: NodeContext) {
    const x = c.input(0);
    const isOld = c.opset < 10;
    const known = (name: string, index: number): number[] | Value | null =>
      isOld
        ? c.ints(name)
        : c.optional(index)?.elements?.every((e) => e !== null)
          ? (c.optional(index)?.elements as number[])
          : c.intsOrInput(name, index);
    const [starts, ends, axes, steps] = [
      known("starts", 1),
      known("ends", 2),
      known("axes", 3),
      isOld ? null : known("steps", 4),
    ];
    const rank = x.shape?.length ?? null;
    const isConstant = [starts, ends, axes, steps].every((list) => list === null || Array.isArray(list));
    if (!isConstant || (steps as number[] | null)?.some((step) => step < 0)) {
      const bounds = [c.input(1), c.input(2), c.optional(3), c.optional(4)];
      return c.call(slicedTo, [x, ...bounds], { shape: x.shape && x.shape.map(() => null) });
    }
    const [from, to] = [starts as number[], ends as number[]];
    const dims = (axes as number[] | null) ?? from.map((_, i) => i);
    const by = (steps as number[] | null) ?? from.map(() => 1);
    return dims.reduce((y, axis, i) => {
      const d = rank === null ? axis : wrappedDim(axis, rank);
      const shape = y.shape && y.shape.with(d, slicedSize(y.shape[d], from[i], to[i], by[i]));
      const elements = y.shape?.length === 1 && y.elements ? stepped(y.elements.slice(from[i], to[i]), by[i]) : null;
      return c.call(ops.slice, [y, d, from[i], to[i], by[i]], { shape, elements });
    }, x);
  },
};

function stepped<T>(list: readonly T[], step: number): T[] {
  return list.filter((_, i) => i % step === 0);
}

function slicedSize(size: Dim, start: number, end: number, step: number): Dim {
  if (typeof size !== "number") return null;
  const bound = (value: number): number => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  return Math.max(0, Math.ceil((bound(end) - bound(start)) / step));
}

// ---------------------------------------------------------------- repeating and padding

const tiled = traceable("onnx.tile", (x: Tensor, repeats: Tensor): Tensor => ops.tile(x, wholeNumbers(repeats)));

const tile: OnnxOp = {
  since: [6],
  import(c: NodeContext) {
    const [x, repeats] = [c.input(0), c.input(1)];
    const by = repeats.elements;
    const times = (size: Dim, factor: number | null | undefined): Dim =>
      typeof size === "number" && typeof factor === "number" ? size * factor : null;
    return c.call(tiled, [x, repeats], { shape: x.shape && x.shape.map((size, d) => times(size, by?.[d])) });
  },
};

/** Where the elements of a padded dimension come from; −1 for none. */
function sourcesOf(size: number, begin: number, end: number, mode: string): number[] {
  return Array.from({ length: Math.max(0, size + begin + end) }, (_, i) => {
    const at = i - begin;
    if (mode === "edge") return Math.min(Math.max(at, 0), size - 1);
    if (mode === "wrap") return ((at % size) + size) % size;
    const period = Math.max(1, 2 * (size - 1));
    const turned = ((at % period) + period) % period;
    return turned < size ? turned : period - turned;
  });
}

/** `pads` holds what is added before each of `axes`, then after; negative amounts are cut off. */
const paddedTo = traceable(
  "onnx.pad",
  (
    x: Tensor,
    pads: Tensor | readonly number[],
    value: Tensor | number | null,
    axes: Tensor | readonly number[] | null,
    mode: string,
  ): Tensor => {
    const amounts = pads instanceof Tensor ? wholeNumbers(pads) : pads;
    const count = amounts.length / 2;
    const dims =
      axes === null ? amounts.slice(count).map((_, i) => i) : axes instanceof Tensor ? wholeNumbers(axes) : axes;
    if (mode !== "constant") {
      return dims.reduce((y, axis, i) => {
        const d = axis < 0 ? axis + x.ndim : axis;
        return ops.indexSelect(y, d, vector(sourcesOf(y.shape[d], amounts[i], amounts[i + count], mode)));
      }, x);
    }
    const ends = x.shape.map(() => [0, 0]);
    dims.forEach((axis, i) => (ends[axis < 0 ? axis + x.ndim : axis] = [amounts[i], amounts[i + count]]));
    const fill = value instanceof Tensor ? value.item() : (value ?? 0);
    return ops.pad(
      x,
      padAmounts(
        ends.map(([begin]) => begin),
        ends.map(([, end]) => end),
      ),
      { value: fill },
    );
  },
);

const pad: OnnxOp = {
  since: [2, 11, 13, 18],
  import(c: NodeContext) {
    const x = c.input(0);
    const mode = c.text("mode", "constant");
    if (c.opset < 11) return padBy(c, x, c.ints("pads") ?? [], c.float("value", 0), mode);
    const [pads, value, axes] = [c.input(1), c.optional(2), c.optional(3)];
    const isConstant = pads.constant && (!value || value.constant) && !axes;
    if (!isConstant)
      return c.call(paddedTo, [x, pads, value, axes, mode], { shape: x.shape && x.shape.map(() => null) });
    return padBy(c, x, wholeNumbers(pads.constant as Tensor), value?.constant?.item() ?? 0, mode);
  },
};

function padBy(c: NodeContext, x: Value, pads: readonly number[], value: number, mode: string): Value {
  const rank = pads.length / 2;
  const shape =
    x.shape && x.shape.map((size, d) => (typeof size === "number" ? size + pads[d] + pads[d + rank] : null));
  if (pads.every((amount) => amount === 0)) return x;
  if (mode !== "constant") return c.call(paddedTo, [x, pads, null, null, mode], { shape });
  const amounts = padAmounts(pads.slice(0, rank), pads.slice(rank));
  while (amounts.length > 2 && amounts.at(-1) === 0 && amounts.at(-2) === 0) amounts.splice(-2);
  return c.call(ops.pad, [x, amounts], { kwargs: { value }, shape });
}

// ---------------------------------------------------------------- triangles and sequences

const triangleOf = traceable("onnx.trilu", (x: Tensor, k: Tensor | null, upper: boolean): Tensor =>
  (upper ? ops.triu : ops.tril)(x, k ? k.item() : 0),
);

const trilu: OnnxOp = {
  since: [14],
  import: (c) => c.call(triangleOf, [c.input(0), c.optional(1), c.int("upper", 1) !== 0], sameAs(c.input(0))),
};

/** The first `lengths[b]` entries along the time axis are reversed for each entry b of the batch axis. */
const reversedSequences = traceable(
  "onnx.reverseSequence",
  (x: Tensor, lengths: Tensor, timeAxis: number, batchAxis: number): Tensor => {
    const sequences = wholeNumbers(lengths).map((length, b) => {
      const sequence = ops.select(x, batchAxis, b);
      const axis = timeAxis > batchAxis ? timeAxis - 1 : timeAxis;
      const order = Array.from({ length: sequence.shape[axis] }, (_, t) => (t < length ? length - 1 - t : t));
      return ops.indexSelect(sequence, axis, vector(order));
    });
    return ops.stack(sequences, batchAxis);
  },
);

const reverseSequence: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const [time, batch] = [c.int("time_axis", 0), c.int("batch_axis", 1)];
    return c.call(reversedSequences, [c.input(0), c.input(1), time, batch], sameAs(c.input(0)));
  },
};

export const layoutOps: OnnxOps = {
  Concat: concat,
  Pad: pad,
  ReverseSequence: reverseSequence,
  Slice: slice,
  Split: split,
  Tile: tile,
  Trilu: trilu,
};
