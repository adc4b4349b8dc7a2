/** Reductions over axes, positions of extremes, and running sums. */
import { int64 } from "../../core/dtype.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Callee, NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import type { SymbolicShape, Value } from "../import-value.ts";
import { wrappedDim } from "../import-value.ts";
import { wholeNumbers } from "./shape.ts";

type Reduce = (x: Tensor, dims: readonly number[], options: { readonly keepdim: boolean }) => Tensor;

/** A sum in the dtype of the input: sums of integers are int64 otherwise. */
const sameSum: Reduce = (x, dims, options) => ops.sum(x, dims, { ...options, dtype: x.dtype });
const logSumExp: Reduce = (x, dims, options) => ops.logsumexp(x, [...dims], options.keepdim ? { keepdim: true } : {});
const integerMean: Reduce = (x, dims, options) =>
  x.dtype.isFloatingPoint
    ? ops.mean(x, dims, options)
    : ops.trunc(ops.mean(x, dims, { ...options, dtype: ops.tensor(0).double().dtype })).to(x.dtype);

/** All dimensions in turn. */
const product: Reduce = (x, dims, { keepdim }) => {
  const kept = dims.reduce((y, d) => ops.prod(y, d, { keepdim: true }), x).to(x.dtype);
  return keepdim ? kept : ops.squeeze(kept, dims);
};

const reductions: Readonly<Record<string, Reduce>> = {
  ReduceL1: (x, dims, options) => sameSum(ops.abs(x), dims, options),
  ReduceL2: (x, dims, options) => ops.sqrt(sameSum(ops.square(x), dims, options)).to(x.dtype),
  ReduceLogSum: (x, dims, options) => ops.log(ops.sum(x, dims, options)),
  ReduceLogSumExp: logSumExp,
  ReduceMax: (x, dims, options) => ops.amax(x, dims, options),
  ReduceMean: integerMean,
  ReduceMin: (x, dims, options) => ops.amin(x, dims, options),
  ReduceProd: product,
  ReduceSum: sameSum,
  ReduceSumSquare: (x, dims, options) => sameSum(ops.square(x), dims, options),
};

