/** Which qconfig each node of a traced graph gets, by the rules of a QConfigMapping. */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { Module } from "../../nn/module.ts";
import { getModuleToQatModule } from "../backend-config/queries.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import type { QConfigByModule } from "../eager/prepare.ts";
import type { QConfigAny } from "../qconfig.ts";
import { qconfigEquals } from "../qconfig.ts";
import type { ObjectType, QConfigMapping } from "../qconfig-mapping.ts";
import {
  _getObjectTypeQconfig,
  _maybeAdjustQconfigForModuleNameObjectTypeOrder,
  _maybeAdjustQconfigForModuleTypeOrName,
} from "../qconfig-mapping.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { NamedModules } from "./node-queries.ts";
import { isObserverNode, moduleOf, parentName } from "./node-queries.ts";

/** The module in which a node was recorded; its class is null at the top. */
export interface Scope {
  readonly modulePath: string;
  readonly moduleType: ModuleClass | null;
}

export type NodeScopes = ReadonlyMap<string, Scope>;
/** By node name; observers have no entry. */
export type NodeQconfigs = ReadonlyMap<string, QConfigAny>;

/** A fused module follows the rule for the class of its parts, which must agree. Adds such rules to the mapping. */
export function updateQconfigForFusion(model: GraphModule, mapping: QConfigMapping, modules: NamedModules): void {
  const rules = mapping.objectTypeQconfigs;
  if (rules.size === 0) return;
  for (const node of model.graph.nodes) {
    const fused = moduleOf(node, modules);
    if (!(fused instanceof FusedModule)) continue;
    const [first, ...others] = [...fused.children()].map(classOf);
    const qconfig = first ? rules.get(first) : undefined;
    const offending = others.find((type) => !qconfigEquals(rules.get(type) ?? null, qconfig ?? null));
    if (offending) {
      throw new OctetError(
        "During fusion, we need to specify the same qconfigs for all module types in " +
          `${fused.getName()} offending type: ${offending.name}`,
      );
    }
    if (qconfig) rules.set(classOf(fused), qconfig);
  }
}

/** Rules about a float class also hold for the class that trains in its place. */
export function updateQconfigForQat(mapping: QConfigMapping, backendConfig: BackendConfig): void {
  const rules = mapping.objectTypeQconfigs;
  for (const [float, qat] of getModuleToQatModule(backendConfig)) {
    const qconfig = rules.get(float as ModuleClass);
    if (qconfig !== undefined) rules.set(qat, qconfig);
  }
}

/** The rules that eager mode's propagation understands. */
export function flattenedRules(mapping: QConfigMapping): QConfigByModule {
  const rules = new Map<ModuleClass | string, QConfigAny>([["", mapping.globalQconfig]]);
  for (const [type, qconfig] of mapping.objectTypeQconfigs) {
    if (typeof type === "function") rules.set(type as unknown as ModuleClass, qconfig);
  }
  for (const [path, qconfig] of mapping.moduleNameQconfigs) rules.set(path, qconfig);
  return rules;
}

/** Also sets the `qconfig` of every module that a node calls: regular expressions and orders are known only here. */
export function qconfigsOfNodes(
  model: GraphModule,
  modules: NamedModules,
  mapping: QConfigMapping,
  scopes: NodeScopes,
): Map<string, QConfigAny> {
  const uses = new UseCounter();
  const qconfigs = new Map<string, QConfigAny>();
  for (const node of model.graph.nodes) {
    if (isObserverNode(node, modules)) continue;
    qconfigs.set(node.name, qconfigOf(node, modules, mapping, scopes, uses));
    const module = moduleOf(node, modules);
    if (module) module.qconfig = qconfigs.get(node.name) ?? null;
  }
  return qconfigs;
}

function qconfigOf(
  node: FxNode,
  modules: NamedModules,
  mapping: QConfigMapping,
  scopes: NodeScopes,
  uses: UseCounter,
): QConfigAny {
  const { globalQconfig } = mapping;
  const { modulePath, moduleType } = scopes.get(node.name) ?? { modulePath: "", moduleType: null };
  const byModule = (type: ObjectType | null, path: string, fallback: QConfigAny): QConfigAny =>
    _maybeAdjustQconfigForModuleTypeOrName(mapping, type ?? "", path, fallback);
  const byOrder = (path: string, type: ObjectType | null, fallback: QConfigAny): QConfigAny =>
    type === null
      ? fallback
      : _maybeAdjustQconfigForModuleNameObjectTypeOrder(mapping, path, type, uses.next(path, type), fallback);
  switch (node.op) {
    case "get_attr": {
      const [holder] = parentName(String(node.target));
      const module = modules.get(holder);
      return byModule(module ? classOf(module) : null, holder, globalQconfig);
    }
    case "call_function": {
      const target = node.target as ObjectType;
      const byFunction = _getObjectTypeQconfig(mapping, target, globalQconfig);
      return byOrder(modulePath, target, byModule(moduleType, modulePath, byFunction));
    }
    case "call_method":
      return byModule(moduleType, modulePath, byModule(String(node.target), modulePath, globalQconfig));
    case "call_module": {
      const target = String(node.target);
      // Rules are about where a module was found, which is not where a fused one is if its root is called elsewhere, too.
      const path = scopes.get(node.name)?.modulePath ?? target;
      const own = byModule(classOf(modules.get(target) as Module), path, globalQconfig);
      return byOrder(parentName(modulePath)[0], moduleType, own);
    }
    case "placeholder":
    case "output":
      return null;
    default:
      return node.op satisfies never;
  }
}

/** Counts how often each function or class was used in each module. */
class UseCounter {
  private readonly counts = new Map<string, Map<ObjectType, number>>();

  /** 0 for the first use. */
  next(path: string, type: ObjectType): number {
    const inModule = this.counts.get(path) ?? new Map<ObjectType, number>();
    const count = inModule.get(type) ?? 0;
    this.counts.set(path, inModule.set(type, count + 1));
    return count;
  }
}

function classOf(module: Module): ModuleClass {
  return module.constructor as unknown as ModuleClass;
}
