/** Elements at positions: gathering, scattering, one-hot vectors. Positions may be negative and then count from the end. */
import { int64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { numelOf } from "../../core/shape.ts";
import * as nn from "../../nn/index.ts";
import { withoutInit } from "../../nn/init.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import type { SymbolicShape, Value } from "../import-value.ts";
import { wrappedDim } from "../import-value.ts";
import { vector, wholeNumbers } from "./shape.ts";

/** Positions in a dimension of this size, none of them negative. */
function fromFront(indices: Tensor, size: number): Tensor {
  const values = wholeNumbers(indices).map((index) => (index < 0 ? index + size : index));
  return Tensor.fromArray(Float64Array.from(values), indices.shape, int64);
}

const gatherOf = traceable("onnx.gather", (x: Tensor, indices: Tensor, axis: number): Tensor => {
  const d = axis < 0 ? axis + x.ndim : axis;
  const flat = fromFront(indices, x.shape[d]).reshape([-1]);
  return ops.indexSelect(x, d, flat).reshape(x.shape.toSpliced(d, 1, ...indices.shape));
});

/** A table that is looked up by rows is an embedding; a single position is a selection. */
const gather: OnnxOp = {
  since: [1],
  import(c) {
    const [x, indices] = [c.input(0), c.input(1)];
    const axis = c.int("axis", 0);
    const shape = gatheredShape(x, indices, axis);
    const position = indices.constant?.ndim === 0 ? indices.constant.item() : null;
    if (position !== null) {
      const elements = x.shape?.length === 1 && x.elements ? [x.elements.at(position) ?? null] : null;
      return c.call(ops.select, [x, axis, position], { shape, elements });
    }
    const elements =
      x.elements && x.shape?.length === 1 && indices.elements?.every((i) => i !== null) && indices.shape?.length === 1
        ? indices.elements.map((i) => x.elements?.at(i as number) ?? null)
        : null;
    const table = x.constant;
    if (table?.ndim === 2 && axis === 0 && table.dtype.isFloatingPoint && !indices.constant) {
      const layer = withoutInit(() => new nn.Embedding(table.shape[0], table.shape[1]));
      layer.weight = c.emit.parameter(table, "weight", () => table);
      return c.module(layer, [indices], { dtype: x.dtype, shape, weight: x.name });
    }
    return c.call(gatherOf, [x, indices, axis], { shape, elements });
  },
};

function gatheredShape(x: Value, indices: Value, axis: number): SymbolicShape | null {
  if (!x.shape || !indices.shape) return null;
  return x.shape.toSpliced(wrappedDim(axis, x.shape.length), 1, ...indices.shape);
}

const gatherElementsOf = traceable("onnx.gatherElements", (x: Tensor, indices: Tensor, axis: number): Tensor => {
  const d = axis < 0 ? axis + x.ndim : axis;
  return ops.gather(x, d, fromFront(indices, x.shape[d]));
});

const gatherElements: OnnxOp = {
  since: [11],
  import: (c) => c.call(gatherElementsOf, [c.input(0), c.input(1), c.int("axis", 0)], sameAs(c.input(1))),
};

/**
 * Where the entries begin that the rows of `indices` [..., k] name in the first k dimensions (behind `batchDims` that both
 * tensors have), counted in entries; and how many elements an entry has.
 */
function entriesAt(op: string, shape: readonly number[], indices: Tensor, batchDims: number) {
  const depth = indices.shape[indices.ndim - 1];
  const named = shape.slice(batchDims, batchDims + depth);
  if (named.length < depth) {
    throw new OctetError(`${op}: positions of ${depth} numbers do not fit the shape ${formatShape(shape)}`);
  }
  const inner = numelOf(shape.slice(batchDims + depth));
  const rows = numelOf(indices.shape.slice(0, -1));
  const perBatch = rows / Math.max(1, numelOf(indices.shape.slice(0, batchDims)));
  const values = wholeNumbers(indices);
  const starts = Array.from({ length: rows }, (_, row) => {
    let entry = Math.floor(row / perBatch);
    for (let i = 0; i < depth; i++) {
      const index = values[row * depth + i];
      const wrapped = index < 0 ? index + named[i] : index;
      if (wrapped < 0 || wrapped >= named[i]) {
        throw new OctetError(
          `${op}: index ${index} is out of range for dimension ${batchDims + i} of size ${named[i]}`,
        );
      }
      entry = entry * named[i] + wrapped;
    }
    return entry;
  });
  return { starts, inner };
}

const gatherNdOf = traceable("onnx.gatherND", (x: Tensor, indices: Tensor, batchDims: number): Tensor => {
  const depth = indices.shape[indices.ndim - 1];
  const { starts, inner } = entriesAt("onnx.gatherND", x.shape, indices, batchDims);
  const entries = ops.indexSelect(x.reshape([-1, inner]), 0, vector(starts));
  return entries.reshape([...indices.shape.slice(0, -1), ...x.shape.slice(batchDims + depth)]);
});

const gatherNd: OnnxOp = {
  since: [11],
  import: (c) => c.call(gatherNdOf, [c.input(0), c.input(1), c.int("batch_dims", 0)]),
};

/** How an update joins what is there. */
type Joining = "none" | "add" | "mul" | "max" | "min";

const joins: Readonly<Record<Joining, (old: number, update: number) => number>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

/** A copy of `x` with updates[i] joined to element places[i], in order. */
function joined(x: Tensor, places: ArrayLike<number>, updates: Tensor, joining: Joining): Tensor {
  const join = joins[joining];
  const out = x.to(x.dtype).clone().contiguous();
  const values = updates.toNumbers();
  for (let i = 0; i < places.length; i++) out.writeAt(places[i], join(out.readAt(places[i]), values[i]));
  return out;
}

const scatterElementsOf = traceable(
  "onnx.scatterElements",
  (x: Tensor, indices: Tensor, updates: Tensor, axis: number, joining: Joining): Tensor => {
    const d = axis < 0 ? axis + x.ndim : axis;
    const numbers = Tensor.fromArray(
      Float64Array.from({ length: x.numel() }, (_, i) => i),
      x.shape,
      int64,
    );
    const places = ops.gather(numbers, d, fromFront(indices, x.shape[d]));
    return joined(x, places.elements(), updates, joining);
  },
);

const scatterElements: OnnxOp = {
  since: [9, 11, 16],
  import(c) {
    const args = [c.input(0), c.input(1), c.input(2), c.int("axis", 0), c.text("reduction", "none")];
    return c.call(scatterElementsOf, args, sameAs(c.input(0)));
  },
};

const scatterNdOf = traceable(
  "onnx.scatterND",
  (x: Tensor, indices: Tensor, updates: Tensor, joining: Joining): Tensor => {
    const { starts, inner } = entriesAt("onnx.scatterND", x.shape, indices, 0);
    const places = starts.flatMap((start) => Array.from({ length: inner }, (_, i) => start * inner + i));
    return joined(x, places, updates, joining);
  },
);

const scatterNd: OnnxOp = {
  since: [11, 16],
  import(c) {
    const args = [c.input(0), c.input(1), c.input(2), c.text("reduction", "none")];
    return c.call(scatterNdOf, args, sameAs(c.input(0)));
  },
};

/** [rank, count]: the other way round than in PyTorch. */
const nonZeroOf = traceable("onnx.nonZero", (x: Tensor): Tensor =>
  ops.transpose(ops.nonzero(x.ndim ? x : x.reshape([1])), 0, 1).contiguous(),
);

const nonZero: OnnxOp = {
  since: [9],
  import: (c) => c.call(nonZeroOf, [c.input(0)], { dtype: int64, shape: [c.input(0).shape?.length ?? null, null] }),
};

/** `values` is [off, on]. Positions outside give all off. */
const oneHotOf = traceable("onnx.oneHot", (indices: Tensor, depth: Tensor, values: Tensor, axis: number): Tensor => {
  const count = depth.item();
  const d = axis < 0 ? axis + indices.ndim + 1 : axis;
  const at = ops.unsqueeze(fromFront(indices, count), d);
  const places = vector(Array.from({ length: count }, (_, i) => i));
  const along = places.reshape(at.shape.map((_, dim) => (dim === d ? count : 1)));
  const [off, on] = [ops.select(values, 0, 0), ops.select(values, 0, 1)];
  return ops.where(ops.eq(at, along), on, off);
});

const oneHot: OnnxOp = {
  since: [9],
  import(c) {
    const values = c.input(2);
    return c.call(oneHotOf, [c.input(0), c.input(1), values, c.int("axis", -1)], { dtype: values.dtype });
  },
};

const compressed = traceable("onnx.compress", (x: Tensor, condition: Tensor, axis: number | null): Tensor => {
  const chosen = wholeNumbers(condition).flatMap((kept, i) => (kept ? [i] : []));
  return axis === null ? ops.indexSelect(x.reshape([-1]), 0, vector(chosen)) : ops.indexSelect(x, axis, vector(chosen));
});

const compress: OnnxOp = {
  since: [9],
  import: (c) => c.call(compressed, [c.input(0), c.input(1), c.has("axis") ? c.int("axis", 0) : null]),
};

export const indexingOps: OnnxOps = {
  Compress: compress,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  NonZero: nonZero,
  OneHot: oneHot,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
};
