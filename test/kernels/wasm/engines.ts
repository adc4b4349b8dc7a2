/** The SIMD variants that this JavaScript engine runs: both, or (Node 20 without a flag) only the plain one. */
import { createEngine } from "../../../src/kernels/wasm/engine.ts";
import type { WasmEngine } from "../../../src/kernels/wasm/engine.ts";
import { probeSimd } from "../../../src/kernels/wasm/probe.ts";
import type { SimdVariant } from "../../../src/kernels/wasm/probe.ts";

const variants: readonly SimdVariant[] = probeSimd() === "relaxed-simd" ? ["simd", "relaxed-simd"] : ["simd"];

export const engines: readonly (readonly [SimdVariant, WasmEngine])[] = variants.map((variant) => [
  variant,
  createEngine(variant),
]);
