/**
 * The elementwise functions by name: what each computes for one element, with PyTorch's values at the edges. The tables are
 * the definition; a kernel set may compute the same function in any faster way. Parameters a function does not name are
 * ignored; parameters that a call leaves out are 0.
 */
import { roundHalfEven } from "../../core/rounding.ts";
import * as activation from "./activation-functions.ts";
import * as special from "./special-functions.ts";

/** f(x, p, q). */
export type UnaryFunction = (x: number, p: number, q: number) => number;

/** f(a, b, p, q). */
export type BinaryFunction = (a: number, b: number, p: number, q: number) => number;

const unary = {
  copy: (x) => x,
  neg: (x) => -x,
  abs: Math.abs,
  /** 0 for NaN. */
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0),
  ceil: Math.ceil,
  floor: Math.floor,
  /** Half to even. */
  round: roundHalfEven,
  trunc: Math.trunc,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  square: (x) => x * x,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  erf: special.erf,

  sigmoid: special.sigmoid,
  logSigmoid: activation.logSigmoid,
  /** p: beta, q: threshold. */
  softplus: activation.softplus,
  softsign: activation.softsign,
  relu: activation.relu,
  relu6: (x) => activation.clamp(x, 0, 6),
  /** p: min, q: max. */
  hardtanh: activation.clamp,
  hardsigmoid: activation.hardsigmoid,
  hardswish: activation.hardswish,
  /** p: alpha. */
  elu: activation.elu,
  /** p: alpha. */
  celu: activation.celu,
  selu: activation.selu,
  gelu: activation.gelu,
  geluTanh: activation.geluTanh,
  silu: activation.silu,
  mish: activation.mish,
  /** p: negative slope. */
  leakyRelu: activation.leakyRelu,
  /** p: threshold, q: the value at and below it. */
  threshold: activation.threshold,
  /** p: lambda. */
  hardshrink: activation.hardshrink,
  /** p: lambda. */
  softshrink: activation.softshrink,
  tanhshrink: activation.tanhshrink,

  clampMin: (x, p) => Math.max(x, p),
  clampMax: (x, p) => Math.min(x, p),
  /** p: min, q: max. */
  clamp: activation.clamp,

  logicalNot: (x) => (x === 0 ? 1 : 0),
  isnan: (x) => (x !== x ? 1 : 0),
  isinf: (x) => (x === Infinity || x === -Infinity ? 1 : 0),
  isfinite: (x) => (Number.isFinite(x) ? 1 : 0),

  addScalar: (x, p) => x + p,
  /** p − x. */
  rsubScalar: (x, p) => p - x,
  mulScalar: (x, p) => x * p,
  divScalar: (x, p) => x / p,
  powScalar: special.powerOfFixed,
} satisfies Record<string, UnaryFunction>;

const binary = {
  add: (a, b) => a + b,
  /** a + p · b. */
  addScaled: (a, b, p) => a + p * b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  floorDivide: special.floorDivide,
  /** Takes the sign of b. */
  remainder: special.remainder,
  /** Takes the sign of a. */
  fmod: (a, b) => a % b,
  pow: special.power,
  /** NaN wins. */
  maximum: (a, b) => Math.max(a, b),
  /** NaN wins. */
  minimum: (a, b) => Math.min(a, b),
  /** The angle of the point (b, a). */
  atan2: Math.atan2,

  eq: (a, b) => (a === b ? 1 : 0),
  ne: (a, b) => (a !== b ? 1 : 0),
  lt: (a, b) => (a < b ? 1 : 0),
  le: (a, b) => (a <= b ? 1 : 0),
  gt: (a, b) => (a > b ? 1 : 0),
  ge: (a, b) => (a >= b ? 1 : 0),
  logicalAnd: (a, b) => (a !== 0 && b !== 0 ? 1 : 0),
  logicalOr: (a, b) => (a !== 0 || b !== 0 ? 1 : 0),
  logicalXor: (a, b) => ((a !== 0) !== (b !== 0) ? 1 : 0),
  bitwiseAnd: (a, b) => special.wideBitwise((x, y) => x & y, a, b),
  bitwiseOr: (a, b) => special.wideBitwise((x, y) => x | y, a, b),
  bitwiseXor: (a, b) => special.wideBitwise((x, y) => x ^ y, a, b),

  // Gradients: a is the gradient of the function's output.
  /** b: the output. */
  reluGrad: activation.reluGrad,
  /** b: the output. */
  sigmoidGrad: activation.sigmoidGrad,
  /** b: the output. */
  tanhGrad: activation.tanhGrad,
  // From here on b is the function's input, and p and q are the function's own parameters.
  relu6Grad: (g, x) => activation.hardtanhGrad(g, x, 0, 6),
  hardtanhGrad: activation.hardtanhGrad,
  hardsigmoidGrad: activation.hardsigmoidGrad,
  hardswishGrad: activation.hardswishGrad,
  eluGrad: activation.eluGrad,
  celuGrad: activation.celuGrad,
  seluGrad: activation.seluGrad,
  geluGrad: activation.geluGrad,
  geluTanhGrad: activation.geluTanhGrad,
  siluGrad: activation.siluGrad,
  mishGrad: activation.mishGrad,
  leakyReluGrad: activation.leakyReluGrad,
  thresholdGrad: activation.thresholdGrad,
  logSigmoidGrad: activation.logSigmoidGrad,
  softplusGrad: activation.softplusGrad,
  hardshrinkGrad: activation.shrinkGrad,
  softshrinkGrad: activation.shrinkGrad,
  clampGrad: activation.clampGrad,
} satisfies Record<string, BinaryFunction>;

export type UnaryName = keyof typeof unary;
export type BinaryName = keyof typeof binary;

/** Functions of one element. */
export const unaryFunctions: Readonly<Record<UnaryName, UnaryFunction>> = Object.freeze(unary);

/** Functions of two elements; the names that end in Grad are gradients of functions of one. */
export const binaryFunctions: Readonly<Record<BinaryName, BinaryFunction>> = Object.freeze(binary);
