/** Values as Python prints them, for `extraRepr`. */
import { OctetError } from "../core/errors.ts";

/** A float as Python's `repr`: `0.1`, `2.0`, `1e-05`. */
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

export function pythonBool(value: boolean): string {
  return value ? "True" : "False";
}

/** Whole numbers, null (`None`), strings in quotes, and lists of them as tuples: `3`, `(3, 3)`, `(3,)`. */
export function pythonValue(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return pythonBool(value);
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) {
    const items = value.map(pythonValue);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  throw new OctetError(`pythonValue: cannot print a ${typeof value}`);
}
