/** Matrix products for ONNX: functions, and the Linear module, whose weight may be quantized. */
import type { Linear } from "../../nn/modules/linear.ts";
import type { CallContext, OpExports } from "../export-context.ts";
import { withBias, dequantize, storeWeight, transposedWeight } from "../export-quantized.ts";
import type { TensorValue } from "../export-value.ts";
import { dynamicMatMul } from "./dynamic.ts";
import type { WeightValue } from "./weight.ts";
import { referenceWeight, weightOf } from "./weight.ts";

/**
 * x · weightᵀ + bias. Gemm for a matrix x: there a bias is added to the integers' sums. MatMul and Add for others.
 */
function linearWith(c: CallContext, x: TensorValue, value: WeightValue, bias: TensorValue | null): TensorValue {
  const { weight, quantized } = value;
  if (x.shape?.length === 2 && !isDynamic(x)) {
    const factors = { x, weight: quantized, bias };
    return withBias(c, factors, [-1], (fitting) => c.node("Gemm", [x, weight, fitting], { transB: 1 }));
  }
  const product = productWith(c, x, value);
  return bias ? c.node("Add", [product, bias]) : product;
}

const isDynamic = ({ integers }: TensorValue): boolean => integers !== null && integers.grid === null;

function productWith(c: CallContext, x: TensorValue, { weight, quantized }: WeightValue): TensorValue {
  const integers =
    quantized?.constant && quantized.grid ? { integers: quantized.constant, grid: quantized.grid } : null;
  if (!integers) return c.node("MatMul", [x, c.transpose(weight, [1, 0])]);
  const turned = storeWeight(c, transposedWeight(integers), `${quantized!.path}.T`);
  return dynamicMatMul(c, x, turned) ?? c.node("MatMul", [x, dequantize(c, turned)]);
}

/** A float weight is turned as a constant. */
export function linearModule(c: CallContext, module: Linear, path: string): TensorValue {
  const x = c.tensor(0);
  const bias = c.optionalParameter(`${path}.bias`, module.bias);
  const isPlain = referenceWeight(module) === null;
  if (!isPlain || x.shape?.length === 2) return linearWith(c, x, weightOf(c, module, path), bias);
  const turned = c.parameter(`${path}.weight.T`, module.weight.detach().t().contiguous());
  const product = c.node("MatMul", [x, turned]);
  return bias ? c.node("Add", [product, bias]) : product;
}

function functionalLinear(c: CallContext): TensorValue {
  const weight = c.tensor(1, "weight");
  const quantized = weight.integers?.constant ? weight.integers : null;
  return linearWith(c, c.tensor(0), { weight, quantized }, c.optionalTensor(2, "bias"));
}

/** A quantized constant as the second factor is stored as it is, so that runtimes see its integers. */
function matmul(c: CallContext): TensorValue {
  return c.node("MatMul", [c.tensor(0), c.tensor(1)]);
}

function addmm(c: CallContext): TensorValue {
  const [alpha, beta] = [c.number(3, "alpha", 1), c.number(4, "beta", 1)];
  return c.node("Gemm", [c.tensor(1), c.tensor(2), c.tensor(0)], { alpha: { float: alpha }, beta: { float: beta } });
}

export const linearExports: OpExports = {
  linear: functionalLinear,
  matmul,
  mm: matmul,
  bmm: matmul,
  mv: matmul,
  dot: matmul,
  addmm,
};
