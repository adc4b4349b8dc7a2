/**
 * Views: operators that give the same elements another shape, order or window without copying them. What has to copy
 * (cat, flip, repeat, …) is in rearrange.ts; changes in place are in copy.ts.
 */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import type { DType } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { inferShape, numelOf, viewStrides, wrapDim, wrapDims } from "../core/shape.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumTo } from "./broadcast.ts";
import { asStridedGrad, checkWindow } from "./as-strided.ts";
import { clone } from "./copy.ts";
import type { Op } from "./op.ts";
import { composite, primitive } from "./op.ts";

/** Sizes or dimensions as PyTorch takes them: `view(x, 2, 3)` or `view(x, [2, 3])`. */
export type Sizes = readonly number[] | readonly [Shape];

export function sizesOf(sizes: Sizes): Shape {
  return Array.isArray(sizes[0]) ? (sizes[0] as Shape) : (sizes as Shape);
}

/** Lets an operator on a list of sizes take them one by one too; a tracer always sees the list. */
export function variadic<R>(op: Op<[Tensor, Shape], R>): Op<[x: Tensor, ...sizes: Sizes], R> {
  return Object.assign((x: Tensor, ...sizes: Sizes): R => op(x, sizesOf(sizes)), { op: op.op });
}

// ---------------------------------------------------------------- another shape

/** The same elements under another shape (one size may be -1). Fails where only a copy could do that. */
export const view = variadic(
  primitive(
    "view",
    (x: Tensor, requested: Shape) => {
      const shape = inferShape("view", requested, x.numel());
      const strides = viewStrides(x.shape, x.strides, shape);
      if (!strides) {
        throw new OctetError(
          "view: view size is not compatible with input tensor's size and stride (at least one dimension spans across " +
            "two contiguous subspaces). Use .reshape(...) instead.",
        );
      }
      return x.alias(shape, strides, x.offset);
    },
    (_out, { shape }) =>
      (g) => [reshape(g, shape)],
  ),
);

/** As {@link view} where that is possible, else a view of a contiguous copy. */
export const reshape = variadic(
  composite("reshape", (x: Tensor, requested: Shape): Tensor => {
    const shape = inferShape("reshape", requested, x.numel());
    return view(viewStrides(x.shape, x.strides, shape) ? x : clone(x), shape);
  }),
);

/** Merges dimensions `startDim` to `endDim` (inclusive) into one. A scalar becomes a vector of one. */
export const flatten = composite("flatten", (x: Tensor, startDim: number = 0, endDim: number = -1): Tensor => {
  const start = wrapDim("flatten", startDim, x.ndim);
  const end = wrapDim("flatten", endDim, x.ndim);
  if (start > end) throw new OctetError("flatten: startDim cannot come after endDim");
  if (x.ndim > 0 && start === end) return x;
  return reshape(x, [...x.shape.slice(0, start), numelOf(x.shape.slice(start, end + 1)), ...x.shape.slice(end + 1)]);
});

/** Splits dimension `dim` into `sizes`, one of which may be -1. */
export const unflatten = composite("unflatten", (x: Tensor, dim: number, sizes: Shape): Tensor => {
  const d = wrapDim("unflatten", dim, x.ndim);
  const inferred = inferShape("unflatten", sizes, x.shape[d]);
  return view(x, [...x.shape.slice(0, d), ...inferred, ...x.shape.slice(d + 1)]);
});

/** Drops dimensions of size 1: all of them, or those among `dim`. */
export const squeeze = primitive(
  "squeeze",
  (x: Tensor, dim?: number | Shape) => {
    const candidates = wrapDims("squeeze", dim, x.ndim);
    const kept = x.shape.flatMap((size, d) => (size === 1 && candidates.includes(d) ? [] : [d]));
    return aliasDims(x, kept);
  },
  (_out, { shape }) =>
    (g) => [reshape(g, shape)],
);

/** Puts a dimension of size 1 before dimension `dim`, which may be -ndim - 1 to ndim. */
export const unsqueeze = primitive(
  "unsqueeze",
  (x: Tensor, dim: number) => {
    const d = wrapDim("unsqueeze", dim, x.ndim + 1);
    const stride = d < x.ndim ? x.shape[d] * x.strides[d] : 1;
    return x.alias(x.shape.toSpliced(d, 0, 1), x.strides.toSpliced(d, 0, stride), x.offset);
  },
  (_out, { shape }) =>
    (g) => [reshape(g, shape)],
);

