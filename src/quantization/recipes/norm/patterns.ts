/** Patterns of normalizations that are not folded into a layer before them. */
import { layerNorm } from "../../../nn/functional.ts";
import { BatchNorm2d, BatchNorm3d, LayerNorm } from "../../../nn/modules/norm.ts";
import { recipes } from "../index.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { fusionConfigs, patternConfig } from "../pattern-configs.ts";

/** Batch norms with and without ReLU, over two and three dimensions. */
export const batchNormPatterns: FamilyPatterns = (dtypeConfigs) => {
  const fused = [BatchNorm2d, BatchNorm3d].map((bn) => recipes.filter((recipe) => beginsWith(recipe, bn)));
  return [
    ...[BatchNorm2d, BatchNorm3d].flatMap((bn, i) => [
      ...fused[i].flatMap((recipe) => fusionConfigs(recipe, dtypeConfigs)),
      patternConfig(bn, dtypeConfigs),
    ]),
    ...fused.flat().map(({ float }) => patternConfig(float, dtypeConfigs)),
  ];
};

function beginsWith({ fusions }: (typeof recipes)[number], float: unknown): boolean {
  return fusions?.some(({ pattern }) => pattern[0] === float) ?? false;
}

export const batchNorm2dPatterns: FamilyPatterns = (dtypeConfigs) => [patternConfig(BatchNorm2d, dtypeConfigs)];

export const layerNormPatterns: FamilyPatterns = (dtypeConfigs) => [
  patternConfig(LayerNorm, dtypeConfigs),
  patternConfig(layerNorm, dtypeConfigs)._setInputTypeToIndex({ weight: 2, bias: 3 }),
];
