import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { numelOf } from "../../../src/core/shape.ts";
import type { ConvGeometry } from "../../../src/kernels/kernels.ts";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

type Triple = [number, number, number];

/** Geometries whose output may also read past the end of the padded input: `outSize` is drawn, not computed. */
const geometries: fc.Arbitrary<ConvGeometry> = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    groups: fc.integer({ min: 1, max: 3 }),
    groupIn: fc.integer({ min: 1, max: 3 }),
    groupOut: fc.integer({ min: 1, max: 4 }),
    inSize: triples(1, 5),
    outSize: triples(1, 4),
    kernel: triples(1, 3),
    stride: triples(1, 3),
    padding: triples(0, 2),
    dilation: triples(1, 3),
  })
  .map(({ groupIn, groupOut, ...g }) => ({ ...g, inChannels: g.groups * groupIn, outChannels: g.groups * groupOut }));

function triples(min: number, max: number): fc.Arbitrary<Triple> {
  const one = fc.integer({ min, max });
  return fc.tuple(one, one, one);
}

const inputLength = (g: ConvGeometry) => g.batch * g.inChannels * numelOf(g.inSize);
const outputLength = (g: ConvGeometry) => g.batch * g.outChannels * numelOf(g.outSize);
const weightLength = (g: ConvGeometry) => (g.outChannels * g.inChannels * numelOf(g.kernel)) / g.groups;

/** Small whole numbers, so that sums are exact in any order. */
const wholeNumbers = (n: number, seed: number) =>
  Float64Array.from({ length: n }, (_, i) => ((i * 37 + seed) % 11) - 5);

function* triplesBelow([depth, height, width]: Readonly<Triple>): Iterable<Triple> {
  for (let d = 0; d < depth; d++) for (let h = 0; h < height; h++) for (let w = 0; w < width; w++) yield [d, h, w];
}

const flat = ([d, h, w]: Readonly<Triple>, size: Readonly<Triple>) => (d * size[1] + h) * size[2] + w;

/** Calls `visit` for every product in a convolution's sum, with the flat indices of its three tensors. */
function forEachProduct(g: ConvGeometry, visit: (input: number, weight: number, output: number) => void): void {
  const [groupIn, groupOut] = [g.inChannels / g.groups, g.outChannels / g.groups];
  for (let image = 0; image < g.batch; image++) {
    for (let o = 0; o < g.outChannels; o++) {
      for (const position of triplesBelow(g.outSize)) {
        for (let c = 0; c < groupIn; c++) {
          for (const tap of triplesBelow(g.kernel)) {
            const at = position.map((p, i) => p * g.stride[i] - g.padding[i] + tap[i] * g.dilation[i]) as Triple;
            if (at.some((v, i) => v < 0 || v >= g.inSize[i])) continue;
            const channel = Math.floor(o / groupOut) * groupIn + c;
            visit(
              (image * g.inChannels + channel) * numelOf(g.inSize) + flat(at, g.inSize),
              (o * groupIn + c) * numelOf(g.kernel) + flat(tap, g.kernel),
              (image * g.outChannels + o) * numelOf(g.outSize) + flat(position, g.outSize),
            );
          }
        }
      }
    }
  }
}

const plain: ConvGeometry = {
  batch: 1,
  inChannels: 1,
  outChannels: 1,
  groups: 1,
  inSize: [1, 3, 3],
  outSize: [1, 2, 2],
  kernel: [1, 2, 2],
  stride: [1, 1, 1],
  padding: [0, 0, 0],
  dilation: [1, 1, 1],
};

