/**
 * Rounding to a small grid, four lanes at a time, as core/rounding.ts: half to even. 1.5 · 2^23 is a float whose unit is 1,
 * so that adding it to a value of less than 2^22 makes the hardware round; the sum's low bits are the whole number.
 */
import { f32x4, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { f32x4Constant, i16x8, i32x4, i8x16 } from "../integer-instructions.ts";

const ROUNDER = 1.5 * 2 ** 23;

/** What has to be added to a sum's bits, so that they are the whole number plus `zeroPoint`. */
export function offsetOfRounded(zeroPoint: number): number {
  return (zeroPoint - 0x4b400000) | 0;
}

/** Beyond this an integer of 64 bits is undefined: see core/quantize.ts. */
export const INT64_LIMIT = 2 ** 63;

type Vector = Value<"v128">;

/** Between whole numbers `low` and `high`, which commutes with rounding. NaN becomes `low`. */
export function clamp(x: Vector, low: Vector, high: Vector): Vector {
  return f32x4.pseudoMin(f32x4.pseudoMax(low, x), high);
}

/** Rounds, as integers: see {@link offsetOfRounded}. */
export function roundToInteger(clamped: Vector, offset: Vector): Vector {
  return i32x4.add(f32x4.add(clamped, f32x4Constant(ROUNDER)), offset);
}

/** Rounds, as floats; never to −0. */
export function roundToFloat(clamped: Vector): Vector {
  return f32x4.sub(f32x4.add(clamped, f32x4Constant(ROUNDER)), f32x4Constant(ROUNDER));
}

/**
 * Integers −128…127 as bytes, `flip` (128 in each byte, or 0) turning them into unsigned ones 128 above. Two vectors fill
 * the low eight bytes, four all sixteen.
 */
export function narrowToBytes(integers: readonly Vector[], flip: Vector): Vector {
  const halves = [0, 2].map((i) => i16x8.narrowS(integers[i % integers.length], integers[(i + 1) % integers.length]));
  return v128.xor(i8x16.narrowS(halves[0], halves[integers.length > 2 ? 1 : 0]), flip);
}
