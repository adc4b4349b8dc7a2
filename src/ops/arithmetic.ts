/** Arithmetic and real functions of one or two operands, with broadcasting and type promotion, and `where`. */
import type { DType } from "../core/dtype.ts";
import { bool, int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { saved } from "../autograd/node.ts";
import type { BinaryName, UnaryName } from "../kernels/kernels.ts";
import { convertArray } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Operand } from "./broadcast.ts";
import { evaluateBinary, evaluateSelect, evaluateUnary, floatDtype, resultType, sumTo } from "./broadcast.ts";
import type { GradFunction, Op } from "./op.ts";
import { composite, nondifferentiable, primitive } from "./op.ts";

// ---------------------------------------------------------------- two operands

type TensorMap = (gradient: Tensor) => Tensor;

/** A gradient function for f(a, b): each side's gradient is brought back to that operand's shape and dtype. */
function bothSides(a: Operand, b: Operand, gradA: TensorMap, gradB: TensorMap): GradFunction<Tensor> {
  const [backToA, backToB] = [likeOperand(a), likeOperand(b)];
  return (g, [needA, needB]) => [needA ? backToA(gradA(g)) : null, needB ? backToB(gradB(g)) : null];
}

function likeOperand(operand: Operand): TensorMap {
  if (!(operand instanceof Tensor)) return identity;
  const { shape, dtype } = operand;
  return (g) => asDtype(sumTo(g, shape), dtype);
}

const identity: TensorMap = (g) => g;

/** Keeps an operand's value for a gradient rule, whether it is a tensor or a number. */
function savedOperand(operand: Operand): () => Operand {
  return operand instanceof Tensor ? saved(operand) : () => operand;
}

function arithmetic(
  name: string,
  kernel: BinaryName,
  rule: (out: Tensor, a: Operand, b: Operand) => GradFunction<Tensor>,
  dtypeOf: (a: Operand, b: Operand) => DType = resultType,
): Op<[Operand, Operand], Tensor> {
  return primitive(name, (a: Operand, b: Operand) => evaluateBinary(name, kernel, a, b, dtypeOf(a, b)), rule);
}

function realResult(a: Operand, b: Operand): DType {
  return floatDtype(resultType(a, b));
}

/** a + alpha · b. */
export const add = primitive(
  "add",
  (a: Operand, b: Operand, options: AlphaOptions = {}): Tensor => {
    const { alpha = 1 } = options;
    const dtype = resultType(a, b);
    checkAlpha("add", dtype, alpha);
    if (dtype === bool) return evaluateBinary("add", "logicalOr", a, alpha === 0 ? false : b, bool);
    return evaluateBinary("add", alpha === 1 ? "add" : "addScaled", a, b, dtype, undefined, alpha);
  },
  (_out, a, b, { alpha = 1 } = {}) => bothSides(a, b, identity, (g) => (alpha === 1 ? g : mul(g, alpha))),
);

/** a − alpha · b. */
export const sub = primitive(
  "sub",
  (a: Operand, b: Operand, options: AlphaOptions = {}): Tensor => {
    const { alpha = 1 } = options;
    const dtype = resultType(a, b);
    if (dtype === bool) {
      throw new OctetError("sub: subtraction of bool tensors is not supported; use logicalXor or logicalNot");
    }
    checkAlpha("sub", dtype, alpha);
    return evaluateBinary("sub", alpha === 1 ? "sub" : "addScaled", a, b, dtype, undefined, -alpha);
  },
  (_out, a, b, { alpha = 1 } = {}) => bothSides(a, b, identity, (g) => mul(g, -alpha)),
);

/** The factor of the second operand, as in PyTorch. */
export interface AlphaOptions {
  readonly alpha?: number;
}

function checkAlpha(op: string, dtype: DType, alpha: number): void {
  if (!dtype.isFloatingPoint && !Number.isInteger(alpha)) {
    throw new OctetError(`${op}: alpha must be a whole number for ${dtype.name} tensors, got ${alpha}`);
  }
}

/** a · b. */
export const mul = arithmetic("mul", "mul", (_out, a, b) => {
  const [left, right] = [savedOperand(a), savedOperand(b)];
  return bothSides(
    a,
    b,
    (g) => mul(g, right()),
    (g) => mul(g, left()),
  );
});