/**
 * Stretches dimensions of size 1, and adds leading ones, without copying: the result's elements overlap. -1 keeps a size.
 */
export const expand = variadic(
  primitive(
    "expand",
    (x: Tensor, requested: Shape) => {
      const { shape, strides } = expandedLayout(x, requested);
      return x.alias(shape, strides, x.offset);
    },
    (_out, { shape }) =>
      (g) => [sumTo(g, shape)],
  ),
);

function expandedLayout(x: Tensor, requested: Shape): { shape: number[]; strides: number[] } {
  const lead = requested.length - x.ndim;
  if (lead < 0) {
    throw new OctetError(
      `expand: the number of sizes provided (${requested.length}) must be greater or equal to the number of dimensions ` +
        `in the tensor (${x.ndim})`,
    );
  }
  const strides = new Array<number>(requested.length).fill(0);
  const shape = requested.map((target, d) => {
    if (d < lead) {
      if (!Number.isInteger(target) || target < 0) {
        throw new OctetError(
          `expand: the expanded size of the tensor (${target}) isn't allowed in a leading, non-existing dimension ${d}`,
        );
      }
      return target;
    }
    const size = x.shape[d - lead];
    if (target === -1 || target === size) {
      strides[d] = x.strides[d - lead];
      return size;
    }
    if (size !== 1 || !Number.isInteger(target) || target < 0) {
      throw new OctetError(
        `expand: the expanded size of the tensor (${target}) must match the existing size (${size}) at non-singleton ` +
          `dimension ${d}. Target sizes: ${formatShape(requested)}. Tensor sizes: ${formatShape(x.shape)}`,
      );
    }
    return target;
  });
  return { shape, strides };
}

/** {@link expand} to the shape of `other`. */
export const expandAs = composite("expandAs", (x: Tensor, other: Tensor): Tensor => expand(x, other.shape));

/** {@link expand}, under `torch.broadcast_to`'s name. */
export const broadcastTo = composite("broadcastTo", (x: Tensor, shape: Shape): Tensor => expand(x, shape));

// ---------------------------------------------------------------- another order of dimensions

/** Reorders the dimensions: dimension i of the result is dimension dims[i] of `x`. */
export const permute: Op<[x: Tensor, ...dims: Sizes], Tensor> = variadic(
  primitive(
    "permute",
    (x: Tensor, dims: Shape) => aliasDims(x, permutation(x, dims)),
    (_out, x, dims) => {
      const order = permutation(x, dims);
      const inverse = order.map((_, d) => order.indexOf(d));
      return (g) => [permute(g, inverse)];
    },
  ),
);

function permutation(x: Tensor, dims: Shape): number[] {
  if (dims.length !== x.ndim) {
    throw new OctetError(
      `permute: number of dimensions in the tensor input does not match the length of the desired ordering of ` +
        `dimensions i.e. input.dim() = ${x.ndim} is not equal to len(dims) = ${dims.length}`,
    );
  }
  const order = dims.map((d) => wrapDim("permute", d, x.ndim));
  if (new Set(order).size !== order.length) {
    throw new OctetError(`permute: duplicate dims are not allowed, got ${formatShape(dims)}`);
  }
  return order;
}

/** Swaps two dimensions. */
export const transpose: Op<[x: Tensor, dim0: number, dim1: number], Tensor> = primitive(
  "transpose",
  (x: Tensor, dim0: number, dim1: number) => {
    const [a, b] = [wrapDim("transpose", dim0, x.ndim), wrapDim("transpose", dim1, x.ndim)];
    const order = x.shape.map((_, d) => (d === a ? b : d === b ? a : d));
    return aliasDims(x, order);
  },
  (_out, _x, dim0, dim1) => (g) => [transpose(g, dim0, dim1)],
);

