/** Arithmetic and comparison for ONNX: of tensors, of tensors with numbers, and of sizes. */
import type { DType } from "../../core/dtype.ts";
import { bool, float32, int64 } from "../../core/dtype.ts";
import type { CallContext, OpExport, OpExports, Operand } from "../export-context.ts";
import type { Argument, TensorValue } from "../export-value.ts";
import { isTensorValue } from "../export-value.ts";

/** Both operands as tensors of one dtype; a number takes that of the tensor beside it. */
function operands(c: CallContext): [TensorValue, TensorValue] {
  const [a, b] = [c.args[0], c.args[1] ?? c.kwargs.other];
  const like = isTensorValue(a) ? a : isTensorValue(b) ? b : null;
  const wide = [a, b].find((value) => isTensorValue(value) && value.dtype.isFloatingPoint) as TensorValue | undefined;
  const each = (value: Argument): TensorValue => {
    const made = c.operand(value, isFraction(value) && !wide ? null : (wide ?? like));
    return wide && made.dtype !== wide.dtype ? c.cast(made, wide.dtype) : made;
  };
  const [x, y] = [each(a), each(b)];
  if (x.dtype === y.dtype) return [x, y];
  // Integers of two sorts, or an integer and a fraction.
  const common = [x, y].find(({ dtype }) => dtype.isFloatingPoint)?.dtype ?? int64;
  return [x, y].map((value) => (value.dtype === common ? value : c.cast(value, common))) as [TensorValue, TensorValue];
}

const isFraction = (value: Argument): boolean => typeof value === "number" && !Number.isInteger(value);

function binary(opType: string, result?: DType): OpExport {
  return (c: CallContext) => {
    const [a, b] = operands(c);
    return c.node(opType, [a, b], {}, result ?? a.dtype);
  };
}

/** `alpha` scales the second operand. */
function scaled(opType: string): OpExport {
  return (c: CallContext) => {
    const alpha = c.number(2, "alpha", 1);
    const [a, b] = operands(c);
    return c.node(opType, [a, alpha === 1 ? b : c.node("Mul", [b, c.scalar(alpha, b.dtype)])]);
  };
}

function div(c: CallContext): TensorValue {
  const [a, b] = operands(c);
  const roundingMode = c.kwargs.roundingMode ?? null;
  const isReal = a.dtype.isFloatingPoint;
  if (isReal || roundingMode === null) {
    const [x, y] = isReal ? [a, b] : [c.cast(a, float32), c.cast(b, float32)];
    const quotient = c.node("Div", [x, y]);
    if (roundingMode === null) return quotient;
    return roundingMode === "floor" ? c.node("Floor", [quotient]) : truncated(c, quotient);
  }
  return roundingMode === "floor" ? flooredInteger(c, a, b) : c.node("Div", [a, b]);
}

function truncated(c: CallContext, x: TensorValue): TensorValue {
  return c.node("Mul", [c.node("Sign", [x]), c.node("Floor", [c.node("Abs", [x])])]);
}

/** ONNX rounds integer quotients towards 0: (a − a mod b) / b. */
function flooredInteger(c: CallContext, a: Operand, b: Operand): TensorValue {
  return c.node("Div", [c.node("Sub", [a, c.node("Mod", [a, b])]), b]);
}

function floorDivide(c: CallContext): TensorValue {
  const [a, b] = operands(c);
  return a.dtype.isFloatingPoint ? c.node("Floor", [c.node("Div", [a, b])]) : flooredInteger(c, a, b);
}

function remainder(c: CallContext): TensorValue {
  const [a, b] = operands(c);
  if (!a.dtype.isFloatingPoint) return c.node("Mod", [a, b]);
  return c.node("Sub", [a, c.node("Mul", [b, c.node("Floor", [c.node("Div", [a, b])])])]);
}

function clamp(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const bound = (position: number, key: string) => {
    const value = c.argument(position, key) ?? null;
    return value === null ? null : c.operand(value, x);
  };
  const [min, max] = [bound(1, "min"), bound(2, "max")];
  const isTensor = [c.argument(1, "min"), c.argument(2, "max")].some(isTensorValue);
  if (!isTensor) return c.node("Clip", [x, min, max]);
  const above = min ? c.node("Max", [x, min]) : x;
  return max ? c.node("Min", [above, max]) : above;
}

function unary(opType: string): OpExport {
  return (c) => c.node(opType, [c.tensor(0)]);
}

/** f(x) = opType(x) · factor. */
function logarithm(base: number): OpExport {
  return (c: CallContext) => {
    const x = c.tensor(0);
    return c.node("Div", [c.node("Log", [x]), c.scalar(Math.log(base), x.dtype)]);
  };
}

function where(c: CallContext): TensorValue {
  const condition = c.tensor(0);
  const [a, b] = operands(c.with(c.args.slice(1)));
  return c.node("Where", [condition, a, b], {}, a.dtype);
}

const logical = (opType: string): OpExport => {
  return (c: CallContext) => {
    const asBool = (x: TensorValue) => (x.dtype === bool ? x : c.cast(x, bool));
    const [a, b] = operands(c);
    return c.node(opType, [asBool(a), asBool(b)], {}, bool);
  };
};

const addOne = (c: CallContext, x: TensorValue, by: number) => c.node("Add", [x, c.scalar(by, x.dtype)]);

export const arithmeticExports: OpExports = {
  add: scaled("Add"),
  sub: scaled("Sub"),
  mul: binary("Mul"),
  div,
  truediv: div,
  floorDivide,
  floordiv: floorDivide,
  remainder,
  mod: remainder,
  fmod: (c) => c.node("Mod", operands(c), { fmod: 1 }),
  pow: binary("Pow"),
  maximum: binary("Max"),
  minimum: binary("Min"),
  eq: binary("Equal", bool),
  ne: (c) => c.node("Not", [c.node("Equal", operands(c), {}, bool)]),
  lt: binary("Less", bool),
  le: binary("LessOrEqual", bool),
  gt: binary("Greater", bool),
  ge: binary("GreaterOrEqual", bool),
  logicalAnd: logical("And"),
  logicalOr: logical("Or"),
  logicalXor: logical("Xor"),
  logicalNot: unary("Not"),
  where,
  clamp,
  neg: unary("Neg"),
  abs: unary("Abs"),
  sign: unary("Sign"),
  square: (c) => c.node("Mul", [c.tensor(0), c.tensor(0)]),
  ceil: unary("Ceil"),
  floor: unary("Floor"),
  round: unary("Round"),
  trunc: (c) => truncated(c, c.tensor(0)),
  sqrt: unary("Sqrt"),
  rsqrt: (c) => c.node("Reciprocal", [c.node("Sqrt", [c.tensor(0)])]),
  reciprocal: unary("Reciprocal"),
  exp: unary("Exp"),
  expm1: (c) => addOne(c, c.node("Exp", [c.tensor(0)]), -1),
  log: unary("Log"),
  log1p: (c) => c.node("Log", [addOne(c, c.tensor(0), 1)]),
  log2: logarithm(2),
  log10: logarithm(10),
  sin: unary("Sin"),
  cos: unary("Cos"),
  tan: unary("Tan"),
  asin: unary("Asin"),
  acos: unary("Acos"),
  atan: unary("Atan"),
  sinh: unary("Sinh"),
  cosh: unary("Cosh"),
  erf: unary("Erf"),
  isnan: (c) => c.node("IsNaN", [c.tensor(0)], {}, bool),
  isinf: (c) => c.node("IsInf", [c.tensor(0)], {}, bool),
};
