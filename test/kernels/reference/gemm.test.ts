import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { GemmSpec } from "../../../src/kernels/kernels.ts";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

/** Small whole numbers, so that sums are exact in any order. */
const wholeNumbers = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => ((i * 37 + seed) % 11) - 5);

/** Σ over k, written out from the definition. */
function definition(
  { m, n, k, transA, transB, accumulate }: GemmSpec,
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
) {
  return c.map((before, index) => {
    const [i, j] = [Math.floor(index / n), index % n];
    let sum = accumulate ? before : 0;
    for (let e = 0; e < k; e++) sum += (transA ? a[e * m + i] : a[i * k + e]) * (transB ? b[j * k + e] : b[e * n + j]);
    return sum;
  });
}

it("multiplies two matrices", () => {
  const c = new Float64Array(4);
  const spec = { m: 2, n: 2, k: 3, transA: false, transB: false, accumulate: false };
  kernels.gemm(spec, Float64Array.of(1, 2, 3, 4, 5, 6), Float64Array.of(7, 8, 9, 10, 11, 12), c);
  expect([...c]).toEqual([58, 64, 139, 154]);
});

it("agrees with the definition for every size, transposition and accumulation", () => {
  const size = fc.integer({ min: 0, max: 11 });
  const spec = fc.record({
    m: size,
    n: size,
    k: size,
    transA: fc.boolean(),
    transB: fc.boolean(),
    accumulate: fc.boolean(),
  });
  fc.assert(
    fc.property(spec, (spec) => {
      const [a, b] = [wholeNumbers(spec.m * spec.k, 3), wholeNumbers(spec.k * spec.n, 8)];
      const before = wholeNumbers(spec.m * spec.n, 1);
      const c = before.slice();
      kernels.gemm(spec, a, b, c);
      expect(c).toEqual(definition(spec, a, b, before));
    }),
    { numRuns: 300 },
  );
});

it("accumulates in double precision", () => {
  const c = new Float32Array(1);
  const spec = { m: 1, n: 1, k: 3, transA: false, transB: false, accumulate: false };
  kernels.gemm(spec, Float32Array.of(2 ** 30, 1, -(2 ** 30)), Float32Array.of(1, 1, 1), c);
  expect(c[0]).toBe(1);
});