const trueDivide = arithmetic(
  "div",
  "div",
  (_out, a, b) => {
    const [left, right] = [savedOperand(a), savedOperand(b)];
    return bothSides(
      a,
      b,
      (g) => div(g, right()),
      (g) => neg(div(mul(g, left()), mul(right(), right()))),
    );
  },
  realResult,
);

/** a / b in floating point; `roundingMode` "trunc" or "floor" rounds the quotient and keeps integer dtypes. */
export const div = composite("div", (a: Operand, b: Operand, options: { roundingMode?: "trunc" | "floor" } = {}) => {
  const { roundingMode } = options;
  if (roundingMode === undefined) return trueDivide(a, b);
  if (roundingMode === "floor") return flooredQuotient(a, b);
  // Integers divide exactly, as floating point could not: a − fmod(a, b) is a multiple of b.
  return resultType(a, b).isFloatingPoint ? trunc(trueDivide(a, b)) : floorDivide(sub(a, fmod(a, b)), b);
});

function evaluateFloorDivide(a: Operand, b: Operand): Tensor {
  const dtype = resultType(a, b);
  checkDivisor("floorDivide", dtype, b);
  return evaluateBinary("floorDivide", "floorDivide", a, b, dtype);
}

/** ⌊a / b⌋, in the operands' dtype. It has no gradient; that of `div` with a rounding mode is zero. */
export const floorDivide = nondifferentiable("floorDivide", evaluateFloorDivide);

const flooredQuotient = primitive("div", evaluateFloorDivide, (_out, a, b) => {
  const zero: TensorMap = (g) => mul(g, 0);
  return bothSides(a, b, zero, zero);
});

/** Integers have no infinity to give for a division by 0. */
function checkDivisor(op: string, dtype: DType, b: Operand): void {
  if (dtype.isFloatingPoint) return;
  const zero = b instanceof Tensor ? b.elements().includes(0) : +b === 0;
  if (zero) throw new OctetError(`${op}: ZeroDivisionError: an integer is divided by 0`);
}

function evaluateRest(op: "remainder" | "fmod", a: Operand, b: Operand): Tensor {
  const dtype = resultType(a, b);
  checkDivisor(op, dtype, b);
  return evaluateBinary(op, op, a, b, dtype);
}

/** a − b · ⌊a / b⌋: takes the sign of b. */
export const remainder = primitive(
  "remainder",
  (a: Operand, b: Operand) => evaluateRest("remainder", a, b),
  (_out, a, b) => {
    const [left, right] = [savedOperand(a), savedOperand(b)];
    return bothSides(a, b, identity, (g) => neg(mul(g, floorDivide(left(), right()))));
  },
);

/** a − b · trunc(a / b): takes the sign of a. */
export const fmod = primitive(
  "fmod",
  (a: Operand, b: Operand) => evaluateRest("fmod", a, b),
  (_out, a, b) => {
    const [left, right] = [savedOperand(a), savedOperand(b)];
    return bothSides(a, b, identity, (g) => neg(mul(g, trunc(trueDivide(left(), right())))));
  },
);

/** a ** b. An integer tensor with a negative number as exponent is an error, as in PyTorch. */
export const pow: Op<[Operand, Operand], Tensor> = primitive(
  "pow",
  (a: Operand, b: Operand) => {
    const dtype = resultType(a, b);
    if (!(a instanceof Tensor) || b instanceof Tensor) {
      const power = evaluateBinary("pow", "pow", a, b, dtype);
      return dtype === int64 ? evaluateUnary("trunc", power, int64) : power; // a negative exponent leaves fractions
    }
    if (+b < 0 && !dtype.isFloatingPoint) {
      throw new OctetError("pow: integers to negative integer powers are not allowed");
    }
    return evaluateUnary("powScalar", a, dtype, dtype, +b);
  },
  (out, a, b) => {
    const [base, exponent, result] = [savedOperand(a), savedOperand(b), saved(out)];
    return bothSides(
      a,
      b,
      (g) => mul(g, powerSlope(base() as Tensor, exponent())),
      (g) => mul(g, exponentialSlope(base(), exponent() as Tensor, result())),
    );
  },
);

