/** What must hold of any qparams: observers can represent zero, and a grid's own values survive quantization. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  float32,
  int64,
  perChannelAffine,
  perChannelSymmetric,
  perTensorAffine,
  perTensorSymmetric,
  qint32,
  qint8,
  quantization as q,
  quantizePerChannel,
  quantizePerTensor,
  quint2x4,
  quint4x2,
  quint8,
  tensor,
  zeros,
} from "../../src/index.ts";
import type { DType, QScheme, Tensor } from "../../src/index.ts";
import { chooseQparams, perChannelAffineFloatQparams, perTensorQuantizer } from "../../src/core/qparams.ts";
import type { Quantizer } from "../../src/core/qparams.ts";
import { fromIntegers } from "../../src/ops/quantize.ts";

// ---------------------------------------------------------------- zero

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(1e-3), max: Math.fround(2e-3) }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -9, max: -8 }),
);
const batches = fc.array(fc.array(value, { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 3 });

interface Rule {
  readonly dtype: DType;
  readonly symmetric: boolean;
  readonly reduceRange: boolean;
  /** Of the observer's own: default, or around 0 within the dtype. */
  readonly range: { readonly quantMin: number; readonly quantMax: number } | null;
}

const rules: fc.Arbitrary<Rule> = fc.constantFrom(quint8, qint8, qint32).chain((dtype) => {
  const limit = Math.min(dtype.max, 127);
  const range = fc.record({
    quantMin: fc.integer({ min: Math.max(dtype.min, -128), max: 0 }),
    // reduceRange halves it, and one step must be left.
    quantMax: fc.integer({ min: 2, max: limit }),
  });
  const rule = fc.record({
    dtype: fc.constant(dtype),
    symmetric: fc.boolean(),
    reduceRange: dtype === qint32 ? fc.constant(false) : fc.boolean(),
    range: dtype === qint32 ? fc.constant(null) : fc.option(range),
  });
  // Symmetric quint8 cannot be reduced; observers refuse it.
  return rule.filter(({ symmetric, reduceRange }) => !(symmetric && reduceRange && dtype === quint8));
});

const observers: Readonly<Record<string, (options: q.UniformObserverOptions) => q.ObserverBase>> = {
  MinMaxObserver: (options) => new q.MinMaxObserver(options),
  MovingAverageMinMaxObserver: (options) => new q.MovingAverageMinMaxObserver({ ...options, averagingConstant: 0.3 }),
  PerChannelMinMaxObserver: (options) => new q.PerChannelMinMaxObserver(options),
  MovingAveragePerChannelMinMaxObserver: (options) => new q.MovingAveragePerChannelMinMaxObserver(options),
  HistogramObserver: (options) => new q.HistogramObserver({ ...options, bins: 64 }),
};

function optionsOf({ dtype, symmetric, reduceRange, range }: Rule, perChannel: boolean): q.UniformObserverOptions {
  const [tensorScheme, channelScheme]: [QScheme, QScheme] = symmetric
    ? [perTensorSymmetric, perChannelSymmetric]
    : [perTensorAffine, perChannelAffine];
  return { dtype, reduceRange, ...range, qscheme: perChannel ? channelScheme : tensorScheme };
}

/** The integer that stands for 0 is in range, and is the one that 0 becomes. */
function expectZero(scale: number, zeroPoint: number, dtype: DType, quantMin: number, quantMax: number): void {
  expect(zeroPoint).toSatisfy(Number.isInteger);
  expect(zeroPoint).toBeGreaterThanOrEqual(quantMin);
  expect(zeroPoint).toBeLessThanOrEqual(quantMax);
  const integer = dtype.allocate(1).fill(zeroPoint);
  const stored = fromIntegers(integer, [1], dtype, perTensorQuantizer("test", scale, zeroPoint, dtype));
  expect(stored.dequantize().tolist()).toEqual([0]);
  // 32 bits: the zero point itself is rounded to float32 on the way.
  if (dtype !== qint32) expect(quantizePerTensor(zeros(1), scale, zeroPoint, dtype).dequantize().tolist()).toEqual([0]);
}

