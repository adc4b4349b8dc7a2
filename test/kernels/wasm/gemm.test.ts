import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GemmSpec } from "../../../src/kernels/kernels.ts";
import { gemm } from "../../../src/kernels/wasm/gemm.ts";
import type { WasmEngine } from "../../../src/kernels/wasm/engine.ts";
import { engines } from "./engines.ts";
import { firstError, naiveGemm, randomFloats } from "./naive.ts";

function checkGemm(engine: WasmEngine, spec: GemmSpec, seed: number): void {
  const a = randomFloats(spec.m * spec.k, seed);
  const b = randomFloats(spec.k * spec.n, seed + 1);
  const c = randomFloats(spec.m * spec.n, seed + 2);
  const expected = naiveGemm(spec, a, b, c);
  gemm(engine, spec, a, b, c);
  expect(firstError(c, expected), JSON.stringify(spec)).toBeNull();
}

const flags = [false, true];
const allSpecs = (m: number, n: number, k: number): GemmSpec[] =>
  flags.flatMap((transA) =>
    flags.flatMap((transB) => flags.map((accumulate) => ({ m, n, k, transA, transB, accumulate }))),
  );

describe.each(engines)("wasm gemm, %s", (_, engine) => {
  it("is right for every size up to 20 in one dimension", () => {
    for (let size = 1; size <= 20; size++) {
      for (const [m, n, k] of [
        [size, 9, 7],
        [36, size, 11],
        [5, 10, size],
        [33, 10, size],
        [1, size, 5],
        [size, 1, 6],
        [size, size, 1],
      ]) {
        for (const spec of allSpecs(m, n, k)) checkGemm(engine, spec, size);
      }
    }
  });

  it("is right for random sizes and flags", () => {
    const size = fc.integer({ min: 1, max: 70 });
    const spec = fc.record({
      m: size,
      n: size,
      k: size,
      transA: fc.boolean(),
      transB: fc.boolean(),
      accumulate: fc.boolean(),
    });
    fc.assert(
      fc.property(spec, fc.nat(1000), (gemmSpec, seed) => checkGemm(engine, gemmSpec, seed)),
      { numRuns: 300 },
    );
  });

  it("is right across the edges of blocks (128 rows, 256 columns and steps)", () => {
    for (const spec of allSpecs(131, 261, 259)) checkGemm(engine, spec, 1);
  });

  it("is right across the edges of pieces (2048 in each direction)", () => {
    for (const [m, n, k] of [
      [2051, 9, 5],
      [35, 2055, 7],
      [34, 7, 4101],
      [2050, 10, 2050],
    ]) {
      for (const transA of flags) {
        checkGemm(engine, { m, n, k, transA, transB: !transA, accumulate: transA }, 3);
      }
    }
  });

  it("is right for few rows whose matrix is read in several chunks", () => {
    for (const m of [1, 2, 3, 8, 31]) {
      for (const spec of allSpecs(m, 301, 403)) checkGemm(engine, spec, m);
    }
  });

  it("computes in place on arrays that lie in wasm memory", () => {
    const { memory } = engine;
    memory.frame(() => {
      const at = (count: number): Float32Array => new Float32Array(memory.memory.buffer, memory.allocate(count), count);
      for (const spec of [...allSpecs(13, 21, 17), ...allSpecs(2, 37, 9)]) {
        const [a, b, c] = [at(spec.m * spec.k), at(spec.k * spec.n), at(spec.m * spec.n)];
        const guard = at(8).fill(42);
        a.set(randomFloats(a.length, 1));
        b.set(randomFloats(b.length, 2));
        c.set(randomFloats(c.length, 3));
        const expected = naiveGemm(spec, a, b, c);
        gemm(engine, spec, a, b, c);
        expect(firstError(c, expected), JSON.stringify(spec)).toBeNull();
        expect(Array.from(guard)).toEqual(new Array(8).fill(42));
      }
    });
  });

  it("keeps infinities and NaN to the rows and columns they belong to", () => {
    const [m, n, k] = [5, 11, 6];
    for (const transB of flags) {
      const a = new Float32Array(m * k).fill(1);
      const b = new Float32Array(k * n).fill(1);
      const c = new Float32Array(m * n);
      a[2 * k + 1] = NaN;
      b[transB ? 7 * k + 3 : 3 * n + 7] = Infinity;
      gemm(engine, { m, n, k, transA: false, transB, accumulate: false }, a, b, c);
      c.forEach((value, index) => {
        const [i, j] = [Math.floor(index / n), index % n];
        expect(value).toBe(i === 2 ? NaN : j === 7 ? Infinity : k);
      });
    }
  });
});
