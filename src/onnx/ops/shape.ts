/**
 * Shapes: asking for them and changing them. Exporters write the sizes of a batch as computations (the size of an input,
 * joined with constants); as far as those are known here, they become constants, with −1 for what is not.
 */
import { int64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { broadcastShapes, numelOf } from "../../core/shape.ts";
import * as F from "../../nn/functional.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import type { Dim, SymbolicShape, Value } from "../import-value.ts";
import { broadcastShape, knownNumel, wrappedDim } from "../import-value.ts";

/** A vector of whole numbers. */
export function vector(values: readonly number[]): Tensor {
  return Tensor.fromArray(Float64Array.from(values), [values.length], int64);
}

/** The whole numbers of a tensor. */
export function wholeNumbers(x: Tensor): number[] {
  return Array.from(x.toNumbers());
}

// ---------------------------------------------------------------- asking

const shapeOf = traceable("onnx.shape", (x: Tensor, start: number, end: number | null): Tensor =>
  vector(x.shape.slice(start, end ?? undefined)),
);

const shape: OnnxOp = {
  since: [1, 15],
  import(c: NodeContext) {
    const x = c.input(0);
    const [start, end] = [c.int("start", 0), c.has("end") ? c.int("end", 0) : null];
    const sizes = x.shape?.slice(start, end ?? undefined);
    const elements = sizes?.map((size) => (typeof size === "number" ? size : null)) ?? null;
    return c.call(shapeOf, [x, start, end], { dtype: int64, shape: [sizes?.length ?? null], elements });
  },
};

const sizeOf = traceable("onnx.size", (x: Tensor): Tensor => Tensor.fromArray(Float64Array.of(x.numel()), [], int64));

const size: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const numel = knownNumel(c.input(0).shape);
    return c.call(sizeOf, [c.input(0)], { dtype: int64, shape: [], elements: numel === null ? null : [numel] });
  },
};

// ---------------------------------------------------------------- reshaping

/** Sizes may be 0 for that of the input, unless `allowZero`, and one −1. */
const reshapedTo = traceable(
  "onnx.reshape",
  (x: Tensor, sizes: Tensor | readonly number[], allowZero: boolean): Tensor => {
    const wanted = sizes instanceof Tensor ? wholeNumbers(sizes) : sizes;
    return ops.reshape(x, allowZero ? wanted : wanted.map((s, d) => (s === 0 ? x.shape[d] : s)));
  },
);

/** The sizes of a reshape as constants; null if more than one is not known. */
function constantSizes(x: Value, sizes: readonly (number | null)[], allowZero: boolean): number[] | null {
  const resolved = sizes.map((wanted, d): number | null => {
    if (wanted !== 0 || allowZero) return wanted;
    const own = x.shape?.[d];
    return typeof own === "number" ? own : null;
  });
  const unknown = resolved.filter((wanted) => wanted === null).length;
  if (unknown === 0) return resolved as number[];
  // −1 for the one that is not known, if there is none already, and nothing is empty.
  return unknown === 1 && resolved.every((wanted) => wanted === null || wanted > 0)
    ? resolved.map((wanted) => wanted ?? -1)
    : null;
}

const reshape: OnnxOp = {
  since: [1, 5, 14],
  import(c: NodeContext) {
    const x = c.input(0);
    const allowZero = c.int("allowzero", 0) !== 0;
    const wanted = c.opset < 5 ? c.ints("shape") : (c.input(1).elements ?? c.input(1).constant);
    const elements = wanted instanceof Tensor ? wholeNumbers(wanted) : wanted;
    if (!elements) {
      const rank = c.input(1).shape?.[0];
      const unknown = typeof rank === "number" ? new Array<Dim>(rank).fill(null) : null;
      return c.call(reshapedTo, [x, c.input(1), allowZero], { shape: unknown });
    }
    const sizes = constantSizes(x, elements, allowZero);
    const known = reshapedShape(x, elements, allowZero);
    if (sizes) return c.method("reshape", [x, sizes], { shape: known });
    const wantedSizes = elements.includes(null) ? c.input(1) : elements;
    return c.call(reshapedTo, [x, wantedSizes, allowZero], { shape: known });
  },
};

