/**
 * What elementwise operators share: result dtypes, evaluation over broadcast operands, and the way back (summing a
 * gradient down to the shape of a stretched operand).
 */
import type { DType, NumericArray } from "../core/dtype.ts";
import { bool, canCast, float16, getDefaultDtype, int64, promoteTypes } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { broadcastShapes, contiguousStrides, expandStrides, numelOf } from "../core/shape.ts";
import type { BinaryName, UnaryName } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";

/** An operand of an elementwise operator. A JavaScript number with a fractional part counts as a float, else as an integer. */
export type Operand = Tensor | number | boolean;

/**
 * The dtype of an arithmetic result (`torch.result_type`). Tensors with dimensions decide; a scalar tensor, and after it
 * a number, only matters if it is of a higher category.
 */
export function resultType(...operands: readonly Operand[]): DType {
  const levels: (DType | undefined)[] = [undefined, undefined, undefined];
  for (const operand of operands) {
    const level = operand instanceof Tensor ? (operand.ndim > 0 ? 0 : 1) : 2;
    const dtype = operand instanceof Tensor ? operand.dtype : dtypeOfNumber(operand);
    const before = levels[level];
    levels[level] = before ? promoteTypes(before, dtype) : dtype;
  }
  let result: DType | undefined;
  for (const dtype of levels) {
    if (dtype && (!result || dtype.category > result.category)) result = dtype;
  }
  return result ?? getDefaultDtype();
}

function dtypeOfNumber(value: number | boolean): DType {
  if (typeof value === "boolean") return bool;
  return Number.isInteger(value) ? int64 : getDefaultDtype();
}

export function shapeOf(operand: Operand): readonly number[] {
  return operand instanceof Tensor ? operand.shape : [];
}

/** f(a, b) over the broadcast shape, computed in `dtype` and stored as `outDtype`. */
export function evaluateBinary(
  op: string,
  name: BinaryName,
  a: Operand,
  b: Operand,
  dtype: DType,
  outDtype: DType = dtype,
  p?: number,
  q?: number,
): Tensor {
  const shape = broadcastShapes(op, shapeOf(a), shapeOf(b));
  const compute = computeDtype(dtype);
  const left = operandArray(a, compute, shape);
  const right = operandArray(b, compute, shape);
  const out = computeDtype(outDtype).allocate(numelOf(shape));
  const layout = { shape, aStrides: left.strides, bStrides: right.strides };
  kernels().binary(name, layout, left.data, right.data, out, p, q);
  if (outDtype === int64) dropNegativeZeros(out);
  return tensorFromComputed(out, shape, outDtype);
}

/** condition ? a : b over the broadcast shape. */
export function evaluateSelect(condition: Tensor, a: Operand, b: Operand, dtype: DType): Tensor {
  const shape = broadcastShapes("where", condition.shape, shapeOf(a), shapeOf(b));
  const numel = numelOf(shape);
  const expanded = (operand: Operand, as: DType): NumericArray => {
    const { data, strides } = operandArray(operand, as, shape);
    const out = as.allocate(numel);
    copyStrided(shape, data, strides, 0, out, contiguousStrides(shape), 0);
    return out;
  };
  const compute = computeDtype(dtype);
  const out = expanded(b, compute);
  const taken = expanded(a, compute);
  const mask = expanded(condition, bool);
  for (let i = 0; i < numel; i++) if (mask[i]) out[i] = taken[i];
  return tensorFromComputed(out, shape, dtype);
}

/** self = f(self, other) without a temporary; for in-place operators outside autograd. */
export function evaluateBinary_(op: string, name: BinaryName, self: Tensor, other: Operand, p?: number): Tensor {
  const dtype = resultType(self, other);
  if (!canCast(dtype, self.dtype)) {
    throw new OctetError(
      `${op}: result type ${dtype.name} can't be cast to the desired output type ${self.dtype.name}`,
    );
  }
  const shape = broadcastShapes(op, self.shape, shapeOf(other));
  if (shape.length !== self.ndim || shape.some((size, d) => size !== self.shape[d])) {
    throw new OctetError(`${op}: output with shape [${self.shape}] doesn't match the broadcast shape [${shape}]`);
  }
  const right = operandArray(other, self.dtype, shape);
  const data = self.elements();
  const layout = { shape, aStrides: contiguousStrides(shape), bStrides: right.strides };
  kernels().binary(name, layout, data, right.data, data, p);
  if (self.dtype === int64) dropNegativeZeros(data);
  self.bumpVersion();
  return self;
}

