/** Comparison, logic and tests of elements: bool results, no gradient. */
import { bool } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { BinaryName } from "../kernels/kernels.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Operand } from "./broadcast.ts";
import { evaluateBinary, evaluateUnary, resultType } from "./broadcast.ts";
import type { Op } from "./op.ts";
import { nondifferentiable } from "./op.ts";

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

/** True if both tensors have the same shape and every pair of elements is equal (`torch.equal`); NaN equals nothing. */
export const equal = nondifferentiable("equal", (a: Tensor, b: Tensor): boolean => {
  if (a.ndim !== b.ndim || a.shape.some((size, d) => size !== b.shape[d])) return false;
  return eq(a, b).elements().every(Boolean);
});

export const logicalNot = nondifferentiable("logicalNot", (x: Tensor) => evaluateUnary("logicalNot", x, x.dtype, bool));
export const isnan = nondifferentiable("isnan", (x: Tensor) => evaluateUnary("isnan", x, x.dtype, bool));
export const isinf = nondifferentiable("isinf", (x: Tensor) => evaluateUnary("isinf", x, x.dtype, bool));
export const isfinite = nondifferentiable("isfinite", (x: Tensor) => evaluateUnary("isfinite", x, x.dtype, bool));
