/**
 * Sums, products and matrix products of quantized tensors, a quantized tensor with a number, and concatenation of tensors on
 * different grids (`torch.ops.quantized.add`, `mul`, `matmul`, `add_scalar`, `cat`, …). The formulas are in
 * core/quantized-binary.ts.
 */
import type { DType } from "../../core/dtype.ts";
import { getEngine } from "../../core/engine.ts";
import { OctetError } from "../../core/errors.ts";
import type { PerTensorQuantizer } from "../../core/qparams.ts";
import { isPerTensor, perTensorQuantizer, sameQuantizer } from "../../core/qparams.ts";
import { dequantizeValue, inverseScale, quantizeValue } from "../../core/quantize.ts";
import type { OutputGrid } from "../../core/quantized-binary.ts";
import { addForm, mulForm, outputGrid } from "../../core/quantized-binary.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { broadcastShapes, contiguousStrides, expandStrides, numelOf, sameShape } from "../../core/shape.ts";
import type { ByteArray, IntegerArray } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import { copyStrided } from "../../tensor/strided.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Op } from "../op.ts";
import { quantizedForm } from "../op.ts";
import { matmul as floatMatmul } from "../linear.ts";
import type { Qparam } from "../quantize.ts";
import { dequantize, fromIntegers, perTensorOf, qparamValue, quantizePerTensor, quantizerOf } from "../quantize.ts";
import { cat as catPlain } from "../rearrange.ts";
import { integersOf } from "./integers.ts";
import { checkQuantized, operandQuantizers, perTensorOperand, quantizedOperator } from "./operator.ts";

// ---------------------------------------------------------------- two tensors

/**
 * (a, b, scale, zeroPoint): two quantized tensors of one dtype, which broadcast, and the grid of the result; or a
 * quantized tensor and a number, in either order, where the result's grid follows from the operands.
 */
export interface QuantizedBinary {
  (a: Tensor, b: Tensor, scale: number, zeroPoint: number): Tensor;
  (a: Tensor, b: number): Tensor;
  (a: number, b: Tensor): Tensor;
  readonly op: Op<readonly unknown[], Tensor>["op"];
}

type OnTensors = (
  op: string,
  a: Tensor,
  b: Tensor,
  scale: number,
  zeroPoint: number,
  relu: boolean,
  intoGiven?: boolean,
) => Tensor;

type BinaryArguments = [a: Tensor | number, b: Tensor | number, scale?: number, zeroPoint?: number];

/** `intoGiven`: the arithmetic of PyTorch's variants that write into a given tensor, which no engine changes. */
export const addTensors: OnTensors = (op, a, b, scale, zeroPoint, relu, intoGiven = false) => {
  const grids = operandQuantizers(op, "Add", a, b);
  const { dtype } = grids;
  const out = perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, dtype);
  const engine = intoGiven ? "x86" : getEngine();
  const form = addForm(engine, dtype, grids.a, grids.b, out, relu, sameShape(a.shape, b.shape));
  return elementwise(op, a, b, out, (x, y, result) => kernels().addIntegers(x, y, form, result));
};

/** As {@link addTensors}. */
export const mulTensors: OnTensors = (op, a, b, scale, zeroPoint, relu, intoGiven = false) => {
  const grids = operandQuantizers(op, "Mul", a, b);
  const { dtype } = grids;
  const out = perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, dtype);
  const form = mulForm(dtype, grids.a, grids.b, out, relu, intoGiven);
  return elementwise(op, a, b, out, (x, y, result) => kernels().mulIntegers(x, y, form, result));
};

/** The result of `run` on the integers of both operands, stretched to their common shape. */
function elementwise(
  op: string,
  a: Tensor,
  b: Tensor,
  quantizer: PerTensorQuantizer,
  run: (a: IntegerArray, b: IntegerArray, out: IntegerArray) => void,
): Tensor {
  const shape = broadcastShapes(`quantized::${op}`, a.shape, b.shape);
  const out = a.dtype.allocate(numelOf(shape)) as IntegerArray;
  run(stretched(a, shape), stretched(b, shape), out);
  return fromIntegers(out, shape, a.dtype, quantizer);
}

