import { describe, expect, it } from "vitest";
import { float64, int64 } from "../../src/core/dtype.ts";
import { embedding, embeddingBag } from "../../src/ops/embedding.ts";
import { sum, tensor } from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const indices = (...values: number[]): Tensor => tensor(values, { dtype: int64 });
const column = (...values: number[]): Tensor => tensor(values.map((value) => [value]));

const rowsOf = (matrix: Tensor): number[][] => matrix.tolist() as number[][];

describe("embedding", () => {
  it("names the index that is out of range and the number of rows", () => {
    const weight = column(1, 2, 3);
    expect(() => embedding(indices(0, 3), weight)).toThrow("embedding: index 3 is out of range for a weight of 3 rows");
    expect(() => embedding(indices(-1), weight)).toThrow("embedding: index -1 is out of range for a weight of 3 rows");
  });

  it("refuses what it cannot do", () => {
    const weight = column(1, 2, 3);
    expect(() => embedding(tensor([0.5]), weight)).toThrow("embedding: indices must be int64 or int32, got float32");
    expect(() => embedding(indices(0), tensor([1, 2]))).toThrow(
      "embedding: weight must have 2 dimensions, got shape [2]",
    );
    expect(() => embedding(indices(0), weight, { sparse: true })).toThrow(
      "embedding: sparse gradients are not supported",
    );
    expect(() => embedding(indices(0), weight, { paddingIdx: 3 })).toThrow(
      "embedding: paddingIdx 3 is out of range for a weight of 3 rows",
    );
  });

  it("scales rows down to the norm in place, and only those that it reads", () => {
    const weight = tensor([[3, 4], [0.3, 0.4], [6, 8]], { dtype: float64 }); // prettier-ignore
    const out = embedding(indices(0, 1, 0), weight, { maxNorm: 1 });
    const [first, second, third] = rowsOf(weight);
    expect(out.tolist()).toEqual([first, second, first]);
    expect(Math.hypot(...first)).toBeCloseTo(1, 6);
    expect([second, third]).toEqual([[0.3, 0.4], [6, 8]]); // prettier-ignore
    expect(weight.storage.version).toBe(1);
  });

  it("takes the infinite norm too", () => {
    const weight = tensor([[3, -4]], { dtype: float64 });
    embedding(indices(0), weight, { maxNorm: 2, normType: Infinity });
    expect(rowsOf(weight)[0][1]).toBeCloseTo(-2, 6);
  });
});

describe("embeddingBag", () => {
  it("divides gradients by each row's own count", () => {
    const weight = column(1, 1, 1).requiresGrad_();
    const bags = embeddingBag(indices(0, 1, 0, 0), weight, indices(0, 2), { mode: "sum", scaleGradByFreq: true });
    sum(bags).backward();
    expect(weight.grad?.tolist()).toEqual([[1], [1], [0]]);
  });

  it("gives zeros for an empty bag in every mode", () => {
    for (const mode of ["sum", "mean", "max"] as const) {
      expect(embeddingBag(indices(2, 1), column(1, 2, 3), indices(0, 0), { mode }).tolist()).toEqual([
        [0],
        [mode === "sum" ? 5 : mode === "mean" ? 2.5 : 3],
      ]);
    }
  });

  it("names what does not fit", () => {
    const weight = column(1, 2, 3);
    const flat = indices(0, 1);
    expect(() => embeddingBag(flat, weight)).toThrow("embeddingBag: a 1-d input needs offsets");
    expect(() => embeddingBag(flat, weight, indices(1))).toThrow("embeddingBag: offsets[0] must be 0, got 1");
    expect(() => embeddingBag(flat, weight, indices(0, 3))).toThrow("embeddingBag: offset");
    expect(() => embeddingBag(flat, weight, indices(0, 2, 1))).toThrow(
      "embeddingBag: offsets must not decrease, got 2 before 1",
    );
    expect(() => embeddingBag(tensor([[0, 1]], { dtype: int64 }), weight, indices(0))).toThrow(
      "offsets must be left out",
    );
    expect(() => embeddingBag(flat, weight, indices(0), { perSampleWeights: tensor([1, 2]) })).toThrow(
      "embeddingBag: perSampleWeights needs mode sum, got mode mean",
    );
    expect(() => embeddingBag(flat, weight, indices(0), { mode: "sum", perSampleWeights: tensor([1]) })).toThrow(
      "embeddingBag: perSampleWeights has shape [1], the input has [2]",
    );
    expect(() => embeddingBag(flat, weight, indices(0), { mode: "max", scaleGradByFreq: true })).toThrow(
      "embeddingBag: mode max does not support scaleGradByFreq",
    );
    expect(() => embeddingBag(indices(7), weight, indices(0))).toThrow(
      "index 7 is out of range for a weight of 3 rows",
    );
  });
});
