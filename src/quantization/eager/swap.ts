/** What converting a model does to its tree: every observed module becomes its quantized form. */
import type { Module } from "../../nn/module.ts";
import { detachObserver, moveHooks } from "../observed-module.ts";
import type { ConvertCustomConfigDict } from "../quantization-mappings.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import type { ModuleMapping, QuantizedClass, ReferenceClass } from "../recipes/recipe.ts";
import { weightQparamsOf } from "../recipes/weight.ts";
import type { Factory } from "../with-args.ts";
import { create } from "../with-args.ts";
import { classOf } from "./observe.ts";

export interface SwapOptions {
  readonly usePrecomputedFakeQuant?: boolean;
}

/** Replaces everything below `module` that has a qconfig and a quantized form, innermost first. */
export function convertChildren(
  module: Module,
  mapping: ModuleMapping,
  custom: ConvertCustomConfigDict,
  options: SwapOptions = {},
): void {
  for (const [name, child] of module.namedChildren()) {
    // Fused modules, trained ones (whose batch norm is folded) and observed custom modules are swapped as one.
    const isCustom = custom.observedToQuantizedCustomModuleClass?.has(classOf(child));
    const whole = child instanceof FusedModule || "weight_fake_quant" in child || isCustom;
    if (!whole) convertChildren(child, mapping, custom, options);
    const swapped = swapModule(child, mapping, custom, options);
    if (swapped !== child) module.setChild(name, swapped);
  }
}

/** The quantized form of one module if it has a qconfig and a known class, else the module itself. Hooks move along. */
export function swapModule(
  module: Module,
  mapping: ModuleMapping,
  custom: ConvertCustomConfigDict = {},
  options: SwapOptions = {},
): Module {
  if (!module.qconfig) return module;
  const type = classOf(module);
  const customClass = custom.observedToQuantizedCustomModuleClass?.get(type);
  const quantizedClass = mapping.get(type);
  if (!customClass && !quantizedClass) return module;
  const swapped = customClass
    ? customClass.fromObserved(module)
    : fromFloat(quantizedClass as QuantizedClass, module, options.usePrecomputedFakeQuant ?? false);
  moveHooks(module, swapped);
  return swapped;
}

function fromFloat(target: QuantizedClass, module: Module, usePrecomputedFakeQuant: boolean): Module {
  if (!isReferenceClass(target)) return target.fromFloat(module, { usePrecomputedFakeQuant });
  const observer = create(module.qconfig?.weight as Factory<Module>);
  return target.fromFloat(module, weightQparamsOf(module, observer));
}

function isReferenceClass(target: QuantizedClass | ReferenceClass): target is ReferenceClass {
  return (target as { readonly isReference?: boolean }).isReference === true;
}

/** Takes qconfigs, observers and their hooks off a module tree (`_remove_qconfig`). */
export function removeQconfig(module: Module): void {
  for (const at of module.modules()) {
    delete at.qconfig;
    detachObserver(at);
  }
}
