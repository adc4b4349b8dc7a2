/**
 * Quantized tensors: making them, reading what they carry, and going back to floats. The arithmetic is in
 * core/quantize.ts; fake quantization is in fake-quantize.ts.
 */
import type { DType } from "../core/dtype.ts";
import {
  float16,
  float32,
  float64,
  int32,
  int64,
  int8,
  qint32,
  qint8,
  quint2x4,
  quint4x2,
  quint8,
  uint8,
} from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { PerChannelQuantizer, PerTensorQuantizer, QScheme, Quantizer } from "../core/qparams.ts";
import {
  chooseQparams,
  isPerTensor,
  perChannelAffine,
  perChannelAffineFloatQparams,
  perTensorQuantizer,
} from "../core/qparams.ts";
import { numelOf } from "../core/shape.ts";
import type { ChannelLayout, ChannelQparams } from "../kernels/quantized-kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { convertArray } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { nondifferentiable, quantizedForm, traceable } from "./op.ts";

/** A number, or a one-element tensor (whose float32 value is used as it is). */
export type Qparam = number | Tensor;

export function qparamValue(value: Qparam): number {
  return typeof value === "number" ? value : value.item();
}

// ---------------------------------------------------------------- from float

const quantizeOne = nondifferentiable(
  "quantizePerTensor",
  (x: Tensor, scale: Qparam, zeroPoint: Qparam, dtype: DType): Tensor => {
    checkFloat(x);
    checkQuantizedDtype(dtype);
    const op = "quantize_tensor_per_tensor_affine";
    return quantizeTensor(x, perTensorQuantizer(op, qparamValue(scale), qparamValue(zeroPoint), dtype), dtype);
  },
);

function quantizeAll(x: Tensor, scale: Qparam, zeroPoint: Qparam, dtype: DType): Tensor;
function quantizeAll(x: readonly Tensor[], scales: Tensor, zeroPoints: Tensor, dtype: DType): Tensor[];
function quantizeAll(x: Tensor | readonly Tensor[], scale: Qparam, zeroPoint: Qparam, dtype: DType): Tensor | Tensor[] {
  if (x instanceof Tensor) return quantizeOne(x, scale, zeroPoint, dtype);
  const [scales, zeroPoints] = [scale as Tensor, zeroPoint as Tensor].map((t) => t.elements());
  return x.map((tensor, i) => quantizeOne(tensor, scales[i], zeroPoints[i], dtype));
}

/**
 * The tensor as integers q = clamp(zeroPoint + round(x / scale)), which stand for (q − zeroPoint) · scale
 * (`torch.quantize_per_tensor`). Takes a list of tensors with qparams as 1-d tensors too.
 *
 * @throws if x is not float32, dtype is not a quantized one, or zeroPoint is outside its range.
 */
export const quantizePerTensor = traceable("quantizePerTensor", quantizeAll);

/**
 * As {@link quantizePerTensor} with a scale and zero point for each index along `axis` (`torch.quantize_per_channel`).
 * Floating-point `zeroPoints` give the float-qparams scheme of embeddings.
 */
export const quantizePerChannel = nondifferentiable(
  "quantizePerChannel",
  (x: Tensor, scales: Tensor, zeroPoints: Tensor, axis: number, dtype: DType): Tensor => {
    checkFloat(x);
    checkQuantizedDtype(dtype);
    const quantizer = perChannelQuantizer(scales, zeroPoints, axis, x.shape);
    if (quantizer.qscheme === perChannelAffine) {
      for (const zp of quantizer.zeroPoints) perTensorQuantizer("quantize_tensor_per_channel_affine", 1, zp, dtype);
    }
    return quantizeTensor(x, quantizer, dtype);
  },
);

/** As {@link quantizePerTensor} with qparams from the tensor's own range (`torch.quantize_per_tensor_dynamic`). */
export const quantizePerTensorDynamic = nondifferentiable(
  "quantizePerTensorDynamic",
  (x: Tensor, dtype: DType, reduceRange: boolean): Tensor => {
    checkFloat(x);
    if (dtype === float16) return Tensor.fromArray(convertArray(x.elements(), x.dtype, float16), x.shape, float16);
    if (dtype !== quint8 && dtype !== qint8)
      throw new OctetError(`quantize_per_tensor_dynamic: dtype ${dtype.name} not supported`);
    const { scale, zeroPoint } = dynamicQparams(x, dtype, reduceRange);
    return quantizeTensor(x, perTensorQuantizer("quantize_per_tensor_dynamic", scale, zeroPoint, dtype), dtype);
  },
);

