/** Comparing results that must agree in every bit, and making bytes to compute with. */
import type { NumericArray } from "../../../src/core/dtype.ts";
import type { ByteArray } from "../../../src/kernels/quantized-kernels.ts";

/** Where two arrays differ first (0 and −0 do, two NaN do not), or null. */
export function firstDifference(actual: NumericArray, expected: NumericArray): string | null {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`;
  for (let i = 0; i < actual.length; i++) {
    if (!Object.is(actual[i], expected[i])) return `[${i}] is ${actual[i]}, not ${expected[i]}`;
  }
  return null;
}

/** How bytes are drawn: all alike, only the extremes, or any. */
export type Spread = "any" | "extremes" | "smallest" | "largest";

export const SPREADS: readonly Spread[] = ["any", "extremes", "smallest", "largest"];

/** Reproducible bytes. */
export function randomBytes(length: number, seed: number, signed: boolean, spread: Spread): ByteArray {
  let state = (seed * 2654435761 + 1) >>> 0;
  const [low, high] = signed ? [-128, 127] : [0, 255];
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (spread === "smallest") return low;
    if (spread === "largest") return high;
    if (spread === "extremes") return state >>> 31 ? low : high;
    return low + (state >>> 24);
  };
  return signed ? Int8Array.from({ length }, next) : Uint8Array.from({ length }, next);
}
