/** Attention and the Transformer's encoder: what PyTorch's values (test/ops/golden.test.ts) do not show, and errors. */
import { describe, expect, it } from "vitest";
import { bool, float64 } from "../../../src/core/dtype.ts";
import * as nn from "../../../src/nn/index.ts";
import { allclose, ones, randn, sum, tensor, tril } from "../../../src/ops/index.ts";

const { scaledDotProductAttention } = nn.functional;

describe("scaledDotProductAttention", () => {
  it("masks causally as the lower triangle does", () => {
    const [q, k, v] = [randn([2, 4, 3]), randn([2, 4, 3]), randn([2, 4, 5])];
    const causal = scaledDotProductAttention(q, k, v, { isCausal: true });
    expect(allclose(causal, scaledDotProductAttention(q, k, v, { attnMask: tril(ones([4, 4])).to(bool) }))).toBe(true);
  });

  it("drops attention weights", () => {
    const [q, k] = [randn([6, 4]), randn([6, 4])];
    const run = (dropoutP: number) => scaledDotProductAttention(q, k, ones([6, 1]), { dropoutP }).tolist();
    expect(run(0)).toEqual(run(0));
    expect(run(0.5)).not.toEqual(run(0.5));
    expect(run(1)).toEqual(Array.from({ length: 6 }, () => [0]));
  });

  it("names what does not fit", () => {
    const [q, k] = [randn([3, 4]), randn([5, 4])];
    expect(() => scaledDotProductAttention(q, randn([5, 3]), k)).toThrow("query has 4 features, key has 3");
    expect(() => scaledDotProductAttention(q, k, q)).toThrow("key has 5 positions, value has 3");
    expect(() => scaledDotProductAttention(randn([4]), k, k)).toThrow(
      "query needs at least 2 dimensions, got shape [4]",
    );
    expect(() => scaledDotProductAttention(q, k, randn([5, 4], { dtype: float64 }))).toThrow("value is float64");
    const attnMask = ones([3, 5]);
    expect(() => scaledDotProductAttention(q, k, k, { attnMask, isCausal: true })).toThrow("exclude each other");
    expect(() => scaledDotProductAttention(q, k, k, { attnMask: ones([2, 3, 5]) })).toThrow("does not broadcast");
  });
});

describe("MultiheadAttention", () => {
  it("recognizes self-attention without changing the result", () => {
    const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true });
    const x = randn([2, 3, 4]);
    const [same, weights] = attention(x, x, x);
    expect(allclose(same, attention(x, x.clone(), x.clone())[0], { atol: 1e-6 })).toBe(true);
    expect(weights?.shape).toEqual([2, 3, 3]);
    expect(allclose(sum(weights ?? x, -1), ones([2, 3]))).toBe(true);
  });

  it("drops attention weights in training only", () => {
    const attention = new nn.MultiheadAttention(4, 2, { dropout: 0.5 });
    const x = randn([5, 2, 4]);
    const run = (needWeights: boolean) => attention(x, x, x, { needWeights })[0].tolist();
    for (const needWeights of [true, false]) expect(run(needWeights)).not.toEqual(run(needWeights));
    attention.eval();
    for (const needWeights of [true, false]) expect(run(needWeights)).toEqual(run(needWeights));
  });

  it("names sizes and masks that do not fit", () => {
    expect(() => new nn.MultiheadAttention(5, 2)).toThrow("embedDim 5 is not divisible by numHeads 2");
    expect(() => new nn.MultiheadAttention(4, 0)).toThrow("numHeads must be a positive whole number, got 0");
    const attention = new nn.MultiheadAttention(4, 2);
    const [q, k] = [randn([3, 2, 4]), randn([5, 2, 4])];
    expect(() => attention(randn([3, 2, 5]), k, k)).toThrow("multiHeadAttention: query has 5 features, expected 4");
    expect(() => attention(q, k, randn([4, 2, 4]))).toThrow("lengths of key and value, and all batches, must agree");
    expect(() => attention(q, randn([5, 4]), k)).toThrow("must all have 3 dimensions, or 2 unbatched");
    expect(() => attention(q, k, k, { attnMask: ones([3, 4]) })).toThrow(
      "attnMask has shape [3, 4], expected [3, 5] or [4, 3, 5]",
    );
    expect(() => attention(q, k, k, { keyPaddingMask: ones([2, 3]) })).toThrow(
      "keyPaddingMask has shape [2, 3], expected [2, 5]",
    );
    expect(() => attention(q, k, k, { isCausal: true })).toThrow("isCausal is a hint about attnMask");
    expect(() => attention(q, k, k, { keyPaddingMask: tensor([[1]]) })).toThrow("keyPaddingMask has shape [1, 1]");
  });
});

describe("TransformerEncoder", () => {
  it("copies its layer, so that the layers train apart", () => {
    const layer = new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8 });
    const encoder = new nn.TransformerEncoder(layer, 2);
    expect([...encoder.parameters()].length).toBe(2 * [...layer.parameters()].length);
    expect(new Set([...encoder.parameters(), ...layer.parameters()].map((p) => p.storage)).size).toBe(36);
    expect([...encoder.stateDict().keys()].slice(0, 2)).toEqual([
      "layers.0.self_attn.in_proj_weight",
      "layers.0.self_attn.in_proj_bias",
    ]);
  });

  it("takes any activation and refuses unknown names", () => {
    const x = randn([3, 2, 4]);
    const layer = new nn.TransformerEncoderLayer(4, 2, { activation: nn.functional.silu, dropout: 0 });
    expect(layer(x).shape).toEqual([3, 2, 4]);
    expect(() => new nn.TransformerEncoderLayer(4, 2, { activation: "x" as "relu" })).toThrow(
      "activation must be relu, gelu or a function, got x",
    );
  });
});
