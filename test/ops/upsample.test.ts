/** Interpolation and shuffles: laws, and what is refused. Values: golden.test.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float64, int64 } from "../../src/core/dtype.ts";
import type { InterpolateMode } from "../../src/ops/index.ts";
import { channelShuffle, full, interpolate, pixelShuffle, pixelUnshuffle, randn, zeros } from "../../src/ops/index.ts";

describe("interpolate", () => {
  it("keeps a constant image constant", () => {
    const mode = fc.constantFrom<InterpolateMode>("nearest", "nearest-exact", "bilinear", "bicubic", "area");
    const side = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(mode, side, side, side, (mode, height, width, size) => {
        const out = interpolate(full([1, 2, height, width], 3, { dtype: float64 }), { size, mode });
        expect(out.shape).toEqual([1, 2, size, size]);
        expect(out.sub(3).abs().max().item()).toBeLessThan(1e-12);
      }),
    );
  });

  it("never gives the input's own storage", () => {
    const x = zeros(1, 1, 3);
    interpolate(x, { size: 3 }).fill_(1);
    expect(x.sum().item()).toBe(0);
  });

  const x = zeros(1, 1, 4);
  it.each<[string, () => unknown]>([
    ["interpolate: give either size or scaleFactor, and not both", () => interpolate(x, {})],
    ["interpolate: give either size or scaleFactor, and not both", () => interpolate(x, { size: 2, scaleFactor: 2 })],
    [
      'interpolate: mode "bilinear" needs 4D input, got shape [1, 1, 4]',
      () => interpolate(x, { size: 2, mode: "bilinear" }),
    ],
    [
      'interpolate: alignCorners can only be set with the linear and cubic modes, not with "nearest"',
      () => interpolate(x, { size: 2, alignCorners: true }),
    ],
    ["interpolate: size must be 1 positive numbers, got [2, 3]", () => interpolate(x, { size: [2, 3] })],
    ["interpolate: size must be 1 positive numbers, got [0]", () => interpolate(x, { size: 0 })],
    ["interpolate: size must be whole, got [2.5]", () => interpolate(x, { size: 2.5 })],
    ["interpolate: scaleFactor must be 1 positive numbers, got [-1]", () => interpolate(x, { scaleFactor: -1 })],
    ["interpolate: scaleFactor [0.1] leaves nothing of [4]", () => interpolate(x, { scaleFactor: 0.1 })],
    [
      "interpolate: recomputeScaleFactor is not meaningful with an explicit size",
      () => interpolate(x, { size: 2, recomputeScaleFactor: true }),
    ],
    [
      "interpolate: expects 3D, 4D or 5D input [N, C, *], got shape [1, 4]",
      () => interpolate(zeros(1, 4), { size: 2 }),
    ],
    [
      "only the batch dimension may be empty, got input of shape [1, 1, 0]",
      () => interpolate(zeros(1, 1, 0), { size: 2 }),
    ],
    [
      "interpolate: expects floating-point tensors, got int64",
      () => interpolate(zeros(1, 1, 4, { dtype: int64 }), { size: 2 }),
    ],
    ['interpolate: unknown mode "cubic"', () => interpolate(x, { size: 2, mode: "cubic" as InterpolateMode })],
  ])("refuses: %s", (message, call) => {
    expect(call).toThrow(message);
  });
});

describe("shuffles", () => {
  it("are undone by their opposites", () => {
    const x = randn(2, 12, 3, 5);
    expect(pixelUnshuffle(pixelShuffle(x, 2), 2).tolist()).toEqual(x.tolist());
    expect(channelShuffle(channelShuffle(x, 3), 4).tolist()).toEqual(x.tolist());
  });

  it.each<[string, () => unknown]>([
    ["pixelShuffle: 3 channels are not divisible by upscaleFactor² = 4", () => pixelShuffle(zeros(1, 3, 2, 2), 2)],
    [
      "pixelShuffle: upscaleFactor must be a whole number of at least 1, got 0",
      () => pixelShuffle(zeros(1, 3, 2, 2), 0),
    ],
    ["pixelShuffle: expects input [*, C, H, W], got shape [4, 4]", () => pixelShuffle(zeros(4, 4), 2)],
    ["pixelUnshuffle: height 3 and width 2 are not both divisible by 2", () => pixelUnshuffle(zeros(1, 3, 3, 2), 2)],
    ["channelShuffle: 3 channels are not divisible into 2 groups", () => channelShuffle(zeros(1, 3, 2), 2)],
    ["channelShuffle: expects input [N, C, *], got shape [4, 4]", () => channelShuffle(zeros(4, 4), 2)],
  ])("refuse: %s", (message, call) => {
    expect(call).toThrow(message);
  });
});
