/** Ranges and histograms of the wasm kernels: the reference's, bit for bit. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChannelLayout } from "../../../src/kernels/quantized-kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { firstDifference } from "./bytes.ts";
import { engines } from "./engines.ts";
import { randomFloats } from "./naive.ts";

/** Values that comparisons treat specially. */
const SPECIAL = [0, -0, NaN, Infinity, -Infinity, 1e-45, -3e38];

/** Floats in [−1, 1), some of them replaced by special values; `positive` ones as after a ReLU. */
function floats(length: number, seed: number, special: readonly number[], positive: boolean): Float32Array {
  const values = randomFloats(length, seed);
  if (positive) for (let i = 0; i < length; i++) values[i] = Math.max(0, values[i]);
  const places = randomFloats(special.length, seed + 1);
  special.forEach((value, i) => (values[Math.floor(((places[i] + 1) / 2) * length)] = value));
  return values;
}

const specials = fc.array(fc.constantFrom(...SPECIAL), { maxLength: 4 });
const layouts = fc.oneof(
  fc.record({ outer: fc.constant(1), channels: fc.constant(1), inner: fc.integer({ min: 256, max: 40000 }) }),
  fc.record({
    outer: fc.integer({ min: 1, max: 5 }),
    channels: fc.integer({ min: 1, max: 9 }),
    inner: fc.constantFrom(8, 9, 17, 31, 64, 257, 8192, 8193),
  }),
  fc.record({
    outer: fc.integer({ min: 40, max: 300 }),
    channels: fc.integer({ min: 1, max: 70 }),
    inner: fc.constantFrom(1, 1, 1, 3),
  }),
);

describe.each(engines)("wasm observers, %s", (_, engine) => {
  const kernels = kernelsOf(engine);

  it("finds the smallest and largest values, the sign of zero and NaN included", () => {
    const check = (layout: ChannelLayout, seed: number, special: readonly number[], positive: boolean): void => {
      const x = floats(layout.outer * layout.channels * layout.inner, seed, special, positive);
      const range = (): Float32Array => new Float32Array(layout.channels);
      const [min, max, expectedMin, expectedMax] = [range(), range(), range(), range()];
      kernels.minMax(x, layout, min, max);
      referenceKernels.minMax(x, layout, expectedMin, expectedMax);
      expect(firstDifference(min, expectedMin)).toBeNull();
      expect(firstDifference(max, expectedMax)).toBeNull();
    };
    fc.assert(fc.property(layouts, fc.nat(1000), specials, fc.boolean(), check), { numRuns: 200 });
  });

  it("keeps the sign of the zero that comes first", () => {
    const layout = { outer: 1, channels: 1, inner: 1000 };
    for (const [first, second] of [
      [0, -0],
      [-0, 0],
    ]) {
      const x = new Float32Array(1000).fill(1);
      x[3] = first;
      x[998] = second;
      const [min, max] = [new Float32Array(1), new Float32Array(1)];
      kernels.minMax(x, layout, min, max);
      expect(min[0]).toBe(first);
    }
  });

  it("counts what the reference counts, into any bins of any range", () => {
    const limits = fc.tuple(fc.float({ min: -2, max: 2, noNaN: true }), fc.float({ min: -2, max: 2, noNaN: true }));
    const bins = fc.constantFrom(1, 2, 3, 7, 256, 2048, 65536, 65537);
    const check = (
      length: number,
      [a, b]: [number, number],
      binCount: number,
      seed: number,
      special: readonly number[],
      positive: boolean,
    ): void => {
      const x = floats(length, seed, special, positive);
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      x[0] = min;
      x[length - 1] = max;
      const counts = new Float32Array(binCount).fill(1);
      const expected = counts.slice();
      kernels.histogram(x, min, max, counts);
      referenceKernels.histogram(x, min, max, expected);
      expect(firstDifference(counts, expected)).toBeNull();
    };
    const length = fc.integer({ min: 256, max: 20000 });
    fc.assert(fc.property(length, limits, bins, fc.nat(1000), specials, fc.boolean(), check), { numRuns: 150 });
  });

  it("leaves ranges that float32 cannot divide to the reference", () => {
    const x = randomFloats(1000, 1);
    for (const [min, max] of [
      [-3e38, 3e38],
      [0.1, 0.9],
      [0.5, 0.5],
      [-1e-45, 1e-45],
      [0, Infinity],
    ]) {
      const [counts, expected] = [new Float32Array(64), new Float32Array(64)];
      kernels.histogram(x, min, max, counts);
      referenceKernels.histogram(x, min, max, expected);
      expect(firstDifference(counts, expected)).toBeNull();
    }
  });
});
