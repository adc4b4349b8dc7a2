import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../../src/core/dtype.ts";
import { contiguousStrides, expandStrides, numelOf } from "../../../src/core/shape.ts";
import type { BinaryName, UnaryName } from "../../../src/kernels/kernels.ts";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";
import { binaryFunctions, unaryFunctions } from "../../../src/kernels/reference/scalar-functions.ts";

const row = (n: number) => ({ shape: [n], aStrides: [1], bStrides: [1] });

function binary<T extends NumericArray>(name: BinaryName, a: T, b: T, out: NumericArray, p?: number, q?: number) {
  kernels.binary(name, row(a.length), a, b, out, p, q);
  return [...out];
}

describe("unary", () => {
  it.each(Object.keys(unaryFunctions) as UnaryName[])("%s applies its scalar function to each element", (name) => {
    const x = Float64Array.of(-2, -0.5, 0, 0.5, 1, 2.5, NaN, Infinity);
    const out = new Float64Array(x.length);
    kernels.unary(name, x, out, 0.75, 1.5);
    expect([...out]).toEqual(Array.from(x, (v) => unaryFunctions[name](v, 0.75, 1.5)));
  });

  it("may write into its input", () => {
    const x = Float32Array.of(1, -2, 3);
    kernels.unary("neg", x, x);
    expect([...x]).toEqual([-1, 2, -3]);
  });

  it("rounds parameters to the operand's precision: a float32 0.1 lies on the limit 0.1", () => {
    const x = Float32Array.of(0.1);
    const out = new Float32Array(1);
    kernels.unary("threshold", x, out, 0.1, 7);
    expect(out[0]).toBe(7);
    expect(binary("clampGrad", Float32Array.of(2), x, out, -1, 0.1)).toEqual([2]);
  });

  it("wraps 32-bit products exactly, also beyond 2^53", () => {
    const x = Int32Array.of(2147483647, -2147483648, 123456789);
    const out = new Int32Array(3);
    kernels.unary("mulScalar", x, out, 2147483629);
    const wrapped = (f: (v: bigint) => bigint) => Array.from(x, (v) => Number(BigInt.asIntN(32, f(BigInt(v)))));
    expect([...out]).toEqual(wrapped((v) => v * 2147483629n));
    kernels.unary("square", x, out);
    expect([...out]).toEqual(wrapped((v) => v * v));
    kernels.unary("powScalar", x, out, 5);
    expect([...out]).toEqual(wrapped((v) => v ** 5n));
  });

  it("truncates and wraps when it copies to an integer type", () => {
    const out = new Int8Array(4);
    kernels.unary("copy", Float32Array.of(-1.9, 1.9, 130, -129), out);
    expect([...out]).toEqual([-1, 1, -126, 127]);
  });
});

/** A broadcast layout: a shape, and operands of which some dimensions have size 1, in permuted order. */
const layouts = fc
  .array(fc.record({ size: fc.integer({ min: 0, max: 4 }), a: fc.boolean(), b: fc.boolean() }), { maxLength: 5 })
  .chain((dims) =>
    fc.record({
      dims: fc.constant(dims),
      aOrder: fc.shuffledSubarray(
        dims.map((_, d) => d),
        { minLength: dims.length },
      ),
      bOrder: fc.shuffledSubarray(
        dims.map((_, d) => d),
        { minLength: dims.length },
      ),
    }),
  )
  .map(({ dims, aOrder, bOrder }) => {
    const shape = dims.map((d) => d.size);
    const operand = (side: "a" | "b", order: readonly number[]) => {
      const own = dims.map((d) => (d[side] ? d.size : 1));
      const permuted = contiguousStrides(order.map((d) => own[d]));
      const strides = own.map((_, d) => permuted[order.indexOf(d)]);
      return { numel: numelOf(own), strides: expandStrides(own, strides, shape) };
    };
    return { shape, a: operand("a", aOrder), b: operand("b", bOrder) };
  });

/** Every index of a shape, in row-major order. */
function* indices(shape: readonly number[]): Iterable<number[]> {
  for (let i = 0; i < numelOf(shape); i++) {
    const strides = contiguousStrides(shape);
    yield shape.map((size, d) => Math.floor(i / strides[d]) % size);
  }
}

