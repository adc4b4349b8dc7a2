/** The wasm kernel set: SIMD replacements for the reference's hot loops. */
import type { Kernels } from "../kernels.ts";

export function createWasmKernels(): Kernels | null {
  return null;
}

export async function createWasmKernelsAsync(): Promise<Kernels | null> {
  return null;
}
