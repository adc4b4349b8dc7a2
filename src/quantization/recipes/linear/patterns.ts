/** Patterns of linear layers. */
import { linear } from "../../../nn/functional.ts";
import { LeakyReLU, ReLU, Tanh } from "../../../nn/modules/activation.ts";
import { Linear } from "../../../nn/modules/linear.ts";
import { BatchNorm1d } from "../../../nn/modules/norm.ts";
import type { BackendPatternConfig } from "../../backend-config/backend-pattern-config.ts";
import type { DTypeConfig } from "../../backend-config/dtype-config.ts";
import { fuseLinearBnLeakyRelu, wrapInto } from "../fusers.ts";
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
import type { ModuleClass, QuantizedClass, Recipe } from "../recipe.ts";
import * as fused from "./fused.ts";
import { linearRecipes } from "./index.ts";

const plain = recipeOf(linearRecipes, Linear);

/** The layer alone, as module and as function. */
export const plainLinearPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...weightedConfigs(plain, plain.qat as QuantizedClass, dtypeConfigs),
  weightedFunctionConfig(linear, dtypeConfigs),
];

/** The layer alone, with ReLU, with batch norm. */
export const linearPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...plainLinearPatterns(dtypeConfigs),
  ...fusedLinear(recipeOf(linearRecipes, fused.LinearReLU), dtypeConfigs),
  ...withFunction([linear, ReLU]).map((sequence) => patternConfig(sequence, dtypeConfigs)),
  ...fusedLinear(recipeOf(linearRecipes, fused.LinearBn1d), dtypeConfigs),
];

function fusedLinear(recipe: Recipe, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig[] {
  return [
    ...fusionConfigs(recipe, dtypeConfigs),
    rootedConfig(recipe.float, plain, dtypeConfigs).setQatModule(recipe.qat as QuantizedClass),
    rootedConfig(recipe.qat as QuantizedClass, plain, dtypeConfigs),
  ];
}

// Made once, so that two configs with them are equal.
const fuseBnLeakyRelu = fuseLinearBnLeakyRelu(fused.LinearLeakyReLU);
const leakyRelu = activationForms(LeakyReLU, fused.LinearLeakyReLU);
const tanh = activationForms(Tanh, fused.LinearTanh);

/** The layer with LeakyReLU (and a batch norm between) or Tanh, which onednn runs as one. */
export const linearActivationPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...withActivation(leakyRelu, dtypeConfigs),
  patternConfig([Linear, BatchNorm1d, LeakyReLU], dtypeConfigs)
    .setFuserMethod(fuseBnLeakyRelu)
    .setFusedModule(fused.LinearLeakyReLU),
  ...withActivation(tanh, dtypeConfigs),
];

function activationForms(activation: ModuleClass, made: typeof fused.LinearTanh | typeof fused.LinearLeakyReLU) {
  return { activation, made, fusions: [{ pattern: [Linear, activation], fuse: wrapInto(made) }] };
}

function withActivation(
  { activation, made, fusions }: ReturnType<typeof activationForms>,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig[] {
  return [
    ...fusionConfigs({ float: made, fusions }, dtypeConfigs),
    rootedConfig(made, plain, dtypeConfigs),
    ...withFunction([linear, activation]).map((sequence) => patternConfig(sequence, dtypeConfigs)),
  ];
}
