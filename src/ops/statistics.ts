/** Variances, norms and log-sum-exp over dimensions. */
import { saved } from "../autograd/node.ts";
import { OctetError } from "../core/errors.ts";
import { computeDtype, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { floatDtype, gatherDims } from "./broadcast.ts";
import { abs, add, asDtype, div, eq, exp, isinf, log, mul, ne, pow, sign, sub, where } from "./elementwise.ts";
import { maskedFill } from "./indexing.ts";
import type { ArgumentGradient, Op } from "./op.ts";
import { composite, primitive } from "./op.ts";
import { amax, amin, countOf, mean, sum } from "./reduce.ts";
import type { Dims, ReduceArguments, ReduceOptions, ReducePlan, Reduction } from "./reduction.ts";
import { isOptions, planOf } from "./reduction.ts";
import { reshape } from "./views.ts";

// ---------------------------------------------------------------- variance

export interface VarianceOptions extends ReduceOptions {
  /** What is taken off the number of elements in the divisor; default 1 (Bessel's correction). */
  readonly correction?: number;
  /** The older way to say correction 1 (true) or 0 (false). */
  readonly unbiased?: boolean;
}

function correctionOf(options: Partial<VarianceOptions>): number {
  return options.correction ?? (options.unbiased === false ? 0 : 1);
}

/** Σ (x − mean)² / (n − correction) over `dim`, or all. Floats only. Nothing left to divide by gives NaN or infinity. */
const variance: Reduction<VarianceOptions> = primitive(
  "var",
  (...[x, dim, options]: ReduceArguments<VarianceOptions>) => moment("var", x, dim, options, (v) => v),
  (_out, x, dim, options) => {
    const input = saved(x);
    const plan = planOf("var", x, dim, options);
    return (g) => [varianceGrad(input(), plan, reshape(g, plan.keptShape))];
  },
);

export { variance as var };

/** The square root of the {@link variance}. The gradient is zero where the result is. */
export const std: Reduction<VarianceOptions> = primitive(
  "std",
  (...[x, dim, options]: ReduceArguments<VarianceOptions>) => moment("std", x, dim, options, Math.sqrt),
  (out, x, dim, options) => {
    const [input, result] = [saved(x), saved(out)];
    const plan = planOf("std", x, dim, options);
    return (g) => {
      const deviation = reshape(result(), plan.keptShape);
      const gradVar = maskedFill(div(reshape(g, plan.keptShape), mul(deviation, 2)), eq(deviation, 0), 0);
      return [varianceGrad(input(), plan, gradVar)];
    };
  },
);

/** In double precision and two passes; `finish` is applied to each variance. */
function moment(
  op: string,
  x: Tensor,
  dim: Dims | VarianceOptions | undefined,
  options: VarianceOptions | undefined,
  finish: (variance: number) => number,
): Tensor {
  if (!x.dtype.isFloatingPoint) {
    throw new OctetError(`${op}: std and var only support floating point and complex dtypes, got ${x.dtype.name}`);
  }
  const plan = planOf(op, x, dim, options);
  const { data, outer, n, inner } = gatherDims(x, plan.dims, computeDtype(x.dtype));
  const out = computeDtype(x.dtype).allocate(outer * inner);
  const divisor = Math.max(0, n - correctionOf(plan.options));
  for (let o = 0, line = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++, line++) {
      const start = o * n * inner + j;
      let total = 0;
      for (let i = 0; i < n; i++) total += data[start + i * inner];
      const center = total / n;
      let squares = 0;
      for (let i = 0; i < n; i++) squares += (data[start + i * inner] - center) ** 2;
      out[line] = finish(squares / divisor);
    }
  }
  return tensorFromComputed(out, plan.shape, x.dtype);
}

function varianceGrad(x: Tensor, plan: ReducePlan<VarianceOptions>, gradient: Tensor): Tensor {
  const divisor = Math.max(0, countOf(x, plan) - correctionOf(plan.options));
  const centered = sub(x, mean(x, plan.dims, { keepdim: true }));
  return mul(mul(gradient, 2 / divisor), centered);
}

/** [variance, mean] over `dim`, or all. */
export const varMean = composite(
  "varMean",
  (...[x, dim, options]: ReduceArguments<VarianceOptions>): [variance: Tensor, mean: Tensor] => [
    variance(x, dim, options),
    mean(x, isOptions<VarianceOptions>(dim) ? { dim: dim.dim, keepdim: dim.keepdim } : dim, options),
  ],
);

/** [standard deviation, mean] over `dim`, or all. */
export const stdMean = composite(
  "stdMean",
  (...[x, dim, options]: ReduceArguments<VarianceOptions>): [deviation: Tensor, mean: Tensor] => [
    std(x, dim, options),
    mean(x, isOptions<VarianceOptions>(dim) ? { dim: dim.dim, keepdim: dim.keepdim } : dim, options),
  ],
);

