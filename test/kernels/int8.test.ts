/** Int8 products and convolutions of every kernel set against plain loops, and at the largest values that occur. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Epilogue } from "../../src/core/requantize.ts";
import type { ConvGeometry } from "../../src/kernels/geometry.ts";
import type { ByteArray, Int8Weights } from "../../src/kernels/quantized-kernels.ts";
import { availableKernels, kernels, withKernels } from "../../src/kernels/registry.ts";

/** An epilogue that gives the sums themselves, rounded to float32. */
function sums(rows: number): Epilogue {
  return { kind: "dequantize", scales: new Float32Array(rows).fill(1), bias: null, fused: false, relu: false };
}

function weightsOf(data: ByteArray, rows: number, zeroPoint: number): Int8Weights {
  return { data, rows, depth: data.length / rows, zeroPoints: new Int32Array(rows).fill(zeroPoint) };
}

const size = (max: number) => fc.integer({ min: 1, max });
const triples = (max: number, min = 1) => fc.tuple(...[0, 1, 2].map(() => fc.integer({ min, max })));

const geometries = fc
  .record({
    batch: size(2),
    groups: size(3),
    inPerGroup: size(3),
    outPerGroup: size(3),
    kernel: triples(3),
    stride: triples(2),
    padding: triples(2, 0),
    dilation: triples(2),
    extra: triples(3, 0),
  })
  .map(({ batch, groups, inPerGroup, outPerGroup, kernel, stride, padding, dilation, extra }): ConvGeometry => {
    const each = (f: (d: number) => number): [number, number, number] => [f(0), f(1), f(2)];
    const reach = each((d) => dilation[d] * (kernel[d] - 1) + 1);
    const inSize = each((d) => Math.max(1, reach[d] - 2 * padding[d]) + extra[d]);
    const outSize = each((d) => Math.floor((inSize[d] + 2 * padding[d] - reach[d]) / stride[d]) + 1);
    return {
      batch,
      inChannels: inPerGroup * groups,
      outChannels: outPerGroup * groups,
      groups,
      inSize,
      outSize,
      kernel: each((d) => kernel[d]),
      stride: each((d) => stride[d]),
      padding: each((d) => padding[d]),
      dilation: each((d) => dilation[d]),
    };
  });

/** The sum of one output value, written out. */
function convSum(
  g: ConvGeometry,
  at: { image: number; channel: number; position: readonly number[] },
  value: (image: number, channel: number, d: number, h: number, w: number) => number,
  weight: (channel: number, inChannel: number, d: number, h: number, w: number) => number,
): number {
  const inPerGroup = g.inChannels / g.groups;
  const firstChannel = Math.floor(at.channel / (g.outChannels / g.groups)) * inPerGroup;
  let sum = 0;
  for (let c = 0; c < inPerGroup; c++)
    for (let kd = 0; kd < g.kernel[0]; kd++)
      for (let kh = 0; kh < g.kernel[1]; kh++)
        for (let kw = 0; kw < g.kernel[2]; kw++) {
          const [d, h, w] = [kd, kh, kw].map((k, i) => at.position[i] * g.stride[i] - g.padding[i] + k * g.dilation[i]);
          const inside = [d, h, w].every((x, i) => x >= 0 && x < g.inSize[i]);
          if (inside) sum += value(at.image, firstChannel + c, d, h, w) * weight(at.channel, c, kd, kh, kw);
        }
  return sum;
}

const offset = (index: readonly number[], sizes: readonly number[]) => index.reduce((at, i, d) => at * sizes[d] + i, 0);
const product = (sizes: readonly number[]) => sizes.reduce((n, s) => n * s, 1);

for (const name of availableKernels()) {
  describe(`int8 on the ${name} kernels`, () => {
    it("convolves as plain loops do", () => {
      fc.assert(
        fc.property(
          geometries,
          fc.boolean(),
          fc.nat(255),
          fc.integer({ min: -9, max: 9 }),
          fc.nat(),
          (g, signed, zp, zw, seed) => {
            const inSizes = [g.batch, g.inChannels, ...g.inSize];
            const weightSizes = [g.outChannels, g.inChannels / g.groups, ...g.kernel];
            const outSizes = [g.batch, g.outChannels, ...g.outSize];
            const random = generator(seed);
            const data = Uint8Array.from({ length: product(inSizes) }, random);
            const input = { data: signed ? new Int8Array(data.buffer) : data, zeroPoint: signed ? zp - 128 : zp };
            const weights = weightsOf(Int8Array.from({ length: product(weightSizes) }, random), g.outChannels, zw);
            const out = new Float32Array(product(outSizes));
            withKernels(name, () => kernels().convInt8(g, input, weights, sums(g.outChannels), out));
            const expected = out.map((_, i) => {
              const index = outSizes.map((s, d) => Math.floor(i / product(outSizes.slice(d + 1))) % s);
              return convSum(
                g,
                { image: index[0], channel: index[1], position: index.slice(2) },
                (...at) => input.data[offset(at, inSizes)] - input.zeroPoint,
                (...at) => weights.data[offset(at, weightSizes)] - zw,
              );
            });
            expect(out).toEqual(expected);
          },
        ),
        { numRuns: 150 },
      );
    });

    it("does not saturate at the largest values, however long the sums", () => {
      for (const depth of [1, 2, 31, 64, 1152, 4608]) {
        for (const [x, zeroPoint, w] of [
          [255, 0, 127],
          [255, 0, -127],
          [255, 0, -128],
          [0, 255, 127],
          [0, 255, -128],
        ]) {
          const rows = 5;
          const weights = weightsOf(new Int8Array(rows * depth).fill(w), rows, 0);
          const out = new Float32Array(3 * rows);
          const input = { data: new Uint8Array(3 * depth).fill(x), zeroPoint };
          withKernels(name, () => kernels().linearInt8(3, input, weights, sums(rows), out));
          expect([...out]).toEqual(new Array(15).fill(Math.fround(depth * (x - zeroPoint) * w)));
        }
      }
    });
  });
}

/** Bytes from a seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}