/** The transpose of a matrix; vectors and scalars stay as they are. */
export const t = composite("t", (x: Tensor): Tensor => {
  if (x.ndim > 2) throw new OctetError(`t: expects a tensor with <= 2 dimensions, but self is ${x.ndim}D`);
  return x.ndim === 2 ? transpose(x, 0, 1) : view(x, x.shape);
});

/** Moves dimensions `source` to the places `destination`; the others keep their order. */
export const movedim = composite(
  "movedim",
  (x: Tensor, source: number | Shape, destination: number | Shape): Tensor => {
    const wrap = (dims: number | Shape) =>
      (typeof dims === "number" ? [dims] : dims).map((d) => wrapDim("movedim", d, x.ndim));
    const [from, to] = [wrap(source), wrap(destination)];
    if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
      throw new OctetError(
        `movedim: source [${from.join(", ")}] and destination [${to.join(", ")}] must be equally many different dims`,
      );
    }
    const rest = x.shape.map((_, d) => d).filter((d) => !from.includes(d));
    const order = x.shape.map((_, d) => (to.includes(d) ? from[to.indexOf(d)] : (rest.shift() as number)));
    return permute(x, order);
  },
);

/** The view whose dimension i is dimension dims[i] of `x`; dimensions that are left out must have size 1. */
function aliasDims(x: Tensor, dims: Shape): Tensor {
  return x.alias(
    dims.map((d) => x.shape[d]),
    dims.map((d) => x.strides[d]),
    x.offset,
  );
}

// ---------------------------------------------------------------- a window

/** `length` entries of dimension `dim` from `start` on; a negative start counts from the end. */
export const narrow = composite("narrow", (x: Tensor, dim: number, start: number, length: number): Tensor => {
  if (x.ndim === 0) throw new OctetError("narrow: cannot be applied to a 0-dim tensor");
  const size = x.shape[wrapDim("narrow", dim, x.ndim)];
  if (!Number.isInteger(length) || length < 0)
    throw new OctetError(`narrow: length must be non-negative, got ${length}`);
  if (!Number.isInteger(start) || start < -size || start > size) {
    throw new OctetError(
      `narrow: start out of range (expected to be in range of [${-size}, ${size}], but got ${start})`,
    );
  }
  const first = start < 0 ? start + size : start;
  if (first + length > size) {
    throw new OctetError(`narrow: start (${first}) + length (${length}) exceeds dimension size (${size})`);
  }
  return slice(x, dim, first, first + length);
});

/** Entry `index` of dimension `dim`, which goes away; a negative index counts from the end. */
export const select = primitive(
  "select",
  (x: Tensor, dim: number, index: number) => {
    const { d, at } = selected(x, dim, index);
    return x.alias(x.shape.toSpliced(d, 1), x.strides.toSpliced(d, 1), x.offset + at * x.strides[d]);
  },
  (_out, x, dim, index) => {
    const { shape } = x;
    const { d, at } = selected(x, dim, index);
    return (g) => [placed(unsqueeze(g, d), shape, d, at, 1)];
  },
);

function selected(x: Tensor, dim: number, index: number): { d: number; at: number } {
  if (x.ndim === 0) throw new OctetError("select: cannot be applied to a 0-dim tensor");
  const d = wrapDim("select", dim, x.ndim);
  const size = x.shape[d];
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new OctetError(
      `select: index ${index} out of range for tensor of size ${formatShape(x.shape)} at dimension ${d}`,
    );
  }
  return { d, at: index < 0 ? index + size : index };
}

/**
 * `x[start:end:step]` along `dim`, as Python slices: negative bounds count from the end, and bounds outside are moved
 * inside. `step` must be at least 1.
 */
export const slice = primitive(
  "slice",
  (x: Tensor, dim: number = 0, start?: number | null, end?: number | null, step: number = 1) => {
    const { d, first, count } = sliced(x, dim, start, end, step);
    return x.alias(
      x.shape.with(d, count),
      x.strides.with(d, x.strides[d] * step),
      count > 0 ? x.offset + first * x.strides[d] : x.offset,
    );
  },
  (_out, x, dim: number = 0, start, end, step: number = 1) => {
    const { shape } = x;
    const { d, first } = sliced(x, dim, start, end, step);
    return (g) => [placed(g, shape, d, first, step)];
  },
);

