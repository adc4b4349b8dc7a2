/** Weights that are arguments of functions are observed at conversion, once: they do not change with the data. */
import { noGrad } from "../../autograd/grad-mode.ts";
import { Graph } from "../../fx/graph.ts";
import { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode, mapArg } from "../../fx/node.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import { patternKey } from "../backend-config/pattern.ts";

/** Runs the part of the graph that makes each weight, if it depends on no input. */
export function runWeightObservers(model: GraphModule, backendConfig: BackendConfig): void {
  for (const node of model.graph.nodes) {
    if (node.op !== "call_function") continue;
    const weightIndex = backendConfig.patternConfig(patternKey(node.target as never))?.inputTypeToIndex.weight;
    const weight = weightIndex === undefined ? node.kwargs.weight : node.args[weightIndex];
    const producers = isNode(weight) ? producersOf(weight) : null;
    if (producers) noGrad(() => evaluate(model, producers));
  }
}

/** The nodes that `node` is computed from, in order and itself the last; null if an input of the model is among them. */
export function producersOf(node: FxNode): FxNode[] | null {
  const found = new Set<FxNode>();
  const pending = [node];
  for (let at = pending.pop(); at; at = pending.pop()) {
    if (at.op === "placeholder") return null;
    if (found.has(at)) continue;
    found.add(at);
    pending.push(...at.allInputNodes);
  }
  return [...node.graph.nodes].filter((candidate) => found.has(candidate));
}

/** The value of the last of `producers`. */
export function evaluate(model: GraphModule, producers: readonly FxNode[]): unknown {
  const graph = new Graph();
  const copies = new Map<FxNode, FxNode>();
  const copied = (node: FxNode): FxNode => copies.get(node) as FxNode;
  for (const node of producers) copies.set(node, graph.nodeCopy(node, copied));
  graph.output(mapArg(producers.at(-1) as FxNode, copied));
  return new GraphModule(model, graph)();
}
