/**
 * Which kernel set computes. The fastest available one is chosen at first use: in Node that is synchronous; in a browser
 * whose main thread refuses to compile synchronously, the reference serves until `await loadKernels()` has finished.
 */
import { OctetError } from "../core/errors.ts";
import type { Kernels, KernelsName } from "./kernels.ts";
import { referenceKernels } from "./reference/index.ts";
import { createWasmKernels, createWasmKernelsAsync } from "./wasm/index.ts";

let wasm: Kernels | null | undefined; // undefined: not tried yet; null: not available here
let active: Kernels | undefined;

function wasmKernels(): Kernels | null {
  if (wasm === undefined) wasm = createWasmKernels();
  return wasm;
}

/** The kernel set in use. */
export function kernels(): Kernels {
  return (active ??= wasmKernels() ?? referenceKernels);
}

/** The names that {@link setKernels} accepts on this machine. */
export function availableKernels(): KernelsName[] {
  return wasmKernels() ? ["reference", "wasm"] : ["reference"];
}

/** Chooses a kernel set by name. Throws if this engine cannot run it. */
export function setKernels(name: KernelsName): void {
  active = resolve(name);
}

/** Runs `body` with another kernel set, and restores the old one. */
export function withKernels<T>(name: KernelsName, body: () => T): T {
  const previous = active;
  active = resolve(name);
  try {
    return body();
  } finally {
    active = previous;
  }
}

/** Compiles the wasm kernels without blocking and makes them active. In Node this is never needed. */
export async function loadKernels(): Promise<KernelsName> {
  wasm ??= await createWasmKernelsAsync();
  const chosen = wasm ?? referenceKernels;
  active = chosen;
  return chosen.name;
}

function resolve(name: KernelsName): Kernels {
  const found = name === "wasm" ? wasmKernels() : name === "reference" ? referenceKernels : undefined;
  if (!found)
    throw new OctetError(`kernels "${name}" are not available here; available: ${availableKernels().join(", ")}`);
  return found;
}
