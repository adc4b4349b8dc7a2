/** Arithmetic, element by element: operators of one operand, of two, and of any number. */
import { bool } from "../../core/dtype.ts";
import { traceable } from "../../ops/op.ts";
import * as ops from "../../ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Callee, NodeContext, OnnxOp, OnnxOps, Operand } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import type { Value } from "../import-value.ts";
import { broadcastShape, wrappedDim } from "../import-value.ts";
import { absorbBias } from "./linear.ts";

/** An operator of one operand with no attributes. */
export function unary(fn: Callee, since = 1): OnnxOp {
  return { since: [since], import: (c) => c.call(fn, [c.input(0)], sameAs(c.input(0))) };
}

/**
 * A constant of one element as a number, where the result has the other operand's shape anyway. Quantization knows operators
 * with a number; a tensor would be observed like an activation.
 */
function numberOr(value: Value, other: Value): Operand {
  const { constant } = value;
  if (!constant || constant.numel() !== 1 || other.constant || constant.dtype === bool) return value;
  const fits = constant.ndim === 0 || (other.shape !== null && constant.ndim <= other.shape.length);
  return fits ? constant.item() : value;
}

/**
 * Two operands that broadcast. Before version 7 an attribute says where the dimensions of the second one stand among those of the
 * first; without it they are the last.
 */
function alignedInputs(c: NodeContext): [Value, Value] {
  const [a, b] = [c.input(0), c.input(1)];
  if (c.opset >= 7 || !c.has("axis")) return [a, b];
  c.require(a.shape && b.shape, "its operands are aligned by an attribute, and their ranks are not known");
  const missing = a.shape.length - wrappedDim(c.int("axis", 0), a.shape.length) - b.shape.length;
  let aligned = b;
  for (let i = 0; i < missing; i++)
    aligned = c.call(ops.unsqueeze, [aligned, -1], { shape: [...(aligned.shape ?? []), 1] });
  return [a, aligned];
}

/** An operator of two operands that broadcast. */
export function binary(fn: Callee, options: { dtype?: typeof bool; exact?: boolean } = {}): OnnxOp {
  return {
    since: [7],
    import(c) {
      const [a, b] = [c.input(0), c.input(1)];
      const facts = { shape: broadcastShape(a.shape, b.shape), elements: null, ...knownDtype(options.dtype) };
      const args = options.exact ? [a, b] : [a, numberOr(b, a)];
      return c.call(fn, args, facts);
    },
  };
}

function knownDtype(dtype: typeof bool | undefined): { dtype?: typeof bool } {
  return dtype ? { dtype } : {};
}

/** For operators that do not mind the order: the constant goes last. */
function commutative(fn: Callee, number: (a: number, b: number) => number): OnnxOp {
  return {
    since: [1, 7],
    import(c) {
      const [first, second] = alignedInputs(c);
      const [a, b] = first.constant && !second.constant ? [second, first] : [first, second];
      const facts = { shape: broadcastShape(a.shape, b.shape), elements: elementsOf(a, b, number) };
      return (fn === ops.add && absorbBias(c, a, b)) || c.call(fn, [a, numberOr(b, a)], facts);
    },
  };
}

function ordered(fn: Callee, number: (a: number, b: number) => number): OnnxOp {
  return {
    since: [1, 7],
    import(c) {
      const [a, b] = alignedInputs(c);
      const facts = { shape: broadcastShape(a.shape, b.shape), elements: elementsOf(a, b, number) };
      return c.call(fn, [a, numberOr(b, a)], facts);
    },
  };
}

/** What is known of the elements of arithmetic between sizes. */
function elementsOf(a: Value, b: Value, fn: (a: number, b: number) => number): (number | null)[] | null {
  const [left, right] = [a.elements, b.elements];
  if (!left || !right || (left.length !== right.length && left.length !== 1 && right.length !== 1)) return null;
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const [x, y] = [left[left.length === 1 ? 0 : i], right[right.length === 1 ? 0 : i]];
    return x === null || y === null ? null : fn(x, y);
  });
}

