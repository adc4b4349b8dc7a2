/**
 * Matrix products and the layers made of them. Everything goes through the gemm kernel, which reads a factor either
 * way round: a transposed view is never copied. Integer products (exact, wrapping as C does) are plain loops.
 */
import { saved } from "../autograd/node.ts";
import type { DType, FloatArray, NumericArray } from "../core/dtype.ts";
import { bool, int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { broadcastShapes, contiguousStrides, numelOf } from "../core/shape.ts";
import type { GemmSpec } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { reduceSum } from "./broadcast.ts";
import { checkVector, sameDtype, sameFloatDtype } from "./checks.ts";
import { add, mul } from "./elementwise.ts";
import type { Op } from "./op.ts";
import { composite, primitive } from "./op.ts";
import { expand, permute, reshape, unsqueeze } from "./shape.ts";
import { unsafeView } from "./unsafe-view.ts";

// ---------------------------------------------------------------- the product of two (stacks of) matrices

/** The last two dimensions of a tensor as matrices that gemm can read. */
interface Matrices {
  readonly data: NumericArray;
  /** Stored [columns, rows]. */
  readonly transposed: boolean;
  /** Where the first matrix starts, and the distance to the next one. */
  readonly offset: number;
  readonly step: number;
}

/** `x` is [rows, columns] or [batch, rows, columns]. Copies only what lies neither row by row nor column by column. */
function matricesOf(x: Tensor, dtype: DType): Matrices {
  const { shape, strides, ndim } = x;
  const [rows, columns] = [shape[ndim - 2], shape[ndim - 1]];
  const [rowStep, columnStep] = [strides[ndim - 2], strides[ndim - 1]];
  if (x.dtype === dtype) {
    const byRows = isPacked(rows, rowStep, columns, columnStep);
    if (byRows || isPacked(columns, columnStep, rows, rowStep)) {
      return { data: x.storage.data, transposed: !byRows, offset: x.offset, step: ndim === 3 ? strides[0] : 0 };
    }
  }
  return { data: elementsAs(x, dtype), transposed: false, offset: 0, step: rows * columns };
}

/** True if `outer` runs of `inner` elements lie one after the other without gaps. Sizes of 1 may have any step. */
function isPacked(outer: number, outerStep: number, inner: number, innerStep: number): boolean {
  return (inner === 1 || innerStep === 1) && (outer === 1 || outerStep === inner);
}

/** `length` elements from `start` on; the array itself if that is all of it, because making a subarray costs more than small products. */
function windowOf(data: NumericArray, start: number, length: number): NumericArray {
  return start === 0 && data.length === length ? data : data.subarray(start, start + length);
}

/** a · b for matrices [m, k] · [k, n] or equally long stacks of them. Outside autograd. */
function product(op: string, a: Tensor, b: Tensor): Tensor {
  const dtype = sameDtype(op, { "the first factor": a, "the second factor": b });
  if (dtype === bool) throw new OctetError(`${op}: not supported for bool tensors`);
  const [m, k] = [a.shape[a.ndim - 2], a.shape[a.ndim - 1]];
  const n = b.shape[b.ndim - 1];
  if (b.shape[b.ndim - 2] !== k) {
    throw new OctetError(`${op}: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} cannot be multiplied`);
  }
  const shape = [...a.shape.slice(0, -1), n];
  const compute = computeDtype(dtype);
  const out = compute.allocate(numelOf(shape));
  if (out.length > 0 && k > 0) {
    const [left, right] = [matricesOf(a, compute), matricesOf(b, compute)];
    const spec = { m, n, k, transA: left.transposed, transB: right.transposed, accumulate: false };
    const multiply = dtype.isFloatingPoint ? floatGemm : dtype === int64 ? doubleGemm : int32Gemm;
    for (let i = 0; i < out.length / (m * n); i++) {
      const [from, to] = [left.offset + i * left.step, right.offset + i * right.step];
      multiply(
        spec,
        windowOf(left.data, from, m * k),
        windowOf(right.data, to, k * n),
        windowOf(out, i * m * n, m * n),
      );
    }
  }
  return tensorFromComputed(out, shape, dtype);
}

type Gemm = (spec: GemmSpec, a: NumericArray, b: NumericArray, c: NumericArray) => void;

const floatGemm: Gemm = (spec, a, b, c) => kernels().gemm(spec, a as FloatArray, b as FloatArray, c as FloatArray);

/** Integers of up to 32 bits: sums modulo 2^32, so that the narrower ones wrap right too. */
const int32Gemm: Gemm = (spec, a, b, c) => plainGemm(spec, a, b, c, (sum, x, y) => (sum + Math.imul(x, y)) | 0);

/** int64, exact while sums stay within ±2^53. */
const doubleGemm: Gemm = (spec, a, b, c) => plainGemm(spec, a, b, c, (sum, x, y) => sum + x * y);

function plainGemm(
  { m, n, k, transA, transB }: GemmSpec,
  a: NumericArray,
  b: NumericArray,
  c: NumericArray,
  multiplyAdd: (sum: number, x: number, y: number) => number,
): void {
  const [aRow, aColumn] = transA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transB ? [1, k] : [n, 1];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let e = 0; e < k; e++) sum = multiplyAdd(sum, a[i * aRow + e * aColumn], b[e * bRow + j * bColumn]);
      c[i * n + j] = sum;
    }
  }
}

