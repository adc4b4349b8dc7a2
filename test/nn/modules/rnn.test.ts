/** Recurrent modules: layouts, types, printing and errors. Values are compared with PyTorch's in test/ops/golden.test.ts. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { float16, float64 } from "../../../src/core/dtype.ts";
import * as nn from "../../../src/nn/index.ts";
import type { PackedSequence } from "../../../src/nn/utils/rnn.ts";
import { packPaddedSequence } from "../../../src/nn/utils/rnn.ts";
import { randn, sum } from "../../../src/ops/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";

describe("layers", () => {
  it("give a tensor for a tensor and a packed sequence for a packed one", () => {
    const lstm = new nn.LSTM(3, 4);
    const [output, [h, c]] = lstm(randn([5, 2, 3]));
    expectTypeOf(output).toEqualTypeOf<Tensor>();
    expect([output.shape, h.shape, c.shape]).toEqual([[5, 2, 4], [1, 2, 4], [1, 2, 4]]); // prettier-ignore
    const [packed] = lstm(packPaddedSequence(randn([5, 2, 3]), [5, 3]));
    expectTypeOf(packed).toEqualTypeOf<PackedSequence>();
    expect(packed.data.shape).toEqual([8, 4]);
    const [, last] = new nn.GRU(3, 4)(randn([5, 3]));
    expectTypeOf(last).toEqualTypeOf<Tensor>();
    expect(last.shape).toEqual([1, 4]);
  });

  it("keep their weights as typed properties under PyTorch's names", () => {
    const gru = new nn.GRU(3, 4, { numLayers: 2, bidirectional: true });
    expectTypeOf(gru.weight_hh_l1_reverse).toEqualTypeOf<nn.Parameter>();
    expect(gru.weight_ih_l1.shape).toEqual([12, 8]);
    expect(gru.weight_hh_l1_reverse.shape).toEqual([12, 4]);
    expect(gru.bias_hh_l0.requiresGrad).toBe(true);
    expect(gru.flatWeights().map((w) => w.shape)).toEqual([...gru.parameters()].map((p) => p.shape));
  });

  it("drop elements between layers in training only", () => {
    const rnn = new nn.RNN(3, 8, { numLayers: 2, dropout: 0.5 });
    const x = randn([4, 2, 3]);
    expect(rnn(x)[0].tolist()).not.toEqual(rnn(x)[0].tolist());
    rnn.eval();
    expect(rnn(x)[0].tolist()).toEqual(rnn(x)[0].tolist());
  });

  it("survive copying, conversion and a second backward pass", () => {
    const lstm = new nn.LSTM(3, 4).double();
    const x = randn([4, 2, 3], { dtype: float64 });
    const copy = lstm.deepCopy();
    expect(copy(x)[0].tolist()).toEqual(lstm(x)[0].tolist());
    for (const module of [lstm, copy, lstm]) sum(module(x)[0]).backward();
    const doubled = (copy.weight_ih_l0.grad as Tensor).mul(2).tolist();
    expect(lstm.weight_ih_l0.grad?.tolist()).toEqual(doubled);
    expect(copy.half()(x.mul(0).to(float16))[0].dtype).toBe(float16);
  });

  it("print as in PyTorch", () => {
    const options = { numLayers: 2, bias: false, batchFirst: true, dropout: 0.5, bidirectional: true, projSize: 2 };
    expect(new nn.LSTM(3, 4, options).toString()).toBe(
      "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)",
    );
    expect(new nn.RNN(3, 4, { nonlinearity: "relu" }).toString()).toBe("RNN(3, 4)");
    expect(new nn.RNNCell(3, 4, { nonlinearity: "relu" }).toString()).toBe("RNNCell(3, 4, nonlinearity=relu)");
    expect(new nn.LSTMCell(3, 4, { bias: false }).toString()).toBe("LSTMCell(3, 4, bias=False)");
  });
});

describe("errors", () => {
  const lstm = new nn.LSTM(8, 4);

  it("name the module and the sizes", () => {
    expect(() => lstm(randn([3, 2, 5]))).toThrow("LSTM: input has 5 features, expected 8");
    expect(() => lstm(packPaddedSequence(randn([3, 2, 5]), [3, 2]))).toThrow("LSTM: input has 5 features, expected 8");
    expect(() => lstm(randn([8]))).toThrow("LSTM: input must have 2 or 3 dimensions, got shape [8]");
    const h = randn([1, 3, 4]);
    expect(() => lstm(randn([3, 2, 8]), [h, h])).toThrow("lstm: h0 has shape [1, 3, 4], expected [1, 2, 4]");
    expect(() => lstm(randn([3, 8]), [h, h])).toThrow(
      "LSTM: initial states need 2 dimensions as the input has, got shape [1, 3, 4]",
    );
    expect(() => lstm(randn([3, 2, 8], { dtype: float64 }))).toThrow("float64");
    expect(() => new nn.GRUCell(8, 4)(randn([2, 5]))).toThrow("GRUCell: input has 5 features, expected 8");
    expect(() => new nn.GRUCell(8, 4)(randn([2, 8]), randn([3, 4]))).toThrow(
      "GRUCell: h has shape [3, 4], expected [2, 4]",
    );
    expect(() => new nn.LSTMCell(8, 4)(randn([2, 8]), [randn([2, 4]), randn([4])])).toThrow(
      "LSTMCell: c has shape [4], expected [2, 4]",
    );
    expect(() => new nn.RNNCell(8, 4)(randn([1, 2, 8]))).toThrow("RNNCell: input must have 1 or 2 dimensions");
  });

  it("name options that make no sense", () => {
    expect(() => new nn.LSTM(3, 4, { projSize: 4 })).toThrow("LSTM: projSize must be a whole number");
    expect(() => new nn.GRU(3, 4, { projSize: 2 } as object)).toThrow(
      "GRU: projSize is only supported for LSTM, got 2",
    );
    expect(() => new nn.GRU(3, 0)).toThrow("GRU: hiddenSize must be a positive whole number, got 0");
    expect(() => new nn.RNN(3, 4, { dropout: 1.5 })).toThrow("RNN: dropout must be a probability in [0, 1], got 1.5");
    expect(() => new nn.RNN(3, 4, { nonlinearity: "x" as "tanh" })).toThrow(
      "RNN: nonlinearity must be tanh or relu, got x",
    );
    expect(() => new nn.RNNCell(0, 4)).toThrow("RNNCell: inputSize must be a positive whole number, got 0");
  });
});
