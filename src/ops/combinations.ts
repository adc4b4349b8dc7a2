/** Elementwise operators of three operands or more, and tolerant comparison. */
import { OctetError } from "../core/errors.ts";
import { saved } from "../autograd/node.ts";
import { Tensor } from "../tensor/tensor.ts";
import { abs, add, asDtype, div, maximum, minimum, mul, sub, where } from "./arithmetic.ts";
import type { Operand } from "./broadcast.ts";
import { evaluateBinary, evaluateUnary, resultType, sumTo } from "./broadcast.ts";
import { eq, ge, gt, isfinite, isnan, le, logicalAnd, logicalOr, lt } from "./comparison.ts";
import { composite, nondifferentiable, primitive } from "./op.ts";

/** Limits for {@link clamp}; at least one of them. Numbers, or tensors that broadcast with the input. */
export interface ClampOptions {
  readonly min?: Operand;
  readonly max?: Operand;
}

/** Limits values to [min, max]; the gradient passes inside, bounds included. Where min > max, the result is max. */
export const clamp = composite("clamp", (x: Tensor, options: ClampOptions): Tensor => {
  const { min, max } = options;
  if (min === undefined && max === undefined) throw new OctetError("clamp: at least one of min and max is needed");
  if (!(min instanceof Tensor) && !(max instanceof Tensor)) return clampToNumbers(x, min, max);
  return clampToTensors(x, min ?? -Infinity, max ?? Infinity);
});

const clampToNumbers = primitive(
  "clamp",
  (x: Tensor, min: number | boolean | undefined, max: number | boolean | undefined) => {
    const bounds = [min, max].filter((v) => v !== undefined);
    return evaluateUnary("clamp", x, resultType(x, ...bounds), undefined, +(min ?? -Infinity), +(max ?? Infinity));
  },
  (_out, x, min = -Infinity, max = Infinity) => {
    const input = saved(x);
    return (g) => [evaluateBinary("clamp", "clampGrad", g, input(), g.dtype, undefined, +min, +max)];
  },
);

const clampToTensors = primitive(
  "clamp",
  (x: Tensor, min: Operand, max: Operand) => minimum(maximum(x, min), max),
  (_out, x, min, max) => {
    const operands = [x, min, max].map((operand) => (operand instanceof Tensor ? saved(operand) : () => operand));
    const backTo = [x, min, max].map((operand) => (operand instanceof Tensor ? gradientLike(operand) : null));
    return (g, needs) => {
      const [value, low, high] = operands.map((operand) => operand());
      const reaches = [
        () => logicalAnd(ge(value, low), le(value, high)),
        () => logicalAnd(lt(value, low), le(low, high)),
        () => logicalOr(gt(value, high), gt(low, high)),
      ];
      return backTo.map((back, i) => (back && needs[i] ? back(where(reaches[i](), g, 0)) : null));
    };
  },
);

function gradientLike({ shape, dtype }: Tensor): (gradient: Tensor) => Tensor {
  return (gradient) => asDtype(sumTo(gradient, shape), dtype);
}

/** start + weight · (end − start). */
export const lerp = composite("lerp", (start: Tensor, end: Tensor, weight: Operand) =>
  add(start, mul(sub(end, start), weight)),
);

export interface ValueOptions {
  /** Factor of the product or quotient, default 1. */
  readonly value?: number;
}

/** input + value · a · b. */
export const addcmul = composite("addcmul", (input: Tensor, a: Tensor, b: Tensor, options: ValueOptions = {}) =>
  add(input, mul(a, b), { alpha: options.value ?? 1 }),
);

/** input + value · a / b. */
export const addcdiv = composite("addcdiv", (input: Tensor, a: Tensor, b: Tensor, options: ValueOptions = {}) =>
  add(input, div(a, b), { alpha: options.value ?? 1 }),
);

/** True if every pair of elements is close: |a − b| ≤ atol + rtol · |b| (`torch.allclose`). */
export function allclose(a: Tensor, b: Tensor, options: ToleranceOptions = {}): boolean {
  return isclose(a, b, options).elements().every(Boolean);
}

export interface ToleranceOptions {
  /** Relative tolerance, default 1e-5. */
  readonly rtol?: number;
  /** Absolute tolerance, default 1e-8. */
  readonly atol?: number;
  /** Counts two NaNs as close. */
  readonly equalNan?: boolean;
}

/** |a − b| ≤ atol + rtol · |b|, elementwise; equal infinities are close. */
export const isclose = nondifferentiable("isclose", (a: Tensor, b: Tensor, options: ToleranceOptions = {}) => {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  const near = logicalAnd(le(abs(sub(a, b)), add(mul(abs(b), rtol), atol)), isfinite(b));
  const same = logicalOr(eq(a, b), near);
  return equalNan ? logicalOr(same, logicalAnd(isnan(a), isnan(b))) : same;
});