/** The view with the last two dimensions swapped. Outside autograd. */
function transposed(x: Tensor): Tensor {
  const swap = (list: readonly number[]) => [...list.slice(0, -2), list[list.length - 1], list[list.length - 2]];
  return x.alias(swap(x.shape), swap(x.strides), x.offset);
}

function checkRank(op: string, name: string, x: Tensor, rank: number): void {
  if (x.ndim !== rank) {
    throw new OctetError(`${op}: ${name} must be a ${rank}-D tensor, got shape ${formatShape(x.shape)}`);
  }
}

type Product = Op<[a: Tensor, b: Tensor], Tensor>;

function stackedProduct(name: "mm" | "bmm", rank: 2 | 3): Product {
  return primitive(
    name,
    (a: Tensor, b: Tensor): Tensor => {
      checkRank(name, "the first factor", a, rank);
      checkRank(name, "the second factor", b, rank);
      if (rank === 3 && a.shape[0] !== b.shape[0]) {
        throw new OctetError(`${name}: batch sizes differ: ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
      }
      return product(name, a, b);
    },
    (_out, a, b) => {
      const [left, right] = [saved(a), saved(b)];
      return (g, [needA, needB]) => [
        needA ? product(name, g, transposed(right())) : null,
        needB ? product(name, transposed(left()), g) : null,
      ];
    },
  );
}

/** [m, k] · [k, n] → [m, n]. */
export const mm: Product = stackedProduct("mm", 2);

/** [batch, m, k] · [batch, k, n] → [batch, m, n]. */
export const bmm: Product = stackedProduct("bmm", 3);

/** [m, k] · [k] → [m]. */
export const mv = composite("mv", (matrix: Tensor, vector: Tensor): Tensor => {
  checkRank("mv", "the matrix", matrix, 2);
  checkRank("mv", "the vector", vector, 1);
  return unsafeView(mm(matrix, unsqueeze(vector, 1)), [matrix.shape[0]]);
});

/** Σ aᵢ · bᵢ of two vectors, as a scalar tensor. */
export const dot = composite("dot", (a: Tensor, b: Tensor): Tensor => {
  checkRank("dot", "the first factor", a, 1);
  checkRank("dot", "the second factor", b, 1);
  if (a.shape[0] !== b.shape[0]) {
    throw new OctetError(`dot: expected vectors of equal length, got ${a.shape[0]} and ${b.shape[0]} elements`);
  }
  return unsafeView(mm(unsqueeze(a, 0), unsqueeze(b, 1)), []);
});

/** [m] and [n] → [m, n]: aᵢ · bⱼ. */
export const outer = composite("outer", (a: Tensor, b: Tensor): Tensor => {
  checkRank("outer", "the first factor", a, 1);
  checkRank("outer", "the second factor", b, 1);
  return mul(unsqueeze(a, 1), b);
});

/**
 * The matrix product with `torch.matmul`'s rules: vectors are a row at the left and a column at the right, and lose that
 * dimension again; all dimensions before the last two are a batch, which broadcasts.
 */
export const matmul = composite("matmul", (a: Tensor, b: Tensor): Tensor => {
  if (a.ndim === 0 || b.ndim === 0) {
    throw new OctetError(`matmul: both arguments need to be at least 1D, but they are ${a.ndim}D and ${b.ndim}D`);
  }
  const k = a.shape[a.ndim - 1];
  if (k !== b.shape[Math.max(b.ndim - 2, 0)]) {
    throw new OctetError(`matmul: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} cannot be multiplied`);
  }
  const left = a.ndim === 1 ? unsqueeze(a, 0) : a;
  const right = b.ndim === 1 ? unsqueeze(b, 1) : b;
  const result = [...(a.ndim === 1 ? [] : a.shape.slice(-2, -1)), ...(b.ndim === 1 ? [] : b.shape.slice(-1))];
  if (right.ndim === 2) {
    // One matrix at the right: the batch is just more rows.
    const flat = left.ndim === 2 ? left : reshape(left, [numelOf(left.shape.slice(0, -1)), k]);
    const out = mm(flat, right);
    const shape = [...left.shape.slice(0, -2), ...result];
    return unsafeView(out, shape);
  }
  const batch = broadcastShapes("matmul", left.shape.slice(0, -2), right.shape.slice(0, -2));
  const out = bmm(stacked(left, batch), stacked(right, batch));
  return unsafeView(out, [...batch, ...result]);
});

/** Broadcasts the batch dimensions to `batch` and merges them into one. */
function stacked(x: Tensor, batch: readonly number[]): Tensor {
  const matrix = x.shape.slice(-2);
  return reshape(expand(x, [...batch, ...matrix]), [numelOf(batch), ...matrix]);
}

// ---------------------------------------------------------------- products with a summand

export interface AddProductOptions {
  /** Factor of `input`; 0 leaves it out, NaNs and all. Default 1. */
  readonly beta?: number;
  /** Factor of the product. Default 1. */
  readonly alpha?: number;
}

function plusProduct(name: string, multiply: (a: Tensor, b: Tensor) => Tensor) {
  return composite(
    name,
    (input: Tensor, a: Tensor, b: Tensor, { beta = 1, alpha = 1 }: AddProductOptions = {}): Tensor => {
      const scaled = multiply(a, b);
      if (beta === 0) return alpha === 1 ? scaled : mul(scaled, alpha);
      const shape = broadcastShapes(name, input.shape, scaled.shape);
      if (shape.length !== scaled.ndim || shape.some((size, d) => size !== scaled.shape[d])) {
        throw new OctetError(
          `${name}: input of shape ${formatShape(input.shape)} does not expand to ${formatShape(scaled.shape)}`,
        );
      }
      return add(beta === 1 ? input : mul(input, beta), scaled, { alpha });
    },
  );
}

/** beta · input + alpha · (a · b) for matrices; `input` broadcasts. */
export const addmm = plusProduct("addmm", mm);
/** beta · input + alpha · (a · b) for stacks of matrices; `input` broadcasts. */
export const baddbmm = plusProduct("baddbmm", bmm);
/** beta · input + alpha · (a · b) for a matrix and a vector; `input` broadcasts. */
export const addmv = plusProduct("addmv", mv);
/** beta · input + alpha · a bᵀ for two vectors; `input` broadcasts. */
export const addr = plusProduct("addr", outer);

// ---------------------------------------------------------------- layers

/**
 * input · weightᵀ + bias (`torch.nn.functional.linear`): [*, in] with weight [out, in] and bias [out] → [*, out].
 */
export const linear: Op<[input: Tensor, weight: Tensor, bias?: Tensor | null], Tensor> = primitive(
  "linear",
  (input: Tensor, weight: Tensor, bias?: Tensor | null): Tensor => {
    const dtype = sameFloatDtype("linear", { input, weight, bias });
    checkRank("linear", "weight", weight, 2);
    const [outFeatures, inFeatures] = weight.shape;
    if (input.ndim === 0 || input.shape[input.ndim - 1] !== inFeatures) {
      throw new OctetError(
        `linear: weight expects ${inFeatures} input features, input has shape ${formatShape(input.shape)}`,
      );
    }
    checkVector("linear", "bias", bias, outFeatures);
    const rows = numelOf(input.shape.slice(0, -1));
    const compute = computeDtype(dtype);
    const out = compute.allocate(rows * outFeatures) as FloatArray;
    if (bias) fillRows(out, floatElements(bias, compute));
    if (out.length > 0 && inFeatures > 0) {
      const matrix = matricesOf(weight, compute);
      const right = windowOf(matrix.data, matrix.offset, weight.numel()) as FloatArray;
      const [transB, accumulate] = [!matrix.transposed, !!bias];
      const spec = { m: rows, n: outFeatures, k: inFeatures, transA: false, transB, accumulate };
      kernels().gemm(spec, floatElements(input, compute), right, out);
    }
    return tensorFromComputed(out, [...input.shape.slice(0, -1), outFeatures], dtype);
  },
  (_out, input, weight) => {
    const [x, w] = [saved(input), saved(weight)];
    return (g, [needInput, needWeight, needBias]) => {
      const rows = asRows(g);
      return [
        needInput ? withShape(product("linear", rows, w()), x().shape) : null,
        needWeight ? product("linear", transposed(rows), asRows(x())) : null,
        needBias ? withShape(reduceSum(rows, [0]), [rows.shape[1]]) : null,
      ];
    };
  },
);

/** Writes `row` over and over. */
function fillRows(out: FloatArray, row: FloatArray): void {
  for (let at = 0; at < out.length; at += row.length) out.set(row, at);
}

/** [*, n] as a contiguous [rows, n]. Outside autograd. */
function asRows(x: Tensor): Tensor {
  const n = x.shape[x.ndim - 1];
  return Tensor.fromArray(x.elements(), [numelOf(x.shape.slice(0, -1)), n], x.dtype);
}

/** A fresh contiguous tensor under another shape. */
function withShape(x: Tensor, shape: readonly number[]): Tensor {
  return x.alias(shape, contiguousStrides(shape), 0);
}

/**
 * outₒ = Σᵢⱼ input1ᵢ · weightₒᵢⱼ · input2ⱼ + biasₒ (`torch.nn.functional.bilinear`): [*, in1] and [*, in2] with weight
 * [out, in1, in2] → [*, out].
 */
export const bilinear = composite(
  "bilinear",
  (input1: Tensor, input2: Tensor, weight: Tensor, bias?: Tensor | null): Tensor => {
    checkRank("bilinear", "weight", weight, 3);
    const [out, in1, in2] = weight.shape;
    const batch = input1.shape.slice(0, -1);
    const fits =
      input1.ndim === input2.ndim &&
      batch.every((size, d) => size === input2.shape[d]) &&
      input1.shape[batch.length] === in1 &&
      input2.shape[batch.length] === in2;
    if (!fits) {
      throw new OctetError(
        `bilinear: weight ${formatShape(weight.shape)} does not fit inputs ${formatShape(input1.shape)} and ` +
          formatShape(input2.shape),
      );
    }
    checkVector("bilinear", "bias", bias, out);
    const rows = numelOf(batch);
    const byFirst = mm(reshape(input1, [rows, in1]), reshape(permute(weight, [1, 0, 2]), [in1, out * in2]));
    const product = bmm(reshape(byFirst, [rows, out, in2]), reshape(input2, [rows, in2, 1]));
    const shaped = unsafeView(product, [...batch, out]);
    return bias ? add(shaped, bias) : shaped;
  },
);
