/** Shape arithmetic against slow, obvious definitions. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  broadcastShapes,
  broadcastsTo,
  checkShape,
  contiguousStrides,
  expandStrides,
  inferShape,
  isContiguous,
  numelOf,
  sameShape,
  viewStrides,
  wrapDim,
  wrapDims,
} from "../../src/core/shape.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

/** Every index of a shape, in row-major order. */
function indicesOf(shape: readonly number[]): number[][] {
  if (shape.length === 0) return [[]];
  const [size, ...rest] = shape;
  const inner = indicesOf(rest);
  return Array.from({ length: size }, (_, i) => inner.map((index) => [i, ...index])).flat();
}

/** The storage positions of every element, in row-major order. */
function positionsOf(shape: readonly number[], strides: readonly number[]): number[] {
  return indicesOf(shape).map((index) => index.reduce((at, i, d) => at + i * strides[d], 0));
}

describe("contiguousStrides", () => {
  it("number the elements in row-major order", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const strides = contiguousStrides(shape);
        expect(positionsOf(shape, strides)).toEqual(Array.from({ length: numelOf(shape) }, (_, i) => i));
        expect(isContiguous(shape, strides)).toBe(true);
      }),
    );
  });

  it("are told apart from other layouts by isContiguous", () => {
    expect(isContiguous([2, 3], [1, 2])).toBe(false);
    expect(isContiguous([2, 1, 3], [3, 77, 1])).toBe(true);
    expect(isContiguous([2, 0], [5, 5])).toBe(true);
    expect(isContiguous([], [])).toBe(true);
    expect(isContiguous([3], [0])).toBe(false);
  });
});

describe("viewStrides", () => {
  const layouts = fc.tuple(shapes, fc.array(fc.nat(), { minLength: 4, maxLength: 4 })).map(([shape, keys]) => {
    const order = shape.map((_, d) => d).sort((a, b) => keys[a] - keys[b]);
    const strides = contiguousStrides(shape);
    return { shape: order.map((d) => shape[d]), strides: order.map((d) => strides[d]) };
  });
  const factors = fc.array(fc.constantFrom(1, 2, 3, 4), { maxLength: 4 });

  it("keep every element in its place, whenever there are any", () => {
    fc.assert(
      fc.property(layouts, factors, ({ shape, strides }, target) => {
        if (numelOf(target) !== numelOf(shape)) return;
        const found = viewStrides(shape, strides, target);
        if (found) expect(positionsOf(target, found)).toEqual(positionsOf(shape, strides));
      }),
      { numRuns: 2000 },
    );
  });

  it("exist for the shape itself, and for every shape of a contiguous tensor", () => {
    fc.assert(
      fc.property(layouts, ({ shape, strides }) => {
        const same = viewStrides(shape, strides, shape);
        expect(same && positionsOf(shape, same)).toEqual(positionsOf(shape, strides));
        expect(viewStrides(shape, contiguousStrides(shape), [numelOf(shape)])).not.toBeNull();
      }),
    );
  });

  it("do not exist across a gap", () => {
    expect(viewStrides([2, 3], [1, 2], [6])).toBeNull();
    expect(viewStrides([2, 2], [4, 1], [4])).toBeNull();
    expect(viewStrides([4, 2], [4, 1], [2, 2, 2])).toEqual([8, 4, 1]);
    expect(viewStrides([3], [0], [3, 1])).toEqual([0, 0]);
  });
});

describe("broadcasting", () => {
  it("stretches sizes of 1, aligned at the right", () => {
    expect(broadcastShapes("op", [3, 1], [2, 1, 4])).toEqual([2, 3, 4]);
    expect(broadcastShapes("op", [], [2])).toEqual([2]);
    expect(broadcastShapes("op", [1], [0])).toEqual([0]);
    expect(() => broadcastShapes("op", [2], [3])).toThrow(
      "op: shapes [2] and [3] do not broadcast: sizes 2 and 3 at dimension 0",
    );
  });

  it("is decided by broadcastsTo as by broadcastShapes", () => {
    const small = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });
    fc.assert(
      fc.property(small, small, (shape, target) => {
        let joint: number[] | null = null;
        try {
          joint = broadcastShapes("op", shape, target);
        } catch {
          joint = null;
        }
        expect(broadcastsTo(shape, target)).toBe(joint !== null && sameShape(joint, target));
      }),
    );
  });

  it("repeats elements by strides of 0", () => {
    expect(expandStrides([3, 1], [1, 1], [2, 3, 4])).toEqual([0, 1, 0]);
  });
});

describe("dimensions", () => {
  it("count from the end when negative; a scalar has one", () => {
    expect([wrapDim("op", -1, 3), wrapDim("op", 2, 3), wrapDim("op", -1, 0)]).toEqual([2, 2, 0]);
    expect(wrapDims("op", undefined, 3)).toEqual([0, 1, 2]);
    expect(wrapDims("op", [-1, 0], 3)).toEqual([0, 2]);
    expect(wrapDims("op", 0, 0)).toEqual([]);
    expect(() => wrapDim("op", 3, 3)).toThrow(
      "op: Dimension out of range (expected to be in range of [-3, 2], but got 3)",
    );
    expect(() => wrapDim("op", 0.5, 3)).toThrow("but got 0.5");
    expect(() => wrapDims("op", [1, -2], 3)).toThrow("op: dim 1 appears multiple times in the list of dims");
  });
});

describe("inferShape", () => {
  it("fills in one unknown size", () => {
    expect(inferShape("op", [2, -1], 6)).toEqual([2, 3]);
    expect(inferShape("op", [-1], 0)).toEqual([0]);
    expect(inferShape("op", [2, 0], 0)).toEqual([2, 0]);
    expect(() => inferShape("op", [4, -1], 6)).toThrow("op: shape '[4, -1]' is invalid for input of size 6");
    expect(() => inferShape("op", [-2, 3], 6)).toThrow("op: invalid shape [-2, 3]");
  });
});

describe("checkShape", () => {
  it("accepts what can be allocated", () => {
    expect(() => checkShape("op", [0, 5])).not.toThrow();
    expect(() => checkShape("op", [2 ** 31, 4])).toThrow("op: [2147483648, 4] has too many elements");
    expect(() => checkShape("op", [Infinity])).toThrow("op: sizes must be whole numbers of at least 0, got [Infinity]");
  });
});
