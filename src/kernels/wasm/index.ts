/**
 * The wasm kernel set: SIMD for float32 products, convolutions, elementwise functions and channel statistics that are large
 * enough to pay for the call, for the integer half of the interface (quantized.ts), and the reference for everything else. Where WebAssembly SIMD is missing there is no such set.
 */
import type { FloatArray, NumericArray } from "../../core/dtype.ts";
import type { BinaryLayout, ConvGeometry, GemmSpec, Kernels } from "../kernels.ts";
import { referenceKernels } from "../reference/index.ts";
import { channelAffine, channelCombine, channelGradSums, channelMoments } from "./channels.ts";
import { isWasmBinary, isWasmUnary } from "./code/elementwise.ts";
import { convGradInput, convGradWeight } from "./conv-gradients.ts";
import { conv } from "./conv.ts";
import { binary, planesOf, repeatedLength, unary } from "./elementwise.ts";
import { createEngine, createEngineAsync } from "./engine.ts";
import type { WasmEngine } from "./engine.ts";
import { gemm } from "./gemm.ts";
import { runOr } from "./memory.ts";
import { probeSimd } from "./probe.ts";
import { quantizedKernels } from "./quantized.ts";

export { probeSimd } from "./probe.ts";
export type { SimdVariant } from "./probe.ts";

/** Below this many multiply-adds, or elements, the reference is faster than staging and calling. */
const MIN_PRODUCTS = 512;
const MIN_ELEMENTS = 256;
/** Planes shorter than this cost more to tell apart than to compute. */
const MIN_INNER = 8;

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
  return Object.freeze({
    ...referenceKernels,
    name: "wasm",
    ...products(engine),
    ...elementwise(engine),
    ...channels(engine),
    ...quantizedKernels(engine),
  });
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

function elementwise(engine: WasmEngine): Pick<Kernels, "unary" | "binary" | "axpy"> {
  return {
    unary(name, x, out, p = 0, q = 0) {
      if (isFloat32(x) && isFloat32(out) && x.length >= MIN_ELEMENTS && isWasmUnary(name)) {
        unary(engine, name, x, out, p, q);
      } else referenceKernels.unary(name, x, out, p, q);
    },
    binary(name, layout, a, b, out, p = 0, q = 0) {
      if (isFloat32(a) && isFloat32(b) && isFloat32(out) && out.length >= MIN_ELEMENTS && isWasmBinary(name)) {
        const bLength = repeatedLength(layout);
        if (bLength !== null) {
          binary(engine, name, a, b, bLength, out, p);
          return;
        }
        if ((name === "add" || name === "mul") && byPlane(engine, name, layout, a, b, out)) return;
      }
      referenceKernels.binary(name, layout, a, b, out, p, q);
    },
    axpy<T extends FloatArray>(alpha: number, x: T, y: T): void {
      if (isFloat32(x) && isFloat32(y) && y.length >= MIN_ELEMENTS) {
        binary(engine, "addScaled", y, x, y.length, y, alpha);
      } else referenceKernels.axpy(alpha, x, y);
    },
  };
}

/** a · b or a + b with one b per plane, as x · b + 0 or x · 1 + b, which round no further. False for other layouts. */
function byPlane(
  engine: WasmEngine,
  name: "add" | "mul",
  layout: BinaryLayout,
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
): boolean {
  const planes = planesOf(layout);
  if (!planes || planes.inner < MIN_INNER) return false;
  const { n, channels, inner } = planes;
  const values = b.subarray(0, channels);
  const neutral = new Float32Array(channels).fill(name === "mul" ? 0 : 1);
  const [scale, shift] = name === "mul" ? [values, neutral] : [neutral, values];
  channelAffine(engine, a, n, channels, inner, scale, shift, out);
  return true;
}

type ChannelKernels = Pick<Kernels, "channelMoments" | "channelAffine" | "channelGradSums" | "channelCombine">;

/** Measured two to five times as fast as the reference's loops, copies included. */
function channels(engine: WasmEngine): ChannelKernels {
  const pays = (x: FloatArray, inner: number): x is Float32Array =>
    isFloat32(x) && x.length >= MIN_ELEMENTS && inner >= MIN_INNER;
  return {
    channelMoments(x, n, channels, inner, mean, variance) {
      if (pays(x, inner) && isFloat32(mean) && isFloat32(variance)) {
        channelMoments(engine, x, n, channels, inner, mean, variance);
      } else referenceKernels.channelMoments(x, n, channels, inner, mean, variance);
    },
    channelAffine(x, n, channels, inner, scale, shift, out) {
      if (pays(x, inner) && isFloat32(scale) && isFloat32(shift) && isFloat32(out)) {
        channelAffine(engine, x, n, channels, inner, scale, shift, out);
      } else referenceKernels.channelAffine(x, n, channels, inner, scale, shift, out);
    },
    channelGradSums(x, g, n, channels, inner, mean, sumG, sumGX) {
      if (pays(x, inner) && isFloat32(g) && isFloat32(mean) && isFloat32(sumG) && isFloat32(sumGX)) {
        channelGradSums(engine, x, g, n, channels, inner, mean, sumG, sumGX);
      } else referenceKernels.channelGradSums(x, g, n, channels, inner, mean, sumG, sumGX);
    },
    channelCombine(x, g, n, channels, inner, a, b, d, out) {
      if (pays(x, inner) && isFloat32(g) && isFloat32(a) && isFloat32(b) && isFloat32(d) && isFloat32(out)) {
        channelCombine(engine, x, g, n, channels, inner, a, b, d, out);
      } else referenceKernels.channelCombine(x, g, n, channels, inner, a, b, d, out);
    },
  };
}

function isFloat32(array: NumericArray): array is Float32Array {
  return array instanceof Float32Array;
}

/** Whether a convolution is large enough. An empty one is not. */
function pays(g: ConvGeometry, output: FloatArray): boolean {
  const [depth, height, width] = g.kernel;
  return output.length * (g.inChannels / g.groups) * depth * height * width >= MIN_PRODUCTS;
}
