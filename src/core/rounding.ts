/** Rounding, defined once. Every quantized kernel and observer cites this file. */

/**
 * Rounds half to even, as C's `nearbyint` does in the default rounding mode. Exact for every double: above 2^52 a
 * double is already an integer, and below it adding and subtracting 2^52 makes the hardware do the rounding.
 * NaN and ±Infinity are returned unchanged; the sign of zero is kept.
 */
export function roundHalfEven(x: number): number {
  const magic = x < 0 ? -4503599627370496 : 4503599627370496;
  if (!(x > -4503599627370496 && x < 4503599627370496)) return x;
  const rounded = x + magic - magic;
  return rounded === 0 ? x * 0 : rounded;
}