/** Axes may be negative; none at all mean every one. */
function reducer(name: string, reduce: Reduce) {
  const short = `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
  return traceable(
    `onnx.${short}`,
    (x: Tensor, axes: Tensor | readonly number[], keepdim: boolean, isNoop: boolean): Tensor => {
      const given = axes instanceof Tensor ? wholeNumbers(axes) : axes;
      if (!given.length && isNoop) return x;
      const dims = given.length ? given.map((axis) => (axis < 0 ? axis + x.ndim : axis)) : x.shape.map((_, d) => d);
      if (!dims.length) return reduce(x.reshape([1]), [0], { keepdim: false });
      return reduce(
        x,
        dims.toSorted((a, b) => a - b),
        { keepdim },
      );
    },
  );
}

function reducedShape(x: Value, axes: readonly number[] | null, keepdim: boolean): SymbolicShape | null {
  if (!x.shape) return null;
  const { shape } = x;
  const dims = axes?.length ? axes.map((axis) => wrappedDim(axis, shape.length)) : shape.map((_, d) => d);
  return keepdim ? shape.map((size, d) => (dims.includes(d) ? 1 : size)) : shape.filter((_, d) => !dims.includes(d));
}

/** `known` is what quantization knows it as. */
function reduction(name: string, known?: Callee): OnnxOp {
  const general = reducer(name, reductions[name]);
  return {
    since: [1, 13, 18],
    import(c) {
      const x = c.input(0);
      const axes = c.intsOrInput("axes", 1);
      const keepdim = c.int("keepdims", 1) !== 0;
      const isNoop = c.int("noop_with_empty_axes", 0) !== 0;
      if (axes !== null && !Array.isArray(axes)) return c.call(general, [x, axes as Value, keepdim, isNoop]);
      const dims = axes ?? [];
      if (!dims.length && isNoop) return plainOf(c, name, x);
      const shape = reducedShape(x, dims, keepdim);
      if (known && dims.length && x.dtype?.isFloatingPoint) {
        const isLast = dims.length === 1 && dims[0] === (x.shape?.length ?? 0) - 1;
        return c.call(known, [x, isLast ? [-1] : dims], { kwargs: { keepdim }, shape }); // −1: passes look for it
      }
      return c.call(general, [x, dims, keepdim, false], { shape });
    },
  };
}

/** Without axes, and with nothing to do then: only what is done to each element remains. */
function plainOf(c: NodeContext, name: string, x: Value): Value {
  if (name === "ReduceL1" || name === "ReduceL2") return c.call(ops.abs, [x], sameAs(x));
  if (name === "ReduceSumSquare") return c.call(ops.square, [x], sameAs(x));
  return name === "ReduceLogSum" ? c.call(ops.log, [x], sameAs(x)) : x;
}

// ---------------------------------------------------------------- positions

const argExtreme = traceable(
  "onnx.argExtreme",
  (x: Tensor, axis: number, options: { largest: boolean; last: boolean; keepdim: boolean }): Tensor => {
    const { largest, last, keepdim } = options;
    const find = largest ? ops.argmax : ops.argmin;
    const d = axis < 0 ? axis + x.ndim : axis;
    if (!last) return find(x, d, { keepdim });
    return ops.sub(x.shape[d] - 1, find(ops.flip(x, [d]), d, { keepdim }));
  },
);

function argOp(largest: boolean): OnnxOp {
  return {
    since: [1],
    import(c) {
      const x = c.input(0);
      const axis = c.int("axis", 0);
      const [keepdim, last] = [c.int("keepdims", 1) !== 0, c.int("select_last_index", 0) !== 0];
      const facts = { dtype: int64, shape: reducedShape(x, [axis], keepdim) };
      return c.call(argExtreme, [x, axis], { kwargs: { largest, last, keepdim }, ...facts });
    },
  };
}

const topKOf = traceable(
  "onnx.topK",
  (x: Tensor, k: Tensor | number, axis: number, largest: boolean): readonly Tensor[] =>
    ops.topk(x, k instanceof Tensor ? k.item() : k, axis, { largest }),
);

const topK: OnnxOp = {
  since: [1, 10, 11],
  import(c) {
    const x = c.input(0);
    const axis = c.int("axis", -1);
    const k = c.opset < 10 ? c.int("k", 0) : (c.input(1).constant?.item() ?? c.input(1));
    const shape = x.shape && x.shape.with(wrappedDim(axis, x.shape.length), typeof k === "number" ? k : null);
    const tuple = c.call(topKOf, [x, k, axis, c.int("largest", 1) !== 0]);
    return c.items(tuple, [
      { dtype: x.dtype, shape },
      { dtype: int64, shape },
    ]);
  },
};

// ---------------------------------------------------------------- running sums

const cumulated = traceable(
  "onnx.cumSum",
  (x: Tensor, axis: Tensor, options: { exclusive: boolean; reverse: boolean }): Tensor => {
    const d = axis.item() < 0 ? axis.item() + x.ndim : axis.item();
    const forward = options.reverse ? ops.flip(x, [d]) : x;
    const sums = ops.cumsum(forward, d).to(x.dtype);
    const result = options.exclusive ? ops.sub(sums, forward) : sums;
    return options.reverse ? ops.flip(result, [d]) : result;
  },
);

const cumSum: OnnxOp = {
  since: [11],
  import(c) {
    const kwargs = { exclusive: c.int("exclusive", 0) !== 0, reverse: c.int("reverse", 0) !== 0 };
    return c.call(cumulated, [c.input(0), c.input(1)], { kwargs, ...sameAs(c.input(0)) });
  },
};

export const reduceOps: OnnxOps = {
  ArgMax: argOp(true),
  ArgMin: argOp(false),
  CumSum: cumSum,
  ...Object.fromEntries(
    Object.keys(reductions).map((name) => [name, reduction(name, name === "ReduceMean" ? ops.mean : undefined)]),
  ),
  TopK: topK,
};
