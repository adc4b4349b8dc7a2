/**
 * The wasm kernel set: SIMD for the float32 products and convolutions that are large enough to pay for the call, and the
 * reference for everything else. Where WebAssembly SIMD is missing there is no such set.
 */
import type { FloatArray } from "../../core/dtype.ts";
import type { ConvGeometry, GemmSpec, Kernels } from "../kernels.ts";
import { referenceKernels } from "../reference/index.ts";
import { convGradInput, convGradWeight } from "./conv-gradients.ts";
import { conv } from "./conv.ts";
import { createEngine, createEngineAsync } from "./engine.ts";
import type { WasmEngine } from "./engine.ts";
import { gemm } from "./gemm.ts";
import { StagingError } from "./memory.ts";
import { probeSimd } from "./probe.ts";

export { probeSimd } from "./probe.ts";
export type { SimdVariant } from "./probe.ts";

/** Below this many multiply-adds the reference is faster than staging and calling. */
const MIN_PRODUCTS = 4096;

/** Compiles on the spot. Null where SIMD is missing, and where a browser's main thread refuses to compile synchronously. */
export function createWasmKernels(): Kernels | null {
  const variant = probeSimd();
  if (variant === null) return null;
  try {
    return kernelsOf(createEngine(variant));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

export async function createWasmKernelsAsync(): Promise<Kernels | null> {
  const variant = probeSimd();
  return variant === null ? null : kernelsOf(await createEngineAsync(variant));
}

/** The kernel set that runs on an engine. */
export function kernelsOf(engine: WasmEngine): Kernels {
  return Object.freeze({ ...referenceKernels, name: "wasm", ...products(engine) });
}

function products(engine: WasmEngine): Pick<Kernels, "gemm" | "conv" | "convGradInput" | "convGradWeight"> {
  return {
    gemm<T extends FloatArray>(spec: GemmSpec, a: T, b: T, c: T): void {
      const fallback = (): void => referenceKernels.gemm(spec, a, b, c);
      if (isFloat32(a) && isFloat32(b) && isFloat32(c) && spec.m * spec.n * spec.k >= MIN_PRODUCTS) {
        runOr(fallback, () => gemm(engine, spec, a, b, c));
      } else fallback();
    },
    conv<T extends FloatArray>(g: ConvGeometry, input: T, weight: T, bias: T | null, output: T): void {
      const fallback = (): void => referenceKernels.conv(g, input, weight, bias, output);
      const biasFits = bias === null || isFloat32(bias);
      if (isFloat32(input) && isFloat32(weight) && biasFits && isFloat32(output) && pays(g, output)) {
        runOr(fallback, () => conv(engine, g, input, weight, bias, output));
      } else fallback();
    },
    convGradInput<T extends FloatArray>(g: ConvGeometry, gradOutput: T, weight: T, gradInput: T): void {
      const fallback = (): void => referenceKernels.convGradInput(g, gradOutput, weight, gradInput);
      if (isFloat32(gradOutput) && isFloat32(weight) && isFloat32(gradInput) && pays(g, gradOutput)) {
        runOr(fallback, () => convGradInput(engine, g, gradOutput, weight, gradInput));
      } else fallback();
    },
    convGradWeight<T extends FloatArray>(g: ConvGeometry, input: T, gradOutput: T, gradWeight: T): void {
      const fallback = (): void => referenceKernels.convGradWeight(g, input, gradOutput, gradWeight);
      if (isFloat32(input) && isFloat32(gradOutput) && isFloat32(gradWeight) && pays(g, gradOutput)) {
        runOr(fallback, () => convGradWeight(engine, g, input, gradOutput, gradWeight));
      } else fallback();
    },
  };
}

function isFloat32(array: FloatArray): array is Float32Array {
  return array instanceof Float32Array;
}

/** Whether a convolution is large enough. An empty one is not. */
function pays(g: ConvGeometry, output: FloatArray): boolean {
  const [depth, height, width] = g.kernel;
  return output.length * (g.inChannels / g.groups) * depth * height * width >= MIN_PRODUCTS;
}

/** Runs `body`, or `fallback` if the staging memory cannot hold what the call needs; nothing has been written by then. */
function runOr(fallback: () => void, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof StagingError)) throw error;
    fallback();
  }
}
