/**
 * The arithmetic of quantization, each formula once, in float32 where PyTorch 2.6 computes in float32. Kernel sets cite
 * these; docs/numerics.md lists them with their sources.
 */
import { roundHalfEven } from "./rounding.ts";

/** What PyTorch multiplies by to quantize: the float32 reciprocal of the float32 scale. Dividing gives other ties. */
export function inverseScale(scale: number): number {
  return Math.fround(1 / Math.fround(scale));
}

/** Beyond this a C cast to int64 is undefined, and gives the smallest integer on the machines that PyTorch runs on. */
const INT64_LIMIT = 9223372036854775808;

/**
 * clamp(zeroPoint + nearbyint(x · inverse), qmin, qmax): rounds half to even, then adds the zero point, in float32. NaN and
 * ±∞ give qmin. `x` is a float32 value.
 */
export function quantizeValue(x: number, inverse: number, zeroPoint: number, qmin: number, qmax: number): number {
  const rounded = roundHalfEven(Math.fround(x * inverse));
  if (!(rounded > -INT64_LIMIT && rounded < INT64_LIMIT)) return qmin;
  const q = Math.fround(zeroPoint + rounded);
  return q < qmin ? qmin : q > qmax ? qmax : q;
}

/** clamp(nearbyint(x · inverse + zeroPoint), qmin, qmax): float zero points are added before rounding. */
export function quantizeValueFloatZeroPoint(
  x: number,
  inverse: number,
  zeroPoint: number,
  qmin: number,
  qmax: number,
): number {
  const q = roundHalfEven(Math.fround(Math.fround(x * inverse) + zeroPoint));
  if (!(q > -INT64_LIMIT && q < INT64_LIMIT)) return qmin;
  return q < qmin ? qmin : q > qmax ? qmax : q;
}

/** (q − zeroPoint) · float32(scale), rounded to float32. */
export function dequantizeValue(q: number, scale: number, zeroPoint: number): number {
  return Math.fround(Math.fround(q - zeroPoint) * Math.fround(scale));
}

function identity(x: number): number {
  return x;
}

/**
 * The integer that fake quantization rounds x to before it clamps: zeroPoint + nearbyint(x · inverse), or with a float zero
 * point nearbyint(zeroPoint + x · inverse). `single`: x is float32 and so is the arithmetic; otherwise it is double. What
 * no 64-bit integer can hold, NaN and ±∞ included, becomes the smallest one.
 */
export function fakeQuantizedInteger(
  x: number,
  inverse: number,
  zeroPoint: number,
  floatZeroPoint: boolean,
  single: boolean,
): number {
  const product = x * inverse; // exact in double if single
  const rounded = single ? Math.fround : identity;
  const q = floatZeroPoint
    ? roundHalfEven(Math.fround(product + zeroPoint)) // one fused multiply-add
    : rounded(roundHalfEven(rounded(product)) + zeroPoint);
  return q > -INT64_LIMIT && q < INT64_LIMIT ? q : -INT64_LIMIT;
}
