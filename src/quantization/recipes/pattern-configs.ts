/** How a family writes its patterns down: from its recipes, with the functions that stand for modules. */
import { LeakyReLU, ReLU, Tanh } from "../../nn/modules/activation.ts";
import { leakyRelu, relu, tanh } from "../../nn/functional.ts";
import { BackendPatternConfig } from "../backend-config/backend-pattern-config.ts";
import type { DTypeConfig } from "../backend-config/dtype-config.ts";
import { ObservationType } from "../backend-config/observation-type.ts";
import type { Pattern, PatternFunction } from "../backend-config/pattern.ts";
import type { ModuleClass, QuantizedClass, Recipe } from "./recipe.ts";

/** The patterns of one family of operators, for a backend that computes them in these dtypes. */
export type FamilyPatterns = (dtypeConfigs: readonly DTypeConfig[]) => BackendPatternConfig[];

export function patternConfig(pattern: Pattern, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig {
  return new BackendPatternConfig(pattern).setDtypeConfigs(dtypeConfigs);
}

/** For an operator that leaves its input's grid as it is. */
export function sharingConfig(pattern: Pattern, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig {
  return patternConfig(pattern, dtypeConfigs).setObservationType(ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT);
}

/** For a function that takes its weight and bias after the input. */
export function weightedFunctionConfig(
  fn: PatternFunction,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig {
  return patternConfig(fn, dtypeConfigs)._setInputTypeToIndex({ weight: 1, bias: 2 });
}

/** A module class that is or holds a `root`, which conversion swaps for its reference form. */
export function rootedConfig(
  type: ModuleClass,
  root: Recipe,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig {
  return patternConfig(type, dtypeConfigs)
    .setRootModule(root.float)
    .setReferenceQuantizedModule(root.reference ?? null);
}

/** A weighted module, and the module that trains in its place. */
export function weightedConfigs(
  recipe: Recipe,
  qat: QuantizedClass,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig[] {
  return [rootedConfig(recipe.float, recipe, dtypeConfigs).setQatModule(qat), rootedConfig(qat, recipe, dtypeConfigs)];
}

/** Activations that may also be called as functions. */
const functionOf: ReadonlyMap<ModuleClass, PatternFunction> = new Map<ModuleClass, PatternFunction>([
  [ReLU, relu],
  [LeakyReLU, leakyRelu],
  [Tanh, tanh],
]);

/** A sequence as it is, and with a function in place of its last module if there is one. */
export function withFunction(sequence: readonly Pattern[]): (readonly Pattern[])[] {
  const fn = functionOf.get(sequence.at(-1) as ModuleClass);
  return fn ? [sequence, [...sequence.slice(0, -1), fn]] : [sequence];
}

/** The sequences that fuse into a recipe's module. */
export function fusionConfigs(recipe: Recipe, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig[] {
  return (recipe.fusions ?? []).flatMap(({ pattern, fuse }) =>
    withFunction(pattern).map((sequence) =>
      patternConfig(sequence, dtypeConfigs).setFuserMethod(fuse).setFusedModule(recipe.float),
    ),
  );
}

/** The recipe of a float class; a mistake in a table if there is none. */
export function recipeOf(recipes: readonly Recipe[], float: ModuleClass): Recipe {
  const recipe = recipes.find((candidate) => candidate.float === float);
  if (!recipe) throw new TypeError(`no recipe for ${float.name}`);
  return recipe;
}
