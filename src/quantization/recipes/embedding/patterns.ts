/** Patterns of embeddings. */
import { embedding } from "../../../nn/functional.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { patternConfig, weightedConfigs } from "../pattern-configs.ts";
import type { QuantizedClass } from "../recipe.ts";
import { embeddingRecipes } from "./index.ts";

export const embeddingPatterns: FamilyPatterns = (dtypeConfigs) =>
  embeddingRecipes.flatMap((recipe) => weightedConfigs(recipe, recipe.qatOnRequest as QuantizedClass, dtypeConfigs));

/** With the look-up as a function, after the modules of `nn.Embedding`. */
export const embeddingPatternsWithFunction: FamilyPatterns = (dtypeConfigs) => {
  const [single, trained, ...bags] = embeddingPatterns(dtypeConfigs);
  return [single, trained, patternConfig(embedding, dtypeConfigs)._setInputTypeToIndex({ weight: 1 }), ...bags];
};