/** Integers are divided as in C: the quotient is cut off towards zero. */
export const divide = traceable("onnx.divide", (a: Tensor, b: Tensor | number): Tensor => {
  if (a.dtype.isFloatingPoint) return ops.div(a, b);
  const quotient = ops.trunc(ops.div(a.double(), typeof b === "number" ? b : b.double()));
  return quotient.to(a.dtype);
});

/** The result has the dtype of the base. */
const power = traceable("onnx.power", (a: Tensor, b: Tensor): Tensor => {
  if (a.dtype.isFloatingPoint) return ops.pow(a, b.to(a.dtype));
  return ops.pow(a.double(), b.double()).to(a.dtype);
});

const asinh = traceable("onnx.asinh", (x: Tensor) =>
  // Odd, so computed for |x|, where the sum does not cancel.
  ops.mul(ops.sign(x), ops.log(ops.add(ops.abs(x), ops.sqrt(ops.add(ops.square(x), 1))))),
);
const acosh = traceable("onnx.acosh", (x: Tensor) => ops.log(ops.add(x, ops.sqrt(ops.sub(ops.square(x), 1)))));
const atanh = traceable("onnx.atanh", (x: Tensor) => ops.mul(ops.sub(ops.log1p(x), ops.log1p(ops.neg(x))), 0.5));

/** An operator of any number of operands, from pairs. */
function variadic(fn: Callee): OnnxOp {
  return {
    since: [1, 8],
    import(c) {
      return c.allInputs().reduce((a, b) => c.call(fn, [a, b], { shape: broadcastShape(a.shape, b.shape) }));
    },
  };
}

const variadicMean: OnnxOp = {
  since: [1, 8],
  import(c) {
    const total = variadicSum.import(c) as Value;
    return c.call(ops.div, [total, c.inputCount], sameAs(total));
  },
};

const variadicSum = variadic(ops.add);

const raised: OnnxOp = {
  since: [1, 7],
  import(c: NodeContext) {
    const [a, b] = alignedInputs(c);
    const exponent = b.constant?.numel() === 1 && b.constant.ndim <= (a.shape?.length ?? 0) ? b.constant.item() : null;
    const facts = { shape: broadcastShape(a.shape, b.shape) };
    if (!a.dtype?.isFloatingPoint || exponent === null) return c.call(power, [a, b], facts);
    if (exponent === 2) return c.call(ops.square, [a], facts);
    return exponent === 0.5 ? c.call(ops.sqrt, [a], facts) : c.call(ops.pow, [a, exponent], facts);
  },
};

const modulo: OnnxOp = {
  since: [10],
  import(c) {
    const [a, b] = [c.input(0), c.input(1)];
    const fn = c.int("fmod", 0) ? ops.fmod : ops.remainder;
    return c.call(fn, [a, b], { shape: broadcastShape(a.shape, b.shape) });
  },
};

const division: OnnxOp = {
  since: [1, 7],
  import(c: NodeContext) {
    const isReal = c.input(0).dtype?.isFloatingPoint;
    return ordered(isReal ? ops.div : divide, (a, b) => Math.trunc(a / b)).import(c);
  },
};

export const arithmeticOps: OnnxOps = {
  Abs: unary(ops.abs),
  Acos: unary(ops.acos),
  Acosh: unary(acosh),
  Add: commutative(ops.add, (a, b) => a + b),
  Asin: unary(ops.asin),
  Asinh: unary(asinh),
  Atan: unary(ops.atan),
  Atanh: unary(atanh),
  Ceil: unary(ops.ceil),
  Cos: unary(ops.cos),
  Cosh: unary(ops.cosh),
  Div: division,
  Erf: unary(ops.erf),
  Exp: unary(ops.exp),
  Floor: unary(ops.floor),
  Log: unary(ops.log),
  Max: variadic(ops.maximum),
  Mean: variadicMean,
  Min: variadic(ops.minimum),
  Mod: modulo,
  Mul: commutative(ops.mul, (a, b) => a * b),
  Neg: unary(ops.neg),
  Pow: raised,
  Reciprocal: unary(ops.reciprocal),
  Round: unary(ops.round),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Sinh: unary(ops.sinh),
  Sqrt: unary(ops.sqrt),
  Sub: ordered(ops.sub, (a, b) => a - b),
  Sum: variadicSum,
  Tan: unary(ops.tan),
};