function stretched(x: Tensor, shape: readonly number[]): IntegerArray {
  const elements = x.elements() as IntegerArray;
  if (sameShape(x.shape, shape)) return elements;
  const out = x.dtype.allocate(numelOf(shape)) as IntegerArray;
  const strides = expandStrides(x.shape, contiguousStrides(x.shape), shape);
  copyStrided(shape, elements, strides, 0, out, contiguousStrides(shape), 0);
  return out;
}

type OnNumber = (op: string, x: Tensor, c: number, relu: boolean) => Tensor;

function binary(
  name: string,
  pytorchName: string,
  relu: boolean,
  onTensors: OnTensors,
  onNumber: OnNumber,
): QuantizedBinary {
  return quantizedOperator(name, (...[a, b, scale = 1, zeroPoint = 0]: BinaryArguments): Tensor => {
    if (!(b instanceof Tensor)) return onNumber(pytorchName, a as Tensor, b, relu);
    return a instanceof Tensor
      ? onTensors(pytorchName, a, b, scale, zeroPoint, relu)
      : onNumber(pytorchName, b, a, relu);
  }) as QuantizedBinary;
}

/** a + b on the grid of (scale, zeroPoint), see {@link QuantizedBinary}. */
export const add: QuantizedBinary = binary("add", "add", false, addTensors, addNumber);
/** relu(a + b). */
export const addRelu: QuantizedBinary = binary("addRelu", "add_relu", true, addTensors, addNumber);
/** a · b on the grid of (scale, zeroPoint), see {@link QuantizedBinary}. */
export const mul: QuantizedBinary = binary("mul", "mul", false, mulTensors, mulNumber);
/** relu(a · b). */
export const mulRelu: QuantizedBinary = binary("mulRelu", "mul_relu", true, mulTensors, mulNumber);

/**
 * The matrix product of two quantized tensors (`torch.ops.quantized.matmul`), as PyTorch computes it: of their real
 * values in float32, then rounded to the grid of (scale, zeroPoint).
 */
export const matmul = quantizedOperator("matmul", (a: Tensor, b: Tensor, scale: number, zeroPoint: number): Tensor => {
  const { dtype } = operandQuantizers("matmul", "MatMul", a, b);
  return quantizePerTensor(floatMatmul(dequantize(a), dequantize(b)), scale, zeroPoint, dtype);
});

// ---------------------------------------------------------------- a tensor and a number

/** x + c: the zero point moves by c / scale where it can, and the integers stay; else the scale grows. */
function addNumber(op: string, x: Tensor, c: number, relu: boolean): Tensor {
  const { scale, zeroPoint } = perTensorOperand(op, "Add", x);
  const { dtype } = x;
  const steps = roundHalfEven(c / scale);
  const moved = zeroPoint - steps;
  if (moved >= dtype.min && moved <= dtype.max) {
    return withIntegers(op, x, scale, moved, relu, (q) => q);
  }
  const [outZeroPoint, span] = moved < dtype.min ? [dtype.min, dtype.max - moved] : [dtype.max, moved - dtype.min];
  const outScale = (span / (dtype.max - dtype.min)) * scale;
  const multiplier = Math.fround(Math.fround(scale) * inverseScale(outScale));
  return withIntegers(op, x, outScale, outZeroPoint, relu, (q) => {
    const requantized = outZeroPoint + roundHalfEven(Math.fround(Math.fround(q - zeroPoint + steps) * multiplier));
    return Math.min(Math.max(requantized, dtype.min), dtype.max);
  });
}

/** x · c: only the qparams change; a negative c mirrors the integers, and zero clears them. */
function mulNumber(op: string, x: Tensor, c: number, relu: boolean): Tensor {
  const { scale, zeroPoint } = perTensorOperand(op, "Mul", x);
  const { min, max } = x.dtype;
  if (c === 0) return withIntegers(op, x, 1, 0, relu, () => 0);
  if (c > 0) return withIntegers(op, x, c * scale, zeroPoint, relu, (q) => q);
  return withIntegers(op, x, -c * scale, max + min - zeroPoint, relu, (q) => max + min - q);
}

