/** Strided copies against one element at a time. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contiguousStrides, numelOf } from "../../src/core/shape.ts";
import { copyStrided, stridedPositions } from "../../src/tensor/strided.ts";

/** Sizes with strides from a permuted, gapped or repeated layout. */
const layout = fc
  .array(fc.record({ size: fc.integer({ min: 0, max: 5 }), stride: fc.integer({ min: 0, max: 9 }) }), { maxLength: 4 })
  .map((dims) => ({ shape: dims.map(({ size }) => size), strides: dims.map(({ stride }) => stride) }));

function slowPositions(shape: readonly number[], strides: readonly number[], offset: number): number[] {
  if (shape.length === 0) return [offset];
  return Array.from({ length: shape[0] }, (_, i) =>
    slowPositions(shape.slice(1), strides.slice(1), offset + i * strides[0]),
  ).flat();
}

describe("stridedPositions", () => {
  it("gives the storage index of every element", () => {
    fc.assert(
      fc.property(layout, fc.nat(3), ({ shape, strides }, offset) => {
        expect(Array.from(stridedPositions(shape, strides, offset))).toEqual(slowPositions(shape, strides, offset));
      }),
    );
  });
});

describe("copyStrided", () => {
  it("gathers from any layout", () => {
    const source = Float64Array.from({ length: 200 }, (_, i) => i);
    fc.assert(
      fc.property(layout, fc.nat(3), ({ shape, strides }, offset) => {
        const out = new Float64Array(numelOf(shape));
        copyStrided(shape, source, strides, offset, out, contiguousStrides(shape), 0);
        expect(Array.from(out)).toEqual(slowPositions(shape, strides, offset));
      }),
    );
  });

  it("scatters to any layout, leaves the gaps alone, and converts", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), (shape) => {
        const strides = contiguousStrides(shape).map((stride) => stride * 2);
        const source = Float32Array.from({ length: numelOf(shape) }, (_, i) => i + 1);
        const out = new Int32Array(2 * source.length);
        copyStrided(shape, source, contiguousStrides(shape), 0, out, strides, 0, (x) => -x);
        expect(Array.from(out)).toEqual(Array.from(source).flatMap((x) => [-x, 0]));
      }),
    );
  });

  it("copies long rows, and reads backwards", () => {
    const source = Float32Array.from({ length: 100 }, (_, i) => i);
    const out = new Float32Array(100);
    copyStrided([2, 50], source, [50, 1], 0, out, [50, 1], 0);
    expect(out).toEqual(source);
    copyStrided([100], source, [-1], 99, out, [1], 0);
    expect(out).toEqual(source.toReversed());
  });
});
