/** What the cases share. */
import type { Kernels } from "../../src/kernels/kernels.ts";
import { createWasmKernels, probeSimd } from "../../src/kernels/wasm/index.ts";

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

/** Reproducible unsigned bytes. */
export function randomBytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from(randomFloats(length, seed), (value) => Math.floor((value + 1) * 128));
}

export function wasmKernels(): Kernels {
  const kernels = createWasmKernels();
  if (!kernels) throw new Error("octet's wasm kernels are not available in this engine");
  return kernels;
}
