import { describe, expect, it } from "vitest";
import { int64 } from "../../../src/core/dtype.ts";
import * as nn from "../../../src/nn/index.ts";
import { sum, tensor } from "../../../src/ops/index.ts";

const indices = (...values: number[]) => tensor(values, { dtype: int64 });

describe("Embedding", () => {
  it("starts with a padding row of zeros, which stays so in training", () => {
    const table = new nn.Embedding(4, 2, { paddingIdx: -3 });
    expect(table.paddingIdx).toBe(1);
    expect(table(indices(1)).tolist()).toEqual([[0, 0]]);
    sum(table(indices(1, 2))).backward();
    expect(table.weight.grad?.tolist()).toEqual([[0, 0], [0, 0], [1, 1], [0, 0]]); // prettier-ignore
  });

  it("shares a pretrained table, frozen unless told otherwise", () => {
    const rows = tensor([[1, 2], [3, 4]]); // prettier-ignore
    const frozen = nn.Embedding.fromPretrained(rows, { paddingIdx: 0 });
    expect(frozen(indices(0, 1)).tolist()).toEqual(rows.tolist());
    expect(frozen.weight.storage).toBe(rows.storage);
    expect(frozen.weight.requiresGrad).toBe(false);
    expect(nn.Embedding.fromPretrained(rows, { freeze: false }).weight.requiresGrad).toBe(true);
    expect(() => nn.Embedding.fromPretrained(tensor([1]))).toThrow("must have 2 dimensions, got shape [1]");
  });

  it("prints as in PyTorch", () => {
    const options = { paddingIdx: -1, maxNorm: 1.5, normType: 1, scaleGradByFreq: true };
    expect(new nn.Embedding(10, 3, options).toString()).toBe(
      "Embedding(10, 3, padding_idx=9, max_norm=1.5, norm_type=1.0, scale_grad_by_freq=True)",
    );
    expect(new nn.EmbeddingBag(10, 3, { mode: "sum", paddingIdx: 2, maxNorm: 2 }).toString()).toBe(
      "EmbeddingBag(10, 3, max_norm=2.0, mode='sum', padding_idx=2)",
    );
  });

  it("names what it cannot do", () => {
    expect(() => new nn.Embedding(3, 2)(indices(3))).toThrow(
      "embedding: index 3 is out of range for a weight of 3 rows",
    );
    expect(() => new nn.Embedding(3, 2, { paddingIdx: 3 })).toThrow(
      "Embedding: paddingIdx 3 is out of range for 3 embeddings",
    );
    expect(() => new nn.Embedding(-1, 2)).toThrow(
      "Embedding: numEmbeddings must be a whole number of at least 0, got -1",
    );
    expect(() => new nn.EmbeddingBag(3, 2, { sparse: true })).toThrow(
      "EmbeddingBag: sparse gradients are not supported",
    );
  });
});

describe("EmbeddingBag", () => {
  it("reduces a pretrained table", () => {
    const bag = nn.EmbeddingBag.fromPretrained(tensor([[1, 2], [3, 6]]), { mode: "max" }); // prettier-ignore
    expect(bag(indices(0, 1, 0), indices(0, 2)).tolist()).toEqual([[3, 6], [1, 2]]); // prettier-ignore
    expect(new nn.EmbeddingBag(2, 2).mode).toBe("mean");
  });
});
