/**
 * Puts observers on the values of a graph that will be quantized: on an input where the value before it is to be of
 * another dtype, and on every output that is to be quantized. Operators that keep their input's grid share its observer.
 */
import type { DType } from "../../core/dtype.ts";
import { bool, float32 } from "../../core/dtype.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Argument } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { ObserverFactory, QConfigAny } from "../qconfig.ts";
import { nonQuantizableWeights } from "../recipes/operators.ts";
import { create } from "../with-args.ts";
import { whyUnsupported } from "./backend-support.ts";
import { insertDequantStubs, isStaticLstm, lstmBehind } from "./custom-lstm.ts";
import type { Match } from "./match.ts";
import { flattenNodes } from "./match.ts";
import { freeAttribute, isObserverNode, moduleOf, replaceModule } from "./node-queries.ts";
import type { PrepareContext } from "./prepare-context.ts";
import { shareObservers } from "./share-observers.ts";
import { standaloneConfig } from "./standalone.ts";
import type { ObserverTraits, TargetDtypes } from "./target-dtypes.ts";
import { floatTensor, isBiasOf, isWeightOf, observerTraits, targetDtypes } from "./target-dtypes.ts";
import { _defaultFp32PlaceholderQconfig } from "../qconfig.ts";

const unobserved: readonly (DType | null)[] = [bool, null];

/**
 * Goes through the nodes in order and observes what each needs. Fills `context.observed` with the names of the nodes that
 * will be quantized, and `context.reasons` with why others will not.
 */
export function insertObservers(context: PrepareContext): void {
  resetUnsupported(context);
  const before = [...context.model.graph.nodes];
  for (const node of before) {
    if (node.op === "placeholder" || node.op === "get_attr") continue;
    if (node.op === "output") observeGraphOutput(node, context);
    else observeNode(node, context);
  }
}

/** What the backend cannot run as asked stays float, and so do the values around it. */
function resetUnsupported({ matches, qconfigs, wants, reasons, modules, backendConfig }: PrepareContext): void {
  const done = new Set<FxNode>();
  for (const [node, match] of matches) {
    const qconfig = qconfigs.get(node.name) ?? null;
    const problem = done.has(node) ? null : whyUnsupported(match, qconfig, wants);
    if (!problem) continue;
    for (const member of flattenNodes(match.nodes)) {
      if (done.has(member)) continue;
      done.add(member);
      if (qconfig) reasons.set(member.name, { kind: "dtype constraint", detail: problem });
      wants.set(member, targetDtypes(member, _defaultFp32PlaceholderQconfig, null, modules, backendConfig));
    }
  }
}

function observeNode(node: FxNode, context: PrepareContext): void {
  const qconfig = context.qconfigs.get(node.name) ?? null;
  const match = context.matches.get(node);
  if (!match) {
    context.reasons.set(node.name, { kind: "no pattern" });
    return;
  }
  if (!qconfig) {
    context.reasons.set(node.name, { kind: "qconfig null" });
    return;
  }
  if (whyUnsupported(match, qconfig, context.wants)) return;
  for (const member of flattenNodes(match.nodes)) context.observed.add(member.name);
  if (node === match.root) observeInputs(node, match, qconfig, context);
  if (node === match.last) finishPattern(node, match, qconfig, context);
}

function finishPattern(node: FxNode, match: Match, qconfig: NonNullable<QConfigAny>, context: PrepareContext): void {
  if (match.kind === "custom module" && isStaticLstm(moduleOf(node, context.modules), qconfig)) {
    insertDequantStubs(node, context);
    swapToObserved(node, context);
    return;
  }
  const observer = observeOutput(node, context);
  if (!observer) return;
  node.replaceAllUsesWith(observer, { deleteUserCb: (user) => user !== observer });
  const { sharesObserver = false, reusesInput = false } = context.wants.get(node) ?? {};
  if ((sharesObserver && !outputIsQuantizedElsewhere(node, context)) || reusesInput) {
    if (!shareObservers(node, context)) removeObserversOf(node, context);
  }
  if (match.kind === "custom module") swapToObserved(node, context);
}

// ---------------------------------------------------------------- inputs

function observeInputs(node: FxNode, match: Match, qconfig: NonNullable<QConfigAny>, context: PrepareContext): void {
  const observe = (arg: Argument): Argument => {
    if (Array.isArray(arg)) return (arg as readonly Argument[]).map(observe);
    return isNode(arg) ? observedInput(arg, node, match, qconfig, context) : arg;
  };
  node.args = node.args.map(observe);
  node.kwargs = Object.fromEntries(Object.entries(node.kwargs).map(([key, arg]) => [key, observe(arg)]));
}

/** The node to read instead of `arg`: `arg` itself, or an observer on it, which may be there already. */
function observedInput(
  arg: FxNode,
  node: FxNode,
  match: Match,
  qconfig: NonNullable<QConfigAny>,
  context: PrepareContext,
): FxNode {
  const factory =
    match.kind === "standalone module"
      ? wantedByStandalone(arg, node, qconfig, context)
      : wantedByOperator(arg, node, context);
  if (!factory) return arg;
  const observer = create(factory) as Module & { readonly dtype?: DType };
  for (const user of arg.users) {
    const existing = moduleOf(user, context.modules) as typeof observer | undefined;
    if (existing?.constructor === observer.constructor && existing.dtype === observer.dtype) return user;
  }
  return insertObserver(arg, observer, context);
}

