/** Views: the same elements under another shape, or with the dimensions in another order. Nothing is copied. */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { inferShape, numelOf, viewStrides, wrapDim, wrapDims } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { sumTo } from "./broadcast.ts";
import { clone } from "./copy.ts";
import type { Op } from "./op.ts";
import { composite, exportedAs, primitive, traceable } from "./op.ts";

/** Sizes or dimensions as PyTorch takes them: `view(x, 2, 3)` or `view(x, [2, 3])`. */
export type Sizes = readonly number[] | readonly [Shape];

export function sizesOf(sizes: Sizes): Shape {
  // Not a number and not an array: a list of sizes that is only known when the traced graph runs.
  const isList = Array.isArray(sizes[0]) || (sizes.length === 1 && typeof sizes[0] !== "number");
  return isList ? (sizes[0] as Shape) : (sizes as Shape);
}

/** An operator that takes {@link Sizes}. */
export type SizesOp<R = Tensor> = ((x: Tensor, ...sizes: Sizes) => R) & Pick<Op<[], R>, "op">;

/** Lets an operator on a list of sizes take them one by one too; a tracer always sees the list. */
export function variadic<R>(op: Op<[Tensor, Shape], R>): SizesOp<R> {
  return exportedAs(Object.assign((x: Tensor, ...sizes: Sizes): R => op(x, sizesOf(sizes)), { op: op.op }));
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
export const squeeze: Op<[x: Tensor, dim?: number | Shape], Tensor> = primitive(
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
export const permute: SizesOp = variadic(
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

// ---------------------------------------------------------------- in place: the tensor becomes a view of what it was

function inPlaceView<A extends readonly unknown[]>(name: string, op: (x: Tensor, ...args: A) => Tensor) {
  return traceable(name, (self: Tensor, ...args: A): Tensor => {
    if (isGradEnabled() && self.requiresGrad && (self.isLeaf || self.base)) {
      throw new OctetError(
        `${name}: a leaf that requires grad, or a view of a tensor in a graph, cannot change in place`,
      );
    }
    const { shape, strides, quantizer, gradFn, outputIndex } = op(self, ...args);
    Object.assign(self, { shape, strides, quantizer }, gradFn ? { gradFn, outputIndex } : {});
    return self;
  });
}

/** {@link squeeze} of the tensor itself. */
export const squeeze_ = inPlaceView("squeeze_", squeeze);

/** {@link unsqueeze} of the tensor itself. */
export const unsqueeze_ = inPlaceView("unsqueeze_", unsqueeze);

/** {@link transpose} of the tensor itself. */
export const transpose_ = inPlaceView("transpose_", transpose);

/** {@link t} of the tensor itself. */
export const t_ = inPlaceView("t_", t);
