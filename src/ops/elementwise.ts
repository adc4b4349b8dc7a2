/** Arithmetic, comparison and real functions of one or two operands, with broadcasting and type promotion. */
import type { DType } from "../core/dtype.ts";
import { bool } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { isGradEnabled } from "../autograd/grad-mode.ts";
import { saved } from "../autograd/node.ts";
import type { BinaryName, UnaryName } from "../kernels/kernels.ts";
import { convertArray } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Operand } from "./broadcast.ts";
import {
  canWriteInto,
  evaluateBinary,
  evaluateBinary_,
  evaluateSelect,
  evaluateUnary,
  floatDtype,
  resultType,
  shapeOf,
  sumTo,
} from "./broadcast.ts";
import type { GradFunction, Op } from "./op.ts";
import { assign_, composite, nondifferentiable, primitive } from "./op.ts";

// ---------------------------------------------------------------- two operands

type TensorMap = (gradient: Tensor) => Tensor;

/** A gradient function for f(a, b): each side's gradient is summed back to that operand's shape. */
function bothSides(a: Operand, b: Operand, gradA: TensorMap, gradB: TensorMap): GradFunction<Tensor> {
  const [aShape, bShape] = [shapeOf(a), shapeOf(b)];
  return (g, [needA, needB]) => [needA ? sumTo(gradA(g), aShape) : null, needB ? sumTo(gradB(g), bShape) : null];
}

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
    return evaluateBinary("add", alpha === 1 ? "add" : "addScaled", a, b, resultType(a, b), undefined, alpha);
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
    return evaluateBinary("sub", alpha === 1 ? "sub" : "addScaled", a, b, dtype, undefined, -alpha);
  },
  (_out, a, b, { alpha = 1 } = {}) => bothSides(a, b, identity, (g) => mul(g, -alpha)),
);

/** The factor of the second operand, as in PyTorch. */
export interface AlphaOptions {
  readonly alpha?: number;
}

const identity = (g: Tensor): Tensor => g;

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
  if (options.roundingMode === "floor") return floorDivide(a, b);
  const quotient = trueDivide(a, b);
  return options.roundingMode === "trunc" ? asDtype(trunc(quotient), resultType(a, b)) : quotient;
});

/** ⌊a / b⌋, in the operands' dtype. Its gradient is zero. */
export const floorDivide = nondifferentiable("floorDivide", (a: Operand, b: Operand) =>
  evaluateBinary("floorDivide", "floorDivide", a, b, resultType(a, b)),
);

/** a − b · ⌊a / b⌋: takes the sign of b. */
export const remainder = arithmetic("remainder", "remainder", (_out, a, b) => {
  const [left, right] = [savedOperand(a), savedOperand(b)];
  return bothSides(a, b, identity, (g) => neg(mul(g, floorDivide(left(), right()))));
});

/** a − b · trunc(a / b): takes the sign of a. */
export const fmod = arithmetic("fmod", "fmod", (_out, a, b) => {
  const [left, right] = [savedOperand(a), savedOperand(b)];
  return bothSides(a, b, identity, (g) => neg(mul(g, trunc(trueDivide(left(), right())))));
});

/** a ** b. An integer base with a negative exponent is an error, as in PyTorch. */
export const pow = arithmetic("pow", "pow", (out, a, b) => {
  const [base, exponent, result] = [savedOperand(a), savedOperand(b), saved(out)];
  return bothSides(
    a,
    b,
    (g) => {
      const slope = mul(exponent(), pow(base(), sub(asTensor(exponent()), 1)));
      return mul(g, where(eq(exponent(), 0), 0, slope));
    },
    (g) => mul(g, where(eq(base(), 0), 0, mul(result(), log(asTensor(base()))))),
  );
});

/** The larger of two values; NaN wins. Ties give each side half of the gradient. */
export const maximum = extreme("maximum", "gt");

/** The smaller of two values; NaN wins. Ties give each side half of the gradient. */
export const minimum = extreme("minimum", "lt");

