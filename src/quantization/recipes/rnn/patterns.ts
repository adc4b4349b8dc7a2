/** Patterns of recurrent layers, which are quantized dynamically. */
import { GRUCell, LSTMCell, RNNCell } from "../../../nn/modules/rnn-cells.ts";
import { GRU, LSTM } from "../../../nn/modules/rnn.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { recipeOf, rootedConfig } from "../pattern-configs.ts";
import { recurrentRecipes } from "./index.ts";
import * as reference from "./reference.ts";

const recipes = [
  ...[GRUCell, LSTMCell, RNNCell, LSTM].map((float) => recipeOf(recurrentRecipes, float)),
  // In graphs GRU has a reference form, which the mapping of eager mode lacks.
  { ...recipeOf(recurrentRecipes, GRU), reference: reference.GRU },
];

export const recurrentPatterns: FamilyPatterns = (dtypeConfigs) =>
  recipes.map((recipe) => rootedConfig(recipe.float, recipe, dtypeConfigs));
