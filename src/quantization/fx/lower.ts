/**
 * Lowering: in a graph in reference form, `dequantize → operator → quantize` becomes the integer operator that computes the
 * same. What an operator becomes stands in its recipe; the steps here only know the kinds of operators.
 */
import type { GraphModule } from "../../fx/graph-module.ts";
import { foldPackedWeights } from "./lower-fold.ts";
import { lowerBinary, lowerMetadata, lowerOutputQparams, lowerSame } from "./lower-functions.ts";
import { lowerDynamicModules, lowerStaticModules, lowerWeightOnlyModules } from "./lower-modules.ts";
import { lowerDynamicFunctions, lowerStaticFunctions } from "./lower-weighted.ts";
import { LoweringContext } from "./lowering-context.ts";
import type { NodeQconfigs, NodeScopes } from "./node-qconfigs.ts";

/** Changes `model`. Returns what became of the nodes that were lowered, by their names before. */
export function lower(model: GraphModule, qconfigs: NodeQconfigs, scopes: NodeScopes): ReadonlyMap<string, string> {
  const context = new LoweringContext(model, qconfigs, scopes);
  lowerStaticModules(context);
  lowerDynamicModules(context);
  lowerWeightOnlyModules(context);
  lowerStaticFunctions(context);
  lowerDynamicFunctions(context);
  lowerBinary(context);
  lowerMetadata(context);
  lowerSame(context);
  lowerOutputQparams(context);
  model.graph.eliminateDeadCode();
  foldPackedWeights(context);
  model.recompile();
  model.graph.lint();
  return context.lowered;
}