/** True if {@link evaluateBinary_} may write straight into `self`: it lies contiguous, apart from `other`, in a compute dtype. */
export function canWriteInto(self: Tensor, other: Operand): boolean {
  const apart = !(other instanceof Tensor) || other.storage !== self.storage;
  return self.isContiguous() && apart && computeDtype(self.dtype) === self.dtype && self.dtype !== bool;
}

/** f(x), computed in `dtype`. */
export function evaluateUnary(
  name: UnaryName,
  x: Tensor,
  dtype: DType,
  outDtype = dtype,
  p?: number,
  q?: number,
): Tensor {
  const data = elementsAs(x, computeDtype(dtype));
  const out = computeDtype(outDtype).allocate(data.length);
  kernels().unary(name, data, out, p, q);
  if (outDtype === int64) dropNegativeZeros(out);
  return tensorFromComputed(out, x.shape, outDtype);
}

/** int64 lives in doubles, but has only one zero. */
function dropNegativeZeros(data: NumericArray): void {
  for (let i = 0; i < data.length; i++) data[i] += 0;
}

/** The dtype in which a function with real values is computed: integers become the default float dtype. */
export function floatDtype(dtype: DType): DType {
  return dtype.isFloatingPoint ? dtype : getDefaultDtype();
}

/** Sums `gradient` over the dimensions that broadcasting stretched, so that it has `shape` again. */
export function sumTo(gradient: Tensor, shape: readonly number[]): Tensor {
  if (gradient.ndim === shape.length && gradient.shape.every((size, d) => size === shape[d])) return gradient;
  const lead = gradient.ndim - shape.length;
  const dims = gradient.shape.flatMap((size, d) => (d < lead || (shape[d - lead] === 1 && size !== 1) ? [d] : []));
  return reduceSum(gradient, dims).alias(shape, contiguousStrides(shape), 0);
}

/** Σ over `dims` (sorted, kept as size 1), contiguous. Outside autograd. */
export function reduceSum(x: Tensor, dims: readonly number[], dtype: DType = x.dtype): Tensor {
  const { data, outer, n, inner } = gatherDims(x, dims, computeDtype(dtype));
  const out = computeDtype(dtype).allocate(outer * inner);
  kernels().reduce("sum", data, outer, n, inner, out);
  const shape = x.shape.map((size, d) => (dims.includes(d) ? 1 : size));
  return tensorFromComputed(out, shape, dtype);
}

/**
 * The elements of `x` as an [outer, n, inner] array in which n runs over `dims`. Neighbouring dims need no copy; others
 * are moved to the end first. The order of outer and inner is that of the dimensions that stay.
 */
export function gatherDims(x: Tensor, dims: readonly number[], dtype: DType) {
  const neighbours = dims.every((d, i) => i === 0 || d === dims[i - 1] + 1);
  if (neighbours) {
    const first = dims.length ? dims[0] : x.ndim;
    const last = first + dims.length;
    return {
      data: elementsAs(x, dtype),
      outer: numelOf(x.shape.slice(0, first)),
      n: numelOf(x.shape.slice(first, last)),
      inner: numelOf(x.shape.slice(last)),
    };
  }
  const kept = x.shape.flatMap((_, d) => (dims.includes(d) ? [] : [d]));
  const order = [...kept, ...dims];
  const moved = x.alias(
    order.map((d) => x.shape[d]),
    order.map((d) => x.strides[d]),
    x.offset,
  );
  const outer = numelOf(kept.map((d) => x.shape[d]));
  return { data: elementsAs(moved, dtype), outer, n: numelOf(dims.map((d) => x.shape[d])), inner: 1 };
}

/** An operand as an array of the compute dtype with strides for the broadcast shape; no copy where none is needed. */
function operandArray(
  operand: Operand,
  dtype: DType,
  shape: readonly number[],
): { data: NumericArray; strides: readonly number[] } {
  if (!(operand instanceof Tensor)) {
    const data = dtype.allocate(1);
    data[0] = dtype === bool ? +Boolean(operand) : +operand;
    return { data, strides: shape.map(() => 0) };
  }
  if (operand.dtype === dtype && dtype !== float16) {
    const { data } = operand.storage;
    const window = operand.offset === 0 ? data : data.subarray(operand.offset);
    return { data: window, strides: expandStrides(operand.shape, operand.strides, shape) };
  }
  return {
    data: elementsAs(operand, dtype),
    strides: expandStrides(operand.shape, contiguousStrides(operand.shape), shape),
  };
}
