import { describe, expect, it } from "vitest";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { engines } from "./engines.ts";
import { randomFloats } from "./naive.ts";

/** [n, channels, inner]: odd lengths, several planes in one staged run, planes that are staged in parts. */
const SHAPES = [
  [3, 5, 37],
  [2, 70, 64],
  [1, 3, 16384 + 5],
  [2, 2, 40001],
  [9, 1, 768],
] as const;

const channelOf = (i: number, channels: number, inner: number): number => Math.floor(i / inner) % channels;

/** Σ term(i) per channel, and Σ |term(i)|. */
function channelSums(
  length: number,
  channels: number,
  inner: number,
  term: (i: number, c: number) => number,
): { readonly sums: Float64Array; readonly magnitudes: Float64Array } {
  const [sums, magnitudes] = [new Float64Array(channels), new Float64Array(channels)];
  for (let i = 0; i < length; i++) {
    const c = channelOf(i, channels, inner);
    sums[c] += term(i, c);
    magnitudes[c] += Math.abs(term(i, c));
  }
  return { sums, magnitudes };
}

describe.each(engines)("wasm channel kernels, %s", (_, engine) => {
  const wasm = kernelsOf(engine);

  it.each(SHAPES)("mean and variance of [%i, %i, %i], far from zero", (n, channels, inner) => {
    const x = randomFloats(n * channels * inner, 1).map((value) => value + 100);
    const count = n * inner;
    const expectedMean = channelSums(x.length, channels, inner, (i) => x[i]).sums.map((sum) => sum / count);
    const squares = channelSums(x.length, channels, inner, (i, c) => (x[i] - expectedMean[c]) ** 2).sums;
    const [mean, variance] = [new Float32Array(channels), new Float32Array(channels)];
    wasm.channelMoments(x, n, channels, inner, mean, variance);
    for (let c = 0; c < channels; c++) {
      expect(mean[c]).toBe(Math.fround(expectedMean[c]));
      expect(Math.abs(variance[c] / (squares[c] / count) - 1)).toBeLessThan(1e-6);
    }
  });

  it.each(SHAPES)("gradient sums of [%i, %i, %i]", (n, channels, inner) => {
    const [x, g] = [randomFloats(n * channels * inner, 1), randomFloats(n * channels * inner, 2)];
    const mean = randomFloats(channels, 3);
    const plain = channelSums(x.length, channels, inner, (i) => g[i]);
    const weighted = channelSums(x.length, channels, inner, (i, c) => g[i] * (x[i] - mean[c]));
    const [sumG, sumGX] = [new Float32Array(channels), new Float32Array(channels)];
    wasm.channelGradSums(x, g, n, channels, inner, mean, sumG, sumGX);
    for (let c = 0; c < channels; c++) {
      expect(Math.abs(sumG[c] - plain.sums[c])).toBeLessThan(1e-7 * plain.magnitudes[c]);
      expect(Math.abs(sumGX[c] - weighted.sums[c])).toBeLessThan(1e-7 * weighted.magnitudes[c]);
    }
  });

  it.each(SHAPES)("affine map and combination over [%i, %i, %i]", (n, channels, inner) => {
    const [x, g] = [randomFloats(n * channels * inner, 1), randomFloats(n * channels * inner, 2)];
    const [a, b, d] = [randomFloats(channels, 3), randomFloats(channels, 4), randomFloats(channels, 5)];
    const [affine, combined] = [new Float32Array(x.length), new Float32Array(x.length)];
    wasm.channelAffine(x, n, channels, inner, a, b, affine);
    wasm.channelCombine(x, g, n, channels, inner, a, b, d, combined);
    for (let i = 0; i < x.length; i++) {
      const c = channelOf(i, channels, inner);
      const wrong =
        Math.abs(affine[i] - (x[i] * a[c] + b[c])) > 2 ** -22 ||
        Math.abs(combined[i] - (a[c] * g[i] + b[c] * x[i] + d[c])) > 2 ** -21;
      if (wrong) expect.fail(`element ${i}: ${affine[i]}, ${combined[i]}`);
    }
  });
});
