import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../../src/core/dtype.ts";
import type { ReduceName } from "../../../src/kernels/kernels.ts";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

function reduced(name: ReduceName, x: NumericArray, shape: [number, number, number], out: NumericArray): number[] {
  kernels.reduce(name, x, ...shape, out);
  return [...out];
}

describe("reduce", () => {
  const x = Float32Array.of(1, -2, 3, 4, 5, -6, 7, 8, -9, 10, 11, 12);

  it.each<[ReduceName, number[]]>([
    ["sum", [1 + 3 + 5, -2 + 4 - 6, 7 - 9 + 11, 8 + 10 + 12]],
    ["prod", [15, 48, -693, 960]],
    ["max", [5, 4, 11, 12]],
    ["min", [1, -6, -9, 8]],
  ])("%s runs along the middle of [outer, n, inner]", (name, want) => {
    expect(reduced(name, x, [2, 3, 2], new Float32Array(4))).toEqual(want);
  });

  it("sums contiguous lines", () => {
    expect(reduced("sum", x, [3, 4, 1], new Float32Array(3))).toEqual([6, 14, 24]);
  });

  it("lets NaN win", () => {
    const withNaN = Float32Array.of(1, NaN, 3, NaN, 5, 6);
    expect(reduced("max", withNaN, [2, 3, 1], new Float32Array(2))).toEqual([NaN, NaN]);
    expect(reduced("min", withNaN, [3, 2, 1], new Float32Array(3))).toEqual([NaN, NaN, 5]);
  });

  it("any and all count NaN as true", () => {
    const bools = Float32Array.of(0, 0, NaN, 0, 2, NaN);
    expect(reduced("any", bools, [3, 2, 1], new Uint8Array(3))).toEqual([0, 1, 1]);
    expect(reduced("all", bools, [3, 2, 1], new Uint8Array(3))).toEqual([0, 0, 1]);
  });

  it("sums integers exactly into int64", () => {
    expect(reduced("sum", new Int32Array(5).fill(2147483647), [1, 5, 1], new Float64Array(1))).toEqual([10737418235]);
    expect(reduced("sum", new Uint8Array(6).fill(255), [1, 3, 2], new Float64Array(2))).toEqual([765, 765]);
  });

  it("accumulates floats in double precision", () => {
    const spread = Float32Array.of(2 ** 30, 1, -(2 ** 30));
    expect(reduced("sum", spread, [1, 3, 1], new Float32Array(1))).toEqual([1]);
    expect(reduced("prod", Float32Array.of(1e30, 1e30, 1e-30, 1e-30), [1, 4, 1], new Float32Array(1))[0]).toBeCloseTo(
      1,
      6,
    );
  });

  it("gives the neutral element over nothing", () => {
    const none = new Float32Array(0);
    const over = (name: ReduceName) => reduced(name, none, [2, 0, 1], new Float64Array(2).fill(7));
    expect([over("sum"), over("prod"), over("any"), over("all")]).toEqual([
      [0, 0],
      [1, 1],
      [0, 0],
      [1, 1],
    ]);
  });
});

describe("reduceIndex", () => {
  function extreme(name: "max" | "min", x: NumericArray, shape: [number, number, number]) {
    const [values, indices] = [new Float64Array(shape[0] * shape[2]), new Float64Array(shape[0] * shape[2])];
    kernels.reduceIndex(name, x, ...shape, values, indices);
    return { values: [...values], indices: [...indices] };
  }

  it("finds the first of equal extremes", () => {
    expect(extreme("max", Int32Array.of(3, 7, 7, 1), [1, 4, 1])).toEqual({ values: [7], indices: [1] });
    expect(extreme("min", Int32Array.of(3, 1, 7, 1), [1, 4, 1])).toEqual({ values: [1], indices: [1] });
  });

  it("finds the first NaN", () => {
    expect(extreme("max", Float32Array.of(3, NaN, 7, NaN), [1, 4, 1])).toEqual({ values: [NaN], indices: [1] });
    expect(extreme("min", Float32Array.of(NaN, -1), [1, 2, 1])).toEqual({ values: [NaN], indices: [0] });
  });

  it("runs along the middle dimension, infinities included", () => {
    const x = Float32Array.of(-Infinity, 5, -Infinity, 2, 9, 1, 0, 1);
    expect(extreme("max", x, [2, 2, 2])).toEqual({ values: [-Infinity, 5, 9, 1], indices: [0, 0, 0, 0] });
    expect(extreme("min", x, [2, 2, 2])).toEqual({ values: [-Infinity, 2, 0, 1], indices: [0, 1, 1, 0] });
  });
});