describe("conv", () => {
  it("slides a window over an image", () => {
    const out = new Float32Array(4);
    kernels.conv(
      plain,
      Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
      Float32Array.of(1, 0, 0, -1),
      Float32Array.of(10),
      out,
    );
    expect([...out]).toEqual([6, 6, 6, 6]);
  });

  it("agrees with nested loops, with and without bias", () => {
    fc.assert(
      fc.property(geometries, fc.boolean(), (g, withBias) => {
        const [x, w] = [wholeNumbers(inputLength(g), 2), wholeNumbers(weightLength(g), 7)];
        const bias = withBias ? wholeNumbers(g.outChannels, 4) : null;
        const out = new Float64Array(outputLength(g)).fill(NaN);
        kernels.conv(g, x, w, bias, out);
        const plane = numelOf(g.outSize);
        const want = out.map((_, i) => (bias ? bias[Math.floor(i / plane) % g.outChannels] : 0));
        forEachProduct(g, (i, j, o) => (want[o] += x[i] * w[j]));
        expect(out).toEqual(want);
      }),
    );
  });

  it("computes outputs that take more than one block", () => {
    const size: Triple = [1, 90, 100];
    const g = {
      ...plain,
      inChannels: 8,
      outChannels: 2,
      kernel: [1, 3, 3],
      padding: [0, 1, 1],
      inSize: size,
      outSize: size,
    } as const;
    const [x, w] = [wholeNumbers(inputLength(g), 2), wholeNumbers(weightLength(g), 7)];
    const [out, gradInput, gradWeight] = [new Float64Array(outputLength(g)), x.slice(), w.slice()];
    const gradOutput = wholeNumbers(outputLength(g), 5);
    const want = [out.slice(), new Float64Array(x.length), new Float64Array(w.length)];
    forEachProduct(g, (i, j, o) => {
      want[0][o] += x[i] * w[j];
      want[1][i] += gradOutput[o] * w[j];
      want[2][j] += gradOutput[o] * x[i];
    });
    kernels.conv(g, x, w, null, out);
    kernels.convGradInput(g, gradOutput, w, gradInput);
    kernels.convGradWeight(g, x, gradOutput, gradWeight);
    expect([out, gradInput, gradWeight]).toEqual(want);
  });
});

describe("convGradInput and convGradWeight", () => {
  it("agree with nested loops and overwrite what was there", () => {
    fc.assert(
      fc.property(geometries, (g) => {
        const [x, w] = [wholeNumbers(inputLength(g), 2), wholeNumbers(weightLength(g), 7)];
        const gradOutput = wholeNumbers(outputLength(g), 5);
        const [gradInput, gradWeight] = [x.slice().fill(NaN), w.slice().fill(NaN)];
        kernels.convGradInput(g, gradOutput, w, gradInput);
        kernels.convGradWeight(g, x, gradOutput, gradWeight);
        const [wantInput, wantWeight] = [new Float64Array(x.length), new Float64Array(w.length)];
        forEachProduct(g, (i, j, o) => {
          wantInput[i] += gradOutput[o] * w[j];
          wantWeight[j] += gradOutput[o] * x[i];
        });
        expect(gradInput).toEqual(wantInput);
        expect(gradWeight).toEqual(wantWeight);
      }),
    );
  });

  it("are the adjoints of conv: ⟨conv(x, w), g⟩ = ⟨x, gradInput⟩ = ⟨w, gradWeight⟩", () => {
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
    fc.assert(
      fc.property(geometries, (g) => {
        const floats = (n: number, seed: number) => Float32Array.from(wholeNumbers(n, seed));
        const [x, w, gradOutput] = [floats(inputLength(g), 2), floats(weightLength(g), 7), floats(outputLength(g), 5)];
        const [out, gradInput, gradWeight] = [gradOutput.slice(), x.slice(), w.slice()];
        kernels.conv(g, x, w, null, out);
        kernels.convGradInput(g, gradOutput, w, gradInput);
        kernels.convGradWeight(g, x, gradOutput, gradWeight);
        expect(dot(x, gradInput)).toBe(dot(out, gradOutput));
        expect(dot(w, gradWeight)).toBe(dot(out, gradOutput));
      }),
    );
  });
});
