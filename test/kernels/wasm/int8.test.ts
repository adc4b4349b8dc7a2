/** Int8 products and convolutions of the wasm kernels, with every epilogue: the reference's results, bit for bit. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Epilogue } from "../../../src/core/requantize.ts";
import type { ConvGeometry } from "../../../src/kernels/geometry.ts";
import type { ByteArray, Int8Input, Int8Weights, QuantizedKernels } from "../../../src/kernels/quantized-kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { firstDifference, randomBytes, SPREADS } from "./bytes.ts";
import { engines } from "./engines.ts";
import { randomFloats } from "./naive.ts";

/** What a case computes with, besides its shape. */
interface Numbers {
  readonly signed: boolean;
  readonly signedWeights: boolean;
  readonly signedOut: boolean;
  readonly inputSpread: number;
  readonly weightSpread: number;
  readonly inputZero: number;
  /** 0 for a symmetric weight, 1 for one zero point, 2 for one per row. */
  readonly weightZeros: number;
  readonly outZero: number;
  readonly epilogue: number;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly seed: number;
}

const zero = fc.oneof(fc.nat(255), fc.constantFrom(0, 128, 255));
const numbers: fc.Arbitrary<Numbers> = fc.record({
  signed: fc.boolean(),
  signedWeights: fc.boolean(),
  signedOut: fc.boolean(),
  inputSpread: fc.constantFrom(0, 0, 0, 1, 2, 3),
  weightSpread: fc.constantFrom(0, 0, 0, 1, 2, 3),
  inputZero: zero,
  weightZeros: fc.nat(2),
  outZero: zero,
  epilogue: fc.nat(6),
  bias: fc.boolean(),
  relu: fc.boolean(),
  seed: fc.nat(100000),
});

function weightsOf(n: Numbers, rows: number, depth: number): Int8Weights {
  const data = randomBytes(rows * depth, n.seed + 1, n.signedWeights, SPREADS[n.weightSpread]);
  const zeros = randomBytes(rows, n.seed + 2, n.signedWeights, "any");
  const zeroPoints = Int32Array.from(zeros, (z) => (n.weightZeros === 0 ? 0 : n.weightZeros === 1 ? zeros[0] : z));
  return { data, rows, depth, zeroPoints };
}

function inputOf(n: Numbers, length: number): Int8Input {
  const data = randomBytes(length, n.seed, n.signed, SPREADS[n.inputSpread]);
  return { data, zeroPoint: n.signed ? n.inputZero - 128 : n.inputZero };
}

/** Scales bring sums of such depth to about the output's range, and now and then far beyond it. */
function epilogueOf(n: Numbers, rows: number, depth: number): Epilogue {
  const typical = (n.seed % 5 === 0 ? 1 : 0.02) / Math.sqrt(depth);
  const scales = randomFloats(rows, n.seed + 3).map((r) => Math.abs(r) * typical + 1e-6);
  const floats = n.bias ? randomFloats(rows, n.seed + 4).map((r) => r * 3) : null;
  const zeroPoint = n.signedOut ? n.outZero - 128 : n.outZero;
  const [min, max] = n.signedOut ? [-128, 127] : [0, 255];
  const grid = { zeroPoint, qmin: n.relu ? zeroPoint : min, qmax: max };
  const inverseOutScale = Math.fround(0.37 * (1 + (n.seed % 7)));
  switch (n.epilogue) {
    case 0:
    case 1:
      return { kind: "floatBias", scales, bias: floats, inverseOutScale, activation: "none", ...grid };
    case 2:
      return { kind: "floatBias", scales, bias: floats, inverseOutScale, activation: { leakyRelu: 0.1 }, ...grid };
    case 3:
      return { kind: "floatBias", scales, bias: floats, inverseOutScale: 100, activation: "tanh", ...grid };
    case 4: {
      const bias = floats && Int32Array.from(floats, (b) => (n.seed % 3 ? Math.floor(b * 1000) : 2 ** 31 - 1));
      return { kind: "intBias", multipliers: scales, bias, ...grid };
    }
    default:
      return { kind: "dequantize", scales, bias: floats, fused: n.epilogue === 5, relu: n.relu };
  }
}

function outputOf(n: Numbers, epilogue: Epilogue, length: number): ByteArray | Float32Array {
  if (epilogue.kind === "dequantize") return new Float32Array(length);
  return n.signedOut ? new Int8Array(length) : new Uint8Array(length);
}

