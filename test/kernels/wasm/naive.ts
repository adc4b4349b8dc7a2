/**
 * Slow double-precision loops that the wasm kernels are compared with, written from the definitions alone, and the error
 * bound: |error| ≤ 1e-6 · Σ |a| · |b|, which is what float32 rounding leaves of a sum in any order (2⁻²⁴ per operation).
 */
import type { ConvGeometry, GemmSpec } from "../../../src/kernels/kernels.ts";

/** A sum, and the sum of its terms' magnitudes. */
export interface NaiveResult {
  readonly values: Float64Array;
  readonly magnitudes: Float64Array;
}

function emptyResult(length: number): NaiveResult {
  return { values: new Float64Array(length), magnitudes: new Float64Array(length) };
}

function addTerm({ values, magnitudes }: NaiveResult, i: number, term: number): void {
  values[i] += term;
  magnitudes[i] += Math.abs(term);
}

export function naiveGemm(spec: GemmSpec, a: Float32Array, b: Float32Array, c: Float32Array): NaiveResult {
  const { m, n, k, transA, transB, accumulate } = spec;
  const result = emptyResult(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      if (accumulate) addTerm(result, i * n + j, c[i * n + j]);
      for (let t = 0; t < k; t++) {
        addTerm(result, i * n + j, a[transA ? t * m + i : i * k + t] * b[transB ? j * k + t : t * n + j]);
      }
    }
  }
  return result;
}

/** Calls `body` with the flat indices of input, weight and output of every product in a convolution. */
function eachProduct(g: ConvGeometry, body: (input: number, weight: number, output: number) => void): void {
  const inPerGroup = g.inChannels / g.groups;
  const outPerGroup = g.outChannels / g.groups;
  for (let n = 0; n < g.batch; n++) {
    for (let oc = 0; oc < g.outChannels; oc++) {
      for (let ic = 0; ic < inPerGroup; ic++) {
        const inChannel = Math.floor(oc / outPerGroup) * inPerGroup + ic;
        eachPosition(g, (at, from, tap) => {
          const input = n * g.inChannels + inChannel;
          body(
            flat(input, from, g.inSize),
            flat(oc * inPerGroup + ic, tap, g.kernel),
            flat(n * g.outChannels + oc, at, g.outSize),
          );
        });
      }
    }
  }
}

type Position = readonly [number, number, number];

function flat(plane: number, [z, y, x]: Position, size: Position): number {
  return ((plane * size[0] + z) * size[1] + y) * size[2] + x;
}

/** Every output position with every kernel position whose input position exists. */
function eachPosition(g: ConvGeometry, body: (at: Position, from: Position, tap: Position) => void): void {
  for (const at of positions(g.outSize)) {
    for (const tap of positions(g.kernel)) {
      const from = [0, 1, 2].map((d) => at[d] * g.stride[d] + tap[d] * g.dilation[d] - g.padding[d]);
      if (from.every((value, d) => value >= 0 && value < g.inSize[d])) body(at, [from[0], from[1], from[2]], tap);
    }
  }
}

function positions(size: Position): Position[] {
  const all: Position[] = [];
  for (let z = 0; z < size[0]; z++) {
    for (let y = 0; y < size[1]; y++) for (let x = 0; x < size[2]; x++) all.push([z, y, x]);
  }
  return all;
}

export function naiveConv(
  g: ConvGeometry,
  input: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  outputLength: number,
): NaiveResult {
  const result = emptyResult(outputLength);
  const plane = outputLength / (g.batch * g.outChannels);
  if (bias) for (let i = 0; i < outputLength; i++) addTerm(result, i, bias[Math.floor(i / plane) % g.outChannels]);
  eachProduct(g, (x, w, y) => addTerm(result, y, input[x] * weight[w]));
  return result;
}

export function naiveConvGradInput(
  g: ConvGeometry,
  gradOutput: Float32Array,
  weight: Float32Array,
  inputLength: number,
): NaiveResult {
  const result = emptyResult(inputLength);
  eachProduct(g, (x, w, y) => addTerm(result, x, gradOutput[y] * weight[w]));
  return result;
}

export function naiveConvGradWeight(
  g: ConvGeometry,
  input: Float32Array,
  gradOutput: Float32Array,
  weightLength: number,
): NaiveResult {
  const result = emptyResult(weightLength);
  eachProduct(g, (x, w, y) => addTerm(result, w, input[x] * gradOutput[y]));
  return result;
}

/** The first element outside the bound, in words, or null. */
export function firstError(actual: Float32Array, { values, magnitudes }: NaiveResult): string | null {
  for (let i = 0; i < values.length; i++) {
    const error = Math.abs(actual[i] - values[i]);
    if (!(error <= 1e-6 * magnitudes[i] + 1e-30)) return `[${i}]: ${actual[i]}, expected ${values[i]}`;
  }
  return actual.length === values.length ? null : `length ${actual.length}, expected ${values.length}`;
}

/** Reproducible values in [−1, 1). */
export function randomFloats(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