function reshapedShape(x: Value, sizes: readonly (number | null)[], allowZero: boolean): SymbolicShape {
  const dims = sizes.map((wanted, d): Dim => {
    if (wanted === 0 && !allowZero) return x.shape?.[d] ?? null;
    return wanted === -1 ? null : wanted;
  });
  const numel = knownNumel(x.shape);
  const missing = dims.filter((size) => typeof size !== "number").length;
  const others = knownNumel(dims.filter((size) => typeof size === "number")) ?? 0;
  return numel !== null && missing === 1 && others > 0
    ? dims.map((size) => (typeof size === "number" ? size : numel / others))
    : dims;
}

const flattenedTo2d = traceable("onnx.flatten", (x: Tensor, axis: number): Tensor => {
  const first = axis < 0 ? axis + x.ndim : axis;
  const rows = numelOf(x.shape.slice(0, first));
  return ops.reshape(x, [rows, numelOf(x.shape.slice(first))]);
});

const flatten: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const x = c.input(0);
    const axis = c.int("axis", 1);
    const rank = x.shape?.length ?? 0;
    if (axis === 1 && rank >= 2) {
      return c.call(ops.flatten, [x, 1], { shape: [x.shape?.[0] ?? null, knownNumel(x.shape?.slice(1) ?? null)] });
    }
    return c.call(flattenedTo2d, [x, axis], { shape: [null, null] });
  },
};

const expandedTo = traceable("onnx.expand", (x: Tensor, sizes: Tensor): Tensor =>
  ops.expand(x, broadcastShapes("onnx.expand", x.shape, wholeNumbers(sizes))),
);

const expand: OnnxOp = {
  since: [8],
  import(c: NodeContext) {
    const [x, sizes] = [c.input(0), c.input(1)];
    return c.call(expandedTo, [x, sizes], { shape: broadcastShape(x.shape, sizes.elements) });
  },
};

// ---------------------------------------------------------------- dimensions of size 1

const squeezedAt = traceable("onnx.squeeze", (x: Tensor, axes: Tensor): Tensor => ops.squeeze(x, wholeNumbers(axes)));

const squeeze: OnnxOp = {
  since: [1, 13],
  import(c: NodeContext) {
    const x = c.input(0);
    const axes = c.intsOrInput("axes", 1);
    if (axes && !Array.isArray(axes)) return c.call(squeezedAt, [x, axes as Value]);
    const rank = x.shape?.length ?? null;
    const wrapped = axes && rank !== null ? axes.map((axis) => wrappedDim(axis, rank)) : axes;
    const unsqueezed = wrapped?.length === 1 ? beforeUnsqueeze(c, x, wrapped[0]) : null;
    if (unsqueezed) return unsqueezed;
    const left = axes ? (x.shape?.filter((_, d) => !wrapped?.includes(d)) ?? null) : null;
    const isScalar = left?.length === 0 && x.elements;
    const facts = { shape: left, elements: isScalar ? x.elements : null };
    const args = wrapped === null ? [x] : [x, wrapped.length === 1 ? wrapped[0] : wrapped];
    return c.call(ops.squeeze, args, facts);
  },
};

/** What `x` was before a dimension of size 1 was put at `axis`, if that is what made it: the two cancel. */
function beforeUnsqueeze(c: NodeContext, x: Value, axis: number): Value | null {
  if (x.node?.target !== ops.unsqueeze || x.node.args[1] !== axis || axis < 0) return null;
  return c.emit.before(x, x.shape?.filter((_, d) => d !== axis) ?? null);
}

