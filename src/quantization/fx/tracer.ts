/** The tracer of graph mode: sees through a user's modules, but not into those that are quantized as a whole. */
import type { ModuleType } from "../../fx/tracer.ts";
import { Tracer } from "../../fx/tracer.ts";
import { Module } from "../../nn/module.ts";
import * as nn from "../namespaces/nn.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import type { ModuleClass } from "../recipes/recipe.ts";

/** All module classes below a namespace. */
function classesIn(namespace: object, seen: Set<object> = new Set()): ModuleType[] {
  if (seen.has(namespace)) return [];
  seen.add(namespace);
  return Object.values(namespace).flatMap((value: unknown): ModuleType[] => {
    if (typeof value === "function") return value.prototype instanceof Module ? [value as unknown as ModuleType] : [];
    return typeof value === "object" && value !== null ? classesIn(value, seen) : [];
  });
}

let ownClasses: readonly ModuleType[] | undefined;

export class QuantizationTracer extends Tracer {
  readonly skippedModuleNames: readonly string[];

  constructor(skippedModuleNames: readonly string[] = [], skippedModuleClasses: readonly ModuleClass[] = []) {
    ownClasses ??= classesIn(nn).filter((type) => type !== nn.Sequential);
    super({ leafClasses: [...ownClasses, ...skippedModuleClasses] });
    this.skippedModuleNames = skippedModuleNames;
  }

  override isLeafModule(module: Module, path: string): boolean {
    return super.isLeafModule(module, path) || module instanceof FusedModule || this.skippedModuleNames.includes(path);
  }
}
