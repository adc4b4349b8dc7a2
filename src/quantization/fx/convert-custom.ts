/** Converts custom modules, which know by themselves how they are quantized. */
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import { OBSERVER_NAME } from "../observed-module.ts";
import { activationIsStaticallyQuantized } from "../qconfig-dtypes.ts";
import type { QuantizedCustomClass } from "../quantization-mappings.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { ConvertContext } from "./convert-context.ts";
import { isQuantizableLstm } from "./custom-lstm.ts";
import { isObserverNode, moduleOf, replaceModule } from "./node-queries.ts";
import { isDequantize } from "./replace-observers.ts";

/** A static one takes quantized tensors, and the observer of its output becomes its own. */
export function convertCustomModule(node: FxNode, context: ConvertContext): void {
  const { modules, customClasses, staticCustomNodes } = context;
  const path = String(node.target);
  const module = modules.get(path) as Module;
  if (module.qconfig && activationIsStaticallyQuantized(module.qconfig)) {
    staticCustomNodes.add(node);
    for (const input of node.args.flat(Infinity)) takeQuantized(node, input, context);
    const observer = [...node.users].find((user) => isObserverNode(user, modules));
    if (observer && !isQuantizableLstm(module)) {
      (module as unknown as Record<string, unknown>)[OBSERVER_NAME] = moduleOf(observer, modules);
    }
  }
  const quantizedClass = customClasses.get(module.constructor as unknown as ModuleClass) as QuantizedCustomClass;
  replaceModule(modules, path, quantizedClass.fromObserved(module));
}

function takeQuantized(node: FxNode, input: unknown, { model }: ConvertContext): void {
  if (!isNode(input) || !isDequantize(input)) return;
  node.replaceInputWith(input, input.args[0] as FxNode);
  if (input.users.size === 0) model.graph.eraseNode(input);
}
