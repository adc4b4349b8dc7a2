/** Rearrangements that copy: joining, repeating, flipping, rolling and triangular masks. Views are in views.ts and windows.ts. */
import type { DType } from "../core/dtype.ts";
import { promoteTypes } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { numelOf, wrapDim, wrapDims } from "../core/shape.ts";
import { elementsAs } from "../tensor/convert.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { asDtype } from "./elementwise.ts";
import { clone } from "./copy.ts";
import type { Op } from "./op.ts";
import { composite, primitive } from "./op.ts";
import type { SizesOp } from "./views.ts";
import { expand, flatten, reshape, unsqueeze, variadic, view } from "./views.ts";
import { diagonal as diagonalOf, narrow } from "./windows.ts";

// ---------------------------------------------------------------- joining

/**
 * Joins tensors along an existing dimension; their other sizes must agree. Dtypes are promoted. An empty vector is
 * skipped, whatever the shape of the others, as in PyTorch.
 */
export const cat = primitive(
  "cat",
  (tensors: readonly Tensor[], dim: number = 0) => {
    const { shape, d, dtype } = catLayout(tensors, dim);
    const out = Tensor.zeros(shape, dtype);
    let start = 0;
    for (const tensor of tensors) {
      if (isSkipped(tensor)) continue;
      const { data, strides, offset } = source(tensor, dtype);
      copyStrided(tensor.shape, data, strides, offset, out.storage.data, out.strides, start * out.strides[d]);
      start += tensor.shape[d];
    }
    return out;
  },
  (_out, tensors, dim: number = 0) => {
    const { d } = catLayout(tensors, dim);
    const pieces = tensors.map((tensor) => ({
      skipped: isSkipped(tensor),
      size: tensor.shape[d],
      dtype: tensor.dtype,
    }));
    return (g) => {
      let start = 0;
      const gradients = pieces.map(({ skipped, size, dtype }) => {
        if (skipped) return Tensor.zeros([0], dtype);
        start += size;
        return asDtype(narrow(g, d, start - size, size), dtype);
      });
      return [gradients];
    };
  },
);

/** PyTorch's legacy rule: a vector without elements fits everywhere. */
function isSkipped(tensor: Tensor): boolean {
  return tensor.ndim === 1 && tensor.shape[0] === 0;
}

/** The tensor's own storage and layout, or its elements converted to `dtype`. */
function source(tensor: Tensor, dtype: DType) {
  if (tensor.dtype === dtype) return { data: tensor.storage.data, strides: tensor.strides, offset: tensor.offset };
  const converted = Tensor.fromArray(elementsAs(tensor, dtype), tensor.shape, dtype);
  return { data: converted.storage.data, strides: converted.strides, offset: 0 };
}

function catLayout(tensors: readonly Tensor[], dim: number): { shape: number[]; d: number; dtype: DType } {
  if (tensors.length === 0) throw new OctetError("cat: expected a non-empty list of Tensors");
  const dtype = tensors.map((tensor) => tensor.dtype).reduce(promoteTypes);
  const scalar = tensors.findIndex((tensor) => tensor.ndim === 0);
  if (scalar >= 0) throw new OctetError(`cat: zero-dimensional tensor (at position ${scalar}) cannot be concatenated`);
  const first = tensors.find((tensor) => !isSkipped(tensor)) ?? tensors[0];
  const d = wrapDim("cat", dim, first.ndim);
  const shape = first.shape.with(d, 0);
  tensors.forEach((tensor, i) => {
    if (isSkipped(tensor)) return;
    if (tensor.ndim !== first.ndim) {
      throw new OctetError(`cat: tensors must have same number of dimensions: got ${first.ndim} and ${tensor.ndim}`);
    }
    tensor.shape.forEach((size, j) => {
      if (j !== d && size !== first.shape[j]) {
        throw new OctetError(
          `cat: sizes of tensors must match except in dimension ${d}. Expected size ${first.shape[j]} but got size ` +
            `${size} for tensor number ${i} in the list.`,
        );
      }
    });
    shape[d] += tensor.shape[d];
  });
  return { shape, d, dtype };
}

/** Joins tensors of one shape along a new dimension. */
export const stack = composite("stack", (tensors: readonly Tensor[], dim: number = 0): Tensor => {
  if (tensors.length === 0) throw new OctetError("stack: expects a non-empty list of Tensors");
  tensors.forEach((tensor, i) => {
    if (formatShape(tensor.shape) !== formatShape(tensors[0].shape)) {
      throw new OctetError(
        `stack: expects each tensor to be equal size, but got ${formatShape(tensors[0].shape)} at entry 0 and ` +
          `${formatShape(tensor.shape)} at entry ${i}`,
      );
    }
  });
  const d = wrapDim("stack", dim, tensors[0].ndim + 1);
  return cat(
    tensors.map((tensor) => unsqueeze(tensor, d)),
    d,
  );
});

// ---------------------------------------------------------------- repeating

