/** What preparing a model does to its tree: who is quantized how, and an observer on every output that will be. */
import type { Module } from "../../nn/module.ts";
import { Sequential } from "../../nn/modules/container.ts";
import { Dropout } from "../../nn/modules/dropout.ts";
import { attachObserver, moveHooks } from "../observed-module.ts";
import type { QConfig } from "../qconfig.ts";
import { _activationIsMemoryless, _assertValidQconfig } from "../qconfig.ts";
import type { PrepareCustomConfigDict } from "../quantization-mappings.ts";
import { defaultModuleToActPostProcess } from "../quantization-mappings.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import { FloatFunctional } from "../recipes/functional.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { DeQuantStub } from "../stubs.ts";
import type { Factory } from "../with-args.ts";
import { create } from "../with-args.ts";

/** QConfigs by module class or by dotted path; "" is the root. */
export type QConfigByModule = ReadonlyMap<ModuleClass | string, QConfig | null>;

export function classOf(module: Module): ModuleClass {
  return module.constructor as unknown as ModuleClass;
}

/**
 * Sets `qconfig` on every module: what the module has, else what `qconfigDict` says for its path or class, else what its
 * parent got (`propagate_qconfig_`).
 */
export function propagateQconfig_(
  module: Module,
  qconfigDict: QConfigByModule = new Map(),
  customConfig: PrepareCustomConfigDict = {},
): void {
  const { nonTraceableModuleName = [], nonTraceableModuleClass = [] } = customConfig;
  const walk = (at: Module, parent: QConfig | null | undefined, path: string): void => {
    const byClass = pick(qconfigDict, classOf(at), parent);
    const given = pick(qconfigDict, path, byClass);
    const qconfig = at.qconfig === undefined ? given : at.qconfig;
    _assertValidQconfig(qconfig ?? null, at);
    if (qconfig !== undefined) at.qconfig = qconfig;
    for (const [name, child] of at.namedChildren()) {
      if (nonTraceableModuleName.includes(name) || nonTraceableModuleClass.includes(classOf(child))) continue;
      walk(child, qconfig, path ? `${path}.${name}` : name);
    }
  };
  walk(module, undefined, "");
}

function pick(dict: QConfigByModule, key: ModuleClass | string, otherwise: QConfig | null | undefined) {
  return dict.has(key) ? dict.get(key) : otherwise;
}

export interface ObserverRules {
  /** Classes whose outputs are observed. */
  readonly observed: ReadonlySet<ModuleClass>;
  /** Classes that are observed although they have children. */
  readonly nonLeaf: ReadonlySet<ModuleClass>;
  /** Float classes that are replaced by classes which are observed inside. */
  readonly custom: NonNullable<PrepareCustomConfigDict["floatToObservedCustomModuleClass"]>;
  /** Those of the replacements whose own output needs no observer. */
  readonly unobserved: ReadonlySet<ModuleClass>;
}

/** Puts observers on the outputs of all modules below (and of a lone leaf) that have a qconfig. */
export function addObservers(module: Module, rules: ObserverRules): void {
  for (const [name, child] of module.namedChildren()) {
    const type = classOf(child);
    const special = child.training ? defaultModuleToActPostProcess.get(type) : undefined;
    const observedCustom = child.qconfig ? rules.custom.get(type) : undefined;
    if (child instanceof Dropout) continue;
    if (child instanceof FloatFunctional) {
      if (child.qconfig) child.activation_post_process = create(child.qconfig.activation) as Module;
    } else if (child instanceof FusedModule || rules.nonLeaf.has(type)) {
      observeOutputOf(child);
    } else if (special) {
      observeOutputOf(child, special);
    } else if (observedCustom) {
      const observed = observedCustom.fromFloat(child);
      moveHooks(child, observed);
      module.setChild(name, observed);
      if (![...rules.unobserved].some((type) => observed instanceof type)) observeOutputOf(observed);
    } else {
      addObservers(child, rules);
    }
  }
  const isLeaf = module.namedChildren().next().done;
  if (isLeaf && !(module instanceof Sequential) && rules.observed.has(classOf(module))) observeOutputOf(module);
}

/** Observes a module that has a qconfig. A DeQuantStub gives floats, so it is left alone. */
function observeOutputOf(module: Module, special?: Factory<Module>): void {
  if (!module.qconfig || module instanceof DeQuantStub) return;
  const observer = create(special ?? (module.qconfig.activation as Factory<Module>));
  attachObserver(module, observer, { input: _activationIsMemoryless(module.qconfig) });
}
