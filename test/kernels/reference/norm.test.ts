import { describe, expect, it } from "vitest";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

// [n = 2, channels = 2, inner = 3]
const x = Float64Array.of(1, 2, 3, 10, 10, 10, 4, 5, 6, 10, 10, 40);
const g = Float64Array.of(1, 0, -1, 2, 2, 2, 1, 1, 1, 0, 0, 3);

describe("channelMoments", () => {
  it("gives each channel's mean and biased variance", () => {
    const [mean, variance] = [new Float64Array(2), new Float64Array(2)];
    kernels.channelMoments(x, 2, 2, 3, mean, variance);
    expect([...mean]).toEqual([3.5, 15]);
    expect(variance[0]).toBeCloseTo(17.5 / 6, 14);
    expect(variance[1]).toBe(125);
  });

  it("keeps a small variance around a large mean", () => {
    const large = Float32Array.from({ length: 1000 }, (_, i) => 1e6 + (i % 2));
    const [mean, variance] = [new Float32Array(1), new Float32Array(1)];
    kernels.channelMoments(large, 10, 1, 100, mean, variance);
    expect([mean[0], variance[0]]).toEqual([1000000.5, 0.25]);
  });
});

it("channelAffine scales and shifts each channel", () => {
  const out = new Float64Array(12);
  kernels.channelAffine(x, 2, 2, 3, Float64Array.of(2, -1), Float64Array.of(1, 0), out);
  expect([...out]).toEqual([3, 5, 7, -10, -10, -10, 9, 11, 13, -10, -10, -40]);
});

it("channelGradSums sums gradients, plain and weighted by the distance from the mean", () => {
  const [sumG, sumGX] = [new Float64Array(2), new Float64Array(2)];
  kernels.channelGradSums(x, g, 2, 2, 3, Float64Array.of(3, 10), sumG, sumGX);
  expect([...sumG]).toEqual([3, 9]);
  expect([...sumGX]).toEqual([-2 - 0 + 1 + 2 + 3, 90]);
});

it("channelCombine mixes gradient, input and a constant", () => {
  const out = new Float64Array(12);
  kernels.channelCombine(x, g, 2, 2, 3, Float64Array.of(2, 1), Float64Array.of(1, -1), Float64Array.of(0, 5), out);
  expect([...out]).toEqual([3, 2, 1, -3, -3, -3, 6, 7, 8, -5, -5, -32]);
});
