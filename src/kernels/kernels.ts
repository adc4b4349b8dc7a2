/**
 * The kernels interface: who computes. A kernel set implements these functions over contiguous typed arrays; it never
 * sees a Tensor. `reference/` is plain TypeScript and the living definition; `wasm/` replaces what SIMD makes faster and
 * falls back to the reference for the rest (every float64 call among it).
 *
 * Conventions: arrays are contiguous and start at index 0 (pass a subarray for an offset). Outputs never overlap inputs,
 * unless a comment says that they may. Sizes have been checked by the caller: kernels do not validate. Float arguments of
 * one call all have the same type. Float kernels may sum in any order; integer kernels agree byte for byte.
 */
import type { FloatArray, NumericArray } from "../core/dtype.ts";
import type { ConvGeometry, PoolGeometry } from "./geometry.ts";
import type { QuantizedKernels } from "./quantized-kernels.ts";
import type { BinaryName, UnaryName } from "./reference/scalar-functions.ts";

export type { BinaryName, ConvGeometry, PoolGeometry, UnaryName };

export type KernelsName = "reference" | "wasm";

/** C[m, n] = op(A)[m, k] · op(B)[k, n] (+ C if `accumulate`) (+ bias). All row-major. */
export interface GemmSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A is stored [k, m] instead of [m, k]. */
  readonly transA: boolean;
  /** B is stored [n, k] instead of [k, n]. */
  readonly transB: boolean;
  /** Adds to what C holds instead of overwriting it. */
  readonly accumulate: boolean;
}

/** How average pooling divides a window's sum; see `torch.nn.AvgPool2d`. */
export interface AveragePolicy {
  readonly countIncludePad: boolean;
  /** Divides by this instead of the window's size. */
  readonly divisorOverride: number | null;
}

/** Shape and element strides of a strided binary loop; the output is contiguous. Stride 0 repeats an element. */
export interface BinaryLayout {
  readonly shape: readonly number[];
  readonly aStrides: readonly number[];
  readonly bStrides: readonly number[];
}

/** Names of the reductions along the middle of a [outer, n, inner] array. */
export type ReduceName = "sum" | "prod" | "max" | "min" | "any" | "all";

export interface Kernels extends QuantizedKernels {
  readonly name: KernelsName;

  // ---- matrix product and convolution
  gemm<T extends FloatArray>(spec: GemmSpec, a: T, b: T, c: T): void;
  /** output = conv(input, weight) + bias. */
  conv<T extends FloatArray>(g: ConvGeometry, input: T, weight: T, bias: T | null, output: T): void;
  /** gradInput = gradient of conv by its input: also the forward pass of a transposed convolution. Overwrites. */
  convGradInput<T extends FloatArray>(g: ConvGeometry, gradOutput: T, weight: T, gradInput: T): void;
  /** gradWeight = gradient of conv by its weight. Overwrites. */
  convGradWeight<T extends FloatArray>(g: ConvGeometry, input: T, gradOutput: T, gradWeight: T): void;

  // ---- elementwise
  /** out[i] = f(x[i], p, q); `out` may be `x`. `p`, `q` are the function's parameters (slope, limits, …). */
  unary(name: UnaryName, x: NumericArray, out: NumericArray, p?: number, q?: number): void;
  /** out = f(a, b, p, q) over a strided, broadcast layout; `out` may be an operand read with contiguous strides. */
  binary(
    name: BinaryName,
    layout: BinaryLayout,
    a: NumericArray,
    b: NumericArray,
    out: NumericArray,
    p?: number,
    q?: number,
  ): void;
  /** y += alpha · x. */
  axpy<T extends FloatArray>(alpha: number, x: T, y: T): void;

  // ---- reductions and softmax over x viewed as [outer, n, inner]
  /** Float sums and products are accumulated in double precision. */
  reduce(name: ReduceName, x: NumericArray, outer: number, n: number, inner: number, out: NumericArray): void;
  /** As max/min, with the first index at which the extreme stands (a NaN wins). */
  reduceIndex(
    name: "max" | "min",
    x: NumericArray,
    outer: number,
    n: number,
    inner: number,
    values: NumericArray,
    indices: NumericArray,
  ): void;
  /** out = softmax(x), or its logarithm. */
  softmax<T extends FloatArray>(x: T, outer: number, n: number, inner: number, out: T, log: boolean): void;
  /** gradX from gradOut and the forward pass's output. */
  softmaxGrad<T extends FloatArray>(
    gradOut: T,
    out: T,
    outer: number,
    n: number,
    inner: number,
    gradX: T,
    log: boolean,
  ): void;

  // ---- channel statistics of x viewed as [n, channels, inner]: every normalization is built from these
  /** Mean and biased variance of each channel, in two passes. */
  channelMoments<T extends FloatArray>(x: T, n: number, channels: number, inner: number, mean: T, variance: T): void;
  /** out = x · scale[c] + shift[c]. */
  channelAffine<T extends FloatArray>(
    x: T,
    n: number,
    channels: number,
    inner: number,
    scale: T,
    shift: T,
    out: T,
  ): void;
  /** sumG[c] = Σ g, sumGX[c] = Σ g · (x − mean[c]). */
  channelGradSums<T extends FloatArray>(
    x: T,
    g: T,
    n: number,
    channels: number,
    inner: number,
    mean: T,
    sumG: T,
    sumGX: T,
  ): void;
  /** out = a[c] · g + b[c] · x + d[c]. */
  channelCombine<T extends FloatArray>(
    x: T,
    g: T,
    n: number,
    channels: number,
    inner: number,
    a: T,
    b: T,
    d: T,
    out: T,
  ): void;

  // ---- pooling
  /** Also writes each maximum's flat position inside its plane. Padding never wins; NaN always does. */
  maxPool(g: PoolGeometry, input: NumericArray, output: NumericArray, indices: Int32Array): void;
  /** gradInput[indices] += gradOutput, plane by plane, over zeros. */
  maxPoolGrad<T extends FloatArray>(
    planes: number,
    inPlane: number,
    outPlane: number,
    gradOutput: T,
    indices: Int32Array,
    gradInput: T,
  ): void;
  avgPool<T extends FloatArray>(g: PoolGeometry, policy: AveragePolicy, input: T, output: T): void;
  avgPoolGrad<T extends FloatArray>(g: PoolGeometry, policy: AveragePolicy, gradOutput: T, gradInput: T): void;
}
