/** The steps between a traced, fused graph and one with observers. */
import type { GraphModule } from "../../fx/graph-module.ts";
import { getModuleToQatModule } from "../backend-config/queries.ts";
import { convert as swapModules } from "../eager/convert.ts";
import { propagateQconfig_ } from "../eager/prepare.ts";
import { QuantType } from "../quant-type.ts";
import type { ModuleClass, ModuleMapping } from "../recipes/recipe.ts";
import { insertObservers } from "./insert-observers.ts";
import { findMatches } from "./match.ts";
import { flattenedRules, qconfigsOfNodes, updateQconfigForFusion, updateQconfigForQat } from "./node-qconfigs.ts";
import { namedModulesOf } from "./node-queries.ts";
import type { FloatReason } from "./observed-graph.ts";
import { observedStandalone, setObservedGraph } from "./observed-graph.ts";
import type { PrepareContext, PrepareOptions } from "./prepare-context.ts";
import { prepareStandaloneModules } from "./standalone.ts";
import { initialTargetDtypes } from "./target-dtypes.ts";

/** Inserts observers into `model`, which is changed, and notes in it what conversion needs to know. */
export function prepare(model: GraphModule, options: PrepareOptions): GraphModule {
  swapForTraining(model, options);
  const context = contextOf(model, options);
  prepareStandaloneModules(context);
  insertObservers(context);
  model.recompile();
  const { qconfigs, observed, reasons } = context;
  setObservedGraph(model, { ...options, qconfigs, observed, reasons });
  return model;
}

/** Gives every module its qconfig and, for training, its fake-quantizing class. */
function swapForTraining(model: GraphModule, options: PrepareOptions): void {
  const { qconfigMapping, prepareCustomConfig, backendConfig, isQat } = options;
  updateQconfigForFusion(model, qconfigMapping, namedModulesOf(model));
  propagateQconfig_(model, flattenedRules(qconfigMapping), {
    nonTraceableModuleName: prepareCustomConfig.nonTraceableModuleNames,
    nonTraceableModuleClass: prepareCustomConfig.nonTraceableModuleClasses,
  });
  if (!isQat) return;
  const trained = getModuleToQatModule(backendConfig) as ModuleMapping;
  swapModules(model, { mapping: trained, inplace: true, removeQconfig: false });
  updateQconfigForQat(qconfigMapping, backendConfig);
}

function contextOf(model: GraphModule, options: PrepareOptions): PrepareContext {
  const { prepareCustomConfig, backendConfig } = options;
  const { inputQuantizedIndexes, outputQuantizedIndexes } = prepareCustomConfig;
  const modules = namedModulesOf(model);
  const qconfigs = qconfigsOfNodes(model, modules, options.qconfigMapping, options.scopes);
  const customClasses = prepareCustomConfig.floatToObservedMapping.get(QuantType.STATIC) ?? new Map();
  const nodes = [...model.graph.nodes];
  const matches = findMatches(nodes, modules, backendConfig, {
    customClasses: new Set(customClasses.keys()),
    isStandalone: (path, module) =>
      prepareCustomConfig.standaloneModuleNames.has(path) ||
      prepareCustomConfig.standaloneModuleClasses.has(module.constructor as unknown as ModuleClass) ||
      observedStandalone(module) !== null,
  });
  const quantized = { inputs: inputQuantizedIndexes, outputs: outputQuantizedIndexes };
  const wants = initialTargetDtypes(nodes, matches, qconfigs, modules, backendConfig, quantized);
  const [observed, reasons] = [new Set<string>(), new Map<string, FloatReason>()];
  return { ...options, model, modules, qconfigs, matches, customClasses, wants, observed, reasons };
}
