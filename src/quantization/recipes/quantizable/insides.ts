/**
 * How modules that are quantized part by part prepare and convert their own insides: as the model around them, but without
 * looking for custom modules, which they do not hold.
 */
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import { addObservers, propagateQconfig_ } from "../../eager/observe.ts";
import { convertChildren, removeQconfig } from "../../eager/swap.ts";
import type { QConfig } from "../../qconfig.ts";
import {
  getDefaultQatModuleMappings,
  getDefaultQconfigPropagationList,
  getDefaultStaticQuantModuleMappings,
} from "../../quantization-mappings.ts";
import type { ModuleClass } from "../recipe.ts";

/** Observes the parts of `module`, in place; in training mode its layers are exchanged for their QAT forms first. */
export function prepareInsides(module: Module): void {
  propagateQconfig_(module);
  const qat = module.training ? getDefaultQatModuleMappings() : new Map<ModuleClass, ModuleClass>();
  if (module.training) convertChildren(module, getDefaultQatModuleMappings(), {});
  addObservers(module, {
    observed: getDefaultQconfigPropagationList(),
    nonLeaf: new Set(qat.values()),
    custom: new Map(),
    unobserved: new Set(),
  });
}

/** A copy of an observed module with its parts quantized, as an instance of `type`. Hooks stay with the original. */
export function convertInsides<M extends Module>(observed: Module, type: { readonly prototype: M }): M {
  const converted = observed.deepCopy();
  const { pre, post } = converted.registeredHooks();
  for (const hook of [...pre, ...post]) converted.removeHook(hook);
  convertChildren(converted, getDefaultStaticQuantModuleMappings(), {});
  removeQconfig(converted);
  // The class has the same fields and another name and behaviour: nothing is left to construct.
  return Object.setPrototypeOf(converted, type.prototype) as M;
}

/** The qconfig that a float module must have before it can be observed. */
export function qconfigOf(float: Module, given?: QConfig | null): QConfig {
  const qconfig = float.qconfig ?? given;
  if (!qconfig) throw new OctetError(`${float.getName()}: The float module must have 'qconfig'`);
  return qconfig;
}

/** For static methods that the conversion of the other step has: says which class takes it. */
export function refuseStep(made: string, expected: string, instead: string): never {
  throw new OctetError(
    `It looks like you are trying to convert a ${expected} module: ${made} is not made from one. ${instead}`,
  );
}