/** Copies of `x` side by side: sizes[i] of them along dimension i, aligned at the right. */
export const repeat = variadic(
  composite("repeat", (x: Tensor, sizes: Shape): Tensor => {
    const lead = sizes.length - x.ndim;
    if (lead < 0) {
      throw new OctetError(
        `repeat: number of dimensions of repeat dims (${sizes.length}) can not be smaller than number of dimensions ` +
          `of tensor (${x.ndim})`,
      );
    }
    if (sizes.some((size) => !Number.isInteger(size) || size < 0)) {
      throw new OctetError(`repeat: repeats must be whole numbers of at least 0, got ${formatShape(sizes)}`);
    }
    // [a, b] becomes [1, a, 1, b], stretched to [r0, a, r1, b], then merged: the gradient is a sum over the repeats.
    const shape = [...new Array<number>(lead).fill(1), ...x.shape];
    const apart = reshape(
      x,
      shape.flatMap((size) => [1, size]),
    );
    const stretched = expand(
      apart,
      shape.flatMap((size, d) => [sizes[d], size]),
    );
    return view(
      clone(stretched),
      shape.map((size, d) => size * sizes[d]),
    );
  }),
);

/** {@link repeat} that accepts fewer repeats than dimensions (`torch.tile`). */
export const tile: SizesOp = variadic(
  composite("tile", (x: Tensor, sizes: Shape): Tensor => {
    const missing = Math.max(0, x.ndim - sizes.length);
    return repeat(x, [...new Array<number>(missing).fill(1), ...sizes]);
  }),
);

// ---------------------------------------------------------------- reversing and rotating

/** Reverses the order of the entries along each of `dims`. */
export const flip: SizesOp = variadic(
  primitive(
    "flip",
    (x: Tensor, dims: Shape) => {
      const reversed = wrapDims("flip", dims, x.ndim);
      const out = Tensor.zeros(x.shape, x.dtype);
      let { offset } = x;
      const strides = x.strides.map((stride, d) => {
        if (!reversed.includes(d)) return stride;
        offset += (x.shape[d] - 1) * stride;
        return -stride;
      });
      copyStrided(x.shape, x.storage.data, strides, offset, out.storage.data, out.strides, 0);
      return out;
    },
    (_out, _x, dims) => (g) => [flip(g, dims)],
  ),
);

/** Rotates the entries along `dims` by `shifts` places; without dims, over the flattened tensor. */
export const roll = composite("roll", (x: Tensor, shifts: number | Shape, dims?: number | Shape): Tensor => {
  const by = typeof shifts === "number" ? [shifts] : shifts;
  const along = typeof dims === "number" ? [dims] : (dims ?? []);
  if (by.length === 0) throw new OctetError("roll: `shifts` required");
  if (along.length === 0 && by.length === 1) return view(rollAlong(flatten(x), by[0], 0), x.shape);
  if (by.length !== along.length) {
    throw new OctetError(`roll: shifts and dimensions must align. shifts: ${by.length}, dims: ${along.length}`);
  }
  return by.reduce((rolled, shift, i) => rollAlong(rolled, shift, wrapDim("roll", along[i], x.ndim)), x);
});

function rollAlong(x: Tensor, shift: number, d: number): Tensor {
  const size = x.shape[d];
  if (size === 0) return clone(x);
  const start = ((-shift % size) + size) % size;
  return cat([narrow(x, d, start, size - start), narrow(x, d, 0, start)], d);
}

// ---------------------------------------------------------------- triangles and diagonals

/** The lower triangle of the last two dimensions: zeros above diagonal number `diagonal`. */
export const tril: Op<[x: Tensor, diagonal?: number], Tensor> = triangle("tril", (row, column, k) => column - row <= k);

/** The upper triangle of the last two dimensions: zeros below diagonal number `diagonal`. */
export const triu: Op<[x: Tensor, diagonal?: number], Tensor> = triangle("triu", (row, column, k) => column - row >= k);

function triangle(name: string, keeps: (row: number, column: number, k: number) => boolean) {
  const forward = (x: Tensor, diagonal: number = 0): Tensor => {
    if (x.ndim < 2) throw new OctetError(`${name}: input tensor must have at least 2 dimensions, got ${x.ndim}`);
    const [rows, columns] = x.shape.slice(-2);
    const data = x.isContiguous() ? x.elements().slice() : x.elements();
    for (let at = 0, row = 0; at < data.length; at += columns, row = (row + 1) % rows) {
      for (let column = 0; column < columns; column++) if (!keeps(row, column, diagonal)) data[at + column] = 0;
    }
    return Tensor.fromArray(data, x.shape, x.dtype);
  };
  const op: Op<[x: Tensor, diagonal?: number], Tensor> = primitive(
    name,
    forward,
    (_out, _x, diagonal: number = 0) =>
      (g) => [op(g, diagonal)],
  );
  return op;
}

/** A vector as the diagonal of a square matrix, or the diagonal of a matrix as a vector. */
export const diag = composite("diag", (x: Tensor, diagonal: number = 0): Tensor => {
  if (x.ndim !== 1 && x.ndim !== 2) throw new OctetError(`diag: supports 1D or 2D tensors, got ${x.ndim}D`);
  if (x.ndim === 1) return diagonalMatrix(x, diagonal);
  return clone(diagonalOf(x, diagonal));
});

const diagonalMatrix = primitive(
  "diag",
  (x: Tensor, diagonal: number) => {
    const n = numelOf(x.shape) + Math.abs(diagonal);
    const out = Tensor.zeros([n, n], x.dtype);
    const first = diagonal >= 0 ? diagonal : -diagonal * n;
    copyStrided(x.shape, x.storage.data, x.strides, x.offset, out.storage.data, [n + 1], first);
    return out;
  },
  (_out, _x, diagonal) => (g) => [diagonalOf(g, diagonal)],
);