/** Scale and zero point for quint8 from the tensor's range (`torch._choose_qparams_per_tensor`). */
export function _chooseQparamsPerTensor(x: Tensor, reduceRange = false): [scale: number, zeroPoint: number] {
  const { scale, zeroPoint } = dynamicQparams(x, quint8, reduceRange);
  return [scale, zeroPoint];
}

function dynamicQparams(x: Tensor, dtype: DType, reduceRange: boolean) {
  if (x.numel() === 0) throw new OctetError("min(): Expected reduction dim to be specified for input.numel() == 0.");
  const [min, max] = [new Float32Array(1), new Float32Array(1)];
  kernels().minMax(x.elements() as Float32Array, { outer: 1, channels: 1, inner: x.numel() }, min, max);
  return chooseQparams(min[0], max[0], dtype.min, dtype.max, { reduceRange });
}

/** float32 values of a shape as integers of `dtype`. */
export function quantizeWith(
  values: Float32Array,
  shape: readonly number[],
  quantizer: Quantizer,
  dtype: DType,
): Tensor {
  const out = dtype.allocate(values.length);
  kernels().quantize(values, channelLayout(quantizer, shape), arithmeticQparams(quantizer, dtype), out);
  return fromIntegers(out, shape, dtype, quantizer);
}

/** {@link quantizeWith} of a float32 tensor. */
function quantizeTensor(x: Tensor, quantizer: Quantizer, dtype: DType): Tensor {
  return quantizeWith(x.elements() as Float32Array, x.shape, quantizer, dtype);
}

// ---------------------------------------------------------------- to float

const dequantizeOne = nondifferentiable("dequantize", (x: Tensor): Tensor => {
  // Not quantized: float16 widens, float32 passes through.
  return Tensor.fromArray(convertArray(x.elements(), x.dtype, float32), x.shape, float32);
});
quantizedForm(dequantizeOne, dequantizeIntegers);

function dequantizeIntegers(x: Tensor): Tensor {
  const quantizer = quantizerOf(x);
  const out = new Float32Array(x.numel());
  kernels().dequantize(x.elements(), channelLayout(quantizer, x.shape), arithmeticQparams(quantizer, x.dtype), out);
  return Tensor.fromArray(out, x.shape, float32);
}

function dequantizeAll(x: Tensor): Tensor;
function dequantizeAll(x: readonly Tensor[]): Tensor[];
function dequantizeAll(x: Tensor | readonly Tensor[]): Tensor | Tensor[] {
  return x instanceof Tensor ? dequantizeOne(x) : x.map((tensor) => dequantizeOne(tensor));
}

/** The real values (q − zeroPoint) · scale in float32; of a list, one by one (`torch.dequantize`). */
export const dequantize = traceable("dequantize", dequantizeAll);

// ---------------------------------------------------------------- from integers

/** A quantized tensor over a copy of `ints` (uint8, int8 or int32; `torch._make_per_tensor_quantized_tensor`). */
export function _makePerTensorQuantizedTensor(ints: Tensor, scale: number, zeroPoint: number): Tensor {
  const dtype = quantizedDtypeOf(ints.dtype);
  const quantizer = perTensorQuantizer("_make_per_tensor_quantized_tensor", scale, zeroPoint, dtype);
  return fromIntegers(ints.elements().slice(), ints.shape, dtype, quantizer);
}

/** As {@link _makePerTensorQuantizedTensor} with qparams per index along `axis`. */
export function _makePerChannelQuantizedTensor(ints: Tensor, scales: Tensor, zeroPoints: Tensor, axis: number): Tensor {
  const quantizer = perChannelQuantizer(scales, zeroPoints, axis, ints.shape);
  return fromIntegers(ints.elements().slice(), ints.shape, quantizedDtypeOf(ints.dtype), quantizer);
}

export interface AffineOptions {
  /** Default 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly zeroPoint?: number;
  /** Default quint8. */
  readonly dtype?: DType;
}

