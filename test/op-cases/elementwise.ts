/** How the operators of src/ops/elementwise.ts are called. */
import { dtypeFromName } from "../../src/core/dtype.ts";
import { clone } from "../../src/ops/copy.ts";
import * as ops from "../../src/ops/elementwise.ts";
import type { Operand } from "../../src/ops/broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Inputs, Kwargs, OpCase, OpTable } from "./types.ts";
import { direct, onCopy, optionsOf } from "./types.ts";

type Binary<O> = (a: Operand, b: Operand, options?: O) => Tensor;

/** f(a, b): a number stands in `base` or `other` where the operand is not a tensor. */
function binary<O>(op: Binary<O>, noDifferences?: OpCase["noDifferences"]): OpCase {
  const call = ({ a, b }: Inputs, { base, other, ...options }: Kwargs) =>
    op(a ?? (base as number), b ?? (other as number), ...(optionsOf(options) as [O?]));
  return noDifferences ? { call, noDifferences } : { call };
}

/** As {@link binary}, on a copy of a. */
function inPlace<O>(op: (a: Tensor, b: Operand, options?: O) => Tensor): OpCase {
  return binary<O>((a, b, options) => op(clone(a as Tensor), b, ...(options ? [options] : [])));
}

function unary(op: (x: Tensor) => Tensor, edges?: string): OpCase {
  const name = (op as { op?: { name: string } }).op?.name ?? "";
  return edges ? { ...direct(op), noDifferences: { [`${name}_edges`]: edges } } : direct(op);
}

const NOT_FINITE = "infinities, NaN, and points outside the domain";
const ZERO_BASE = "0 to a power is not smooth in the power";
const JUMPS = "jumps at whole or half numbers, infinities and NaN";

export const elementwiseCases: OpTable = {
  add: binary(ops.add),
  sub: binary(ops.sub),
  mul: binary(ops.mul),
  div: binary(ops.div),
  floorDivide: binary(ops.floorDivide),
  remainder: binary(ops.remainder),
  fmod: binary(ops.fmod),
  pow: binary(ops.pow, { pow_zero_base: ZERO_BASE, pow_zero_base_gradient: ZERO_BASE }),
  maximum: binary(ops.maximum, { maximum_ties: "ties" }),
  minimum: binary(ops.minimum, { minimum_ties: "ties" }),
  atan2: binary(ops.atan2),
  eq: binary(ops.eq),
  ne: binary(ops.ne),
  lt: binary(ops.lt),
  le: binary(ops.le),
  gt: binary(ops.gt),
  ge: binary(ops.ge),
  logicalAnd: binary(ops.logicalAnd),
  logicalOr: binary(ops.logicalOr),
  logicalXor: binary(ops.logicalXor),
  bitwiseAnd: binary(ops.bitwiseAnd),
  bitwiseOr: binary(ops.bitwiseOr),
  bitwiseXor: binary(ops.bitwiseXor),
  logicalNot: unary(ops.logicalNot),
  isnan: unary(ops.isnan),
  isinf: unary(ops.isinf),
  isfinite: unary(ops.isfinite),
  isclose: direct(ops.isclose),

  neg: unary(ops.neg, NOT_FINITE),
  abs: unary(ops.abs, "the kink at 0"),
  sign: unary(ops.sign, "the jump at 0"),
  square: unary(ops.square, NOT_FINITE),
  ceil: unary(ops.ceil, JUMPS),
  floor: unary(ops.floor, JUMPS),
  round: unary(ops.round, JUMPS),
  trunc: unary(ops.trunc, JUMPS),
  sqrt: unary(ops.sqrt, NOT_FINITE),
  rsqrt: unary(ops.rsqrt, NOT_FINITE),
  reciprocal: unary(ops.reciprocal, NOT_FINITE),
  exp: unary(ops.exp, NOT_FINITE),
  expm1: unary(ops.expm1, NOT_FINITE),
  log: unary(ops.log, NOT_FINITE),
  log2: unary(ops.log2, NOT_FINITE),
  log10: unary(ops.log10, NOT_FINITE),
  log1p: unary(ops.log1p, NOT_FINITE),
  sin: unary(ops.sin, NOT_FINITE),
  cos: unary(ops.cos, NOT_FINITE),
  tan: unary(ops.tan, NOT_FINITE),
  asin: unary(ops.asin, NOT_FINITE),
  acos: unary(ops.acos, NOT_FINITE),
  atan: unary(ops.atan, NOT_FINITE),
  sinh: unary(ops.sinh, NOT_FINITE),
  cosh: unary(ops.cosh, NOT_FINITE),
  tanh: unary(ops.tanh, NOT_FINITE),
  sigmoid: unary(ops.sigmoid, NOT_FINITE),
  erf: unary(ops.erf, NOT_FINITE),

  clamp: {
    call: ({ x, ...bounds }, kwargs) => ops.clamp(x, { ...kwargs, ...bounds }),
    noDifferences: { clamp_at_limits: "the kinks at both limits" },
  },
  where: {
    call: ({ c, a, b }, { other }) => ops.where(c, a, b ?? (other as number)),
    noDifferences: { where_nan: "infinities and NaN" },
  },
  lerp: { call: ({ a, b, w }, { weight }) => ops.lerp(a, b, w ?? (weight as number)) },
  addcmul: direct(ops.addcmul),
  addcdiv: direct(ops.addcdiv),
  asDtype: { call: ({ x }, { dtype }) => ops.asDtype(x, dtypeFromName(dtype as string)) },

  add_: inPlace(ops.add_),
  sub_: inPlace(ops.sub_),
  mul_: inPlace(ops.mul_),
  div_: inPlace(ops.div_),
  pow_: inPlace(ops.pow_),
  neg_: onCopy(ops.neg_),
  abs_: onCopy(ops.abs_),
  square_: onCopy(ops.square_),
  ceil_: onCopy(ops.ceil_),
  floor_: onCopy(ops.floor_),
  round_: onCopy(ops.round_),
  trunc_: onCopy(ops.trunc_),
  sqrt_: onCopy(ops.sqrt_),
  rsqrt_: onCopy(ops.rsqrt_),
  reciprocal_: onCopy(ops.reciprocal_),
  exp_: onCopy(ops.exp_),
  log_: onCopy(ops.log_),
  tanh_: onCopy(ops.tanh_),
  sigmoid_: onCopy(ops.sigmoid_),
  clamp_: { call: ({ x, ...bounds }, kwargs) => ops.clamp_(clone(x), { ...kwargs, ...bounds }) },
  lerp_: { call: ({ a, b }, { weight }) => ops.lerp_(clone(a), b, weight as number) },
  addcmul_: onCopy(ops.addcmul_),
  addcdiv_: onCopy(ops.addcdiv_),
};