function sliced(
  x: Tensor,
  dim: number,
  start: number | null | undefined,
  end: number | null | undefined,
  step: number,
) {
  if (x.ndim === 0) throw new OctetError("slice: cannot be applied to a 0-dim tensor");
  const d = wrapDim("slice", dim, x.ndim);
  const size = x.shape[d];
  if (!Number.isInteger(step) || step < 1) throw new OctetError(`slice: step must be greater than zero, got ${step}`);
  const bound = (value: number | null | undefined, fallback: number): number => {
    if (value === null || value === undefined) return fallback;
    if (!Number.isInteger(value) && Math.abs(value) !== Infinity) {
      throw new OctetError(`slice: bounds must be whole numbers, got ${value}`);
    }
    return Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  };
  const first = bound(start, 0);
  const last = bound(end, size);
  return { d, first, count: Math.max(0, Math.ceil((last - first) / step)) };
}

/** Zeros of `shape` with `gradient` written along dimension `d` at `first`, `first + step`, …. */
function placed(gradient: Tensor, shape: Shape, d: number, first: number, step: number): Tensor {
  const out = Tensor.zeros(shape, gradient.dtype);
  writeAlong(out, gradient, d, first, step);
  return out;
}

/** The diagonal (over dimensions dim1 and dim2) as a last dimension; `offset` > 0 lies above the main one. */
export const diagonal = composite(
  "diagonal",
  (x: Tensor, offset: number = 0, dim1: number = 0, dim2: number = 1): Tensor => {
    const [a, b] = [wrapDim("diagonal", dim1, x.ndim), wrapDim("diagonal", dim2, x.ndim)];
    if (a === b) throw new OctetError(`diagonal: dimensions cannot be identical ${dim1}, ${dim2}`);
    const length = Math.max(0, Math.min(x.shape[a] + Math.min(offset, 0), x.shape[b] - Math.max(offset, 0)));
    const start = length === 0 ? 0 : offset >= 0 ? offset * x.strides[b] : -offset * x.strides[a];
    const rest = x.shape.map((_, d) => d).filter((d) => d !== a && d !== b);
    return asStrided(
      x,
      [...rest.map((d) => x.shape[d]), length],
      [...rest.map((d) => x.strides[d]), x.strides[a] + x.strides[b]],
      x.offset + start,
    );
  },
);

/**
 * A view with any sizes and strides over the storage of `x`, starting at storage index `storageOffset`
 * (default: where `x` starts). Elements may overlap; they may not lie outside the storage.
 */
export const asStrided = primitive(
  "asStrided",
  (x: Tensor, size: Shape, stride: Shape, storageOffset?: number) => {
    const offset = storageOffset ?? x.offset;
    checkWindow(x, size, stride, offset);
    return x.alias(size.slice(), stride.slice(), offset);
  },
  (_out, { shape, strides, offset }, size, stride, storageOffset) => {
    const input = { shape, strides, offset };
    const output = { shape: size, strides: stride, offset: storageOffset ?? offset };
    return (g) => [asStridedGrad(g, input, output)];
  },
);

// ---------------------------------------------------------------- several windows

/** The entries of dimension `dim`, each without that dimension. */
export const unbind = primitive(
  "unbind",
  (x: Tensor, dim: number = 0): readonly Tensor[] => {
    if (x.ndim === 0) throw new OctetError("unbind: cannot be applied to a 0-dim tensor");
    const d = wrapDim("unbind", dim, x.ndim);
    return Array.from({ length: x.shape[d] }, (_, i) => select(x, d, i));
  },
  (_out, { shape, dtype }, dim: number = 0) => {
    const d = wrapDim("unbind", dim, shape.length);
    return (gradients) => {
      const pieces = gradients.map((g) => g && unsqueeze(g, d));
      return [joined(pieces, shape, d, new Array<number>(shape[d]).fill(1), dtype)];
    };
  },
);

