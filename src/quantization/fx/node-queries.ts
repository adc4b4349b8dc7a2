/** Questions that several passes ask about one node. */
import { getattr, getitem } from "../../fx/operators.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { printTarget } from "../../fx/targets.ts";
import type { Module } from "../../nn/module.ts";
import { _isActivationPostProcess } from "../observers/observer-state.ts";

/** Every module of a model under each of its paths. */
export type NamedModules = ReadonlyMap<string, Module>;

export function namedModulesOf(model: Module, path = "", into: Map<string, Module> = new Map()): Map<string, Module> {
  into.set(path, model);
  for (const [name, child] of model.ownModules()) namedModulesOf(child, path ? `${path}.${name}` : name, into);
  return into;
}

export function moduleOf(node: unknown, modules: NamedModules): Module | undefined {
  return isNode(node) && node.op === "call_module" ? modules.get(String(node.target)) : undefined;
}

/** The module class, function or method that a node calls, as PyTorch names it. */
export function operatorName(node: FxNode, module: Module | undefined): string {
  if (module) return module.getName();
  return node.op === "call_method" ? `Tensor.${String(node.target)}` : printTarget(node.target);
}

/** A call of an observer or fake quantization that stands on a value. */
export function isObserverNode(node: unknown, modules: NamedModules): boolean {
  return _isActivationPostProcess(moduleOf(node, modules));
}

/** The path of the module that holds `path`, and the last name. */
export function parentName(path: string): [parent: string, name: string] {
  const dot = path.lastIndexOf(".");
  return dot < 0 ? ["", path] : [path.slice(0, dot), path.slice(dot + 1)];
}

/** Puts another module at a path, in the model and in the map. */
export function replaceModule(modules: Map<string, Module>, path: string, module: Module): void {
  const [parent, name] = parentName(path);
  modules.get(parent)?.setChild(name, module);
  modules.set(path, module);
}

/** `prefix` followed by the first number that makes it no attribute of the model yet. */
export function freeAttribute(model: Module, prefix: string): string {
  const stem = prefix.replaceAll(".", "_");
  let i = 0;
  while (`${stem}${i}` in model) i++;
  return `${stem}${i}`;
}

/**
 * True if it is certain that the node works on plain values only, such as sizes. False if a tensor is among its arguments
 * or it is not known.
 */
export function argsHaveNoTensors(node: unknown, modules: NamedModules): boolean {
  if (!isNode(node)) return true;
  switch (node.op) {
    case "placeholder":
    case "get_attr":
    case "output":
      return false;
    case "call_module":
      return isObserverNode(node, modules) && argsHaveNoTensors(node.args[0], modules);
    case "call_method":
      return node.target === "size" || plainArguments(node, modules);
    case "call_function":
      if (node.target === getitem) return argsHaveNoTensors(node.args[0], modules);
      if (node.target === getattr && ["ndim", "shape"].includes(String(node.args[1]))) return true;
      return plainArguments(node, modules);
    default:
      return node.op satisfies never;
  }
}

function plainArguments(node: FxNode, modules: NamedModules): boolean {
  return node.args.every((arg) => {
    if (Array.isArray(arg)) return arg.every((item) => !isNode(item) || argsHaveNoTensors(item, modules));
    return isNode(arg) ? argsHaveNoTensors(arg, modules) : Number.isInteger(arg) || typeof arg === "boolean";
  });
}