/** A tensor of x's shape with each integer mapped, on a new grid. */
function withIntegers(
  op: string,
  x: Tensor,
  scale: number,
  zeroPoint: number,
  relu: boolean,
  map: (q: number) => number,
): Tensor {
  const source = x.elements() as IntegerArray;
  const out = x.dtype.allocate(source.length) as IntegerArray;
  for (let i = 0; i < source.length; i++) {
    const q = map(source[i]);
    out[i] = relu && q < zeroPoint ? zeroPoint : q;
  }
  return fromIntegers(out, x.shape, x.dtype, perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, x.dtype));
}

function withNumber(name: string, pytorchName: string, relu: boolean, onNumber: OnNumber) {
  return quantizedOperator(name, (x: Tensor, c: Qparam): Tensor => onNumber(pytorchName, x, qparamValue(c), relu));
}

/** x + c for a number or a one-element tensor c; the result's qparams follow from x's and c. */
export const addScalar = withNumber("addScalar", "add_scalar", false, addNumber);
/** relu(x + c). */
export const addScalarRelu = withNumber("addScalarRelu", "add_scalar_relu", true, addNumber);
/** x · c for a number or a one-element tensor c; the result's qparams follow from x's and c. */
export const mulScalar = withNumber("mulScalar", "mul_scalar", false, mulNumber);
/** relu(x · c). */
export const mulScalarRelu = withNumber("mulScalarRelu", "mul_scalar_relu", true, mulNumber);

// ---------------------------------------------------------------- concatenation

function concatenation(name: string, op: string, relu: boolean) {
  return quantizedOperator(
    name,
    (tensors: readonly Tensor[], dim: number, scale: number | null = null, zeroPoint: number | null = null): Tensor => {
      const dtype = commonDtype(op, tensors);
      const first = perTensorOf(tensors[0]);
      const out = perTensorQuantizer(`quantized::${op}`, scale ?? first.scale, zeroPoint ?? first.zeroPoint, dtype);
      const grid = outputGrid(out, dtype, relu);
      const joined = catPlain(
        tensors.map((x) => regridded(x, out, grid)),
        dim,
      );
      return fromIntegers(joined.elements(), joined.shape, dtype, out);
    },
  );
}

function commonDtype(op: string, tensors: readonly Tensor[]): DType {
  if (tensors.length === 0) throw new OctetError(`quantized::${op}: expected a non-empty list of tensors`);
  checkQuantized(op, tensors[0]);
  const { dtype } = tensors[0];
  for (const x of tensors) {
    if (x.dtype !== dtype) throw new OctetError("All dtypes must be the same.");
    if (!isPerTensor(quantizerOf(x))) throw new OctetError("Only per-tensor quantization is supported in 'cat'!");
  }
  return dtype;
}

/** The integers of `x` on another grid: dequantized and quantized, value by value; bytes through a table. */
function regridded(x: Tensor, out: PerTensorQuantizer, grid: OutputGrid): Tensor {
  const from = perTensorOf(x);
  if (grid.qmin === x.dtype.min && sameQuantizer(from, out)) return integersOf(x);
  const inverse = inverseScale(out.scale);
  const regrid = (q: number) =>
    quantizeValue(dequantizeValue(q, from.scale, from.zeroPoint), inverse, out.zeroPoint, grid.qmin, grid.qmax);
  const source = x.elements() as IntegerArray;
  const result = x.dtype.allocate(source.length) as IntegerArray;
  if (source instanceof Int32Array || result instanceof Int32Array) {
    for (let i = 0; i < source.length; i++) result[i] = regrid(source[i]);
  } else {
    const table = x.dtype.allocate(256) as ByteArray;
    for (let q = x.dtype.min; q <= x.dtype.max; q++) table[q & 255] = regrid(q);
    kernels().lookup(source, table, result);
  }
  return integersOf(fromIntegers(result, x.shape, x.dtype, out));
}

/**
 * The tensors joined along `dim`, on the grid of (scale, zeroPoint); by default that of the first. All must be quantized per
 * tensor, with one dtype.
 */
export const cat = concatenation("cat", "cat", false);
/** {@link cat} followed by ReLU. */
export const catRelu = concatenation("catRelu", "cat_relu", true);

/** Of the float operator: on the grid of the first tensor. */
quantizedForm(catPlain, (tensors, dim = 0) => cat(tensors, dim));