describe("zero is exactly representable", () => {
  for (const [name, make] of Object.entries(observers)) {
    it(`with the qparams of ${name}`, () => {
      fc.assert(
        fc.property(rules, batches, (rule, data) => {
          const observer = make(optionsOf(rule, name.includes("PerChannel"))) as q.MinMaxObserver;
          for (const batch of data) observer(tensor(batch).reshape([2, 3]));
          const [scale, zeroPoint] = observer.calculateQparams();
          const zeroPoints = zeroPoint.toNumbers();
          scale.toNumbers().forEach((s, i) => {
            expectZero(s, zeroPoints[i], rule.dtype, observer.quantMin, observer.quantMax);
          });
        }),
        { numRuns: name === "HistogramObserver" ? 40 : 150 },
      );
    });
  }

  it("with the qparams of dynamic quantization and of fused fake quantization", () => {
    fc.assert(
      fc.property(value, value, fc.boolean(), fc.boolean(), (a, b, preserveSparsity, reduceRange) => {
        for (const dtype of [quint8, qint8]) {
          const options = { preserveSparsity, reduceRange };
          const [min, max] = [Math.min(a, b), Math.max(a, b)];
          const { scale, zeroPoint } = chooseQparams(min, max, dtype.min, dtype.max, options);
          expectZero(scale, zeroPoint, dtype, dtype.min, dtype.max);
        }
      }),
    );
  });
});

// ---------------------------------------------------------------- the grid

/** 2^e · m, over most of float32's range. */
const scales = fc
  .record({ exponent: fc.integer({ min: -80, max: 80 }), mantissa: fc.double({ min: 1, max: 2, noNaN: true }) })
  .map(({ exponent, mantissa }) => mantissa * 2 ** exponent);

/** Every integer of the small types; of qint32 those whose distance from the zero point float32 scales well enough. */
const grids = fc.constantFrom(quint8, qint8, quint4x2, quint2x4, qint32).chain((dtype) => {
  const small = dtype !== qint32;
  const [min, max] = small ? [dtype.min, dtype.max] : [-(2 ** 18), 2 ** 18];
  const count = small ? max - min + 1 : 64;
  const integers = small
    ? fc.constant(Array.from({ length: count }, (_, i) => min + i))
    : fc.array(fc.integer({ min, max }), { minLength: count, maxLength: count });
  const zeroPoints = fc.array(fc.integer({ min, max }), { minLength: 2, maxLength: 2 });
  return fc.record({
    dtype: fc.constant(dtype),
    integers,
    zeroPoints,
    scales: fc.array(scales, { minLength: 2, maxLength: 2 }),
  });
});

/** The integers twice, in two rows. */
function onGrid(integers: readonly number[], dtype: DType, quantizer: Quantizer): Tensor {
  const data = dtype.allocate(2 * integers.length);
  data.set([...integers, ...integers]);
  return fromIntegers(data, [2, integers.length], dtype, quantizer);
}

describe("quantizing what a grid holds gives the same integers back", () => {
  it("per tensor, in every dtype", () => {
    fc.assert(
      fc.property(grids, ({ dtype, integers, zeroPoints: [zeroPoint], scales: [scale] }) => {
        const x = onGrid(integers, dtype, perTensorQuantizer("test", scale, zeroPoint, dtype));
        const again = quantizePerTensor(x.dequantize(), scale, zeroPoint, dtype);
        expect(again.elements()).toEqual(x.elements());
      }),
    );
  });

  it("per channel, in every dtype", () => {
    fc.assert(
      fc.property(grids, ({ dtype, integers, zeroPoints, scales: channelScales }) => {
        const quantizer: Quantizer = {
          qscheme: perChannelAffine,
          scales: Float64Array.from(channelScales),
          zeroPoints: Float64Array.from(zeroPoints),
          axis: 0,
        };
        const x = onGrid(integers, dtype, quantizer);
        const qparams = [tensor(channelScales), tensor(zeroPoints, { dtype: int64 })] as const;
        const again = quantizePerChannel(x.dequantize(), ...qparams, 0, dtype);
        expect(again.elements()).toEqual(x.elements());
      }),
    );
  });

  it("per channel with float zero points, in the dtypes of embeddings", () => {
    const zeroPoint = fc.float({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(
        grids.filter(({ dtype }) => dtype !== qint32),
        fc.array(zeroPoint, { minLength: 2, maxLength: 2 }),
        ({ dtype, integers, scales: channelScales }, zeroPoints) => {
          const quantizer: Quantizer = {
            qscheme: perChannelAffineFloatQparams,
            scales: Float32Array.from(channelScales),
            zeroPoints: Float32Array.from(zeroPoints),
            axis: 0,
          };
          const x = onGrid(integers, dtype, quantizer);
          const qparams = [tensor(channelScales), tensor(zeroPoints, { dtype: float32 })] as const;
          const again = quantizePerChannel(x.dequantize(), ...qparams, 0, dtype);
          expect(again.elements()).toEqual(x.elements());
        },
      ),
    );
  });
});
