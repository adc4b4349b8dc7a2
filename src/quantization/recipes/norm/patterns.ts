/** Patterns of normalizations that are not folded into a layer before them. */
import { layerNorm } from "../../../nn/functional.ts";
import { BatchNorm2d, BatchNorm3d, LayerNorm } from "../../../nn/modules/norm.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { fusionConfigs, patternConfig } from "../pattern-configs.ts";
import type { ModuleClass, Recipe } from "../recipe.ts";
import { normRecipes } from "./index.ts";

const batchNorms = [BatchNorm2d, BatchNorm3d];

/** The modules that a batch norm becomes together with what follows it. */
function fusedWith(float: ModuleClass): readonly Recipe[] {
  return normRecipes.filter(({ fusions = [] }) => fusions.some(({ pattern }) => pattern[0] === float));
}

/** Batch norms with and without ReLU, over two and three dimensions. */
export const batchNormPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...batchNorms.flatMap((bn) => [
    ...fusedWith(bn).flatMap((recipe) => fusionConfigs(recipe, dtypeConfigs)),
    patternConfig(bn, dtypeConfigs),
  ]),
  ...batchNorms.flatMap(fusedWith).map(({ float }) => patternConfig(float, dtypeConfigs)),
];

export const batchNorm2dPatterns: FamilyPatterns = (dtypeConfigs) => [patternConfig(BatchNorm2d, dtypeConfigs)];

export const layerNormPatterns: FamilyPatterns = (dtypeConfigs) => [
  patternConfig(LayerNorm, dtypeConfigs),
  patternConfig(layerNorm, dtypeConfigs)._setInputTypeToIndex({ weight: 2, bias: 3 }),
];
