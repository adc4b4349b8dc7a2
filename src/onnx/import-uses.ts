/** Who uses which value: counted over a graph and the graphs inside its nodes. */
import type { OnnxGraph, OnnxNode } from "./model.ts";

type Body = Pick<OnnxGraph, "nodes"> & { readonly outputs: readonly { readonly name: string }[] };

/** How often each name is used. A name that a subgraph uses counts for the graph around it too. */
export function usesOf(graph: Body): Map<string, number> {
  const uses = new Map<string, number>();
  const count = (name: string): void => void uses.set(name, (uses.get(name) ?? 0) + 1);
  const walk = ({ nodes, outputs }: Body): void => {
    for (const node of nodes) {
      node.inputs.forEach(count);
      subgraphsOf(node).forEach(walk);
    }
    for (const { name } of outputs) count(name);
  };
  walk(graph);
  return uses;
}

/** The names that the subgraphs of a node take from around it. */
export function capturedNames(node: OnnxNode): string[] {
  return [...new Set(subgraphsOf(node).flatMap(freeNames))];
}

function freeNames(graph: OnnxGraph): string[] {
  const own = new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name));
  for (const { values } of graph.sparseInitializers) own.add(values.name);
  const free: string[] = [];
  const use = (name: string): void => {
    if (name !== "" && !own.has(name)) free.push(name);
  };
  for (const node of graph.nodes) {
    [...node.inputs, ...capturedNames(node)].forEach(use);
    for (const name of node.outputs) own.add(name);
  }
  for (const { name } of graph.outputs) use(name);
  return free;
}

function subgraphsOf(node: OnnxNode): readonly OnnxGraph[] {
  return [...node.attributes.values()].flatMap((attribute) => {
    if (attribute.type === "graph") return [attribute.value];
    return attribute.type === "graphs" ? attribute.value : [];
  });
}