function wantedByOperator(arg: FxNode, node: FxNode, context: PrepareContext): ObserverFactory | null {
  const info = context.wants.get(node) ?? floatTensor();
  const factory = inputFactory(arg, node, info);
  const produced = producedTraits(arg, context);
  const wanted = observerTraits(factory);
  return needsObserver(produced, wanted, info.reusesInput ?? false, arg === node.args[0]) ? factory : null;
}

function inputFactory(arg: FxNode, node: FxNode, info: TargetDtypes): ObserverFactory | null {
  if (isWeightOf(arg, node, info)) return nonQuantizableWeights.has(node.target) ? null : (info.weight ?? null);
  if (isBiasOf(arg, node, info)) return info.bias ?? null;
  return info.input;
}

function wantedByStandalone(
  arg: FxNode,
  node: FxNode,
  qconfig: NonNullable<QConfigAny>,
  context: PrepareContext,
): ObserverFactory | null {
  const { inputQuantizedIndexes } = standaloneConfig(node, qconfig, context).prepareCustomConfig;
  const index = node.args.indexOf(arg);
  if (!inputQuantizedIndexes.includes(index)) return null;
  const factory = qconfig.activation as ObserverFactory;
  return producedTraits(arg, context).dtype === observerTraits(factory).dtype ? null : factory;
}

/** Float values are observed for any other dtype; dynamic quantization marks the first argument only. */
function needsObserver(produced: ObserverTraits, wanted: ObserverTraits, reusesInput: boolean, isFirst: boolean) {
  if (wanted.isDynamic) return isFirst && !unobserved.includes(produced.dtype);
  if (reusesInput || unobserved.includes(wanted.dtype) || wanted.dtype === float32) return false;
  return !unobserved.includes(produced.dtype) && produced.dtype !== wanted.dtype;
}

/** What a value will be when it is read, as its producer and the observer on it say. */
function producedTraits(arg: FxNode, context: PrepareContext): ObserverTraits {
  const { modules, wants } = context;
  const lstm = lstmBehind(arg, modules);
  const producer = lstm ?? (isObserverNode(arg, modules) ? (arg.args[0] as FxNode) : arg);
  return observerTraits((wants.get(producer) ?? floatTensor()).output);
}

// ---------------------------------------------------------------- outputs

function observeOutput(node: FxNode, context: PrepareContext): FxNode | null {
  const info = context.wants.get(node);
  const factory = info?.output;
  const { dtype, isDynamic } = observerTraits(factory);
  if (!factory || isDynamic || info.standalone || dtype === float32 || unobserved.includes(dtype)) return null;
  return insertObserver(node, create(factory) as Module, context);
}

/** Values that leave a graph with quantized outputs are observed there, unless they are already. */
function observeGraphOutput(output: FxNode, context: PrepareContext): void {
  const observe = (value: Argument): Argument => {
    if (Array.isArray(value)) return (value as readonly Argument[]).map(observe);
    if (isNode(value)) {
      const wanted = observerTraits(context.wants.get(value)?.input);
      const produced = producedTraits(value, context);
      const needs = produced.dtype !== wanted.dtype && wanted.dtype !== null && wanted.dtype !== float32;
      return needs
        ? insertObserver(value, create(context.wants.get(value)?.input as ObserverFactory) as Module, context)
        : value;
    }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, observe(item as Argument)]));
    }
    return value;
  };
  output.args = output.args.map(observe);
}

/** A quantized graph input is observed by whoever made it. */
function outputIsQuantizedElsewhere(node: FxNode, context: PrepareContext): boolean {
  const first = node.args[0];
  const { dtype } = producedTraits(node, context);
  return isNode(first) && first.op === "placeholder" && dtype?.name === "quint8";
}

// ---------------------------------------------------------------- changing the graph

/** Adds the observer to the model under the next free name, and a call of it after `node`. */
function insertObserver(node: FxNode, observer: Module, context: PrepareContext): FxNode {
  const { model } = context;
  const path = freeAttribute(model, "activation_post_process_");
  model.setChild(path, observer);
  context.modules.set(path, observer);
  return model.graph.insertingAfter(node, () => model.graph.callModule(path, [node]));
}

function removeObserversOf(node: FxNode, context: PrepareContext): void {
  const observers = [...node.users].filter((user) => isObserverNode(user, context.modules));
  for (const observer of observers) {
    observer.replaceAllUsesWith(node);
    context.model.graph.eraseNode(observer);
  }
}

/** Puts the observed class in place of a custom module; once, if several nodes call it. */
function swapToObserved(node: FxNode, context: PrepareContext): void {
  const path = String(node.target);
  const module = context.modules.get(path);
  const observedClass = module && context.customClasses.get(module.constructor as never);
  if (!module || !observedClass) return;
  const observed = observedClass.fromFloat(module);
  observed.qconfig ??= module.qconfig;
  replaceModule(context.modules, path, observed);
}