/** Both kernel sets must write the same; twice, since packed weights are kept. */
function compare(
  n: Numbers,
  epilogue: Epilogue,
  length: number,
  run: (k: QuantizedKernels, out: ByteArray | Float32Array) => void,
  kernels: QuantizedKernels,
): void {
  const expected = outputOf(n, epilogue, length);
  run(referenceKernels, expected);
  for (let time = 0; time < 2; time++) {
    const actual = outputOf(n, epilogue, length);
    run(kernels, actual);
    expect(firstDifference(actual, expected)).toBeNull();
  }
}

function checkLinear(kernels: QuantizedKernels, m: number, rows: number, depth: number, n: Numbers): void {
  const [input, weights, epilogue] = [inputOf(n, m * depth), weightsOf(n, rows, depth), epilogueOf(n, rows, depth)];
  compare(n, epilogue, m * rows, (k, out) => k.linearInt8(m, input, weights, epilogue, out), kernels);
}

function checkConv(kernels: QuantizedKernels, g: ConvGeometry, n: Numbers): void {
  const volume = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);
  const depth = (g.inChannels / g.groups) * volume(g.kernel);
  const input = inputOf(n, g.batch * g.inChannels * volume(g.inSize));
  const [weights, epilogue] = [weightsOf(n, g.outChannels, depth), epilogueOf(n, g.outChannels, depth)];
  const length = g.batch * g.outChannels * volume(g.outSize);
  compare(n, epilogue, length, (k, out) => k.convInt8(g, input, weights, epilogue, out), kernels);
}

type Triple = [number, number, number];

interface Shape {
  readonly batch: number;
  readonly groups: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly extra: readonly number[];
}

function geometryOf(s: Shape): ConvGeometry {
  const each = (value: (d: number) => number): Triple => [value(0), value(1), value(2)];
  const reach = each((d) => s.dilation[d] * (s.kernel[d] - 1) + 1);
  const inSize = each((d) => Math.max(1, reach[d] - 2 * s.padding[d]) + s.extra[d]);
  return {
    batch: s.batch,
    inChannels: s.inPerGroup * s.groups,
    outChannels: s.outPerGroup * s.groups,
    groups: s.groups,
    inSize,
    outSize: each((d) => Math.floor((inSize[d] + 2 * s.padding[d] - reach[d]) / s.stride[d]) + 1),
    kernel: each((d) => s.kernel[d]),
    stride: each((d) => s.stride[d]),
    padding: each((d) => s.padding[d]),
    dilation: each((d) => s.dilation[d]),
  };
}

const size = (max: number, min = 1): fc.Arbitrary<number> => fc.integer({ min, max });

/** Geometries in one, two and three dimensions. */
const geometries = size(3)
  .chain((dimensions) => {
    const spatial = (max: number, min: number, leading: number): fc.Arbitrary<readonly number[]> =>
      fc.tuple(...[0, 1, 2].map((d) => (d < 3 - dimensions ? fc.constant(leading) : size(max, min))));
    const outer = dimensions === 3 ? 4 : dimensions === 2 ? 17 : 300;
    return fc.record({
      batch: size(2),
      groups: size(3),
      inPerGroup: fc.oneof(fc.constant(1), size(7)),
      outPerGroup: fc.oneof(fc.constant(1), size(9)),
      kernel: spatial(4, 1, 1),
      stride: spatial(3, 1, 1),
      padding: spatial(3, 0, 0),
      dilation: spatial(3, 1, 1),
      extra: spatial(outer, 0, 0),
    });
  })
  .map(geometryOf);

const plain: Numbers = {
  signed: false,
  signedWeights: true,
  signedOut: false,
  inputSpread: 0,
  weightSpread: 0,
  inputZero: 131,
  weightZeros: 0,
  outZero: 120,
  epilogue: 0,
  bias: true,
  relu: false,
  seed: 1,
};

