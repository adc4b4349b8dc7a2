/** Activations whose output range is known take quantized tensors as they are; their results have the fixed qparams. */
import { Hardsigmoid, Sigmoid, Tanh } from "../../../nn/modules/activation.ts";
import { hardsigmoid } from "../../../ops/activation.ts";
import { sigmoid, tanh } from "../../../ops/arithmetic.ts";
import type { LoweringEntries } from "../lowering.ts";
import { sameForAll } from "../lowering.ts";
import type { ModuleClass } from "../recipe.ts";

export const fixedQparamsLowerings: LoweringEntries = sameForAll([
  hardsigmoid,
  sigmoid,
  tanh,
  "hardsigmoid",
  "hardsigmoid_",
  "sigmoid",
  "sigmoid_",
  "tanh",
  "tanh_",
]);

export const fixedQparamsOnIntegers: readonly ModuleClass[] = [Hardsigmoid, Sigmoid, Tanh];
