/** Values as Python prints them, for `extraRepr`. */
import { OctetError } from "../core/errors.ts";

export { pythonFloat } from "../core/python-float.ts";

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
