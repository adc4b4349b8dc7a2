/** Conversion of element arrays between dtypes, with PyTorch's rules: floats truncate to integers, anything non-zero is true. */
import type { DType, FloatArray, NumericArray } from "../core/dtype.ts";
import { bool, canCast, float16, float32, float64, int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { halfToNumber, numberToHalf } from "../core/half.ts";
import { sameQuantizer } from "../core/qparams.ts";
import { contiguousStrides } from "../core/shape.ts";
import { copyStrided } from "./strided.ts";
import { Tensor } from "./tensor.ts";

/** A fresh array with `data` (of dtype `from`) stored as dtype `to`. */
export function convertArray(data: NumericArray, from: DType, to: DType): NumericArray {
  const n = data.length;
  if (from === to) return data.slice();
  const out = to.allocate(n);
  const source = from === float16 ? Float32Array.from(data, halfToNumber) : data;
  if (to === bool) {
    for (let i = 0; i < n; i++) out[i] = source[i] !== 0 ? 1 : 0;
  } else if (to === float16) {
    for (let i = 0; i < n; i++) out[i] = numberToHalf(source[i]);
  } else if (to === int64 && from.isFloatingPoint) {
    // NaN and infinities have no defined value in PyTorch; here they become 0, and so does -0.
    for (let i = 0; i < n; i++) out[i] = Number.isFinite(source[i]) ? Math.trunc(source[i]) || 0 : 0;
  } else {
    out.set(source); // typed-array stores truncate and wrap as C casts do
  }
  return out;
}

/** The tensor's elements in row-major order as dtype `dtype`: its own storage where nothing has to change. */
export function elementsAs(tensor: Tensor, dtype: DType): NumericArray {
  const elements = tensor.elements();
  return tensor.dtype === dtype ? elements : convertArray(elements, tensor.dtype, dtype);
}

/** The dtype in which an operator on `dtype` computes: float16 is widened to float32. */
export function computeDtype(dtype: DType): DType {
  return dtype === float16 ? float32 : dtype;
}

/** Elements for a float kernel: Float64Array for float64, else Float32Array. */
export function floatElements(tensor: Tensor, dtype: DType): FloatArray {
  return elementsAs(tensor, dtype === float64 ? float64 : float32) as FloatArray;
}

/** A tensor of dtype `dtype` from elements computed in {@link computeDtype}(dtype). Takes ownership of the array. */
export function tensorFromComputed(data: NumericArray, shape: readonly number[], dtype: DType): Tensor {
  return Tensor.fromArray(dtype === float16 ? convertArray(data, float32, float16) : data, shape, dtype);
}

/**
 * Copies the values of `source` (same shape) into `target`, converting the dtype; counts as an in-place change. Quantized
 * tensors are copied to their own dtype only, together with their qparams.
 */
export function storeElements(op: string, target: Tensor, source: Tensor): void {
  if (!canCast(source.dtype, target.dtype)) {
    throw new OctetError(
      `${op}: result type ${source.dtype.name} can't be cast to the desired output type ${target.dtype.name}`,
    );
  }
  if ((source.isQuantized || target.isQuantized) && source.dtype !== target.dtype) {
    throw new OctetError(
      `${op}: ${source.dtype.name} cannot be stored as ${target.dtype.name}; quantize or dequantize it first`,
    );
  }
  if (target.base && !sameQuantizer(target.quantizer, source.quantizer)) {
    throw new OctetError(
      `${op}: a view of a quantized tensor cannot take other qparams than its base; work on the base`,
    );
  }
  target.quantizer = source.quantizer;
  const data = elementsAs(source, target.dtype);
  copyStrided(
    target.shape,
    data,
    contiguousStrides(target.shape),
    0,
    target.storage.data,
    target.strides,
    target.offset,
  );
  target.bumpVersion();
}
