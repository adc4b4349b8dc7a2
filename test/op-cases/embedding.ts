/** How the look-ups of src/ops/embedding.ts are called. */
import type { EmbeddingBagOptions, EmbeddingOptions } from "../../src/ops/embedding.ts";
import { embedding, embeddingBag } from "../../src/ops/embedding.ts";
import type { OpTable } from "./types.ts";

const NO_GRADIENT = "by definition the padding row gets no gradient";
const DIVIDED = "by definition the gradient is divided by the row's frequency";

export const embeddingCases: OpTable = {
  embedding: {
    call: ({ input, weight }, kwargs) => embedding(input, weight, kwargs as EmbeddingOptions),
    noDifferences: {
      embedding_padding: NO_GRADIENT,
      embedding_negative_padding: NO_GRADIENT,
      embedding_by_frequency: DIVIDED,
      embedding_padding_by_frequency: DIVIDED,
    },
  },
  embeddingBag: {
    call: ({ input, weight, offsets, per_sample_weights: perSampleWeights }, kwargs) =>
      embeddingBag(input, weight, offsets ?? null, { ...kwargs, perSampleWeights } as EmbeddingBagOptions),
    noDifferences: { bag_sum_by_frequency: DIVIDED, bag_mean_by_frequency: DIVIDED },
  },
  Embedding: { noDifferences: { Embedding_padding: NO_GRADIENT } },
};
