/** Padding: more (or, with negative amounts, fewer) elements at the ends of dimensions (`torch.nn.functional.pad`). */
import type { FloatArray, NumericArray } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { contiguousStrides, numelOf } from "../core/shape.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { primitive } from "./op.ts";

/** What the new elements hold: a constant, the mirror image without the edge, the edge, or the other end. */
export type PadMode = "constant" | "reflect" | "replicate" | "circular";

export interface PadOptions {
  /** Default "constant". */
  readonly mode?: PadMode;
  /** The constant, default 0. */
  readonly value?: number;
}

/**
 * Pads the last dimensions: `amounts` holds the elements to add before and after the last dimension, then before and after
 * the one before it, and so on. "constant" takes any number of dimensions; the other modes the last one, two or three, with
 * one or two dimensions (channels and batch) before them.
 */
export const pad = primitive(
  "pad",
  (x: Tensor, amounts: readonly number[], options: PadOptions = {}): Tensor => {
    const { mode = "constant", value = 0 } = options;
    const sides = sidesOf(x, amounts);
    if (mode === "constant") return padConstant(x, sides, value);
    if (value !== 0) throw new OctetError(`pad: mode "${mode}" takes no value, got ${value}`);
    const { source, planes, inPlane, shape } = planGather(x, sides, amounts, mode);
    const data = x.elements();
    const out = x.dtype.allocate(numelOf(shape));
    for (let plane = 0, o = 0; plane < planes; plane++) {
      const base = plane * inPlane;
      for (let i = 0; i < source.length; i++) out[o++] = data[base + source[i]];
    }
    return Tensor.fromArray(out, shape, x.dtype);
  },
  (_out, x, amounts, { mode = "constant" } = {}) => {
    const sides = sidesOf(x, amounts);
    if (mode === "constant") {
      const inverse = sides.map(({ before, after }) => ({ before: -before, after: -after }));
      return (g) => [padConstant(g, inverse, 0)];
    }
    const { shape } = x;
    const plan = planGather(x, sides, amounts, mode);
    return (g) => [scatterAdd(g, shape, plan)];
  },
);

/** Elements added at the two ends of one dimension; negative ones are taken away. */
interface Sides {
  readonly before: number;
  readonly after: number;
}

/** One entry per dimension of `x`. */
function sidesOf(x: Tensor, amounts: readonly number[]): Sides[] {
  if (amounts.length % 2 !== 0 || amounts.length > 2 * x.ndim || !amounts.every(Number.isInteger)) {
    throw new OctetError(
      `pad: expects pairs of whole numbers for at most ${x.ndim} dimensions of ${formatShape(x.shape)}, got ` +
        formatShape(amounts),
    );
  }
  const sides = x.shape.map((_, d) => {
    const pair = 2 * (x.ndim - 1 - d);
    return { before: amounts[pair] ?? 0, after: amounts[pair + 1] ?? 0 };
  });
  sides.forEach(({ before, after }, d) => {
    if (x.shape[d] + before + after < 0) {
      throw new OctetError(
        `pad: amounts ${before} and ${after} leave dimension ${d} of ${formatShape(x.shape)} with a negative size`,
      );
    }
  });
  return sides;
}

function paddedShape(x: Tensor, sides: readonly Sides[]): number[] {
  return x.shape.map((size, d) => size + sides[d].before + sides[d].after);
}

function padConstant(x: Tensor, sides: readonly Sides[], value: number): Tensor {
  const out = Tensor.zeros(paddedShape(x, sides), x.dtype);
  if (value !== 0 && out.numel() > 0) {
    out.writeAt(0, value);
    out.storage.data.fill(out.storage.data[0]);
  }
  // The part of x that survives negative amounts, and where it lands.
  const kept = x.shape.map((size, d) => size + Math.min(0, sides[d].before) + Math.min(0, sides[d].after));
  if (kept.some((size) => size < 0)) {
    throw new OctetError(`pad: negative amounts take more elements than shape ${formatShape(x.shape)} has`);
  }
  if (kept.includes(0)) return out;
  let [from, to] = [x.offset, 0];
  sides.forEach(({ before }, d) => {
    from += Math.max(0, -before) * x.strides[d];
    to += Math.max(0, before) * out.strides[d];
  });
  copyStrided(kept, x.storage.data, x.strides, from, out.storage.data, out.strides, to);
  return out;
}

