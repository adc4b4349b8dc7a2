/** Which class takes the place of a module when a graph is lowered, derived from the recipes. */
import type { Module } from "../../nn/module.ts";
import { FusedModule } from "./fused-module.ts";
import { recipes } from "./index.ts";
import type { ModuleClass, Recipe } from "./recipe.ts";

/** A quantized class that can be made from a reference module (or, without a weight, from a float one). */
export interface QuantizedFromReference extends ModuleClass {
  /** Static ones take the output's qparams. */
  fromReference(reference: Module, outputScale?: number, outputZeroPoint?: number): Module;
}

export interface LoweredClass {
  readonly quantized: QuantizedFromReference;
  /** For a fused module: the class that its first part must have. */
  readonly inner: ModuleClass | null;
}

export interface LoweredClasses {
  readonly static?: LoweredClass;
  readonly dynamic?: LoweredClass;
  /** Without qparams of input or output. */
  readonly weightOnly?: LoweredClass;
}

/** By the class of the module in the reference form of a graph. */
export const loweredClasses: ReadonlyMap<ModuleClass, LoweredClasses> = new Map(recipes.flatMap(entryOf));

function entryOf(recipe: Recipe): readonly (readonly [ModuleClass, LoweredClasses])[] {
  const inner = innerReference(recipe);
  const at = recipe.reference ?? recipe.float;
  if (recipe.weightOnly) return [[at, { weightOnly: lowered(recipe.quantized, null) }]];
  const statically = lowered(recipe.quantizedInGraph ?? recipe.quantized, inner);
  const dynamically = lowered(recipe.dynamic, inner);
  const hasReference = recipe.reference !== undefined || inner !== null;
  const entry = { static: statically, ...(hasReference && { dynamic: dynamically }) };
  return statically || entry.dynamic ? [[at, entry]] : [];
}

function lowered(type: ModuleClass | undefined, inner: ModuleClass | null): LoweredClass | undefined {
  if (!type || !("fromReference" in type)) return undefined;
  return { quantized: type as QuantizedFromReference, inner };
}

/** The reference class of a fused module's first part, if that has a weight. */
function innerReference({ float }: Recipe): ModuleClass | null {
  if (!(float.prototype instanceof FusedModule)) return null;
  const [first] = (float as typeof FusedModule & ModuleClass).parts;
  return recipes.find((recipe) => recipe.float === first)?.reference ?? null;
}
