/** What the cases share. */
import { probeSimd } from "../../src/kernels/wasm/index.ts";

/** "octet" with the SIMD variant that its wasm kernels use here. */
export function octetName(detail = ""): string {
  return `octet (${probeSimd() ?? "no SIMD"}${detail})`;
}

/** Reproducible values in [−1, 1). */
export function randomFloats(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
