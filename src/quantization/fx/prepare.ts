/** The steps between a traced, fused graph and one with observers. */
import { OctetError } from "../../core/errors.ts";
import { warn } from "../../core/warnings.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { getModuleToQatModule } from "../backend-config/queries.ts";
import { convert as swapModules } from "../eager/convert.ts";
import { propagateQconfig_ } from "../eager/prepare.ts";
import { activationIsStaticallyQuantized } from "../qconfig-dtypes.ts";
import { QuantType } from "../quant-type.ts";
import type { ModuleClass, ModuleMapping } from "../recipes/recipe.ts";
import type { PrepareCustomConfig } from "./custom-config.ts";
import { insertObservers } from "./insert-observers.ts";
import { findMatches } from "./match.ts";
import { flattenedRules, qconfigsOfNodes, updateQconfigForFusion, updateQconfigForQat } from "./node-qconfigs.ts";
import { argsHaveNoTensors, moduleOf, namedModulesOf, operatorName } from "./node-queries.ts";
import type { FloatReason } from "./observed-graph.ts";
import { observedStandalone, setObservedGraph } from "./observed-graph.ts";
import type { PrepareContext, PrepareOptions } from "./prepare-context.ts";
import { prepareStandaloneModules } from "./standalone.ts";
import { initialTargetDtypes } from "./target-dtypes.ts";

/** Inserts observers into `model`, which is changed, and notes in it what conversion needs to know. */
export function prepare(model: GraphModule, options: PrepareOptions): GraphModule {
  swapForTraining(model, options);
  checkIndexes(model, options.prepareCustomConfig);
  const context = contextOf(model, options);
  prepareStandaloneModules(context);
  insertObservers(context);
  warnOfUnserved(context);
  model.recompile();
  const { qconfigMapping, prepareCustomConfig, isQat, isStandalone, scopes } = options;
  const { qconfigs, observed, reasons } = context;
  const decided = { qconfigs, observed, reasons };
  setObservedGraph(model, { qconfigMapping, prepareCustomConfig, isQat, isStandalone, scopes, ...decided });
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

/** Positions of quantized inputs and outputs that the graph does not have. */
function checkIndexes({ graph }: GraphModule, config: PrepareCustomConfig): void {
  const { inputQuantizedIndexes, outputQuantizedIndexes } = config;
  const nodes = [...graph.nodes];
  const inputs = nodes.filter(({ op }) => op === "placeholder").length;
  const result = nodes.find(({ op }) => op === "output")?.args[0];
  const outputs = Array.isArray(result) ? result.length : 1;
  const check = (name: string, indexes: readonly number[], count: number): void => {
    const beyond = indexes.find((index) => index >= count);
    if (beyond === undefined) return;
    const numbered = count === 1 ? "1, number 0" : `${count}, numbers 0 to ${count - 1}`;
    throw new OctetError(
      `prepare_fx: ${name}QuantizedIndexes has ${beyond}; number of ${name}s of the model: ${numbered}`,
    );
  };
  check("input", inputQuantizedIndexes, inputs);
  check("output", outputQuantizedIndexes, outputs);
}

/** Tells of operators that have a qconfig but stay float, because the backend does not have what it asks for. */
function warnOfUnserved({ model, matches, qconfigs, reasons, modules, scopes }: PrepareContext): void {
  const operators = new Map<string, string[]>();
  for (const root of model.graph.nodes) {
    const match = matches.get(root);
    if (match?.root !== root) continue;
    const qconfig = qconfigs.get(root.name) ?? null;
    const reason = reasons.get(root.name);
    if (!qconfig || reason?.kind !== "dtype constraint" || !reason.detail || argsHaveNoTensors(root, modules)) continue;
    // Dynamic and weight-only qconfigs are about operators with weights: nobody expects more of them.
    const hasWeight = match.config?.dtypeConfigs.some(({ weightDtype }) => weightDtype) ?? false;
    if (!hasWeight && !activationIsStaticallyQuantized(qconfig)) continue;
    const module = moduleOf(root, modules);
    const place = module ? String(root.target) : (scopes.get(root.name)?.modulePath ?? "");
    const name = operatorName(root, module);
    const named = place ? `${name} (${place})` : name;
    operators.set(reason.detail, [...(operators.get(reason.detail) ?? []), named]);
  }
  for (const [detail, names] of operators) {
    warn(`prepare_fx: the backend cannot serve the qconfig of ${names.join(", ")}, left in float: ${detail}`);
  }
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
