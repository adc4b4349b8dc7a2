import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BinaryName, UnaryName } from "../../../src/kernels/kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { isWasmBinary, isWasmUnary } from "../../../src/kernels/wasm/code/elementwise.ts";
import { planesOf, repeatedLength } from "../../../src/kernels/wasm/elementwise.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { engines } from "./engines.ts";
import { randomFloats } from "./naive.ts";

const UNARY: readonly UnaryName[] = [
  "neg",
  "abs",
  "sqrt",
  "square",
  "relu",
  "hardtanh",
  "clamp",
  "clampMin",
  "clampMax",
  "addScalar",
  "mulScalar",
  "divScalar",
];
const BINARY: readonly BinaryName[] = ["add", "sub", "mul", "div", "maximum", "minimum", "reluGrad"];

const SPECIAL = [0, -0, 1, -1, Infinity, -Infinity, NaN, 1e-45, -1e-45, 3.4e38, -3.4e38, 0.1, -0.25];

/** Every pair of special values, then random ones. */
function operands(length: number): [Float32Array, Float32Array] {
  const [a, b] = [randomFloats(length, 1), randomFloats(length, 2)];
  SPECIAL.forEach((x, i) =>
    SPECIAL.forEach((y, j) => {
      a[i * SPECIAL.length + j] = x;
      b[i * SPECIAL.length + j] = y;
    }),
  );
  return [a, b];
}

/** The first index at which the arrays differ (0 and −0 differ, all NaN are one), or −1. Much faster than toEqual. */
function firstDifference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  return actual.findIndex((value, i) => !Object.is(value, expected[i]));
}

describe.each(engines)("wasm elementwise kernels, %s", (_, engine) => {
  const wasm = kernelsOf(engine);

  it.each(UNARY)("%s equals the reference bit for bit", (name) => {
    expect(isWasmUnary(name)).toBe(true);
    for (const length of [512, 515, 16384 + 3, 40000]) {
      const [x] = operands(length);
      for (const [p, q] of [
        [-0.1, 0.7],
        [0.3, -0.3],
      ]) {
        const [actual, expected] = [new Float32Array(length), new Float32Array(length)];
        wasm.unary(name, x, actual, p, q);
        referenceKernels.unary(name, x, expected, p, q);
        expect(firstDifference(actual, expected)).toBe(-1);
        const inPlace = x.slice();
        wasm.unary(name, inPlace, inPlace, p, q);
        expect(firstDifference(inPlace, expected)).toBe(-1);
      }
    }
  });

  it.each(BINARY)("%s equals the reference bit for bit", (name) => {
    expect(isWasmBinary(name)).toBe(true);
    for (const length of [512, 513, 33000]) {
      const [a, b] = operands(length);
      const layout = { shape: [length], aStrides: [1], bStrides: [1] };
      const [actual, expected] = [new Float32Array(length), new Float32Array(length)];
      wasm.binary(name, layout, a, b, actual);
      referenceKernels.binary(name, layout, a, b, expected);
      expect(firstDifference(actual, expected)).toBe(-1);
      wasm.binary(name, layout, a, b, b);
      expect(firstDifference(b, expected)).toBe(-1);
    }
  });

  it("broadcasts the second operand as the reference does", () => {
    const size = fc.integer({ min: 1, max: 14 });
    const repeated = fc.constantFrom(0, 1, 2, 3, 4);
    fc.assert(
      fc.property(size, size, size, size, repeated, (i, j, k, l, leading) => {
        const shape = [i, j, k, l];
        const strides = [j * k * l, k * l, l, 1];
        const bStrides = strides.map((stride, d) => (d < leading ? 0 : stride));
        const layout = { shape, aStrides: strides, bStrides };
        const [a, b] = [randomFloats(i * j * k * l, 1), randomFloats(i * j * k * l, 2)];
        const [actual, expected] = [new Float32Array(a.length), new Float32Array(a.length)];
        wasm.binary("sub", layout, a, b, actual);
        referenceKernels.binary("sub", layout, a, b, expected);
        expect(firstDifference(actual, expected)).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });

  it("adds and multiplies by one value per plane as the reference does", () => {
    const size = (max: number) => fc.integer({ min: 1, max });
    fc.assert(
      fc.property(fc.constantFrom("add", "mul"), size(4), size(9), size(40), (name, n, channels, inner) => {
        const layout = { shape: [n, channels, inner], aStrides: [channels * inner, inner, 1], bStrides: [0, 1, 0] };
        const count = n * channels * inner;
        const [a, b] = [randomFloats(count, inner), randomFloats(channels, n)];
        const [actual, expected] = [new Float32Array(count), new Float32Array(count)];
        wasm.binary(name as "add" | "mul", layout, a, b, actual);
        referenceKernels.binary(name as "add" | "mul", layout, a, b, expected);
        expect(firstDifference(actual, expected)).toBe(-1);
      }),
      { numRuns: 100 },
    );
    expect(planesOf({ shape: [2, 3, 1, 5], aStrides: [15, 5, 5, 1], bStrides: [0, 1, 9, 0] })).toEqual({
      n: 2,
      channels: 3,
      inner: 5,
    });
    expect(planesOf({ shape: [2, 3, 5], aStrides: [15, 5, 1], bStrides: [0, 2, 0] })).toBeNull();
    expect(planesOf({ shape: [2, 3, 5], aStrides: [15, 5, 1], bStrides: [3, 0, 1] })).toBeNull();
    expect(planesOf({ shape: [5, 3], aStrides: [1, 5], bStrides: [1, 0] })).toBeNull();
  });

  it("leaves every other layout to the reference", () => {
    expect(repeatedLength({ shape: [4, 5], aStrides: [1, 4], bStrides: [5, 1] })).toBeNull();
    expect(repeatedLength({ shape: [4, 5], aStrides: [5, 1], bStrides: [1, 0] })).toBeNull();
    expect(repeatedLength({ shape: [2, 20000], aStrides: [20000, 1], bStrides: [0, 1] })).toBeNull();
    expect(repeatedLength({ shape: [4, 1, 5], aStrides: [5, 9, 1], bStrides: [0, 7, 1] })).toBe(5);
    const layout = { shape: [30, 40], aStrides: [40, 1], bStrides: [1, 0] };
    const [a, b] = [randomFloats(1200, 1), randomFloats(30, 2)];
    const [actual, expected] = [new Float32Array(1200), new Float32Array(1200)];
    wasm.binary("mul", layout, a, b, actual);
    referenceKernels.binary("mul", layout, a, b, expected);
    expect(firstDifference(actual, expected)).toBe(-1);
  });

  it("scales and adds within one rounding of the product", () => {
    for (const length of [600, 33001]) {
      const [x, y] = [randomFloats(length, 1), randomFloats(length, 2)];
      const expected = Float64Array.from(y, (value, i) => value + Math.fround(0.1) * x[i]);
      wasm.axpy(0.1, x, y);
      y.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(2 ** -23));
    }
  });

  it("leaves other types to the reference", () => {
    const x = Float64Array.from({ length: 600 }, (_, i) => i / 7 - 40);
    const out = new Float64Array(600);
    wasm.unary("relu", x, out);
    expect(out).toEqual(x.map((value) => Math.max(value, 0)));
    const ints = Int32Array.from({ length: 600 }, (_, i) => i - 300);
    const squares = new Int32Array(600);
    wasm.binary("mul", { shape: [600], aStrides: [1], bStrides: [1] }, ints, ints, squares);
    expect(squares).toEqual(ints.map((value) => value * value));
  });
});
