/** Sums, products, extremes and tests over dimensions. Statistics and norms are in statistics.ts. */
import { saved } from "../autograd/node.ts";
import type { DType } from "../core/dtype.ts";
import { bool, int64, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { asDtype, div, eq, maximum, minimum, mul, ne } from "./elementwise.ts";
import type { ArgumentGradient, Op } from "./op.ts";
import { nondifferentiable, primitive, quantizedForm, traceable } from "./op.ts";
import { perTensorOf } from "./quantize.ts";
import { integersOf, relabelled } from "./quantized/integers.ts";
import type { Dims, Lines, ReduceArguments, ReduceOptions, ReducePlan, Reduction } from "./reduction.ts";
import { accumulateDtype, evenly, forEachLine, linesOf, planOf, reduced, refuseEmpty, spread } from "./reduction.ts";
import { flip, reshape } from "./shape.ts";

export interface SumOptions extends ReduceOptions {
  /** Converts before reducing; this is the dtype of the result. */
  readonly dtype?: DType;
}

// ---------------------------------------------------------------- sums and products

/** Σ over `dim` (a number, a list, or all). Sums of integers and bools are int64. */
export const sum: Reduction<SumOptions> = primitive(
  "sum",
  (...[x, dim, options]: ReduceArguments<SumOptions>) => {
    const plan = planOf("sum", x, dim, options);
    return reduced("sum", x, plan, accumulateDtype(x, plan.options.dtype));
  },
  (_out, x, dim, options) => {
    const { shape, dtype } = x;
    const plan = planOf("sum", x, dim, options);
    return (g) => [spread(asDtype(g, dtype), plan, shape)];
  },
);

/** The mean over `dim`. Floats only, unless `dtype` asks for one; the mean of nothing is NaN. */
export const mean: Reduction<SumOptions> = primitive(
  "mean",
  (...[x, dim, options]: ReduceArguments<SumOptions>) => {
    const plan = planOf("mean", x, dim, options);
    const dtype = plan.options.dtype ?? x.dtype;
    if (!dtype.isFloatingPoint) {
      throw new OctetError(
        `mean: could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ${dtype.name}`,
      );
    }
    const total = reduced("sum", x, plan, dtype === x.dtype ? computeDtype(dtype) : dtype);
    return asDtype(div(total, countOf(x, plan)), dtype);
  },
  (_out, x, dim, options) => {
    const { shape, dtype } = x;
    const plan = planOf("mean", x, dim, options);
    const count = countOf(x, plan);
    return (g) => [spread(div(asDtype(g, dtype), count), plan, shape)];
  },
);

/** How many elements become one. */
export function countOf(x: Tensor, plan: ReducePlan<unknown>): number {
  return plan.dims.reduce((n, d) => n * x.shape[d], 1);
}

/** The number of elements that are not zero, over `dim` or all. int64. */
export const countNonzero = nondifferentiable("countNonzero", (x: Tensor, dim?: Dims): Tensor => sum(ne(x, 0), dim));

/** The product over one dimension, or over all. Products of integers and bools are int64. */
export const prod: Reduction<SumOptions> = primitive(
  "prod",
  (...[x, dim, options]: ReduceArguments<SumOptions>) => {
    const plan = planOf("prod", x, dim, options);
    return reduced("prod", x, plan, accumulateDtype(x, plan.options.dtype));
  },
  (_out, x, dim, options) => {
    const input = saved(x);
    const plan = planOf("prod", x, dim, options);
    return (g) => [prodGrad(input(), plan, g)];
  },
);

/** Each element's gradient is the product of all others: products from the left times products from the right. */
function prodGrad(x: Tensor, plan: ReducePlan<unknown>, gradient: Tensor): Tensor {
  const order = [...x.shape.map((_, d) => d).filter((d) => !plan.dims.includes(d)), ...plan.dims];
  const moved = x.alias(
    order.map((d) => x.shape[d]),
    order.map((d) => x.strides[d]),
    x.offset,
  );
  const data = elementsAs(moved, computeDtype(x.dtype));
  const weights = elementsAs(gradient, computeDtype(x.dtype));
  const n = countOf(x, plan);
  const out = new Float64Array(data.length);
  for (let start = 0, line = 0; start < data.length; start += n, line++) {
    let left = weights[line];
    for (let i = start; i < start + n; i++) {
      out[i] = left;
      left *= data[i];
    }
    let right = 1;
    for (let i = start + n - 1; i >= start; i--) {
      out[i] *= right;
      right *= data[i];
    }
  }
  const typed = computeDtype(x.dtype).allocate(out.length);
  typed.set(out);
  const back = tensorFromComputed(typed, moved.shape, x.dtype);
  const inverse = order.map((_, d) => order.indexOf(d));
  return back.alias(
    inverse.map((d) => back.shape[d]),
    inverse.map((d) => back.strides[d]),
    0,
  );
}

// ---------------------------------------------------------------- extremes

/** The largest values over `dim` (a number, a list, or all); NaN wins. Ties share the gradient evenly. */
export const amax: Reduction = extreme("amax", "max");

/** The smallest values over `dim` (a number, a list, or all); NaN wins. Ties share the gradient evenly. */
export const amin: Reduction = extreme("amin", "min");

const maxOfAll = evenly("max", (x: Tensor): Tensor => extremeOfAll("max", x));
const minOfAll = evenly("min", (x: Tensor): Tensor => extremeOfAll("min", x));

function extremeOfAll(op: "max" | "min", x: Tensor): Tensor {
  const plan = planOf(op, x, undefined, undefined);
  refuseEmpty(op, x, plan);
  return reduced(op, x, plan, x.dtype);
}

function extreme(op: string, kernel: "max" | "min"): Reduction {
  return primitive(
    op,
    (...[x, dim, options]: ReduceArguments) => {
      const plan = planOf(op, x, dim, options);
      refuseEmpty(op, x, plan);
      return reduced(kernel, x, plan, x.dtype);
    },
    (out, x, dim, options) => {
      const plan = planOf(op, x, dim, options);
      const [input, result] = [saved(x), saved(out)];
      return (g) => {
        const hit = eq(input(), reshape(result(), plan.keptShape));
        const share = reshape(g, plan.keptShape);
        return [mul(div(share, asDtype(sum(hit, plan.dims, { keepdim: true }), g.dtype)), hit)];
      };
    },
  );
}

/** Values and their indices along a dimension. */
export type ValuesAndIndices = [values: Tensor, indices: Tensor];

interface KeepdimOption {
  readonly keepdim?: boolean;
}

interface DimOption extends KeepdimOption {
  readonly dim: number;
}

function extremeAlong(op: "max" | "min"): Op<[x: Tensor, dim: number, options: KeepdimOption], ValuesAndIndices> {
  return primitive(
    op,
    (x: Tensor, dim: number, options: KeepdimOption): ValuesAndIndices => {
      const plan = planOf(op, x, dim, options);
      refuseEmptyDim(op, x, plan);
      const { data, outer, n, inner } = linesOf(op, x, dim);
      const values = computeDtype(x.dtype).allocate(outer * inner);
      const indices = new Float64Array(outer * inner);
      kernels().reduceIndex(op, data, outer, n, inner, values, indices);
      return [tensorFromComputed(values, plan.shape, x.dtype), Tensor.fromArray(indices, plan.shape, int64)];
    },
    ([, indices], x, dim) => {
      const picked = saved(indices);
      const { shape } = x;
      const lines = layoutOf(op, x, dim);
      return ([g]) => [g ? placedAlong(g, picked(), shape, lines) : null];
    },
  );
}

function refuseEmptyDim(op: string, x: Tensor, plan: ReducePlan<unknown>): void {
  const empty = plan.dims.find((d) => x.shape[d] === 0);
  if (empty !== undefined) throw new OctetError(`${op}: Expected reduction dim ${empty} to have non-zero size.`);
}

function layoutOf(op: string, x: Tensor, dim: number): Omit<Lines, "data"> {
  const { outer, n, inner } = linesOf(op, Tensor.zeros(x.shape, bool), dim);
  return { outer, n, inner };
}

/** Zeros of `shape` with one gradient per line, at the index that stands there. */
function placedAlong(gradient: Tensor, index: Tensor, shape: readonly number[], layout: Omit<Lines, "data">): Tensor {
  const out = Tensor.zeros(shape, gradient.dtype);
  const { data } = out.storage;
  const [values, places] = [gradient.elements(), index.elements()];
  forEachLine({ ...layout, data }, (start, line) => (data[start + places[line] * layout.inner] = values[line]));
  return out;
}

const maxAlong = extremeAlong("max");
const minAlong = extremeAlong("min");

// Integers compare as the real values do that they stand for.
for (const [all, along] of [
  [maxOfAll, maxAlong],
  [minOfAll, minAlong],
] as const) {
  quantizedForm(all, (x) => relabelled(all(integersOf(x)), x, perTensorOf(x)));
  quantizedForm(along, (x, dim, options) => {
    const [values, indices] = along(integersOf(x), dim, options);
    return [relabelled(values, x, perTensorOf(x)), indices];
  });
}

/** The three forms of {@link max} and {@link min}. */
export interface Extreme {
  /** The extreme of all elements. */
  (x: Tensor): Tensor;
  /** The extremes along `dim`, and where they stand (int64; the first of several). */
  (x: Tensor, dim: number | DimOption, options?: KeepdimOption): ValuesAndIndices;
  /** The larger, or smaller, of two elements. */
  (x: Tensor, other: Tensor): Tensor;
}

/** {@link Extreme} as a method. */
export interface ExtremeMethod {
  (): Tensor;
  (dim: number | DimOption, options?: KeepdimOption): ValuesAndIndices;
  (other: Tensor): Tensor;
}

function dispatched(
  name: string,
  all: (x: Tensor) => Tensor,
  along: ReturnType<typeof extremeAlong>,
  pairwise: typeof maximum,
): Extreme {
  type Second = Tensor | number | DimOption;
  const call = (x: Tensor, second?: Second, options: KeepdimOption = {}) => {
    if (second === undefined) return all(x);
    if (second instanceof Tensor) return pairwise(x, second);
    if (typeof second === "number") return along(x, second, options);
    return along(x, second.dim, { keepdim: second.keepdim });
  };
  return traceable(name, call as Extreme);
}

/** max(x) over all elements, max(x, dim) → [values, indices], max(x, other) elementwise. */
export const max: Extreme = dispatched("max", maxOfAll, maxAlong, maximum);

/** min(x) over all elements, min(x, dim) → [values, indices], min(x, other) elementwise. */
export const min: Extreme = dispatched("min", minOfAll, minAlong, minimum);

type ArgReduction = Op<[x: Tensor, dim?: number | null | ArgOptions, options?: ArgOptions], Tensor>;

interface ArgOptions {
  readonly dim?: number | null;
  readonly keepdim?: boolean;
}

/** The index of the largest value along `dim`, or in the flattened tensor. int64; the first of several. */
export const argmax: ArgReduction = argExtreme("argmax", maxAlong);

/** The index of the smallest value along `dim`, or in the flattened tensor. int64; the first of several. */
export const argmin: ArgReduction = argExtreme("argmin", minAlong);

function argExtreme(op: string, along: ReturnType<typeof extremeAlong>): ArgReduction {
  return nondifferentiable(op, (x: Tensor, dim?: number | null | ArgOptions, options?: ArgOptions): Tensor => {
    const plan = planOf<ArgOptions>(op, x, dim, options);
    refuseEmpty(op, x, plan);
    const one = plan.dims.length === 1 && x.ndim > 1;
    const [, indices] = one ? along(x, plan.dims[0], {}) : along(reshape(x, [-1]), 0, {});
    return reshape(indices, plan.shape);
  });
}

// ---------------------------------------------------------------- tests

/** True if any element is not zero. uint8 gives uint8, as in PyTorch. */
export const any: Reduction = test("any");

/** True if no element is zero. uint8 gives uint8, as in PyTorch. */
export const all: Reduction = test("all");

function test(op: "any" | "all"): Reduction {
  return nondifferentiable(op, (...[x, dim, options]: ReduceArguments): Tensor => {
    const plan = planOf(op, x, dim, options);
    return reduced(op, x, plan, x.dtype, x.dtype === uint8 ? uint8 : bool);
  });
}

// ---------------------------------------------------------------- running sums and products

interface CumulativeOptions {
  readonly dtype?: DType;
}

type Cumulative = Op<[x: Tensor, dim: number, options?: CumulativeOptions], Tensor>;

/** Running sums along `dim`. */
export const cumsum: Cumulative = primitive(
  "cumsum",
  (x: Tensor, dim: number, options: CumulativeOptions = {}) =>
    running("cumsum", x, dim, accumulateDtype(x, options.dtype), 0, (a, b) => a + b),
  (_out, { dtype }, dim) =>
    (g) => [asDtype(fromTheEnd(g, dim), dtype)],
);

/** Sums from each entry to the end. */
function fromTheEnd(x: Tensor, dim: number): Tensor {
  return x.ndim === 0 ? x : flip(cumsum(flip(x, [dim]), dim), [dim]);
}

/** Running products along `dim`. */
export const cumprod: Cumulative = primitive(
  "cumprod",
  (x: Tensor, dim: number, options: CumulativeOptions = {}) =>
    running("cumprod", x, dim, accumulateDtype(x, options.dtype), 1, (a, b) => a * b),
  (out, x, dim) => {
    const [input, result] = [saved(x), saved(out)];
    return (g): ArgumentGradient[] => [cumprodGrad(input(), result(), g, dim)];
  },
);

function running(
  op: string,
  x: Tensor,
  dim: number,
  dtype: DType,
  initial: number,
  combine: (a: number, b: number) => number,
): Tensor {
  const lines = linesOf(op, x, dim, dtype);
  const out = computeDtype(dtype).allocate(lines.data.length);
  forEachLine(lines, (start) => {
    let accumulated = initial;
    for (let i = 0, at = start; i < lines.n; i++, at += lines.inner) {
      accumulated = combine(accumulated, lines.data[at]);
      out[at] = accumulated;
    }
  });
  return tensorFromComputed(out, x.shape, dtype);
}

/**
 * gradX[k] = Σ_{i ≥ k} g[i] · out[i] / x[k]; in a line with a zero the quotient is written as the product it stands for,
 * which takes n² steps.
 */
function cumprodGrad(x: Tensor, out: Tensor, gradient: Tensor, dim: number): Tensor {
  const lines = linesOf("cumprod", x, dim, gradient.dtype);
  const { data, n, inner } = lines;
  const [g, products] = [elementsAs(gradient, computeDtype(gradient.dtype)), elementsAs(out, computeDtype(out.dtype))];
  const result = computeDtype(gradient.dtype).allocate(data.length);
  forEachLine(lines, (start) => {
    let sums = 0;
    let hasZero = false;
    for (let i = n - 1; i >= 0; i--) {
      const at = start + i * inner;
      hasZero ||= data[at] === 0;
      sums += g[at] * products[at];
      result[at] = sums / data[at];
    }
    if (hasZero) cumprodGradWithZeros(start, n, inner, data, g, result);
  });
  return asDtype(tensorFromComputed(result, x.shape, gradient.dtype), x.dtype);
}

function cumprodGradWithZeros(
  start: number,
  n: number,
  inner: number,
  data: ArrayLike<number>,
  g: ArrayLike<number>,
  result: { [index: number]: number },
): void {
  let before = 1;
  for (let k = 0; k < n; k++) {
    const at = start + k * inner;
    let product = before;
    let sums = g[at] * product;
    for (let i = k + 1; i < n; i++) {
      product *= data[start + i * inner];
      sums += g[start + i * inner] * product;
    }
    result[at] = sums;
    before *= data[at];
  }
}