// ---------------------------------------------------------------- norms

/**
 * (Σ |x|^p)^(1/p) over `dim`, or all (`torch.norm`). p = Infinity gives the largest magnitude, −Infinity the smallest,
 * 0 the number of elements that are not zero; "fro" is 2. Floats only.
 */
export const norm: Op<[x: Tensor, p?: number | "fro", dim?: Dims | ReduceOptions, options?: ReduceOptions], Tensor> =
  primitive(
    "norm",
    (x: Tensor, p: number | "fro" = 2, dim?: Dims | ReduceOptions, options?: ReduceOptions): Tensor => {
      if (!x.dtype.isFloatingPoint) {
        throw new OctetError(`norm: expected a floating point or complex tensor as input. Got ${x.dtype.name}`);
      }
      const order = p === "fro" ? 2 : p;
      const plan = planOf("norm", x, dim, options);
      const over = { dim: plan.dims, keepdim: plan.options.keepdim };
      if (order === Infinity) return amax(abs(x), over);
      if (order === -Infinity) return amin(abs(x), over);
      if (order === 0) return asDtype(sum(ne(x, 0), over), x.dtype);
      // Powers of float32 numbers overflow early: compute in double precision, round once.
      const { data, outer, n, inner } = gatherDims(x, plan.dims, computeDtype(x.dtype));
      const out = computeDtype(x.dtype).allocate(outer * inner);
      for (let o = 0, line = 0; o < outer; o++) {
        for (let j = 0; j < inner; j++, line++) {
          let total = 0;
          for (let i = 0, at = o * n * inner + j; i < n; i++, at += inner) {
            total += order === 2 ? data[at] * data[at] : Math.abs(data[at]) ** order;
          }
          out[line] = order === 2 ? Math.sqrt(total) : total ** (1 / order);
        }
      }
      return tensorFromComputed(out, plan.shape, x.dtype);
    },
    (out, x, p: number | "fro" = 2, dim, options) => {
      if (p === 0) return () => [null]; // a count does not change with its elements
      const [input, result] = [saved(x), saved(out)];
      const plan = planOf("norm", x, dim, options);
      return (g): ArgumentGradient[] => [
        normGrad(
          input(),
          reshape(result(), plan.keptShape),
          reshape(g, plan.keptShape),
          p === "fro" ? 2 : p,
          plan.dims,
        ),
      ];
    },
  );

/** The gradient where the norm is zero is zero, as in PyTorch. */
function normGrad(x: Tensor, result: Tensor, gradient: Tensor, p: number, dims: readonly number[]): Tensor {
  if (p === 1) return mul(sign(x), gradient);
  if (p === 2) return mul(x, maskedFill(div(gradient, result), eq(result, 0), 0));
  if (Math.abs(p) === Infinity) {
    const hit = eq(abs(x), result);
    const ties = asDtype(sum(hit, dims, { keepdim: true }), x.dtype);
    return mul(mul(sign(x), div(gradient, ties)), hit);
  }
  const scale = maskedFill(div(gradient, pow(result, p - 1)), eq(result, 0), 0);
  const slope = mul(sign(x), pow(abs(x), p - 1));
  return mul(p < 2 ? maskedFill(slope, eq(x, 0), 0) : slope, scale);
}

/** log Σ exp(x) over `dim`, without overflow. Integers become floats. */
export const logsumexp: Reduction = primitive(
  "logsumexp",
  (...[x, dim, options]: ReduceArguments) => {
    const plan = planOf("logsumexp", x, dim, options);
    const values = asDtype(x, floatDtype(x.dtype));
    if (x.numel() === 0) return log(sum(exp(values), plan.dims, { keepdim: plan.options.keepdim }));
    const largest = amax(values, plan.dims, { keepdim: true });
    // An infinite maximum would make inf − inf: leave it out of the exponent.
    const shift = where(isinf(largest), 0, largest);
    const sums = log(sum(exp(sub(values, shift)), plan.dims, { keepdim: true }));
    return asDtype(reshape(add(sums, shift), plan.shape), floatDtype(x.dtype));
  },
  (out, x, dim, options) => {
    const [input, result] = [saved(x), saved(out)];
    const plan = planOf("logsumexp", x, dim, options);
    return (g): ArgumentGradient[] => [
      mul(reshape(g, plan.keptShape), exp(sub(input(), reshape(result(), plan.keptShape)))),
    ];
  },
);

/** The distance of two tensors: {@link norm} of their difference. */
export const dist = composite("dist", (a: Tensor, b: Tensor, p: number = 2): Tensor => norm(sub(a, b), p));
