/** Preparing a model in eager mode: who is quantized how, and an observer on every output that will be. */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import { Sequential } from "../../nn/modules/container.ts";
import { Dropout } from "../../nn/modules/dropout.ts";
import { attachObserver } from "../observed-module.ts";
import type { QConfig } from "../qconfig.ts";
import { _activationIsMemoryless, _assertValidQconfig } from "../qconfig.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import { FloatFunctional } from "../recipes/functional.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { DeQuantStub } from "../stubs.ts";
import type { Factory } from "../with-args.ts";
import { create } from "../with-args.ts";
import {
  defaultModuleToActPostProcess,
  getDefaultCustomConfig,
  getDefaultQconfigPropagationList,
  unobservedCustomModules,
} from "../quantization-mappings.ts";
import type { PrepareCustomConfigDict } from "../quantization-mappings.ts";

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

export interface PrepareOptions {
  /** Changes `model` itself instead of a copy. */
  readonly inplace?: boolean;
  /** Classes whose outputs are observed; default {@link getDefaultQconfigPropagationList}. */
  readonly allowList?: ReadonlySet<ModuleClass>;
  /** Classes that are observed although they have children. */
  readonly observerNonLeafModuleList?: ReadonlySet<ModuleClass>;
  readonly prepareCustomConfigDict?: PrepareCustomConfigDict;
}

/**
 * A copy of `model` with observers where quantized outputs will be; run it on calibration data, then `convert` it. Set
 * `model.qconfig` (and `module.qconfig` where it differs) first.
 *
 * @throws if no module has a qconfig: nothing would be quantized.
 */
export function prepare<M extends Module>(model: M, options: PrepareOptions = {}): M {
  const target = options.inplace ? model : model.deepCopy();
  const customConfig = options.prepareCustomConfigDict ?? getDefaultCustomConfig();
  propagateQconfig_(target);
  if (![...target.modules()].some((module) => module.qconfig)) {
    throw new OctetError(
      "prepare: None of the submodule got qconfig applied. Set model.qconfig (for example to " +
        'getDefaultQconfig("x86")), or the qconfig attribute of submodules, before preparing',
    );
  }
  addObservers(target, {
    observed: options.allowList ?? getDefaultQconfigPropagationList(),
    nonLeaf: options.observerNonLeafModuleList ?? new Set(),
    custom: customConfig.floatToObservedCustomModuleClass ?? new Map(),
  });
  return target;
}

interface ObserverRules {
  readonly observed: ReadonlySet<ModuleClass>;
  readonly nonLeaf: ReadonlySet<ModuleClass>;
  readonly custom: NonNullable<PrepareCustomConfigDict["floatToObservedCustomModuleClass"]>;
}

function addObservers(module: Module, rules: ObserverRules): void {
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
      module.setChild(name, observed);
      if (!unobservedCustomModules.has(classOf(observed))) observeOutputOf(observed);
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
