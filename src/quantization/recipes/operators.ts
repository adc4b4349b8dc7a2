/** What graph mode knows about functions, methods and modules without weights, collected from the families. */
import { linear } from "../../ops/linear.ts";
import { arithmeticLowerings } from "./arithmetic/lowering.ts";
import { convolutionLowerings } from "./conv/lowering.ts";
import { fixedQparamsLowerings, fixedQparamsOnIntegers } from "./fixed-qparams/lowering.ts";
import { linearLowerings } from "./linear/lowering.ts";
import type { LoweredOperator, OperatorLowering } from "./lowering.ts";
import { floatWeightNorms, normLowerings } from "./norm/lowering.ts";
import { ownQparamsLowerings } from "./own-qparams/lowering.ts";
import type { ModuleClass } from "./recipe.ts";
import { plainArguments, sharedQparamsLowerings, sharedQparamsOnIntegers } from "./shared-qparams/lowering.ts";

/** By function, or by the name of a method. */
export const operatorLowerings: ReadonlyMap<LoweredOperator, OperatorLowering> = new Map<
  LoweredOperator,
  OperatorLowering
>([
  ...linearLowerings,
  ...convolutionLowerings,
  ...arithmeticLowerings,
  ...fixedQparamsLowerings,
  ...normLowerings,
  ...ownQparamsLowerings,
  ...sharedQparamsLowerings,
]);

/** Float modules that take quantized tensors as they are. */
export const handlesQuantized: ReadonlySet<ModuleClass> = new Set([
  ...fixedQparamsOnIntegers,
  ...sharedQparamsOnIntegers,
]);

/** Functions whose weight stays float although they are quantized. */
export const nonQuantizableWeights: ReadonlySet<unknown> = new Set<unknown>(floatWeightNorms);

/** Functions for which the qparams of an input are named, of all that read it. */
export const namesItsQparamsByUser: ReadonlySet<unknown> = new Set<unknown>([linear]);

/** Arguments of a method that are no float tensors, so that nothing before them is observed. */
export function nonTensorArguments(method: string): readonly number[] | "all but the first" | undefined {
  return plainArguments.get(method);
}