/** Views of `x` along `dim`: pieces of `sizes` entries (the last may be smaller), or one piece per size of a list. */
export const split = composite("split", (x: Tensor, sizes: number | Shape, dim: number = 0): readonly Tensor[] => {
  if (x.ndim === 0) throw new OctetError("split: expects at least a 1-dimensional tensor");
  const size = x.shape[wrapDim("split", dim, x.ndim)];
  if (typeof sizes !== "number") return splitWithSizes(x, sizes, dim);
  if (!Number.isInteger(sizes) || sizes < 0 || (sizes === 0 && size > 0)) {
    throw new OctetError(`split: split size must be a positive whole number, got ${sizes}`);
  }
  const pieces = Math.max(1, Math.ceil(size / Math.max(sizes, 1)));
  const last = size - (pieces - 1) * sizes;
  return splitWithSizes(x, [...new Array<number>(pieces - 1).fill(sizes), last], dim);
});

/** At most `chunks` views of `x` along `dim`, all of one size but the last. */
export const chunk = composite("chunk", (x: Tensor, chunks: number, dim: number = 0): readonly Tensor[] => {
  if (x.ndim === 0) throw new OctetError("chunk: expects at least a 1-dimensional tensor");
  if (!Number.isInteger(chunks) || chunks < 1) {
    throw new OctetError(`chunk: expects \`chunks\` to be greater than 0, got: ${chunks}`);
  }
  const size = x.shape[wrapDim("chunk", dim, x.ndim)];
  if (size === 0) return splitWithSizes(x, new Array<number>(chunks).fill(0), dim);
  return split(x, Math.ceil(size / chunks), dim);
});

/** The second form of {@link split}. */
const splitWithSizes = primitive(
  "split",
  (x: Tensor, sizes: Shape, dim: number): readonly Tensor[] => {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const d = wrapDim("split", dim, x.ndim);
    if (total !== x.shape[d]) {
      throw new OctetError(
        `split: expects split_sizes to sum exactly to ${x.shape[d]} (input tensor's size at dimension ${d}), ` +
          `but got split_sizes=${formatShape(sizes)}`,
      );
    }
    let start = 0;
    return sizes.map((size) => narrow(x, d, (start += size) - size, size));
  },
  (_out, { shape, dtype }, sizes, dim) => {
    const d = wrapDim("split", dim, shape.length);
    return (gradients) => [joined(gradients, shape, d, sizes, dtype)];
  },
);

/** A tensor of `shape` whose dimension `d` is made of `pieces` of the given sizes; a missing one leaves zeros. */
function joined(pieces: readonly (Tensor | undefined)[], shape: Shape, d: number, sizes: Shape, dtype: DType): Tensor {
  const out = Tensor.zeros(shape, dtype);
  let start = 0;
  sizes.forEach((size, i) => {
    const piece = pieces[i];
    if (piece) writeAlong(out, piece, d, start, 1);
    start += size;
  });
  return out;
}

/** Writes `piece` into `out` along dimension `d` at `first`, `first + step`, …. */
function writeAlong(out: Tensor, piece: Tensor, d: number, first: number, step: number): void {
  const strides = out.strides.with(d, out.strides[d] * step);
  const at = first * out.strides[d];
  copyStrided(piece.shape, piece.storage.data, piece.strides, piece.offset, out.storage.data, strides, at);
}

// ---------------------------------------------------------------- in place: the tensor becomes a view of what it was

function inPlaceView<A extends readonly unknown[]>(name: string, op: (x: Tensor, ...args: A) => Tensor) {
  return (self: Tensor, ...args: A): Tensor => {
    if (isGradEnabled() && self.requiresGrad && (self.isLeaf || self.base)) {
      throw new OctetError(
        `${name}: a leaf that requires grad, or a view of a tensor in a graph, cannot change in place`,
      );
    }
    const { shape, strides, gradFn, outputIndex } = op(self, ...args);
    Object.assign(self, gradFn ? { shape, strides, gradFn, outputIndex } : { shape, strides });
    return self;
  };
}

/** {@link squeeze} of the tensor itself. */
export const squeeze_ = inPlaceView("squeeze_", squeeze);

/** {@link unsqueeze} of the tensor itself. */
export const unsqueeze_ = inPlaceView("unsqueeze_", unsqueeze);

/** {@link transpose} of the tensor itself. */
export const transpose_ = inPlaceView("transpose_", transpose);

/** {@link t} of the tensor itself. */
export const t_ = inPlaceView("t_", t);
