/** Preparing a model in eager mode: a copy with observers, to be calibrated and converted. */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import type { PrepareCustomConfigDict } from "../quantization-mappings.ts";
import { getDefaultQconfigPropagationList } from "../quantization-mappings.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { getDefaultCustomConfigDict, noObserverSet } from "./custom-config.ts";
import { addObservers, propagateQconfig_ } from "./observe.ts";

export { classOf, propagateQconfig_ } from "./observe.ts";
export type { QConfigByModule } from "./observe.ts";

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
  const customConfig = options.prepareCustomConfigDict ?? getDefaultCustomConfigDict();
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
    unobserved: noObserverSet(),
  });
  return target;
}
