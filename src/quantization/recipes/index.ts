/** All recipes. Mappings, propagation lists and fusion patterns are derived from this list. */
import { activationRecipes } from "./activation/index.ts";
import { convolutionRecipes } from "./conv/index.ts";
import { embeddingRecipes } from "./embedding/index.ts";
import { functionalRecipes } from "./functional.ts";
import { linearRecipes } from "./linear/index.ts";
import { normRecipes } from "./norm/index.ts";
import { stubRecipes } from "./quantize.ts";
import type { Recipe } from "./recipe.ts";
import { recurrentRecipes } from "./rnn/index.ts";

export const recipes: readonly Recipe[] = Object.freeze([
  ...stubRecipes,
  ...linearRecipes,
  ...convolutionRecipes,
  ...normRecipes,
  ...activationRecipes,
  ...embeddingRecipes,
  ...functionalRecipes,
  ...recurrentRecipes,
]);
