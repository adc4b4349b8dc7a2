/** Fake-quantize modules: switches, defaults, loading, errors. Their numbers are in fake-quantize.golden.test.ts. */
import { describe, expect, it } from "vitest";
import * as octet from "../../src/index.ts";
import { nn, quantization as q, tensor } from "../../src/index.ts";

const { int32, qint8, quint8, perChannelSymmetric, perTensorSymmetric } = octet;
const data = () => tensor([-1, 0.301, 0.5, 2]);

describe("switches", () => {
  for (const Class of [q.FakeQuantize, q.FusedMovingAvgObsFakeQuantize]) {
    it(`of ${Class.name} turn observation and rounding on and off`, () => {
      const module = new Class();
      module.disableFakeQuant();
      expect(module(data()).tolist()).toEqual(data().tolist());
      expect((module.activation_post_process as unknown as q.MinMaxObserver).max_val.item()).toBe(2);
      module.enableFakeQuant();
      module.disableObserver();
      module(data().mul(100));
      expect((module.activation_post_process as unknown as q.MinMaxObserver).max_val.item()).toBe(2);
      module.enableObserver();
      module(data().mul(100));
      expect((module.activation_post_process as unknown as q.MinMaxObserver).max_val.item()).toBeGreaterThan(2);
    });
  }

  it("of all modules of a model, by apply", () => {
    const model = new nn.Sequential(new q.FakeQuantize(), new nn.Sequential(new q.FusedMovingAvgObsFakeQuantize()));
    const flags = () =>
      [...model.namedBuffers()].filter(([name]) => name.endsWith("_enabled")).map(([, t]) => t.item());
    expect(flags()).toEqual([1, 1, 1, 1]);
    model.apply(q.disableFakeQuant);
    expect(flags()).toEqual([0, 1, 0, 1]);
    model.apply(q.disableObserver);
    expect(flags()).toEqual([0, 0, 0, 0]);
    model.apply(q.enableFakeQuant).apply(q.enableObserver);
    expect(flags()).toEqual([1, 1, 1, 1]);
  });

  it("change buffers in place", () => {
    const module = new q.FakeQuantize({
      observer: q.MovingAveragePerChannelMinMaxObserver,
      qscheme: perChannelSymmetric,
      dtype: qint8,
    });
    const before = [...module.buffers()];
    module(octet.randn(3, 4));
    module.disableFakeQuant();
    expect([...module.buffers()].every((buffer, i) => buffer === before[i])).toBe(true);
    expect(module.scale.shape).toEqual([3]);
  });
});

describe("ranges", () => {
  it("are those of the observer", () => {
    const { quantMin, quantMax, isPerChannel, chAxis } = q.defaultFakeQuant.create();
    expect([quantMin, quantMax, isPerChannel, chAxis]).toEqual([0, 127, false, -1]);
  });

  it("must fit the dtype, also one that the observer's factory fixes", () => {
    expect(() => new q.FakeQuantize({ quantMin: -1, quantMax: 5 })).toThrow("quant_min out of bound");
    expect(() => new q.FakeQuantize({ quantMin: 0, quantMax: 256 })).toThrow("quant_max out of bound");
    expect(() => new q.FakeQuantize({ quantMin: 5, quantMax: 1 })).toThrow(
      "quant_min must be less than or equal to quant_max",
    );
    const observer = q.MovingAverageMinMaxObserver.withArgs({ dtype: qint8 });
    expect(new q.FakeQuantize({ observer, quantMin: -128, quantMax: 127 }).dtype).toBe(qint8);
  });
});

describe("fixed qparams", () => {
  it("stay, and are shared with the observer", () => {
    const module = q.defaultFixedQparamsRangeNeg1to1FakeQuant.create();
    module(data());
    expect(module.calculateQparams().map((t) => t.item())).toEqual([2 / 256, 128]);
    expect(module.scale).toBe((module.activation_post_process as unknown as q.FixedQParamsObserver).scale);
    const copy = module.deepCopy();
    expect(copy.scale).toBe((copy.activation_post_process as unknown as q.FixedQParamsObserver).scale);
    expect(copy).toEqual(module);
  });

  it("need their own observer", () => {
    expect(() => new q.FixedQParamsFakeQuantize({ observer: q.MinMaxObserver })).toThrow(
      "FixedQParamsFakeQuantize's observer must be a FixedQParamsObserver, got MinMaxObserver",
    );
  });
});

describe("the fused module", () => {
  it("needs a moving average", () => {
    expect(() => new q.FusedMovingAvgObsFakeQuantize({ observer: q.MinMaxObserver })).toThrow(
      "Fused observer+fake_quant module only works with MovingAverageMinMaxObserver, got MinMaxObserver",
    );
  });

  it("refuses what PyTorch refuses", () => {
    const { fusedMovingAvgObsFakeQuant: fused } = octet;
    const on = tensor([1]);
    const range = () => [tensor(Infinity), tensor(-Infinity), tensor([1]), tensor([0], { dtype: int32 })] as const;
    expect(() => fused(data(), on, on, ...range(), 0.01, 0, 255, 1)).toThrow("ch_axis must be < self.dim()");
    expect(() => fused(data(), tensor([0]), on, ...range(), 0.01, 0, 255, -1)).toThrow(
      "min should be less than or equal to max",
    );
    expect(() => fused(octet.ones(2, 3), on, on, ...range(), 0.01, 0, 255, 1, true)).toThrow(
      "only supported on axis == 0",
    );
    expect(() => fused(data().to(octet.float64), on, on, ...range(), 0.01, 0, 255, -1)).toThrow("expects float32");
    expect(fused(octet.zeros(0), on, on, ...range(), 0.01, 0, 255, -1).shape).toEqual([0]);
  });

  it("has other qparams in its buffers than conversion uses, as in PyTorch", () => {
    const module = new q.FusedMovingAvgObsFakeQuantize({
      dtype: qint8,
      qscheme: perTensorSymmetric,
      quantMin: -128,
      quantMax: 127,
    });
    module(tensor([-0.7, 1.3]));
    expect(module.scale.item()).toBeCloseTo(0.0102362, 6);
    expect(module.calculateQparams()[0].item()).toBeCloseTo(0.0101961, 6);
  });
});

