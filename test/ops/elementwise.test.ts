/** What golden data cannot hold about elementwise operators: errors, and what happens to the operands. */
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { bool, float32, int64, int8 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/elementwise.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const floats = (...values: number[]) => Tensor.fromArray(Float32Array.from(values), [values.length], float32);
const longs = (...values: number[]) => Tensor.fromArray(Float64Array.from(values), [values.length], int64);
const bools = (...values: number[]) => Tensor.fromArray(Uint8Array.from(values), [values.length], bool);

describe("elementwise errors", () => {
  it.each([
    ["remainder by 0", () => ops.remainder(longs(1, 2), 0), "remainder: ZeroDivisionError"],
    ["fmod by a 0 in a tensor", () => ops.fmod(longs(1, 2), longs(1, 0)), "fmod: ZeroDivisionError"],
    ["floorDivide by 0", () => ops.floorDivide(longs(1), 0), "floorDivide: ZeroDivisionError"],
    ["truncated division by 0", () => ops.div(longs(1), 0, { roundingMode: "trunc" }), "ZeroDivisionError"],
    ["an integer to a negative power", () => ops.pow(longs(1), -1), "pow: integers to negative integer powers"],
    ["bool minus bool", () => ops.sub(bools(1), bools(1)), "sub: subtraction of bool tensors"],
    ["minus bool", () => ops.neg(bools(1)), "neg: not supported for bool tensors"],
    ["a fractional alpha for integers", () => ops.add(longs(1), longs(1), { alpha: 0.5 }), "got 0.5"],
    ["bitwise operators of floats", () => ops.bitwiseAnd(floats(1), 1), "bitwiseAnd: expects integer or bool tensors"],
    ["clamp without limits", () => ops.clamp(floats(1), {}), "clamp: at least one of min and max"],
    ["where with a condition of integers", () => ops.where(longs(1), 1, 2), "where: expected condition to be a bool tensor"],
    ["shapes that do not broadcast", () => ops.mul(floats(1, 2), floats(1, 2, 3)), "mul: shapes [2] and [3] do not broadcast"],
    ["a float into an integer tensor", () => ops.add_(longs(1), 0.5), "result type float32 can't be cast to the desired output type int64"],
    ["in place on a leaf", () => ops.mul_(floats(1).requiresGrad_(), 2), "mul_: a leaf Variable that requires grad"],
    ["in place into a smaller shape", () => ops.add_(floats(1), floats(1, 2)), "output with shape [1] doesn't match"],
  ])("%s", (_what, call, message) => expect(call).toThrow(message)); // prettier-ignore
});

describe("elementwise in place", () => {
  it("returns the tensor itself and keeps its dtype", () => {
    const x = Tensor.fromArray(Int8Array.of(100, 3), [2], int8);
    expect(ops.add_(x, 100)).toBe(x);
    expect(x.dtype).toBe(int8);
    expect(x.tolist()).toEqual([-56, 103]);
  });

  it("writes through a view that is not contiguous", () => {
    const x = floats(1, 2, 3, 4);
    const evens = x.alias([2], [2], 0);
    ops.mul_(evens, 10);
    expect(x.tolist()).toEqual([10, 2, 30, 4]);
  });

  it("reads an overlapping operand before it writes", () => {
    const x = floats(1, 2, 3);
    ops.add_(x.alias([2], [1], 1), x.alias([2], [1], 0));
    expect(x.tolist()).toEqual([1, 3, 5]);
  });

  it("refuses to go back through a value that was changed since", () => {
    const x = floats(1, 2).requiresGrad_();
    const doubled = ops.mul(x, 2);
    const squared = ops.square(doubled);
    ops.add_(doubled, 1);
    expect(() => backward([squared], [floats(1, 1)])).toThrow("modified by an in-place operation");
  });
});

describe("int64", () => {
  it("has only one zero", () => {
    const results = [ops.neg(longs(0)), ops.mul(longs(0), -1), ops.fmod(longs(-4), 2), ops.mul_(longs(0), -1)];
    expect(results.map((x) => x.item())).toEqual([0, 0, 0, 0]);
  });
});

describe("allclose", () => {
  it("compares every element", () => {
    expect(ops.allclose(floats(1, 2), floats(1, 2.00001))).toBe(true);
    expect(ops.allclose(floats(1, 2), floats(1, 2.1))).toBe(false);
    expect(ops.allclose(floats(NaN), floats(NaN))).toBe(false);
    expect(ops.allclose(floats(NaN), floats(NaN), { equalNan: true })).toBe(true);
  });
});
