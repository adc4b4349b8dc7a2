/**
 * How integers stand for real numbers: quantization schemes, the qparams that a quantized tensor carries, and the formulas
 * for choosing qparams. The arithmetic itself is in quantize.ts. All of it follows PyTorch 2.6.
 */
import type { DType } from "./dtype.ts";
import { OctetError } from "./errors.ts";
import { roundHalfEven } from "./rounding.ts";

export type QSchemeName =
  | "per_tensor_affine"
  | "per_channel_affine"
  | "per_tensor_symmetric"
  | "per_channel_symmetric"
  | "per_channel_affine_float_qparams";

/** A quantization scheme. Compare with `===`. */
export interface QScheme {
  readonly name: QSchemeName;
  readonly isPerChannel: boolean;
  /** The zero point is the middle of the range. Only observers have symmetric schemes; tensors are affine. */
  readonly isSymmetric: boolean;
  toString(): string;
}

function scheme(name: QSchemeName): QScheme {
  return Object.freeze({
    name,
    isPerChannel: name.startsWith("per_channel"),
    isSymmetric: name.endsWith("symmetric"),
    toString: () => `torch.${name}`,
  });
}

export const perTensorAffine = scheme("per_tensor_affine");
export const perChannelAffine = scheme("per_channel_affine");
export const perTensorSymmetric = scheme("per_tensor_symmetric");
export const perChannelSymmetric = scheme("per_channel_symmetric");
/** Float zero points, added before rounding: for embeddings. */
export const perChannelAffineFloatQparams = scheme("per_channel_affine_float_qparams");

/** One scale and zero point for all elements. The scale is kept in double precision; arithmetic rounds it to float32. */
export interface PerTensorQuantizer {
  readonly qscheme: typeof perTensorAffine;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A scale and zero point for each index along `axis`. */
export interface PerChannelQuantizer {
  readonly qscheme: typeof perChannelAffine | typeof perChannelAffineFloatQparams;
  readonly scales: Float64Array | Float32Array;
  /** Whole numbers; any float32 for the float-qparams scheme. */
  readonly zeroPoints: Float64Array | Float32Array;
  readonly axis: number;
}

export type Quantizer = PerTensorQuantizer | PerChannelQuantizer;

export function isPerTensor(quantizer: Quantizer): quantizer is PerTensorQuantizer {
  return quantizer.qscheme === perTensorAffine;
}

/** A frozen per-tensor quantizer; refuses a zero point that `dtype` cannot hold, in PyTorch's words. */
export function perTensorQuantizer(op: string, scale: number, zeroPoint: number, dtype: DType): PerTensorQuantizer {
  if (!Number.isInteger(zeroPoint)) throw new OctetError(`${op}: zero_point ${zeroPoint} is not a whole number.`);
  if (zeroPoint > dtype.max) throw new OctetError(`${op}: zero_point ${zeroPoint} is above upper bound.`);
  if (zeroPoint < dtype.min) throw new OctetError(`${op}: zero_point ${zeroPoint} is below lower bound.`);
  return Object.freeze({ qscheme: perTensorAffine, scale, zeroPoint });
}

/** True if both give every integer the same meaning. */
export function sameQuantizer(a: Quantizer | null, b: Quantizer | null): boolean {
  if (a === b) return true;
  if (!a || !b || a.qscheme !== b.qscheme) return false;
  if (isPerTensor(a) || isPerTensor(b)) {
    return isPerTensor(a) && isPerTensor(b) && a.scale === b.scale && a.zeroPoint === b.zeroPoint;
  }
  const equal = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    x.length === y.length && Array.from(x).every((v, i) => v === y[i]);
  return a.axis === b.axis && equal(a.scales, b.scales) && equal(a.zeroPoints, b.zeroPoints);
}

/** The smallest scale that dynamic quantization uses: the smallest normal float16 in decimal, as float32. */
const SMALLEST_SCALE = Math.fround(6.1e-5);

export interface ChooseQparamsOptions {
  /** Halves the range, so that 16-bit accumulation of two products cannot overflow. */
  readonly reduceRange?: boolean;
  /** Makes the zero point the middle of the range when the values lie on both sides of zero. */
  readonly preserveSparsity?: boolean;
}

/**
 * Qparams as PyTorch's C++ `ChooseQuantizationParams` picks them for dynamic quantization. It is not what observers
 * compute: [−1, 1] gives zero point 128 here and 127 there, and all zeros give scale 0.1.
 *
 * `min` and `max` are float32 values, and stay so whenever they are adjusted; the rest of the arithmetic is double.
 */
export function chooseQparams(
  min: number,
  max: number,
  qmin: number,
  qmax: number,
  options: ChooseQparamsOptions = {},
): { scale: number; zeroPoint: number } {
  let [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  let [qlow, qhigh] = [qmin, qmax];
  if (options.reduceRange) [qlow, qhigh] = [Math.trunc(qmin / 2), Math.trunc(qmax / 2)];
  const symmetric = (options.preserveSparsity ?? false) && low < 0 && high > 0;
  if (symmetric) {
    const symmetricQmin = -Math.trunc((qhigh - qlow) / 2 + 1);
    const symmetricQmax = Math.trunc((qhigh - qlow) / 2);
    const reach = Math.max(Math.abs(low / symmetricQmin), Math.abs(high / symmetricQmax));
    [low, high] = [Math.fround(reach * symmetricQmin), Math.fround(reach * symmetricQmax)];
  }
  let scale = (high - low) / (qhigh - qlow);
  if (Math.fround(scale) === 0 || !Number.isFinite(1 / Math.fround(scale))) scale = 0.1;
  if (scale < SMALLEST_SCALE) {
    const amplifier = Math.fround(SMALLEST_SCALE / Math.fround(scale));
    scale = SMALLEST_SCALE;
    const widest = Math.fround(SMALLEST_SCALE * (qhigh - qlow));
    if (low === 0) high = widest;
    else if (high === 0) low = -widest;
    else [low, high] = [Math.fround(low * amplifier), Math.fround(high * amplifier)];
  }
  return { scale, zeroPoint: chooseZeroPoint(low, high, scale, qlow, qhigh, symmetric) };
}

/** Of the zero points that either end of the range suggests, the one with the smaller rounding error in double. */
function chooseZeroPoint(
  low: number,
  high: number,
  scale: number,
  qmin: number,
  qmax: number,
  symmetric: boolean,
): number {
  const fromMin = qmin - low / scale;
  const fromMax = qmax - high / scale;
  const errorOfMin = Math.abs(qmin) - Math.abs(low / scale);
  const errorOfMax = Math.abs(qmax) - Math.abs(high / scale);
  const initial = symmetric ? (qmin + qmax) / 2 : errorOfMin < errorOfMax ? fromMin : fromMax;
  if (initial < qmin) return qmin;
  return initial > qmax ? qmax : roundHalfEven(initial) + 0; // no −0
}
