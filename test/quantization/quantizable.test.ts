/** Quantizable LSTM and MultiheadAttention: equal to the float ones before conversion, and what they refuse and repair. */
import { describe, expect, it } from "vitest";
import { bool, nn, noGrad, quantization as q, quantizePerTensor, quint8, rand, randn, zeros } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import type { Tensor } from "../../src/index.ts";

const qconfig = q.getDefaultQconfig("qnnpack");

function withQconfig<M extends nn.Module>(module: M): M {
  module.qconfig = qconfig;
  return module;
}

const distance = (a: Tensor, b: Tensor) => {
  expect(a.shape).toEqual(b.shape);
  return a.sub(b).abs().max().item();
};

function quantized(x: Tensor): Tensor {
  return quantizePerTensor(x, 8 / 255, 128, quint8);
}

describe("quantizable.LSTM", () => {
  const options = [
    {},
    { bias: false },
    { batchFirst: true },
    { bidirectional: true },
    { numLayers: 2 },
    { numLayers: 3, bidirectional: true, batchFirst: true },
  ];
  for (const splitGates of [false, true]) {
    it.each(options)(`computes what the float LSTM does (splitGates ${splitGates}, %o)`, (given) => {
      const float = withQconfig(new nn.LSTM(4, 3, given).eval());
      const observed = nn.quantizable.LSTM.fromFloat(float, { splitGates });
      const x = randn([5, 2, 4]);
      const [expected, [h, c]] = float(x);
      const [out, [hObserved, cObserved]] = observed(x);
      expect(distance(out, expected)).toBeLessThan(1e-6);
      expect(distance(hObserved, h)).toBeLessThan(1e-6);
      expect(distance(cObserved, c)).toBeLessThan(1e-6);
      const again = observed(x, [hObserved, cObserved]);
      expect(distance(again[0], float(x, [h, c])[0])).toBeLessThan(1e-6);
    });
  }

  it("takes states layer by layer too", () => {
    const float = withQconfig(new nn.LSTM(4, 3, { numLayers: 2 }).eval());
    const observed = nn.quantizable.LSTM.fromFloat(float);
    const [x, h, c] = [randn([5, 2, 4]), randn([2, 2, 3]), randn([2, 2, 3])];
    const perLayer = [0, 1].map((i) => [h.select(0, i), c.select(0, i)] as const);
    expect(distance(observed(x, perLayer)[0], observed(x, [h, c])[0])).toBe(0);
  });

  it("can be made without a float LSTM, with as many inputs between layers as there are outputs", () => {
    const lstm = new nn.quantizable.LSTM(4, 3, { numLayers: 2, bidirectional: true });
    expect(lstm.training).toBe(false);
    expect(lstm(randn([5, 2, 4]))[0].shape).toEqual([5, 2, 6]);
  });

  it("starts, quantized, from zeros of scale 1", () => {
    const observed = nn.quantizable.LSTM.fromFloat(withQconfig(new nn.LSTM(4, 3).eval()));
    const x = randn([5, 2, 4]);
    noGrad(() => observed(x));
    const int8 = nn.quantized.LSTM.fromObserved(observed);
    const zero = quantizePerTensor(zeros([1, 2, 3]), 1, 0, quint8);
    const [implicit] = int8(quantized(x));
    const [explicit, [h]] = int8(quantized(x), [zero, zero]);
    expect(implicit.intRepr().tolist()).toEqual(explicit.intRepr().tolist());
    expect(h.isQuantized).toBe(true);
    expect(String(observed)).toContain("QuantizableLSTM(");
    expect(String(int8)).toMatch(/^QuantizedLSTM\(/);
    expect(int8).toBeInstanceOf(nn.quantized.LSTM);
  });

  it("ignores dropout, and says so", () => {
    const said: string[] = [];
    const float = withQconfig(new nn.LSTM(4, 3, { numLayers: 2, dropout: 0.5 }).eval());
    withWarnings(
      (message) => void said.push(message),
      () => nn.quantizable.LSTM.fromFloat(float),
    );
    expect(said).toEqual([expect.stringContaining("dropout option for quantizable LSTM is ignored")]);
    withWarnings(
      (message) => void said.push(message),
      () => new nn.quantizable.LSTM(4, 3, { dropout: 0.5 }),
    );
    expect(said[2]).toContain("got dropout=0.5 and numLayers=1");
  });

  it.each([
    ["a dropout above 1", () => new nn.quantizable.LSTM(4, 3, { dropout: 2 }), "should be a number in range [0, 1]"],
    [
      "an unbatched input",
      () => new nn.quantizable.LSTM(4, 3)(randn([5, 4])),
      "input must be a tensor of 3 dimensions [time, batch, features], got shape [5, 4]",
    ],
    ["no qconfig", () => nn.quantizable.LSTM.fromFloat(new nn.LSTM(4, 3)), "must have 'qconfig'"],
    [
      "a projection",
      () => nn.quantizable.LSTM.fromFloat(withQconfig(new nn.LSTM(4, 3, { projSize: 2 }))),
      "projSize 2 is not supported",
    ],
    ["another class", () => nn.quantizable.LSTM.fromFloat(withQconfig(new nn.GRU(4, 3))), "expected a float LSTM"],
    ["the wrong step", () => nn.quantizable.LSTM.fromObserved(new nn.LSTM(4, 3)), "non-quantizable LSTM"],
    ["a float for a quantized one", () => nn.quantized.LSTM.fromFloat(new nn.LSTM(4, 3)), "non-observed LSTM"],
    ["a float as observed", () => nn.quantized.LSTM.fromObserved(new nn.LSTM(4, 3)), "expected a quantizable LSTM"],
    [
      "one bias",
      () => nn.quantizable.LSTMCell.fromParams(randn([12, 4]), randn([12, 3]), randn([12])),
      "bi and bh must both be given, or neither",
    ],
  ])("refuses %s", (_what, make, message) => {
    expect(make).toThrow(message);
  });
});

describe.each([false, true])("quantizable.LSTMCell with splitGates %s", (splitGates) => {
  it("computes what the float cell does, with the cell's own weights", () => {
    const float = withQconfig(new nn.LSTMCell(4, 3));
    const cell = nn.quantizable.LSTMCell.fromFloat(float, { splitGates });
    const [x, h, c] = [randn([2, 4]), randn([2, 3]), randn([2, 3])];
    for (const states of [null, [h, c] as const]) {
      const [expected, actual] = [float(x, states ?? undefined), cell(x, states)];
      expect(distance(actual[0], expected[0])).toBeLessThan(1e-6);
      expect(distance(actual[1], expected[1])).toBeLessThan(1e-6);
    }
    noGrad(() => float.weight_ih.fill_(0));
    expect(distance(cell(x)[0], float(x)[0])).toBeLessThan(1e-6);
    expect([...cell.modules()].filter((module) => module.qconfig)).toHaveLength(splitGates ? 11 : 3);
  });
});

describe("quantizable.MultiheadAttention", () => {
  const options = [
    {},
    { bias: false },
    { batchFirst: true },
    { addBiasKv: true, addZeroAttn: true },
    { kdim: 6, vdim: 4, batchFirst: true, addZeroAttn: true },
  ];
  it.each(options)(
    "computes what the float module does (%o)",
    (given: (typeof options)[number] & { kdim?: number }) => {
      const { kdim = 8, vdim = 8, batchFirst } = given as { kdim?: number; vdim?: number; batchFirst?: boolean };
      const float = withQconfig(new nn.MultiheadAttention(8, 2, given).eval());
      const observed = nn.quantizable.MultiheadAttention.fromFloat(float);
      const input = (length: number, features: number) =>
        randn(batchFirst ? [3, length, features] : [length, 3, features]);
      const inputs = [input(4, 8), input(5, kdim), input(5, vdim)] as const;
      const keyPaddingMask = zeros([3, 5], { dtype: bool });
      keyPaddingMask.select(0, 1).slice(0, 3).fill_(1);
      const calls = [
        {},
        { keyPaddingMask },
        { attnMask: randn([6, 4, 5]), averageAttnWeights: false },
        { attnMask: rand([4, 5]).gt(0.9), keyPaddingMask: randn([3, 5]) },
      ];
      for (const call of calls) {
        const [[out, weights], [expected, expectedWeights]] = [observed(...inputs, call), float(...inputs, call)];
        expect(distance(out, expected)).toBeLessThan(1e-6);
        expect(distance(weights as Tensor, expectedWeights as Tensor)).toBeLessThan(1e-6);
      }
      expect(observed(...inputs, { needWeights: false })[1]).toBeNull();
    },
  );

  function int8Attention(given: ConstructorParameters<typeof nn.MultiheadAttention>[2] = {}) {
    const float = withQconfig(new nn.MultiheadAttention(8, 2, given).eval());
    for (const bias of [float.in_proj_bias, float.out_proj.bias]) if (bias) nn.init.uniform_(bias, -0.5, 0.5);
    const observed = nn.quantizable.MultiheadAttention.fromFloat(float);
    const x = randn([5, 3, 8]);
    noGrad(() => observed(x, x, x));
    return { float, x, int8: nn.quantized.MultiheadAttention.fromObserved(observed) };
  }

  it("quantizes bias_k and bias_v each by its own range, and saves them", () => {
    const { float, int8, x } = int8Attention({ addBiasKv: true });
    for (const key of ["bias_k", "bias_v"] as const) {
      const [exact, rounded] = [float[key] as Tensor, int8[key] as Tensor];
      const range = Math.max(exact.max().item(), 0) - Math.min(exact.min().item(), 0);
      expect(rounded.qScale(), key).toBeCloseTo(range / 255, 6);
      expect(distance(rounded.dequantize(), exact)).toBeLessThan(range / 255);
    }
    const other = int8Attention({ addBiasKv: true }).int8;
    other.loadStateDict(int8.stateDict());
    const [a, b] = [other, int8].map((module) =>
      module(quantized(x), quantized(x), quantized(x))[0].intRepr().tolist(),
    );
    expect(a).toEqual(b);
  });

  it("averages the weights of the heads", () => {
    const { int8, x } = int8Attention();
    const inputs = [quantized(x), quantized(x), quantized(x)] as const;
    const perHead = int8(...inputs, { averageAttnWeights: false })[1] as Tensor;
    const average = int8(...inputs)[1] as Tensor;
    expect(perHead.shape).toEqual([3, 2, 5, 5]);
    expect(distance(average.dequantize(), perHead.dequantize().mean(1))).toBeLessThanOrEqual(perHead.qScale() * 0.501);
  });

  it.each([
    [{}],
    [{ bias: false }],
    [{ addBiasKv: true, addZeroAttn: true, batchFirst: true }],
    [{ kdim: 8, vdim: 8 }],
  ])("dequantizes to a float module with the rounded weights (%o)", (given) => {
    const { float, int8, x } = int8Attention(given);
    const back = int8.dequantize();
    expect(back).toBeInstanceOf(nn.MultiheadAttention);
    expect(back).not.toBeInstanceOf(nn.quantizable.MultiheadAttention);
    expect(back.batchFirst).toBe(float.batchFirst);
    for (const [key, value] of float.stateDict()) {
      const found = back.stateDict().get(key) as Tensor;
      expect(distance(found, value), key).toBeLessThan(value.abs().max().item() / 120);
    }
    expect(distance(back(x, x, x)[0], float(x, x, x)[0])).toBeLessThan(0.1);
  });

  it("is trained with fake quantization, where PyTorch fails", () => {
    const model = new nn.Sequential({ attention: new nn.MultiheadAttention(8, 2, { dropout: 0.1 }) }).train();
    model.qconfig = q.getDefaultQatQconfig("qnnpack");
    const prepared = q.prepareQat(model);
    const attention = prepared.getSubmodule("attention") as nn.quantizable.MultiheadAttention;
    expect(attention.training).toBe(true);
    for (const layer of [attention.linear_Q, attention.linear_K, attention.linear_V, attention.out_proj]) {
      expect(layer).toBeInstanceOf(nn.qat.Linear);
    }
    const x = randn([5, 3, 8]);
    attention(x, x, x)[0].sum().backward();
    expect(attention.linear_Q.weight.grad?.shape).toEqual([8, 8]);
    const int8 = q.convert(prepared.eval()).getSubmodule("attention") as nn.quantized.MultiheadAttention;
    expect(int8(quantized(x), quantized(x), quantized(x))[0].isQuantized).toBe(true);
  });

  const attention = new nn.quantizable.MultiheadAttention(8, 2);
  const x = randn([5, 3, 8]);
  it.each([
    ["unbatched inputs", () => attention(x.select(1, 0), x, x), "must have 3 dimensions, got shapes [5, 8]"],
    ["isCausal", () => attention(x, x, x, { isCausal: true }), "causal mask not supported by AO MHA module"],
    [
      "isCausal with a mask",
      () => attention(x, x, x, { isCausal: true, attnMask: zeros([5, 5]) }),
      "Only allow causal mask or attn_mask",
    ],
    ["a mask of another shape", () => attention(x, x, x, { attnMask: zeros([4, 5]) }), "attnMask has shape [4, 5]"],
    ["to dequantize floats", () => attention.dequantize(), "the module is not quantized"],
    [
      "another class",
      () => nn.quantizable.MultiheadAttention.fromFloat(withQconfig(new nn.Linear(1, 1))),
      "expected a float MultiheadAttention, got Linear",
    ],
    [
      "the wrong step",
      () => nn.quantizable.MultiheadAttention.fromObserved(attention),
      "non-quantizable MultiheadAttention",
    ],
    [
      "a float for a quantized one",
      () => nn.quantized.MultiheadAttention.fromFloat(attention),
      "non-observed MultiheadAttention",
    ],
    [
      "a float as observed",
      () => nn.quantized.MultiheadAttention.fromObserved(new nn.MultiheadAttention(8, 2)),
      "expected a quantizable MultiheadAttention",
    ],
  ])("refuses %s", (_what, call, message) => {
    expect(call).toThrow(message);
  });
});

describe("prepare and convert", () => {
  class Net extends nn.Module {
    quant = new q.QuantStub();
    lstm = new nn.LSTM(4, 4);
    attention = new nn.MultiheadAttention(4, 2);
    dequant = new q.DeQuantStub();

    override forward(x: Tensor): Tensor {
      const [y] = this.lstm(this.quant(x));
      return this.dequant(this.attention(y, y, y)[0]);
    }
  }

  it("swap LSTM and MultiheadAttention by themselves, without an observer on the whole; hooks move along, once", () => {
    const net = withQconfig(new Net().eval());
    const seen: boolean[] = [];
    net.lstm.registerForwardHook((_module, _args, out) => void seen.push((out as [Tensor])[0].isQuantized));
    const prepared = q.prepare(net);
    expect(prepared.lstm).toBeInstanceOf(nn.quantizable.LSTM);
    expect(prepared.attention).toBeInstanceOf(nn.quantizable.MultiheadAttention);
    expect("activation_post_process" in prepared.lstm || "activation_post_process" in prepared.attention).toBe(false);
    noGrad(() => prepared(randn([5, 2, 4])));
    const int8 = q.convert(prepared);
    noGrad(() => int8(randn([5, 2, 4])));
    expect(int8.lstm).toBeInstanceOf(nn.quantized.LSTM);
    expect(int8.attention).toBeInstanceOf(nn.quantized.MultiheadAttention);
    expect(seen).toEqual([false, true]);
  });

  it("leave those alone that have no qconfig, or that a custom configuration does not name", () => {
    const net = withQconfig(new Net().eval());
    net.lstm.qconfig = null;
    const prepared = q.prepare(net);
    expect(prepared.lstm).not.toBeInstanceOf(nn.quantizable.LSTM);
    const untold = q.prepare(net, { prepareCustomConfigDict: {} });
    expect(untold.attention).not.toBeInstanceOf(nn.quantizable.MultiheadAttention);
  });

  it("gives a converted model whose state another one can load", () => {
    const make = () => {
      const prepared = q.prepare(withQconfig(new Net().eval()));
      noGrad(() => prepared(randn([5, 2, 4])));
      return q.convert(prepared);
    };
    const [first, second] = [make(), make()];
    const x = randn([5, 2, 4]);
    expect(second(x).tolist()).not.toEqual(first(x).tolist());
    second.loadStateDict(first.stateDict());
    expect(second(x).tolist()).toEqual(first(x).tolist());
  });
});
