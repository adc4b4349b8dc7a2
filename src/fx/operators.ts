/**
 * Functions that graphs hold for what the language itself does with values that are no tensors: taking items and
 * attributes, arithmetic and comparison of numbers. In a traced model write `operators.mul(n, 2)` where `n` is a size:
 * `n * 2` would need the number, which is not known yet.
 */
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import { traceable } from "../ops/op.ts";
import type { Index } from "../ops/subscript.ts";
import { index as tensorIndex } from "../ops/subscript.ts";
import { Tensor } from "../tensor/tensor.ts";
import { hasSideEffect } from "./node.ts";
import { camelCase } from "./names.ts";
import type { TargetFunction } from "./targets.ts";
import { printAs } from "./targets.ts";

function operator<F extends TargetFunction>(name: string, run: F): F {
  return printAs(traceable(name, run), `operator.${name}`);
}

/**
 * `value[index]`: an entry of an array (negative numbers count from the end), a property of an object, or what a tensor's
 * subscripts take; several of these stand in an array, as in Python.
 */
export const getitem = operator("getitem", (value: unknown, index: unknown): unknown => {
  if (value instanceof Tensor) return tensorIndex(value, ...((Array.isArray(index) ? index : [index]) as Index[]));
  if (value instanceof Map) return value.get(index) as unknown;
  if (Array.isArray(value)) {
    const at = typeof index === "number" && index < 0 ? value.length + index : Number(index);
    if (!(at in value))
      throw new OctetError(`getitem: index ${String(index)} is out of range for ${value.length} items`);
    return value[at] as unknown;
  }
  return propertyOf("getitem", value, String(index));
});

/** `value.name`, with `name` spelled as in PyTorch (`requires_grad`) or as here. */
export const getattr = printAs(
  traceable("getattr", (value: unknown, name: string): unknown => {
    const key = camelCase(name);
    const isOwnSpelling = typeof value === "object" && value !== null && name in value;
    return propertyOf("getattr", value, isOwnSpelling ? name : key);
  }),
  "builtins.getattr",
);

function propertyOf(op: string, value: unknown, key: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || !(key in value)) {
    throw new OctetError(`${op}: ${value === null ? "null" : typeof value} has no "${key}"`);
  }
  const found = (value as Record<string, unknown>)[key];
  // Not even by a graph from a file may one get from a value to its constructor, and from there to running any text.
  if (typeof found === "function" && !(found instanceof Module)) {
    throw new OctetError(`${op}: "${key}" is a function; only what holds data can be asked for`);
  }
  return found;
}

/** An array of the given items, as one value of a graph. */
export const tuple = printAs(
  traceable("tuple", (items: readonly unknown[]): readonly unknown[] => items),
  "builtins.tuple",
);

// ---------------------------------------------------------------- numbers

export const add = operator("add", (a: number, b: number): number => a + b);
export const sub = operator("sub", (a: number, b: number): number => a - b);
export const mul = operator("mul", (a: number, b: number): number => a * b);
export const truediv = operator("truediv", (a: number, b: number): number => a / b);
export const floordiv = operator("floordiv", (a: number, b: number): number => Math.floor(a / b));
/** The remainder with the sign of `b`, as Python's `%`. */
export const mod = operator("mod", (a: number, b: number): number => a - b * Math.floor(a / b));
export const neg = operator("neg", (a: number): number => -a);
export const eq = operator("eq", (a: unknown, b: unknown): boolean => a === b);
export const ne = operator("ne", (a: unknown, b: unknown): boolean => a !== b);
export const lt = operator("lt", (a: number, b: number): boolean => a < b);
export const le = operator("le", (a: number, b: number): boolean => a <= b);
export const gt = operator("gt", (a: number, b: number): boolean => a > b);
export const ge = operator("ge", (a: number, b: number): boolean => a >= b);

// ---------------------------------------------------------------- checks that a graph keeps

/** Fails with `message` unless `condition` is true (`torch._assert`). */
export const assertTrue = hasSideEffect(
  printAs(
    traceable("_assert", (condition: boolean, message: string): void => {
      if (!condition) throw new OctetError(message);
    }),
    "torch._assert",
  ),
);

/** Fails with `message` unless `value` is null or missing. */
export const assertIsNone = hasSideEffect(
  printAs(
    traceable("_assertIsNone", (value: unknown, message: string): void => {
      if (value !== null && value !== undefined) throw new OctetError(message);
    }),
    "torch.fx._symbolic_trace._assert_is_none",
  ),
);
