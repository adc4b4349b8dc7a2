/**
 * The one table of operators under test: name → how to call it. Every golden case of a function must have an entry here,
 * and every entry a golden case; modules need one only where the general way of making and calling them does not do.
 */
import { elementwiseCases } from "./elementwise.ts";
import type { OpCase, OpTable } from "./types.ts";

/** One table per family of operators. */
const tables: readonly OpTable[] = [elementwiseCases];

function merge(parts: readonly OpTable[]): ReadonlyMap<string, OpCase> {
  const merged = new Map<string, OpCase>();
  for (const [name, entry] of parts.flatMap((part) => Object.entries(part))) {
    if (merged.has(name)) throw new Error(`op-cases: ${name} stands in two tables`);
    merged.set(name, entry);
  }
  return merged;
}

export const opCases = merge(tables);
