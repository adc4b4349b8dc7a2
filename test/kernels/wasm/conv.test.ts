import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConvGeometry } from "../../../src/kernels/kernels.ts";
import { convGradInput, convGradWeight } from "../../../src/kernels/wasm/conv-gradients.ts";
import { conv } from "../../../src/kernels/wasm/conv.ts";
import type { WasmEngine } from "../../../src/kernels/wasm/engine.ts";
import { engines } from "./engines.ts";
import { firstError, naiveConv, naiveConvGradInput, naiveConvGradWeight, randomFloats } from "./naive.ts";

type Sizes = readonly [number, number, number];
const volume = (sizes: Sizes): number => sizes[0] * sizes[1] * sizes[2];

interface Dimension {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  /** Zeros past the end, as asymmetric padding has them; the rest comes from `padding`. */
  readonly extra: number;
}

const ABSENT: Dimension = { size: 1, kernel: 1, stride: 1, padding: 0, dilation: 1, extra: 0 };

/** A geometry from its dimensions; null if no window fits. */
function geometry(
  batch: number,
  [groups, inPerGroup, outPerGroup]: Sizes,
  dimensions: readonly [Dimension, Dimension, Dimension],
): ConvGeometry | null {
  const pick = (of: (dimension: Dimension) => number): Sizes => [
    of(dimensions[0]),
    of(dimensions[1]),
    of(dimensions[2]),
  ];
  const outSize = pick(({ size, kernel, stride, padding, dilation, extra }) => {
    const room = size + 2 * padding + extra - (kernel - 1) * dilation - 1;
    return Math.floor(room / stride) + 1;
  });
  if (outSize.some((size) => size < 1)) return null;
  return {
    batch,
    inChannels: groups * inPerGroup,
    outChannels: groups * outPerGroup,
    groups,
    inSize: pick((d) => d.size),
    outSize,
    kernel: pick((d) => d.kernel),
    stride: pick((d) => d.stride),
    padding: pick((d) => d.padding),
    dilation: pick((d) => d.dilation),
  };
}

/** Checks all three kernels on random data. */
function checkConv(engine: WasmEngine, g: ConvGeometry, withBias: boolean): void {
  const name = JSON.stringify(g);
  const input = randomFloats(g.batch * g.inChannels * volume(g.inSize), 1);
  const weight = randomFloats(g.outChannels * (g.inChannels / g.groups) * volume(g.kernel), 2);
  const gradOutput = randomFloats(g.batch * g.outChannels * volume(g.outSize), 3);
  const bias = withBias ? randomFloats(g.outChannels, 4) : null;
  const output = new Float32Array(gradOutput.length).fill(7);
  conv(engine, g, input, weight, bias, output);
  expect(firstError(output, naiveConv(g, input, weight, bias, output.length)), `conv ${name}`).toBeNull();
  const gradInput = new Float32Array(input.length).fill(7);
  convGradInput(engine, g, gradOutput, weight, gradInput);
  const expectedInput = naiveConvGradInput(g, gradOutput, weight, input.length);
  expect(firstError(gradInput, expectedInput), `convGradInput ${name}`).toBeNull();
  const gradWeight = new Float32Array(weight.length).fill(7);
  convGradWeight(engine, g, input, gradOutput, gradWeight);
  const expectedWeight = naiveConvGradWeight(g, input, gradOutput, weight.length);
  expect(firstError(gradWeight, expectedWeight), `convGradWeight ${name}`).toBeNull();
}

function square(size: number, kernel: number, stride: number, padding: number, dilation = 1): Dimension {
  return { size, kernel, stride, padding, dilation, extra: 0 };
}

function checkSquare(engine: WasmEngine, batch: number, channels: Sizes, dimension: Dimension): void {
  const g = geometry(batch, channels, [ABSENT, dimension, dimension]);
  if (!g) throw new Error("no window fits");
  checkConv(engine, g, true);
}

const dimension = (maxSize: number): fc.Arbitrary<Dimension> =>
  fc.record({
    size: fc.integer({ min: 1, max: maxSize }),
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.nat(3),
    dilation: fc.integer({ min: 1, max: 3 }),
    extra: fc.nat(2),
  });

describe.each(engines)("wasm conv and its gradients, %s", (_, engine) => {
  it.each([2, 3])("are right for random geometries in %i dimensions", (dimensions) => {
    const sizes = dimension(dimensions === 3 ? 5 : 14);
    const channels = fc.oneof(
      fc.tuple(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 11 })),
      fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    );
    const depth = dimensions === 3 ? sizes : fc.constant(ABSENT);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        channels,
        depth,
        sizes,
        sizes,
        fc.boolean(),
        (batch, c, z, y, x, withBias) => {
          const g = geometry(batch, c, [z, y, x]);
          fc.pre(g !== null);
          if (g) checkConv(engine, g, withBias);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("are right across the edges of blocks of pixels, taps and channels", () => {
    checkSquare(engine, 2, [1, 30, 12], square(17, 3, 1, 1)); // 289 pixels, 270 taps
    checkSquare(engine, 1, [1, 3, 261], square(5, 3, 2, 1)); // 261 channels, windows added back
    checkSquare(engine, 1, [1, 140, 5], square(6, 2, 2, 0));
  });

  it("are right for 1 × 1 kernels, with and without stride", () => {
    checkSquare(engine, 2, [1, 19, 23], square(9, 1, 1, 0));
    checkSquare(engine, 2, [1, 19, 23], square(9, 1, 2, 0));
    checkSquare(engine, 2, [1, 5, 7], square(4, 1, 1, 1));
  });

  it("are right for depthwise convolution", () => {
    checkSquare(engine, 2, [9, 1, 1], square(13, 3, 1, 1));
    checkSquare(engine, 2, [9, 1, 1], square(13, 3, 2, 1));
    checkSquare(engine, 1, [5, 1, 2], square(8, 5, 1, 2, 2));
  });

  it("are right for a kernel as large as the image, and larger than what its border leaves", () => {
    checkSquare(engine, 3, [1, 8, 10], square(7, 7, 1, 0));
    checkSquare(engine, 3, [1, 2, 3], square(2, 4, 1, 3));
    checkSquare(engine, 1, [1, 2, 3], square(1, 1, 3, 3));
  });

  it("compute in place on arrays that lie in wasm memory", () => {
    const { memory } = engine;
    for (const channels of [
      [1, 3, 5],
      [4, 1, 1],
    ] as const) {
      const g = geometry(2, channels, [ABSENT, square(7, 3, 1, 1), square(7, 3, 1, 1)]);
      if (!g) throw new Error("no window fits");
      memory.frame(() => {
        const at = (values: Float32Array): Float32Array => {
          const array = new Float32Array(memory.memory.buffer, memory.allocate(values.length), values.length);
          array.set(values);
          return array;
        };
        const input = at(randomFloats(2 * g.inChannels * 49, 1));
        const weight = at(randomFloats(g.outChannels * channels[1] * 9, 2));
        const output = at(new Float32Array(2 * g.outChannels * 49));
        const guard = at(new Float32Array(8).fill(42));
        conv(engine, g, input, weight, null, output);
        expect(firstError(output, naiveConv(g, input, weight, null, output.length))).toBeNull();
        const gradInput = at(new Float32Array(input.length));
        convGradInput(engine, g, output, weight, gradInput);
        expect(firstError(gradInput, naiveConvGradInput(g, output, weight, gradInput.length))).toBeNull();
        expect(Array.from(guard)).toEqual(new Array(8).fill(42));
      });
    }
  });
});
