/** Questions that passes ask about imported graphs. */
import type { GraphModule } from "../../fx/graph-module.ts";
import { attributeAt } from "../../fx/graph.ts";
import type { Argument } from "../../fx/argument.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { ModuleType } from "../../fx/tracer.ts";
import { Module } from "../../nn/module.ts";
import type { NodeOrigin } from "../import-settings.ts";

export function moduleOf(model: GraphModule, node: FxNode): Module | null {
  const found = node.op === "call_module" ? attributeAt(model, node.target as string) : null;
  return found instanceof Module ? found : null;
}

export function isOf(module: Module | null, types: readonly ModuleType[]): module is Module {
  return types.some((type) => module instanceof type);
}

/** A call of `fn`: its node. Null for everything else. */
export function callOf(argument: Argument, fn: unknown): FxNode | null {
  return isNode(argument) && argument.op === "call_function" && argument.target === fn ? argument : null;
}

/** `survivor` takes the place of `node`, which goes; it now stands for the nodes of the file of both. */
export function absorbInto(survivor: FxNode, node: FxNode): void {
  node.replaceAllUsesWith(survivor, { deleteUserCb: (user) => user !== survivor });
  const [first, second] = [survivor.meta.onnx, node.meta.onnx] as (NodeOrigin | undefined)[];
  if (first && second) survivor.meta.onnx = { nodes: [...first.nodes, ...second.nodes], values: second.values };
  node.graph.eraseNode(node);
}