/** The derivative of a ** b by a: 0 where b is 0, whatever a is. */
function powerSlope(a: Tensor, b: Operand): Operand {
  if (!(b instanceof Tensor)) return +b === 0 ? 0 : mul(pow(a, +b - 1), +b);
  return where(evaluateBinary("pow", "eq", b, 0, b.dtype, bool), 0, mul(b, pow(a, sub(b, 1))));
}

/** The derivative of a ** b by b: 0 where a is 0 and b is not negative. `power` is a ** b. */
function exponentialSlope(a: Operand, b: Tensor, power: Tensor): Tensor {
  const slope = mul(power, a instanceof Tensor ? log(a) : Math.log(+a));
  const [zeroBase, someExponent] = [
    evaluateBinary("pow", "eq", a, 0, resultType(a, b), bool),
    evaluateBinary("pow", "ge", b, 0, b.dtype, bool),
  ];
  return where(evaluateBinary("pow", "logicalAnd", zeroBase, someExponent, bool), 0, slope);
}

/** The larger of two values; NaN wins. Ties give each side half of the gradient. */
export const maximum = extreme("maximum", "gt");

/** The smaller of two values; NaN wins. Ties give each side half of the gradient. */
export const minimum = extreme("minimum", "lt");

function extreme(name: "maximum" | "minimum", wins: "gt" | "lt"): Op<[Operand, Operand], Tensor> {
  return arithmetic(name, name, (out, a, b) => {
    const [left, right, dtype] = [savedOperand(a), savedOperand(b), out.dtype];
    const share = (mine: Operand, other: Operand) =>
      add(evaluateBinary(name, wins, mine, other, dtype), evaluateBinary(name, "eq", mine, other, dtype), {
        alpha: 0.5,
      });
    return bothSides(
      a,
      b,
      (g) => mul(g, share(left(), right())),
      (g) => mul(g, share(right(), left())),
    );
  });
}

/** The angle of the point (b, a), in radians. */
export const atan2 = arithmetic(
  "atan2",
  "atan2",
  (_out, a, b) => {
    const [y, x] = [savedOperand(a), savedOperand(b)];
    const squaredRadius = () => add(mul(y(), y()), mul(x(), x()));
    return bothSides(
      a,
      b,
      (g) => div(mul(g, x()), squaredRadius()),
      (g) => neg(div(mul(g, y()), squaredRadius())),
    );
  },
  realResult,
);

// ---------------------------------------------------------------- one operand

type UnaryRule = (x: () => Tensor, y: () => Tensor, g: Tensor) => Tensor;

/** Which of input and output a gradient rule reads; only that one is kept. */
type Keeps = "input" | "output" | "nothing";

/** A function with real values: integers are computed in the default float dtype. */
function real(name: UnaryName & string, keeps: Keeps, rule: UnaryRule): Op<[Tensor], Tensor> {
  return primitive(
    name,
    (x: Tensor) => evaluateUnary(name, x, floatDtype(x.dtype)),
    (out, x) => {
      const keptInput = keeps === "input" ? saved(x) : unavailable;
      const keptOutput = keeps === "output" ? saved(out) : unavailable;
      return (g) => [rule(keptInput, keptOutput, g)];
    },
  );
}

const unavailable = (): Tensor => {
  throw new OctetError("a gradient rule reads a value that it did not keep");
};

/** A function that keeps integer dtypes. */
function keepingDtype(name: UnaryName & string, keeps: Keeps, rule: UnaryRule): Op<[Tensor], Tensor> {
  return primitive(
    name,
    (x: Tensor) => {
      if (x.dtype === bool) throw new OctetError(`${name}: not supported for bool tensors`);
      return evaluateUnary(name, x, x.dtype);
    },
    (_out, x) => {
      const kept = keeps === "input" ? saved(x) : unavailable;
      return (g) => [rule(kept, unavailable, g)];
    },
  );
}

const zeroGradient: UnaryRule = (_x, _y, g) => mul(g, 0);

