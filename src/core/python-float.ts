/** Floats as Python prints them. */

/** Python's `repr` of a float: `0.1`, `2.0`, `1e-05`. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [mantissa, exponent] = value.toExponential().split("e");
    const digits = Math.abs(Number(exponent)).toString().padStart(2, "0");
    return `${mantissa}e${Number(exponent) < 0 ? "-" : "+"}${digits}`;
  }
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