describe("binary", () => {
  const offset = (index: readonly number[], strides: readonly number[]) =>
    index.reduce((s, v, d) => s + v * strides[d], 0);

  it.each<BinaryName>(["add", "addScaled", "sub", "mul", "div", "reluGrad", "maximum", "lt", "hardtanhGrad"])(
    "%s follows any broadcast, permuted layout",
    (name) => {
      fc.assert(
        fc.property(layouts, ({ shape, a, b }) => {
          const left = Float64Array.from({ length: a.numel }, (_, i) => (i % 7) - 3);
          const right = Float64Array.from({ length: b.numel }, (_, i) => (i % 5) - 1.5);
          const out = new Float64Array(numelOf(shape));
          kernels.binary(name, { shape, aStrides: a.strides, bStrides: b.strides }, left, right, out, -1.25, 2);
          const want = Array.from(indices(shape), (index) =>
            binaryFunctions[name](left[offset(index, a.strides)], right[offset(index, b.strides)], -1.25, 2),
          );
          expect([...out]).toEqual(want);
        }),
      );
    },
  );

  it.each(Object.keys(binaryFunctions) as BinaryName[])("%s applies its scalar function to each pair", (name) => {
    const a = Float64Array.of(1, -2, 3, 0, 5);
    const b = Float64Array.of(0, 2, -1, 4, 5);
    const want = Array.from(a, (v, i) => binaryFunctions[name](v, b[i], 0.5, 2));
    expect(binary(name, a, b, new Float64Array(5), 0.5, 2)).toEqual(want);
  });

  it("may write into an operand", () => {
    const a = Float32Array.of(1, 2, 3);
    expect(binary("add", a, Float32Array.of(10, 20, 30), a)).toEqual([11, 22, 33]);
  });

  it("works on scalars", () => {
    const out = new Float32Array(1);
    kernels.binary("sub", { shape: [], aStrides: [], bStrides: [] }, Float32Array.of(5), Float32Array.of(3), out);
    expect(out[0]).toBe(2);
  });

  it("wraps integers of 32 bits and less exactly", () => {
    const a = Int32Array.of(2147483647, -2147483648, 2147483647, -3);
    const b = Int32Array.of(2147483647, -1, 2, 41);
    const wrapped = (f: (x: bigint, y: bigint) => bigint) =>
      Array.from(a, (v, i) => Number(BigInt.asIntN(32, f(BigInt(v), BigInt(b[i])))));
    const out = new Int32Array(4);
    expect(binary("mul", a, b, out)).toEqual(wrapped((x, y) => x * y));
    expect(binary("add", a, b, out)).toEqual(wrapped((x, y) => x + y));
    expect(binary("addScaled", a, b, out, 2147483647)).toEqual(wrapped((x, y) => x + 2147483647n * y));
    expect(binary("pow", Int32Array.of(-3, 7, 2, -1), Int32Array.of(41, 30, 31, -3), out)).toEqual([
      Number(BigInt.asIntN(32, (-3n) ** 41n)),
      Number(BigInt.asIntN(32, 7n ** 30n)),
      -2147483648,
      -1,
    ]);
    expect(binary("mul", Int8Array.of(100, -128), Int8Array.of(3, -1), new Int8Array(2))).toEqual([44, -128]);
    expect(binary("sub", Uint8Array.of(3), Uint8Array.of(5), new Uint8Array(1))).toEqual([254]);
  });

  it("divides and takes remainders of int64 values exactly", () => {
    const large = Number.MAX_SAFE_INTEGER;
    const a = Float64Array.of(large, -large, 7, -7, -1);
    const b = Float64Array.of(3, 3, -2, 2, large);
    const floored = Array.from(a, (v, i) => {
      const [x, y] = [BigInt(v), BigInt(b[i])];
      return Number(x / y - BigInt(x % y !== 0n && x < 0n !== y < 0n));
    });
    expect(binary("floorDivide", a, b, new Float64Array(5))).toEqual(floored);
    expect(binary("remainder", a, b, new Float64Array(5))).toEqual([1, 2, -1, 1, large - 1]);
  });

  it("writes comparisons as 0 and 1", () => {
    const out = new Uint8Array(3);
    expect(binary("lt", Float32Array.of(1, 2, NaN), Float32Array.of(2, 2, 1), out)).toEqual([1, 0, 0]);
    expect(binary("ne", Float32Array.of(1, 2, NaN), Float32Array.of(2, 2, NaN), out)).toEqual([1, 0, 1]);
  });
});

it("axpy adds a multiple in place", () => {
  const y = Float32Array.of(1, 2, 3);
  kernels.axpy(-2, Float32Array.of(1, 10, 100), y);
  expect([...y]).toEqual([-1, -18, -197]);
});
