/** Patterns of convolutions of every rank. */
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from "../../../nn/functional.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../../../nn/modules/conv.ts";
import type { BackendPatternConfig } from "../../backend-config/backend-pattern-config.ts";
import type { DTypeConfig } from "../../backend-config/dtype-config.ts";
import type { PatternFunction } from "../../backend-config/pattern.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import {
  fusionConfigs,
  patternConfig,
  recipeOf,
  rootedConfig,
  weightedConfigs,
  weightedFunctionConfig,
  withFunction,
} from "../pattern-configs.ts";
import type { ModuleClass, QuantizedClass } from "../recipe.ts";
import * as fused from "./fused.ts";
import { convolutionRecipes } from "./index.ts";
import { qatConvClasses } from "./qat.ts";

interface RankClasses {
  readonly conv: ModuleClass;
  readonly convTranspose: ModuleClass;
  readonly function: PatternFunction;
  readonly functionTranspose: PatternFunction;
  readonly ConvReLU: ModuleClass;
  readonly ConvBn: ModuleClass;
  readonly ConvBnReLU: ModuleClass;
}

const classesOfRank: Readonly<Record<1 | 2 | 3, RankClasses>> = {
  1: {
    conv: Conv1d,
    convTranspose: ConvTranspose1d,
    function: conv1d,
    functionTranspose: convTranspose1d,
    ConvReLU: fused.ConvReLU1d,
    ConvBn: fused.ConvBn1d,
    ConvBnReLU: fused.ConvBnReLU1d,
  },
  2: {
    conv: Conv2d,
    convTranspose: ConvTranspose2d,
    function: conv2d,
    functionTranspose: convTranspose2d,
    ConvReLU: fused.ConvReLU2d,
    ConvBn: fused.ConvBn2d,
    ConvBnReLU: fused.ConvBnReLU2d,
  },
  3: {
    conv: Conv3d,
    convTranspose: ConvTranspose3d,
    function: conv3d,
    functionTranspose: convTranspose3d,
    ConvReLU: fused.ConvReLU3d,
    ConvBn: fused.ConvBn3d,
    ConvBnReLU: fused.ConvBnReLU3d,
  },
};

/** Convolutions of all ranks, and transposed ones. */
export const convPatterns: FamilyPatterns = (dtypeConfigs) =>
  ([1, 2, 3] as const).flatMap((rank) => [
    ...forwardPatterns(rank, dtypeConfigs),
    ...transposedPatterns(rank, dtypeConfigs),
  ]);

/** Convolutions over two dimensions, and no transposed ones. */
export const conv2dPatterns: FamilyPatterns = (dtypeConfigs) => forwardPatterns(2, dtypeConfigs);

function forwardPatterns(rank: 1 | 2 | 3, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig[] {
  const { conv, function: fn, ...classes } = classesOfRank[rank];
  const plain = recipeOf(convolutionRecipes, conv);
  // All ranks train in a graph; the recipes hold what eager mode trains by default, which leaves out rank 1.
  const qat = qatConvClasses[rank];
  const rooted = (type: QuantizedClass): BackendPatternConfig => rootedConfig(type, plain, dtypeConfigs);
  const trainable = (type: ModuleClass, trained: QuantizedClass): BackendPatternConfig =>
    patternConfig(type, dtypeConfigs).setQatModule(trained);
  return [
    ...weightedConfigs(plain, qat.Conv, dtypeConfigs),
    weightedFunctionConfig(fn, dtypeConfigs),
    ...fusionConfigs(recipeOf(convolutionRecipes, classes.ConvReLU), dtypeConfigs),
    trainable(classes.ConvReLU, qat.ConvReLU),
    rooted(qat.ConvReLU),
    ...withFunction([fn, ReLU]).map((sequence) => patternConfig(sequence, dtypeConfigs)),
    ...fusionConfigs(recipeOf(convolutionRecipes, classes.ConvBn), dtypeConfigs),
    ...convBnReluFusions(classes.ConvBnReLU, conv, dtypeConfigs),
    trainable(classes.ConvBn, qat.ConvBn),
    trainable(classes.ConvBnReLU, qat.ConvBnReLU),
    rooted(qat.ConvBn),
    rooted(qat.ConvBnReLU),
  ];
}

/** Where the ReLU is a function, PyTorch also names the root; nothing follows from it without a reference module. */
function convBnReluFusions(
  ConvBnReLU: ModuleClass,
  conv: ModuleClass,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig[] {
  const [withModule, withRelu] = fusionConfigs(recipeOf(convolutionRecipes, ConvBnReLU), dtypeConfigs);
  return [withModule, withRelu.setRootModule(conv)];
}

function transposedPatterns(rank: 1 | 2 | 3, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig[] {
  const { convTranspose, functionTranspose } = classesOfRank[rank];
  const recipe = recipeOf(convolutionRecipes, convTranspose);
  const { reference = null } = recipe;
  return [
    rootedConfig(convTranspose, recipe, dtypeConfigs),
    // The batch norm is folded into the convolution itself: no fused class.
    ...fusionConfigs(recipe, dtypeConfigs).map((config) =>
      config.setFusedModule(null).setRootModule(convTranspose).setReferenceQuantizedModule(reference),
    ),
    weightedFunctionConfig(functionTranspose, dtypeConfigs),
  ];
}
