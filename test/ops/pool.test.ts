/** Pooling: laws, and what is refused. Values: golden.test.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, float64, int64 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";

const { adaptiveAvgPool2d, adaptiveMaxPool1d, avgPool1d, avgPool2d, gather, maxPool1d, maxPool2d, randn, zeros } = ops;

describe("indices", () => {
  it("of maxPool2d and adaptiveMaxPool2d say where the values stand", () => {
    const side = fc.integer({ min: 3, max: 9 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 3 }), (height, width, size) => {
        const x = randn(2, 3, height, width);
        for (const [values, indices] of [
          maxPool2d(x, size, { returnIndices: true, stride: 1, padding: size >> 1, ceilMode: true }),
          ops.adaptiveMaxPool2d(x, [size, 3], { returnIndices: true }),
        ]) {
          expect(indices.dtype).toBe(int64);
          expect(gather(x.flatten(2), 2, indices.flatten(2)).tolist()).toEqual(values.flatten(2).tolist());
        }
      }),
    );
  });
});

describe("adaptive average pooling", () => {
  it("to a size that divides the input is average pooling", () => {
    const x = randn(2, 3, 6, 8, { dtype: float64 });
    expect(adaptiveAvgPool2d(x, [3, 2]).tolist()).toEqual(avgPool2d(x, [2, 4]).tolist());
  });

  it("to the input's own size copies it", () => {
    const x = randn(2, 3, 4);
    const out = ops.adaptiveAvgPool1d(x, null);
    expect(out.tolist()).toEqual(x.tolist());
    expect(out.storage).not.toBe(x.storage);
  });
});

describe("refused arguments", () => {
  const x = zeros(1, 1, 4, 4);
  it.each<[string, () => unknown]>([
    [
      "maxPool2d: padding must be at most half of the effective kernel size, got padding 2, kernel size 3 and dilation 1",
      () => maxPool2d(x, 3, { padding: 2 }),
    ],
    [
      "avgPool2d: padding must be at most half of the effective kernel size",
      () => avgPool2d(x, 2, { padding: [1, 2] }),
    ],
    ["maxPool2d: input [4, 4] with kernel [5, 5] gives output [0, 0], which is too small", () => maxPool2d(x, 5)],
    ["maxPool2d: expects 3D (unbatched) or 4D (batched) input, got shape [4, 4]", () => maxPool2d(zeros(4, 4), 2)],
    ["only the batch dimension may be empty, got input of shape [1, 0, 4, 4]", () => maxPool2d(zeros(1, 0, 4, 4), 2)],
    ["maxPool2d: kernel size must be whole numbers of at least 1, got [0, 0]", () => maxPool2d(x, 0)],
    ["maxPool2d: stride must be whole numbers of at least 1, got [0, 0]", () => maxPool2d(x, 2, { stride: 0 })],
    [
      "maxPool1d: dilation must be whole numbers of at least 1, got [0]",
      () => maxPool1d(zeros(1, 1, 4), 2, { dilation: 0 }),
    ],
    [
      "maxPool1d: padding must be whole numbers of at least 0, got [-1]",
      () => maxPool1d(zeros(1, 1, 4), 2, { padding: -1 }),
    ],
    ["maxPool1d: not supported for bool tensors", () => maxPool1d(zeros(1, 1, 4, { dtype: bool }), 2)],
    ["avgPool2d: divisorOverride must not be zero", () => avgPool2d(x, 2, { divisorOverride: 0 })],
    ["avgPool1d: expects floating-point tensors, got int64", () => avgPool1d(zeros(1, 1, 4, { dtype: int64 }), 2)],
    [
      "adaptiveAvgPool2d: output size must be one number or 2 numbers, got [1, 2, 3]",
      () => adaptiveAvgPool2d(x, [1, 2, 3]),
    ],
    ["adaptiveAvgPool2d: output sizes must be whole numbers of at least 1, got [0, 0]", () => adaptiveAvgPool2d(x, 0)],
    [
      "adaptiveMaxPool1d: expects 2D (unbatched) or 3D (batched) input, got shape [4]",
      () => adaptiveMaxPool1d(zeros(4), 2),
    ],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});
