/** Octet archives: the graph, and the tensors of its modules. */
import type { GraphModule } from "../../fx/graph-module.ts";
import { attributeAt } from "../../fx/graph.ts";
import { printTarget } from "../../fx/targets.ts";
import { loadArchive } from "../../io/archive.ts";
import { Module } from "../../nn/module.ts";
import type { Inspection } from "./inspection.ts";
import { countsOf, factsOfTensor } from "./inspection.ts";

export function inspectArchive(path: string): Inspection {
  const { model, kind, octet, recipe } = loadArchive(path);
  const facts = new Map([
    ["model", kind],
    ["written by", `octet ${octet}`],
    ["recipe", recipe === null ? "none" : "kept"],
  ]);
  const tensors = [...model.stateDict()].map(([name, tensor]) => factsOfTensor(name, tensor));
  return { facts, tensors, operators: countsOf(operatorsOf(model)) };
}

function* operatorsOf(model: GraphModule): Generator<string> {
  for (const { op, target } of model.graph.nodes) {
    if (op === "call_module") {
      const module = attributeAt(model, target as string);
      yield module instanceof Module ? module.getName() : String(target);
    } else if (op === "call_function" || op === "call_method") {
      yield printTarget(target);
    }
  }
}
