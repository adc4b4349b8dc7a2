/** What reductions share: their arguments, the evaluation over chosen dimensions, and the way back of a gradient. */
import { saved } from "../autograd/node.ts";
import type { DType, NumericArray } from "../core/dtype.ts";
import { int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { numelOf, wrapDim, wrapDims } from "../core/shape.ts";
import type { ReduceName } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gatherDims } from "./broadcast.ts";
import type { Op } from "./op.ts";
import { primitive } from "./op.ts";
import { expand, reshape } from "./views.ts";

/** Dimensions to reduce over; none at all, null or an empty list mean every one. */
export type Dims = number | readonly number[] | null;

export interface ReduceOptions {
  /** May stand here instead of in the argument before. */
  readonly dim?: Dims;
  /** Keeps reduced dimensions with size 1. */
  readonly keepdim?: boolean;
}

/** x, the dimensions, and options; the options may also stand in the place of the dimensions. */
export type ReduceArguments<O extends ReduceOptions = ReduceOptions> = [x: Tensor, dim?: Dims | O, options?: O];

export type Reduction<O extends ReduceOptions = ReduceOptions> = Op<ReduceArguments<O>, Tensor>;

/** The arguments of a reduction, made definite. */
export interface ReducePlan<O> {
  /** Sorted, not negative. */
  readonly dims: readonly number[];
  /** The shape of the result. */
  readonly shape: number[];
  /** The shape with reduced dimensions kept. */
  readonly keptShape: number[];
  readonly options: Partial<O>;
}

export function isOptions<O extends object>(value: unknown): value is O {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function planOf<O extends ReduceOptions>(
  op: string,
  x: Tensor,
  dim: Dims | O | undefined,
  given: O | undefined,
): ReducePlan<O> {
  const options: Partial<O> = isOptions<O>(dim) ? dim : (given ?? {});
  const chosen = (isOptions(dim) ? undefined : (dim as Dims | undefined)) ?? options.dim ?? undefined;
  const all = chosen === undefined || (Array.isArray(chosen) && chosen.length === 0);
  const dims = wrapDims(op, all ? undefined : chosen, x.ndim);
  const keptShape = x.shape.map((size, d) => (dims.includes(d) ? 1 : size));
  const shape = options.keepdim ? keptShape : x.shape.filter((_, d) => !dims.includes(d));
  return { dims, shape, keptShape, options };
}

/** One kernel reduction of `x`, read as `dtype`, over the plan's dimensions; the result is stored as `outDtype`. */
export function reduced(
  name: ReduceName,
  x: Tensor,
  plan: ReducePlan<unknown>,
  dtype: DType,
  outDtype = dtype,
): Tensor {
  const { data, outer, n, inner } = gatherDims(x, plan.dims, computeDtype(dtype));
  const out = computeDtype(outDtype).allocate(outer * inner);
  kernels().reduce(name, data, outer, n, inner, out);
  return tensorFromComputed(out, plan.shape, outDtype);
}

/** A gradient of the result, spread over the dimensions that were reduced. */
export function spread(gradient: Tensor, plan: ReducePlan<unknown>, shape: Shape): Tensor {
  return expand(reshape(gradient, plan.keptShape), shape);
}

/** Sums and products of integers and bools are int64. */
export function accumulateDtype(x: Tensor, dtype: DType | undefined): DType {
  return dtype ?? (x.dtype.isFloatingPoint ? x.dtype : int64);
}

/** An extreme of nothing does not exist: refuses to reduce over a dimension of size 0. */
export function refuseEmpty(op: string, x: Tensor, plan: ReducePlan<unknown>): void {
  if (x.numel() > 0) return;
  if (plan.dims.length === x.ndim && x.ndim !== 1) {
    throw new OctetError(
      `${op}: Expected reduction dim to be specified for input.numel() == 0 (shape ${formatShape(x.shape)}). ` +
        "Specify the reduction dim with the 'dim' argument.",
    );
  }
  const empty = plan.dims.find((d) => x.shape[d] === 0);
  if (empty !== undefined) throw new OctetError(`${op}: Expected reduction dim ${empty} to have non-zero size.`);
}

/** A tensor as an [outer, n, inner] array around one dimension; a scalar is [1, 1, 1]. */
export interface Lines {
  readonly data: NumericArray;
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
}

export function linesOf(op: string, x: Tensor, dim: number, dtype: DType = x.dtype): Lines {
  const d = wrapDim(op, dim, x.ndim);
  return {
    data: elementsAs(x, computeDtype(dtype)),
    outer: numelOf(x.shape.slice(0, d)),
    n: x.shape[d] ?? 1,
    inner: numelOf(x.shape.slice(d + 1)),
  };
}

/** Calls `visit` with the index of the first element of every line; neighbours in a line are `inner` apart. */
export function forEachLine({ outer, n, inner }: Lines, visit: (start: number, line: number) => void): void {
  for (let o = 0, line = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++, line++) visit(o * n * inner + j, line);
  }
}

/** A dimension and options, of which the options may stand in the dimension's place and hold it. */
export function dimAndOptions<O extends { readonly dim?: number }>(
  dim: number | O | undefined,
  options: O | undefined,
  fallback: number,
): { dim: number; options: Partial<O> } {
  const given: Partial<O> = isOptions<O>(dim) ? dim : (options ?? {});
  return {
    dim: isOptions(dim) ? (given.dim ?? fallback) : ((dim as number | undefined) ?? given.dim ?? fallback),
    options: given,
  };
}

/** An operator that picks one value of all elements: those equal to it (or NaN, if it is) share the gradient evenly. */
export function evenly(op: string, forward: (x: Tensor) => Tensor): Op<[x: Tensor], Tensor> {
  return primitive(op, forward, (out, x) => {
    const [input, result] = [saved(x), saved(out)];
    return (g) => {
      const compute = computeDtype(g.dtype);
      const [values, chosen, gradient] = [elementsAs(input(), compute), result().item(), g.item()];
      const hits = Array.from(values, (value) => value === chosen || (Number.isNaN(value) && Number.isNaN(chosen)));
      const share = gradient / hits.filter(Boolean).length;
      const out = compute.allocate(values.length);
      hits.forEach((hit, i) => (out[i] = hit ? share : 0));
      return [tensorFromComputed(out, input().shape, g.dtype)];
    };
  });
}
