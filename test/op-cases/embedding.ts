/** How the look-ups of src/ops/embedding.ts are called. */
import type { EmbeddingBagOptions, EmbeddingOptions } from "../../src/ops/embedding.ts";
import { embedding, embeddingBag } from "../../src/ops/embedding.ts";
import type { OpTable } from "./types.ts";

export const embeddingCases: OpTable = {
  embedding: { call: ({ input, weight }, kwargs) => embedding(input, weight, kwargs as EmbeddingOptions) },
  embeddingBag: {
    call: ({ input, weight, offsets, per_sample_weights: perSampleWeights }, kwargs) =>
      embeddingBag(input, weight, offsets ?? null, { ...kwargs, perSampleWeights } as EmbeddingBagOptions),
  },
};