export const neg = keepingDtype("neg", "nothing", (_x, _y, g) => neg(g));
export const abs = keepingDtype("abs", "input", (x, _y, g) => mul(g, sign(x())));
export const sign = keepingDtype("sign", "nothing", zeroGradient);
export const square = keepingDtype("square", "input", (x, _y, g) => mul(g, mul(x(), 2)));
export const ceil = keepingDtype("ceil", "nothing", zeroGradient);
export const floor = keepingDtype("floor", "nothing", zeroGradient);
/** Rounds half to even. */
export const round = keepingDtype("round", "nothing", zeroGradient);
export const trunc = keepingDtype("trunc", "nothing", zeroGradient);
export const sqrt = real("sqrt", "output", (_x, y, g) => div(g, mul(y(), 2)));
export const rsqrt = real("rsqrt", "output", (_x, y, g) => mul(g, mul(pow(y(), 3), -0.5)));
export const reciprocal = real("reciprocal", "output", (_x, y, g) => neg(mul(g, square(y()))));
export const exp = real("exp", "output", (_x, y, g) => mul(g, y()));
export const expm1 = real("expm1", "output", (_x, y, g) => mul(g, add(y(), 1)));
export const log = real("log", "input", (x, _y, g) => div(g, x()));
export const log2 = real("log2", "input", (x, _y, g) => div(g, mul(x(), Math.LN2)));
export const log10 = real("log10", "input", (x, _y, g) => div(g, mul(x(), Math.LN10)));
export const log1p = real("log1p", "input", (x, _y, g) => div(g, add(x(), 1)));
export const sin = real("sin", "input", (x, _y, g) => mul(g, cos(x())));
export const cos = real("cos", "input", (x, _y, g) => neg(mul(g, sin(x()))));
export const tan = real("tan", "output", (_x, y, g) => mul(g, add(square(y()), 1)));
export const asin = real("asin", "input", (x, _y, g) => mul(g, rsqrt(sub(1, square(x())))));
export const acos = real("acos", "input", (x, _y, g) => neg(mul(g, rsqrt(sub(1, square(x()))))));
export const atan = real("atan", "input", (x, _y, g) => div(g, add(square(x()), 1)));
export const sinh = real("sinh", "input", (x, _y, g) => mul(g, cosh(x())));
export const cosh = real("cosh", "input", (x, _y, g) => mul(g, sinh(x())));
export const tanh = real("tanh", "output", (_x, y, g) => evaluateBinary("tanh", "tanhGrad", g, y(), g.dtype));
export const sigmoid = real("sigmoid", "output", (_x, y, g) =>
  evaluateBinary("sigmoid", "sigmoidGrad", g, y(), g.dtype),
);
export const erf = real("erf", "input", (x, _y, g) => mul(g, mul(exp(neg(square(x()))), 2 / Math.sqrt(Math.PI))));

// ---------------------------------------------------------------- three operands and dtype changes

/** a where `condition` holds, else b; all three broadcast. */
export const where = primitive(
  "where",
  (condition: Tensor, a: Operand, b: Operand) => {
    const dtype = resultType(a, b);
    if (condition.dtype !== bool) {
      throw new OctetError(`where: expected condition to be a bool tensor, got ${condition.dtype.name}`);
    }
    // Selecting, not multiplying by the mask: a NaN on the side not taken must not leak.
    return evaluateSelect(condition, a, b, dtype);
  },
  (_out, condition, a, b) => {
    const chosen = saved(condition);
    const sides = bothSides(
      a,
      b,
      (g) => evaluateSelect(chosen(), g, 0, g.dtype),
      (g) => evaluateSelect(chosen(), 0, g, g.dtype),
    );
    return (g, [, needA, needB]) => [null, ...sides(g, [needA, needB])];
  },
);

/** The tensor as another dtype; itself if it has that dtype already. Differentiable between float dtypes. */
export function asDtype(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : toDtype(x, dtype);
}

const toDtype = primitive(
  "to",
  (x: Tensor, dtype: DType) => Tensor.fromArray(convertArray(x.elements(), x.dtype, dtype), x.shape, dtype),
  (_out, x) => {
    const { dtype } = x;
    return (g) => [asDtype(g, dtype)];
  },
);