/** A quantized tensor whose integers are all 0 (`torch._empty_affine_quantized`). */
export function _emptyAffineQuantized(shape: readonly number[], options: AffineOptions = {}): Tensor {
  const { scale = 1, zeroPoint = 0, dtype = quint8 } = options;
  checkQuantizedDtype(dtype);
  const quantizer = perTensorQuantizer("_empty_affine_quantized", scale, zeroPoint, dtype);
  return fromIntegers(dtype.allocate(numelOf(shape)), shape, dtype, quantizer);
}

export interface PerChannelOptions {
  readonly scales: Tensor;
  readonly zeroPoints: Tensor;
  readonly axis: number;
  /** Default quint8. */
  readonly dtype?: DType;
}

/** As {@link _emptyAffineQuantized} with qparams per channel (`torch._empty_per_channel_affine_quantized`). */
export function _emptyPerChannelAffineQuantized(shape: readonly number[], options: PerChannelOptions): Tensor {
  const { scales, zeroPoints, axis, dtype = quint8 } = options;
  checkQuantizedDtype(dtype);
  return fromIntegers(
    dtype.allocate(numelOf(shape)),
    shape,
    dtype,
    perChannelQuantizer(scales, zeroPoints, axis, shape),
  );
}

/** A quantized tensor over `data` itself. */
export function fromIntegers(
  data: ReturnType<DType["allocate"]>,
  shape: readonly number[],
  dtype: DType,
  quantizer: Quantizer,
): Tensor {
  return new Tensor({ storage: { data, version: 0 }, shape, dtype, quantizer });
}

// ---------------------------------------------------------------- what a quantized tensor carries

/**
 * The integers: uint8, int8 or int32. Types below eight bits give their packed bytes, flattened, the first value in the
 * low bits (`torch.Tensor.int_repr`).
 */
export const intRepr = traceable("intRepr", (x: Tensor): Tensor => {
  quantizerOf(x);
  const ints = x.elements();
  const own = ints.buffer === x.storage.data.buffer ? ints.slice() : ints;
  if (x.dtype.bits < 8) {
    const packed = packBits(own as Uint8Array, x.dtype.bits);
    return Tensor.fromArray(packed, [packed.length], uint8);
  }
  return Tensor.fromArray(own, x.shape, integerDtypeOf(x.dtype));
});

/** Several values to a byte, the first in the low bits. */
function packBits(values: Uint8Array, bits: number): Uint8Array {
  const perByte = 8 / bits;
  const packed = new Uint8Array(Math.ceil(values.length / perByte));
  values.forEach((value, i) => (packed[Math.floor(i / perByte)] |= value << (bits * (i % perByte))));
  return packed;
}

export const qscheme = traceable("qscheme", (x: Tensor): QScheme => {
  return quantizerOf(x).qscheme;
});

/** The scale of a per-tensor quantized tensor, in double precision. */
export const qScale = traceable("qScale", (x: Tensor): number => {
  return perTensorOf(x).scale;
});

export const qZeroPoint = traceable("qZeroPoint", (x: Tensor): number => {
  return perTensorOf(x).zeroPoint;
});

/** float64, or float32 under the float-qparams scheme; a copy. */
export const qPerChannelScales = traceable("qPerChannelScales", (x: Tensor): Tensor => {
  const { scales } = perChannelOf(x);
  return Tensor.fromArray(scales.slice(), [scales.length], scales instanceof Float32Array ? float32 : float64);
});

/** int64, or float32 under the float-qparams scheme; a copy. */
export const qPerChannelZeroPoints = traceable("qPerChannelZeroPoints", (x: Tensor): Tensor => {
  const { zeroPoints } = perChannelOf(x);
  return Tensor.fromArray(
    zeroPoints.slice(),
    [zeroPoints.length],
    zeroPoints instanceof Float32Array ? float32 : int64,
  );
});

export const qPerChannelAxis = traceable("qPerChannelAxis", (x: Tensor): number => {
  return perChannelOf(x).axis;
});

/** The quantizer of a tensor that must be quantized. */
export function quantizerOf(x: Tensor): Quantizer {
  if (!x.quantizer)
    throw new OctetError(`expected a quantized tensor, got ${x.dtype.name} of shape ${formatShape(x.shape)}`);
  return x.quantizer;
}