describe.each(engines)("wasm int8 products, %s", (_, engine) => {
  const kernels = kernelsOf(engine);

  it("are the reference's for random sizes, zero points and epilogues", () => {
    const primes = fc.constantFrom(1, 2, 3, 5, 7, 8, 11, 13, 16, 31, 64, 67);
    const sizes = fc.tuple(fc.oneof(primes, size(20)), fc.oneof(primes, size(20)), fc.oneof(primes, size(80)));
    fc.assert(
      fc.property(sizes, numbers, ([m, rows, depth], n) => checkLinear(kernels, m, rows, depth, n)),
      { numRuns: 400 },
    );
  });

  it("are the reference's across the edges of blocks", () => {
    for (const epilogue of [0, 4, 5, 6]) {
      for (const [m, rows, depth] of [
        [131, 259, 67],
        [1, 517, 1031],
        [9, 11, 40001],
        [600, 8, 260],
      ]) {
        checkLinear(kernels, m, rows, depth, { ...plain, epilogue, seed: epilogue + m });
      }
    }
  });

  it("do not saturate where every product is the largest", () => {
    for (const inputSpread of [2, 3]) {
      for (const weightSpread of [2, 3]) {
        for (const inputZero of [0, 255]) {
          for (const depth of [1, 2, 64, 4608, 40001]) {
            const n = { ...plain, inputSpread, weightSpread, inputZero, weightZeros: 1, epilogue: 6, bias: false };
            checkLinear(kernels, 3, 9, depth, n);
          }
        }
      }
    }
  });

  it("finish numbers that are not finite as the reference does", () => {
    for (const scale of [Infinity, NaN, 3e38]) {
      for (const kind of [0, 4, 5, 6]) {
        const epilogue = epilogueOf({ ...plain, epilogue: kind }, 20, 40);
        const factors = epilogue.kind === "intBias" ? epilogue.multipliers : epilogue.scales;
        factors[3] = scale;
        const [input, weights] = [inputOf(plain, 5 * 40), weightsOf(plain, 20, 40)];
        compare(plain, epilogue, 100, (k, out) => k.linearInt8(5, input, weights, epilogue, out), kernels);
      }
    }
  });

  it("keep packed weights only as long as there is room", () => {
    const n = { ...plain, epilogue: 6 };
    const weights = [0, 1].map((i) => weightsOf({ ...n, seed: i }, 40, 50));
    const input = inputOf(n, 3 * 50);
    const epilogue = epilogueOf(n, 40, 50);
    const check = (i: number): void =>
      compare(n, epilogue, 120, (k, out) => k.linearInt8(3, input, weights[i], epilogue, out), kernels);
    check(0);
    check(1);
    expect(engine.memory.keep(2 ** 40)).toBeNull();
    engine.memory.keep(256 * 2 ** 20 - 4096); // more than is left: all is forgotten
    check(0);
    check(1);
    engine.memory.frame(() => {
      engine.memory.allocate(1);
      expect(engine.memory.keep(8)).toBeNull();
      check(0);
    });
  });
});

describe.each(engines)("wasm int8 convolutions, %s", (_, engine) => {
  const kernels = kernelsOf(engine);

  it("are the reference's for random geometries, zero points and epilogues", () => {
    fc.assert(
      fc.property(geometries, numbers, (g, n) => checkConv(kernels, g, n)),
      { numRuns: 400 },
    );
  });

  it("are the reference's for the shapes of networks", () => {
    const square = {
      batch: 1,
      groups: 1,
      kernel: [1, 3, 3],
      stride: [1, 1, 1],
      padding: [0, 1, 1],
      dilation: [1, 1, 1],
    };
    const shapes: readonly Shape[] = [
      { ...square, inPerGroup: 16, outPerGroup: 70, extra: [0, 27, 27] },
      {
        ...square,
        inPerGroup: 3,
        outPerGroup: 8,
        kernel: [1, 7, 7],
        stride: [1, 2, 2],
        padding: [0, 3, 3],
        extra: [0, 31, 31],
      },
      { ...square, inPerGroup: 40, outPerGroup: 24, kernel: [1, 1, 1], padding: [0, 0, 0], extra: [0, 13, 13] },
      {
        ...square,
        inPerGroup: 24,
        outPerGroup: 9,
        kernel: [1, 1, 1],
        stride: [1, 2, 2],
        padding: [0, 0, 0],
        extra: [0, 13, 13],
      },
      { ...square, groups: 20, inPerGroup: 1, outPerGroup: 1, extra: [0, 13, 13] },
      { ...square, groups: 20, inPerGroup: 1, outPerGroup: 2, stride: [1, 2, 2], extra: [0, 55, 55] },
      { ...square, groups: 4, inPerGroup: 1, outPerGroup: 1, extra: [0, 220, 220] },
      { ...square, batch: 3, inPerGroup: 12, outPerGroup: 50, kernel: [1, 4, 4], padding: [0, 0, 0], extra: [0, 0, 0] },
    ];
    for (const shape of shapes) {
      for (const epilogue of [0, 4, 5]) checkConv(kernels, geometryOf(shape), { ...plain, epilogue });
    }
  });
});
