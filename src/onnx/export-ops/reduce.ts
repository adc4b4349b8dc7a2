/** Reductions for ONNX, and what finds the largest. */
import { bool, float32, int64 } from "../../core/dtype.ts";
import type { CallContext, OpExport, OpExports } from "../export-context.ts";
import type { Argument, TensorValue } from "../export-value.ts";
import { isTensorValue } from "../export-value.ts";
import { arithmeticExports } from "./arithmetic.ts";

/** Which versions take the axes as an input instead of an attribute. */
const axesAsInputFrom = (opType: string): number => (opType === "ReduceSum" ? 13 : 18);

/** All dimensions where `axes` is null or empty. */
function reduceOver(
  c: CallContext,
  opType: string,
  x: TensorValue,
  axes: readonly number[] | null,
  keepdim: boolean,
): TensorValue {
  const keepdims = keepdim ? 1 : 0;
  if (!axes?.length) return c.node(opType, [x], { keepdims });
  if (c.opset >= axesAsInputFrom(opType)) return c.node(opType, [x, c.ints(axes, "axes")], { keepdims });
  return c.node(opType, [x], { axes, keepdims });
}

function reduction(opType: string): OpExport {
  return (c: CallContext) => {
    const given = c.tensor(0);
    const widens = ["ReduceSum", "ReduceProd"].includes(opType) && !given.dtype.isFloatingPoint;
    const x = widens && given.dtype !== int64 ? c.cast(given, int64) : given;
    return reduceOver(c, opType, x, c.numbers(1, "dim"), c.flag(2, "keepdim"));
  };
}

/** Of all elements, along one dimension with positions, or of two tensors. */
function extreme(name: "max" | "min"): OpExport {
  const [opType, arg, pairwise] =
    name === "max" ? ["ReduceMax", "ArgMax", "maximum"] : ["ReduceMin", "ArgMin", "minimum"];
  return (c: CallContext) => {
    const second: Argument = c.argument(1, "dim");
    if (isTensorValue(second)) return arithmeticExports[pairwise](c);
    const x = c.tensor(0);
    if (second === undefined || second === null) return reduceOver(c, opType, x, null, false);
    const keepdim = c.flag(2, "keepdim");
    const axis = c.number(1, "dim", 0);
    const positions = c.node(arg, [x], { axis, keepdims: keepdim ? 1 : 0 }, int64);
    return [reduceOver(c, opType, x, [axis], keepdim), positions];
  };
}

function argExtreme(opType: string): OpExport {
  return (c: CallContext) => {
    const dim = c.numbers(1, "dim");
    const x = c.tensor(0);
    if (!dim) return c.node(opType, [c.reshape(x, [-1])], { axis: 0, keepdims: 0 }, int64);
    return c.node(opType, [x], { axis: dim[0], keepdims: c.flag(2, "keepdim") ? 1 : 0 }, int64);
  };
}

/** Σ (x − mean)² / (n − correction). */
function variance(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const dims = c.numbers(1, "dim");
  const keepdim = c.flag(3, "keepdim");
  const mean = reduceOver(c, "ReduceMean", x, dims, true);
  const apart = c.node("Sub", [x, mean]);
  const correction = c.number(2, "correction", 1);
  const spread = reduceOver(c, "ReduceMean", c.node("Mul", [apart, apart]), dims, keepdim);
  if (correction === 0) return spread;
  const shape = c.shape(x);
  const n = (dims ?? shape.map((_, d) => d)).reduce((product, d) => product * (shape.at(d) as number), 1);
  return c.node("Mul", [spread, c.scalar(n / (n - correction), x.dtype)]);
}

function norm(c: CallContext): TensorValue {
  const p = c.argument(1, "p") ?? 2;
  c.require(p === 1 || p === 2 || p === "fro", "only the norms 1 and 2 can be written");
  return reduceOver(c, p === 1 ? "ReduceL1" : "ReduceL2", c.tensor(0), c.numbers(2, "dim"), c.flag(3, "keepdim"));
}

function test(opType: string): OpExport {
  return (c: CallContext) => {
    const x = c.tensor(0);
    const numbers = c.cast(x.dtype === bool ? x : c.cast(x, bool), float32);
    return c.cast(reduceOver(c, opType, numbers, c.numbers(1, "dim"), c.flag(2, "keepdim")), bool);
  };
}

function topk(c: CallContext): TensorValue[] {
  const x = c.tensor(0);
  const k = c.shapeVector([c.argument(1, "k")]);
  const [axis, largest, sorted] = [c.number(2, "dim", -1), c.flag(3, "largest", true), c.flag(4, "sorted", true)];
  const attributes = { axis, largest: largest ? 1 : 0, sorted: sorted ? 1 : 0 };
  return c.nodes("TopK", [x, k], attributes, [x.dtype, int64]);
}

export const reduceExports: OpExports = {
  sum: reduction("ReduceSum"),
  mean: reduction("ReduceMean"),
  prod: reduction("ReduceProd"),
  amax: reduction("ReduceMax"),
  amin: reduction("ReduceMin"),
  logsumexp: reduction("ReduceLogSumExp"),
  max: extreme("max"),
  min: extreme("min"),
  argmax: argExtreme("ArgMax"),
  argmin: argExtreme("ArgMin"),
  var: variance,
  std: (c) => c.node("Sqrt", [variance(c)]),
  norm,
  any: test("ReduceMax"),
  all: test("ReduceMin"),
  cumsum: (c) => c.node("CumSum", [c.tensor(0), c.scalar(c.number(1, "dim", 0), int64)]),
  topk,
};
