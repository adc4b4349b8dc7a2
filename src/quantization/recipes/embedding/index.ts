/** The recipes of Embedding and EmbeddingBag. */
import { Embedding as FloatEmbedding, EmbeddingBag as FloatEmbeddingBag } from "../../../nn/modules/sparse.ts";
import type { Recipe } from "../recipe.ts";
import * as qat from "./qat.ts";
import * as quantized from "./quantized.ts";
import * as reference from "./reference.ts";

export const embeddingRecipes: readonly Recipe[] = [
  {
    float: FloatEmbedding,
    qatOnRequest: qat.Embedding,
    quantized: quantized.Embedding,
    reference: reference.Embedding,
    dynamic: quantized.Embedding,
    weightOnly: true,
    observed: true,
  },
  {
    float: FloatEmbeddingBag,
    qatOnRequest: qat.EmbeddingBag,
    quantized: quantized.EmbeddingBag,
    reference: reference.EmbeddingBag,
    dynamic: quantized.EmbeddingBag,
    weightOnly: true,
    observed: true,
  },
].map((recipe) => Object.freeze(recipe));
