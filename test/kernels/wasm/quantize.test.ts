/** Quantization, dequantization and fake quantization of the wasm kernels: the reference's results, bit for bit. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChannelLayout, ChannelQparams } from "../../../src/kernels/quantized-kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { firstDifference, randomBytes, SPREADS } from "./bytes.ts";
import { engines } from "./engines.ts";
import { randomFloats } from "./naive.ts";

const layouts = fc.oneof(
  fc.record({
    outer: fc.integer({ min: 1, max: 3 }),
    channels: fc.constant(1),
    inner: fc.integer({ min: 250, max: 17000 }),
  }),
  fc.record({
    outer: fc.integer({ min: 1, max: 4 }),
    channels: fc.integer({ min: 2, max: 7 }),
    inner: fc.constantFrom(1, 8, 9, 15, 16, 33, 255, 16384, 16387),
  }),
);

const GRIDS: readonly (readonly [signed: boolean, qmin: number, qmax: number])[] = [
  [false, 0, 255],
  [false, 0, 127],
  [false, 0, 15],
  [false, 128, 255],
  [true, -128, 127],
  [true, -127, 127],
  [true, 0, 127],
  [true, 5, 5],
];

const scales = fc.oneof(
  fc.double({ min: 1e-4, max: 2, noNaN: true }),
  fc.constantFrom(1e-45, 1e-38, 2 ** -20, 0.5, 3e38, Infinity),
);

interface Case {
  readonly layout: ChannelLayout;
  readonly qparams: ChannelQparams;
  readonly signed: boolean;
  readonly seed: number;
}

const cases = fc
  .tuple(layouts, fc.constantFrom(...GRIDS), fc.array(scales, { minLength: 7, maxLength: 7 }), fc.boolean(), fc.nat())
  .map(([layout, [signed, qmin, qmax], allScales, floatZeroPoints, seed]): Case => {
    const random = randomFloats(7, seed);
    const { channels } = layout;
    const whole = Array.from(random, (r, i) => (i % 2 ? (r < 0 ? qmin : qmax) : Math.floor(r * 140)));
    const zeroPoints = floatZeroPoints
      ? random.map((r) => r * 300).subarray(0, channels)
      : Float64Array.from(whole.slice(0, channels));
    const qparams = {
      scales: Float32Array.from(allScales.slice(0, channels)),
      zeroPoints,
      floatZeroPoints,
      qmin,
      qmax,
    };
    return { layout, qparams, signed, seed };
  });

/** Values around the grid, many of them exactly between two steps, and every special value. */
function inputs({ layout, qparams, seed }: Case): Float32Array {
  const { outer, channels, inner } = layout;
  const x = randomFloats(outer * channels * inner, seed % 1000);
  for (let i = 0; i < x.length; i++) {
    const scale = qparams.scales[Math.floor(i / inner) % channels];
    x[i] = i % 3 ? x[i] * 200 * scale : (Math.floor(x[i] * 400) / 2) * scale;
  }
  const special = [
    0,
    -0,
    NaN,
    Infinity,
    -Infinity,
    1e-45,
    3e38,
    -3e38,
    2 ** 63,
    -(2 ** 63),
    2 ** 62,
    5e6,
    -5e6,
    2 ** 22,
  ];
  special.forEach((value, i) => (x[(i * 37 + seed) % x.length] = value));
  return x;
}

const numRuns = { numRuns: 60 };

describe.each(engines)("wasm quantization, %s", (_, engine) => {
  const kernels = kernelsOf(engine);

  it("quantizes as the reference does", () => {
    const check = (c: Case): void => {
      const x = inputs(c);
      const out = (): Uint8Array | Int8Array => (c.signed ? new Int8Array(x.length) : new Uint8Array(x.length));
      const [actual, expected] = [out(), out()];
      kernels.quantize(x, c.layout, c.qparams, actual);
      referenceKernels.quantize(x, c.layout, c.qparams, expected);
      expect(firstDifference(actual, expected)).toBeNull();
    };
    fc.assert(fc.property(cases, check), numRuns);
  });

  it("dequantizes as the reference does", () => {
    const check = (c: Case): void => {
      const { outer, channels, inner } = c.layout;
      const q = randomBytes(outer * channels * inner, c.seed, c.signed, SPREADS[c.seed % 2]);
      const [actual, expected] = [new Float32Array(q.length), new Float32Array(q.length)];
      kernels.dequantize(q, c.layout, c.qparams, actual);
      referenceKernels.dequantize(q, c.layout, c.qparams, expected);
      expect(firstDifference(actual, expected)).toBeNull();
    };
    fc.assert(fc.property(cases, check), numRuns);
  });

  it("fake-quantizes as the reference does, with and without a mask, in place too", () => {
    const check = (c: Case, withMask: boolean): void => {
      const x = inputs(c);
      const [actual, expected] = [x.slice(), x.slice()];
      const [mask, expectedMask] = [new Uint8Array(x.length), new Uint8Array(x.length)];
      kernels.fakeQuantize(actual, c.layout, c.qparams, actual, withMask ? mask : null);
      referenceKernels.fakeQuantize(expected, c.layout, c.qparams, expected, withMask ? expectedMask : null);
      expect(firstDifference(actual, expected)).toBeNull();
      expect(firstDifference(mask, expectedMask)).toBeNull();
    };
    fc.assert(fc.property(cases, fc.boolean(), check), numRuns);
  });

  it("leaves integers of 32 bits and doubles to the reference", () => {
    const x = randomFloats(1000, 1);
    const layout = { outer: 1, channels: 1, inner: 1000 };
    const qparams = {
      scales: Float32Array.of(1e-9),
      zeroPoints: Float64Array.of(0),
      floatZeroPoints: false,
      qmin: -(2 ** 31),
      qmax: 2 ** 31 - 1,
    };
    const [actual, expected] = [new Int32Array(1000), new Int32Array(1000)];
    kernels.quantize(x, layout, qparams, actual);
    referenceKernels.quantize(x, layout, qparams, expected);
    expect(firstDifference(actual, expected)).toBeNull();
    const [doubles, expectedDoubles] = [Float64Array.from(x), Float64Array.from(x)];
    kernels.fakeQuantize(doubles, layout, qparams, doubles, null);
    referenceKernels.fakeQuantize(expectedDoubles, layout, qparams, expectedDoubles, null);
    expect(firstDifference(doubles, expectedDoubles)).toBeNull();
  });
});