/** The quantizer of a tensor that must be quantized per tensor. */
export function perTensorOf(x: Tensor): PerTensorQuantizer {
  const quantizer = quantizerOf(x);
  if (!isPerTensor(quantizer)) {
    throw new OctetError("Expected quantizer->qscheme() == kPerTensorAffine to be true, but got false.");
  }
  return quantizer;
}

function perChannelOf(x: Tensor): PerChannelQuantizer {
  const quantizer = quantizerOf(x);
  if (isPerTensor(quantizer)) {
    throw new OctetError(
      "Expected quantizer->qscheme() == kPerChannelAffine || quantizer->qscheme() == kPerChannelAffineFloatQParams to be " +
        "true, but got false.",
    );
  }
  return quantizer;
}

// ---------------------------------------------------------------- helpers for kernels

/** How a tensor's elements fall into channels of equal qparams. */
export function channelLayout(quantizer: Quantizer, shape: readonly number[]): ChannelLayout {
  if (isPerTensor(quantizer)) return { outer: 1, channels: 1, inner: numelOf(shape) };
  return channelLayoutAt(shape, quantizer.axis);
}

export function channelLayoutAt(shape: readonly number[], axis: number): ChannelLayout {
  return { outer: numelOf(shape.slice(0, axis)), channels: shape[axis], inner: numelOf(shape.slice(axis + 1)) };
}

function arithmeticQparams(quantizer: Quantizer, dtype: DType): ChannelQparams {
  const range = { qmin: dtype.min, qmax: dtype.max };
  if (isPerTensor(quantizer)) {
    const { scale, zeroPoint } = quantizer;
    return { scales: Float32Array.of(scale), zeroPoints: Float64Array.of(zeroPoint), floatZeroPoints: false, ...range };
  }
  const { scales, zeroPoints } = quantizer;
  const floatZeroPoints = quantizer.qscheme === perChannelAffineFloatQparams;
  return { scales: Float32Array.from(scales), zeroPoints, floatZeroPoints, ...range };
}

function perChannelQuantizer(
  scales: Tensor,
  zeroPoints: Tensor,
  axis: number,
  shape: readonly number[],
): PerChannelQuantizer {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
    throw new OctetError(
      `Channel axis out of range in per channel affine quantization. Got: ${axis} Expected: [0, ${shape.length})`,
    );
  }
  for (const [what, tensor] of [
    ["scales", scales],
    ["zero_points", zeroPoints],
  ] as const) {
    if (tensor.numel() !== shape[axis]) {
      throw new OctetError(`length of ${what} must equal to channel, expected ${shape[axis]} got, ${tensor.numel()}`);
    }
  }
  const asFloat = zeroPoints.dtype.isFloatingPoint;
  const copy = (t: Tensor) =>
    convertArray(t.elements(), t.dtype, asFloat ? float32 : float64) as Float64Array | Float32Array;
  return Object.freeze({
    qscheme: asFloat ? perChannelAffineFloatQparams : perChannelAffine,
    scales: copy(scales),
    zeroPoints: copy(zeroPoints),
    axis,
  });
}

const dtypeNamesInErrors: Readonly<Record<string, string>> = {
  float64: "Double",
  float16: "Half",
  int64: "Long",
  int32: "Int",
};

function checkFloat(x: Tensor): void {
  if (x.dtype === float32) return;
  throw new OctetError(`Quantize only works on Float Tensor, got ${dtypeNamesInErrors[x.dtype.name] ?? x.dtype.name}`);
}

function checkQuantizedDtype(dtype: DType): void {
  if (!dtype.isQuantized) throw new OctetError(`${dtype.name} is not a quantized dtype; use quint8, qint8 or qint32`);
}

const integerTwins: readonly (readonly [quantized: DType, integer: DType])[] = [
  [quint8, uint8],
  [qint8, int8],
  [qint32, int32],
  [quint4x2, uint8],
  [quint2x4, uint8],
];

/** The plain integer dtype of the values that a quantized dtype stores. */
export function integerDtypeOf(dtype: DType): DType {
  const twin = integerTwins.find(([quantized]) => quantized === dtype);
  if (!twin) throw new OctetError(`${dtype.name} is not a quantized dtype`);
  return twin[1];
}

function quantizedDtypeOf(dtype: DType): DType {
  const twin = integerTwins.find(([, integer]) => integer === dtype);
  if (!twin) throw new OctetError(`no quantized dtype stores ${dtype.name}; use uint8, int8 or int32`);
  return twin[0];
}