const unsqueezedAt = traceable("onnx.unsqueeze", (x: Tensor, given: Tensor | readonly number[]): Tensor => {
  const axes = given instanceof Tensor ? wholeNumbers(given) : given;
  const rank = x.ndim + axes.length;
  const sorted = axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
  return sorted.reduce((y, axis) => ops.unsqueeze(y, axis), x);
});

const unsqueeze: OnnxOp = {
  since: [1, 13],
  import(c: NodeContext) {
    const x = c.input(0);
    const axes = c.intsOrInput("axes", 1);
    c.require(axes, "its axes are missing");
    if (!Array.isArray(axes)) return c.call(unsqueezedAt, [x, axes as Value]);
    const rank = x.shape ? x.shape.length + axes.length : null;
    if (axes.length > 1 && rank === null && axes.some((axis) => axis < 0)) return c.call(unsqueezedAt, [x, axes]);
    const sorted = axes.map((axis) => (rank === null ? axis : wrappedDim(axis, rank))).sort((a, b) => a - b);
    return sorted.reduce((y, axis) => {
      const shape =
        y.shape &&
        (axis < 0
          ? [...y.shape.slice(0, y.shape.length + 1 + axis), 1, ...y.shape.slice(y.shape.length + 1 + axis)]
          : y.shape.toSpliced(axis, 0, 1));
      const elements = y.shape?.length === 0 ? y.elements : null;
      return c.call(ops.unsqueeze, [y, axis], { shape, elements });
    }, x);
  },
};

// ---------------------------------------------------------------- order of dimensions

const reversedDims = traceable("onnx.transpose", (x: Tensor): Tensor =>
  ops.permute(
    x,
    x.shape.map((_, d) => x.ndim - 1 - d),
  ),
);

const transpose: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const x = c.input(0);
    const order = c.ints("perm") ?? x.shape?.map((_, d, { length }) => length - 1 - d);
    if (!order) return c.call(reversedDims, [x]);
    return c.method("permute", [x, order], { shape: x.shape && order.map((d) => x.shape?.[d] ?? null) });
  },
};

/** Blocks of channels become blocks of space; "DCR" has the block position first among the channels. */
const depthToSpaceOf = traceable("onnx.depthToSpace", (x: Tensor, block: number): Tensor => {
  const [n, channels, height, width] = x.shape;
  const depth = channels / (block * block);
  return ops
    .permute(x.reshape([n, block, block, depth, height, width]), [0, 3, 4, 1, 5, 2])
    .reshape([n, depth, height * block, width * block]);
});

const depthToSpace: OnnxOp = {
  since: [1, 11],
  import(c: NodeContext) {
    const x = c.input(0);
    const block = c.int("blocksize", 1);
    const by = (size: Dim | undefined, factor: number): Dim => (typeof size === "number" ? size * factor : null);
    const shape = x.shape && [x.shape[0], by(x.shape[1], 1 / block ** 2), by(x.shape[2], block), by(x.shape[3], block)];
    const fn = c.text("mode", "DCR") === "CRD" ? F.pixelShuffle : depthToSpaceOf;
    return c.call(fn, [x, block], { shape });
  },
};

const spaceToDepthOf = traceable("onnx.spaceToDepth", (x: Tensor, block: number): Tensor => {
  const [n, channels, height, width] = x.shape;
  if (height % block || width % block) {
    throw new OctetError(`onnx.spaceToDepth: blocks of ${block} do not divide the sizes ${formatShape(x.shape)}`);
  }
  return ops
    .permute(x.reshape([n, channels, height / block, block, width / block, block]), [0, 3, 5, 1, 2, 4])
    .reshape([n, channels * block * block, height / block, width / block]);
});

const spaceToDepth: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const rank = c.input(0).shape?.length;
    return c.call(spaceToDepthOf, [c.input(0), c.int("blocksize", 1)], {
      shape: rank ? [null, null, null, null] : null,
    });
  },
};

export const shapeOps: OnnxOps = {
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  Shape: shape,
  Size: size,
  SpaceToDepth: spaceToDepth,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