function extreme(name: "maximum" | "minimum", wins: "gt" | "lt"): Op<[Operand, Operand], Tensor> {
  return arithmetic(name, name, (out, a, b) => {
    const [left, right, dtype] = [savedOperand(a), savedOperand(b), out.dtype];
    const share = (mine: Operand, other: Operand) =>
      add(evaluateBinary(name, wins, mine, other, dtype), evaluateBinary(name, "eq", mine, other, dtype), { alpha: 0.5 });
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

// ---------------------------------------------------------------- comparison and logic: bool results, no gradient

function comparison(name: BinaryName): Op<[Operand, Operand], Tensor> {
  return nondifferentiable(name, (a: Operand, b: Operand) => evaluateBinary(name, name, a, b, resultType(a, b), bool));
}

export const eq = comparison("eq");
export const ne = comparison("ne");
export const lt = comparison("lt");
export const le = comparison("le");
export const gt = comparison("gt");
export const ge = comparison("ge");
export const logicalAnd = comparison("logicalAnd");
export const logicalOr = comparison("logicalOr");
export const logicalXor = comparison("logicalXor");

function bitwise(name: BinaryName): Op<[Operand, Operand], Tensor> {
  return nondifferentiable(name, (a: Operand, b: Operand) => {
    const dtype = resultType(a, b);
    if (dtype.isFloatingPoint) throw new OctetError(`${name}: expects integer or bool tensors, got ${dtype.name}`);
    return evaluateBinary(name, name, a, b, dtype);
  });
}

export const bitwiseAnd = bitwise("bitwiseAnd");
export const bitwiseOr = bitwise("bitwiseOr");
export const bitwiseXor = bitwise("bitwiseXor");

export const logicalNot = nondifferentiable("logicalNot", (x: Tensor) => evaluateUnary("logicalNot", x, x.dtype, bool));
export const isnan = nondifferentiable("isnan", (x: Tensor) => evaluateUnary("isnan", x, x.dtype, bool));
export const isinf = nondifferentiable("isinf", (x: Tensor) => evaluateUnary("isinf", x, x.dtype, bool));
export const isfinite = nondifferentiable("isfinite", (x: Tensor) => evaluateUnary("isfinite", x, x.dtype, bool));

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
export const sigmoid = real("sigmoid", "output", (_x, y, g) => evaluateBinary("sigmoid", "sigmoidGrad", g, y(), g.dtype));
export const erf = real("erf", "input", (x, _y, g) => mul(g, mul(exp(neg(square(x()))), 2 / Math.sqrt(Math.PI))));

/** Limits for {@link clamp}; at least one of them. */
export interface ClampOptions {
  readonly min?: number;
  readonly max?: number;
}

/** Limits values to [min, max]; the gradient passes inside, bounds included. */
export const clamp = primitive(
  "clamp",
  (x: Tensor, { min, max }: ClampOptions) => {
    if (min === undefined && max === undefined) throw new OctetError("clamp: at least one of min and max is needed");
    const bounds = [min, max].filter((v) => v !== undefined);
    return evaluateUnary("clamp", x, resultType(x, ...bounds), undefined, min ?? -Infinity, max ?? Infinity);
  },
  (_out, x, { min = -Infinity, max = Infinity }) => {
    const input = saved(x);
    return (g) => [evaluateBinary("clamp", "clampGrad", g, input(), g.dtype, undefined, min, max)];
  },
);

// ---------------------------------------------------------------- three operands and dtype changes

/** a where `condition` holds, else b; all three broadcast. */
export const where = primitive(
  "where",
  (condition: Tensor, a: Operand, b: Operand) => {
    const dtype = resultType(a, b);
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

function asTensor(operand: Operand): Tensor {
  if (operand instanceof Tensor) return operand;
  const dtype = resultType(operand);
  const data = dtype.allocate(1);
  data[0] = +operand;
  return Tensor.fromArray(data, [], dtype);
}

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

/** start + weight · (end − start). */
export const lerp = composite("lerp", (start: Tensor, end: Tensor, weight: Operand) => add(start, mul(sub(end, start), weight)));

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

// ---------------------------------------------------------------- in place

/** True if a call on these operands would be recorded. */
function recording(...operands: readonly Operand[]): boolean {
  return isGradEnabled() && operands.some((o) => o instanceof Tensor && o.requiresGrad);
}

function inPlace(name: string, kernel: BinaryName, op: (a: Tensor, b: Operand) => Tensor) {
  return (self: Tensor, other: Operand): Tensor =>
    !recording(self, other) && canWriteInto(self, other)
      ? evaluateBinary_(name, kernel, self, other)
      : assign_(name, self, op(self, other));
}

/** self += alpha · other. */
export function add_(self: Tensor, other: Operand, options: AlphaOptions = {}): Tensor {
  const { alpha = 1 } = options;
  if (recording(self, other) || !canWriteInto(self, other)) return assign_("add_", self, add(self, other, options));
  return evaluateBinary_("add_", alpha === 1 ? "add" : "addScaled", self, other, alpha);
}

/** self −= alpha · other. */
export function sub_(self: Tensor, other: Operand, options: AlphaOptions = {}): Tensor {
  return add_(self, other, { alpha: -(options.alpha ?? 1) });
}

export const mul_ = inPlace("mul_", "mul", mul);
export const div_ = inPlace("div_", "div", (a, b) => div(a, b));
export const pow_ = inPlace("pow_", "pow", pow);
