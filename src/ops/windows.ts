/** Windows: views of some of the elements (select, slice, split, diagonal, …). Nothing is copied. */
import type { DType } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { wrapDim } from "../core/shape.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { asStridedGrad, checkWindow } from "./as-strided.ts";
import type { Op } from "./op.ts";
import { composite, primitive } from "./op.ts";
import { unsqueeze } from "./views.ts";

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
export const slice: Op<[x: Tensor, dim?: number, start?: number | null, end?: number | null, step?: number], Tensor> =
  primitive(
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
export const asStrided: Op<[x: Tensor, size: Shape, stride: Shape, storageOffset?: number], Tensor> = primitive(
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

/** All windows of `size` entries along `dimension`, `step` apart, as a last dimension (`torch.Tensor.unfold`). They overlap. */
export const unfold = composite("unfold", (x: Tensor, dimension: number, size: number, step: number): Tensor => {
  const d = wrapDim("unfold", dimension, x.ndim);
  const n = x.shape[d] ?? 1;
  if (!Number.isInteger(size) || size < 0 || size > n) {
    throw new OctetError(`unfold: maximum size for tensor at dimension ${d} is ${n} but size is ${size}`);
  }
  if (!Number.isInteger(step) || step < 1) throw new OctetError(`unfold: step is ${step} but must be > 0`);
  if (x.ndim === 0) return asStrided(x, [size], [1]);
  const count = Math.floor((n - size) / step) + 1;
  const strides = [...x.strides.with(d, x.strides[d] * step), x.strides[d]];
  return asStrided(x, [...x.shape.with(d, count), size], strides);
});

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