/** How each element of a padded plane (the padded dimensions together) is found in the unpadded one. */
interface GatherPlan {
  readonly source: Int32Array;
  readonly planes: number;
  readonly inPlane: number;
  readonly shape: readonly number[];
}

function planGather(
  x: Tensor,
  sides: readonly Sides[],
  amounts: readonly number[],
  mode: Exclude<PadMode, "constant">,
): GatherPlan {
  const rank = amounts.length / 2;
  const first = x.ndim - rank;
  if (rank < 1 || rank > 3 || (first !== 1 && first !== 2)) {
    throw new OctetError(
      `pad: mode "${mode}" pads the last 1 to 3 dimensions of an input with 1 or 2 dimensions before them, got ` +
        `${amounts.length} amounts for shape ${formatShape(x.shape)}`,
    );
  }
  const inSize = x.shape.slice(first);
  const shape = paddedShape(x, sides);
  const strides = contiguousStrides(inSize);
  let source: Int32Array = new Int32Array(1);
  inSize.forEach((size, d) => {
    const { before, after } = sides[first + d];
    checkAmounts(x, mode, size, before, after);
    const line = Array.from({ length: shape[first + d] }, (_, i) => sourceIndex(mode, i - before, size, before, after));
    const wider = new Int32Array(source.length * line.length);
    source.forEach((base, i) => line.forEach((at, j) => (wider[i * line.length + j] = base + at * strides[d])));
    source = wider;
  });
  return { source, planes: numelOf(x.shape.slice(0, first)), inPlane: numelOf(inSize), shape };
}

/** How much a mode can add to each end: it uses every element at most once more. */
function checkAmounts(x: Tensor, mode: PadMode, size: number, before: number, after: number): void {
  const kept = size + Math.min(0, before) + Math.min(0, after);
  const limit = size === 0 ? 0 : mode === "reflect" ? size - 1 : mode === "circular" ? kept : Infinity;
  if (kept < 0 || before > limit || after > limit) {
    throw new OctetError(
      `pad: mode "${mode}" can add at most ${Math.max(0, limit)} elements to a dimension of size ${size}, got ${before} ` +
        `and ${after} for shape ${formatShape(x.shape)}`,
    );
  }
}

/** Where position `i` (relative to the first element; negative before it) takes its value from. */
function sourceIndex(
  mode: Exclude<PadMode, "constant">,
  i: number,
  size: number,
  before: number,
  after: number,
): number {
  switch (mode) {
    case "reflect":
      return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
    case "replicate":
      return Math.min(Math.max(i, 0), size - 1);
    case "circular": {
      // What negative amounts take away is not there when the other end wraps around.
      const first = Math.max(0, -before);
      const length = size - first - Math.max(0, -after);
      return first + ((i - first + length) % length);
    }
    default:
      mode satisfies never;
      throw new OctetError(`pad: unknown mode "${String(mode)}"`);
  }
}

/** The gradient of a gather: each element's gradient is added to where its value came from. */
function scatterAdd(g: Tensor, shape: readonly number[], { source, planes, inPlane }: GatherPlan): Tensor {
  const dtype = computeDtype(g.dtype);
  const gradient = floatElements(g, dtype);
  const out: NumericArray = dtype.allocate(numelOf(shape)) as FloatArray;
  for (let plane = 0, o = 0; plane < planes; plane++) {
    const base = plane * inPlane;
    for (let i = 0; i < source.length; i++) out[base + source[i]] += gradient[o++];
  }
  return tensorFromComputed(out, shape, g.dtype);
}
