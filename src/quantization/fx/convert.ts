/**
 * Conversion of a prepared graph: every observer becomes quantize and dequantize with its qparams, and every weighted
 * module a reference module. That reference form says exactly what is computed, on any backend; lowering (lower.ts) then
 * puts integer operators in its place.
 */
import { OctetError } from "../../core/errors.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { Argument, FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import {
  getFusedModuleClasses,
  getQatModuleClasses,
  getRootModuleToQuantizedReferenceModule,
} from "../backend-config/queries.ts";
import { removeQconfig } from "../eager/convert.ts";
import { QuantType } from "../quant-type.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { DeQuantStub } from "../stubs.ts";
import { checkCalibrated } from "./calibration.ts";
import { convertCustomModule } from "./convert-custom.ts";
import { convertWeightedModule } from "./convert-weighted.ts";
import { checkedQconfigs } from "./convert-qconfigs.ts";
import { explanationsOf, setExplanations } from "./explain.ts";
import { lower } from "./lower.ts";
import type { ConvertContext, ConvertOptions } from "./convert-context.ts";
import { isObserverNode, moduleOf, namedModulesOf, replaceModule } from "./node-queries.ts";
import { forgetObservedGraph, observedGraph, observedStandalone } from "./observed-graph.ts";
import { insertDequantize, isDequantize, replaceObserver } from "./replace-observers.ts";
import { runWeightObservers } from "./weight-observers.ts";

/** Changes `model`, which prepareFx gave and calibration ran. */
export function convert(model: GraphModule, options: ConvertOptions): GraphModule {
  const prepared = observedGraph(model);
  const modules = namedModulesOf(model);
  if (!options.allowUncalibrated) checkCalibrated(model, modules);
  const context: ConvertContext = {
    ...options,
    model,
    modules,
    qconfigs: checkedQconfigs(model, options),
    scopes: prepared.scopes,
    observed: prepared.observed,
    customClasses: options.convertCustomConfig.observedToQuantizedMapping.get(QuantType.STATIC) ?? new Map(),
    staticCustomNodes: new Set(),
  };
  const explanations = explanationsOf(context, prepared);
  runWeightObservers(model, options.backendConfig);
  const { inputQuantizedIndexes, outputQuantizedIndexes } = prepared.prepareCustomConfig;
  dequantizeInputs(model, inputQuantizedIndexes);
  const convertModule = moduleConverter(context);
  for (const node of model.graph.nodes) if (node.op === "call_module") convertModule(node);
  keepOutputsQuantized(model, outputQuantizedIndexes);
  model.graph.eliminateDeadCode();
  model.recompile();
  const lowered = options.isReference ? new Map<string, string>() : lower(model, context.qconfigs, context.scopes);
  if (options.removeQconfig) removeQconfig(model);
  model.deleteAllUnusedSubmodules();
  forgetObservedGraph(model);
  setExplanations(model, explanations, lowered);
  return model;
}

/** What happens to a call of a module, by what the module is. */
function moduleConverter(context: ConvertContext): (node: FxNode) => void {
  const { model, modules, backendConfig, customClasses, staticCustomNodes } = context;
  const roots = new Set(getRootModuleToQuantizedReferenceModule(backendConfig).keys());
  const trained = new Set(getQatModuleClasses(backendConfig));
  const fused = new Set(getFusedModuleClasses(backendConfig));
  const isWeighted = (module: Module): boolean => {
    const type = classOf(module);
    if (!fused.has(type)) return roots.has(type) || trained.has(type);
    const [first] = [...module.children()];
    return module instanceof FusedModule ? first !== undefined && roots.has(classOf(first)) : trained.has(type);
  };
  return (node) => {
    const module = moduleOf(node, modules);
    if (!module) throw new OctetError(`convert: the graph calls ${String(node.target)}, which the model does not have`);
    if (isObserverNode(node, modules) || module instanceof DeQuantStub) {
      const [source] = node.args as readonly FxNode[];
      const dequantizeOnly = module instanceof DeQuantStub || staticCustomNodes.has(source);
      if (dequantizeOnly) replaceByDequantize(node, model);
      else replaceObserver(node, context);
    } else if (observedStandalone(module)) {
      convertStandalone(node, context);
    } else if (isWeighted(module)) {
      convertWeightedModule(node, context);
    } else if (customClasses.has(classOf(module))) {
      convertCustomModule(node, context);
    }
  };
}

function replaceByDequantize(node: FxNode, model: GraphModule): void {
  const source = node.args[0] as FxNode;
  node.replaceAllUsesWith(source);
  model.graph.eraseNode(node);
  insertDequantize(source, model.graph);
}

/** Quantized graph inputs are dequantized at once: everything in the reference form takes floats. */
function dequantizeInputs(model: GraphModule, indexes: readonly number[]): void {
  const placeholders = [...model.graph.nodes].filter(({ op }) => op === "placeholder");
  for (const [i, node] of placeholders.entries()) if (indexes.includes(i)) insertDequantize(node, model.graph);
}

/** Takes the last dequantize off outputs that stay quantized. */
function keepOutputsQuantized(model: GraphModule, indexes: readonly number[]): void {
  if (indexes.length === 0) return;
  const output = [...model.graph.nodes].find(({ op }) => op === "output") as FxNode;
  const [value] = output.args;
  const kept = Array.isArray(value)
    ? indexes.map((i) => (value as readonly Argument[])[i])
    : indexes.includes(0)
      ? [value]
      : [];
  const strip = (arg: Argument): void => {
    if (isDequantize(arg)) output.replaceInputWith(arg, arg.args[0] as FxNode);
    else if (Array.isArray(arg)) (arg as readonly Argument[]).forEach(strip);
    else if (arg !== null && typeof arg === "object" && !isNode(arg)) Object.values(arg).forEach(strip);
  };
  kept.forEach(strip);
}

/** A standalone module converts itself; only its quantized inputs and outputs concern the graph around it. */
function convertStandalone(node: FxNode, context: ConvertContext): void {
  const { model, modules, ...options } = context;
  const path = String(node.target);
  const standalone = modules.get(path) as GraphModule;
  const { inputQuantizedIndexes, outputQuantizedIndexes } = observedGraph(standalone).prepareCustomConfig;
  for (const index of inputQuantizedIndexes) {
    const arg = node.args[index];
    if (!isDequantize(arg)) continue;
    node.replaceInputWith(arg, arg.args[0] as FxNode);
    if (arg.users.size === 0) model.graph.eraseNode(arg);
  }
  if (outputQuantizedIndexes.length > 0) {
    if (outputQuantizedIndexes[0] !== 0) {
      throw new OctetError(`${path}: a standalone module has one output, so outputQuantizedIndexes can only be [0]`);
    }
    insertDequantize(node, model.graph);
  }
  replaceModule(modules, path, convert(standalone, { ...options, qconfigMapping: undefined }));
}

function classOf(module: Module): ModuleClass {
  return module.constructor as unknown as ModuleClass;
}