describe("learnable qparams", () => {
  const make = (options = {}) =>
    new q._LearnableFakeQuantize({ observer: q.MovingAverageMinMaxObserver, dtype: quint8, ...options });

  it("follow the observer until they are learned", () => {
    const module = make();
    module(data());
    const estimate = module.scale.item();
    expect(estimate).toBeCloseTo(3 / 255, 6);
    module.enableParamLearning();
    module(data().mul(50));
    expect(module.scale.item()).toBe(estimate);
    expect(module.scale.requiresGrad).toBe(true);
    module.enableStaticObservation();
    const x = data();
    expect(module(x)).toBe(x);
    expect(module.scale.requiresGrad).toBe(false);
    module.enableStaticEstimate();
    expect(module(x)).not.toBe(x);
  });

  it("keep the scale above eps and the zero point in range", () => {
    const module = make({ scale: -1, zeroPoint: 300.4 });
    expect(module.calculateQparams().map((t) => t.item())).toEqual([2 ** -23, 255]);
    expect(module.bitwidth).toBe(8);
  });

  it("have one for each channel, of which there must be a whole number", () => {
    expect(make({ channelLen: 3, scale: 0.5 }).scale.tolist()).toEqual([0.5, 0.5, 0.5]);
    expect(() => make({ channelLen: 0 })).toThrow("Channel size must be a positive integer");
    expect(() => make({ quantMin: 3, quantMax: 3 })).toThrow("quant_min must be strictly less than quant_max.");
    expect(() => make({ quantMax: 300 })).toThrow("quant_max out of bound");
  });
});

describe("operators refuse", () => {
  const x = octet.ones(2, 3);
  const scales = tensor([0.1, 0.2]);
  const zeros = tensor([0, 0], { dtype: int32 });
  const perChannel = (scale = scales, zeroPoint = zeros, axis = 0) =>
    octet.fakeQuantizePerChannelAffine(x, scale, zeroPoint, axis, 0, 255);
  const cases: readonly (readonly [() => unknown, string])[] = [
    [
      () => octet.fakeQuantizePerTensorAffine(x, 0.1, 300, 0, 255),
      "`zero_point` must be between `quant_min` and `quant_max`.",
    ],
    [
      () => octet.fakeQuantizePerTensorAffine(x, 0.1, 0, 255, 0),
      "`quant_min` should be less than or equal to `quant_max`.",
    ],
    [
      () => octet.fakeQuantizePerTensorAffine(x.to(int32), 0.1, 0, 0, 255),
      "expects a floating-point tensor, got int32",
    ],
    [() => perChannel(scales, tensor([0, 300], { dtype: int32 })), "`zero_point` must be between"],
    [() => perChannel(scales, tensor([0, 0], { dtype: octet.int64 })), "Zero-point must be Int32, Float or Half"],
    [() => perChannel(scales.to(octet.float64)), "Scale must be Float"],
    [() => perChannel(tensor([0.1])), "scale and zero-point need to have the same dimensions"],
    [() => perChannel(scales, zeros, 1), "dimensions of scale and zero-point are not consistent with input tensor"],
    [() => perChannel(scales, zeros, -2), "`axis` must be between 0 and number of dimensions of input"],
    [() => perChannel(scales, zeros, 5), "Dimension out of range"],
  ];
  for (const [call, message] of cases) it(message, () => expect(call).toThrow(message));

  it("no zero point in a tensor, whatever its value", () => {
    const out = octet.fakeQuantizePerTensorAffine(
      tensor([1, -8]),
      tensor([0.1]),
      tensor([300], { dtype: int32 }),
      0,
      255,
    );
    expect(out.tolist()).toEqual([Math.fround(-4.5), Math.fround(-8)]);
  });
});

describe("quantize and dequantize agree with fake quantization", () => {
  it("per tensor and per channel", () => {
    const x = octet.randn(4, 50).mul(3);
    expect(octet.fakeQuantizePerTensorAffine(x, 0.037, 100, 0, 255).tolist()).toEqual(
      octet.dequantize(octet.quantizePerTensor(x, 0.037, 100, quint8)).tolist(),
    );
    const [scales, zeros] = [tensor([0.01, 0.02, 0.03, 0.04]), tensor([3, -4, 0, 100], { dtype: int32 })];
    expect(octet.fakeQuantizePerChannelAffine(x, scales, zeros, 0, -128, 127).tolist()).toEqual(
      octet.dequantize(octet.quantizePerChannel(x, scales, zeros, 0, qint8)).tolist(),
    );
  });
});
