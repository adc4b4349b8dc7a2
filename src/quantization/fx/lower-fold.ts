/** Packs weights once: what leads to a packing function becomes an attribute of the model. */
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { operatorLowerings } from "../recipes/operators.ts";
import type { LoweringContext } from "./lowering-context.ts";
import { freeAttribute } from "./node-queries.ts";
import { evaluate, producersOf } from "./weight-observers.ts";

const packers = new Set<unknown>(
  [...operatorLowerings.values()].flatMap((lowering) =>
    lowering.kind === "weighted" ? [lowering.prepack, ...(lowering.dynamic ?? []).map((form) => form.prepack)] : [],
  ),
);

/** Also removes the float weights that nobody reads any longer. */
export function foldPackedWeights({ model, scopes }: LoweringContext): void {
  const folded = new Set<string>();
  for (const node of model.graph.nodes) {
    if (node.op !== "call_function" || !packers.has(node.target)) continue;
    const producers = producersOf(node);
    if (!producers) continue;
    for (const { op, target } of producers) if (op === "get_attr") folded.add(String(target));
    const [user] = node.users;
    const path = scopes.get((user as FxNode).name)?.modulePath ?? "";
    const name = freeAttribute(model, `${path}_packed_weight_`);
    (model as unknown as Record<string, unknown>)[name] = evaluate(model, producers);
    const packed = model.graph.insertingBefore(node, () => model.graph.getAttr(name));
    node.replaceAllUsesWith(packed);
    model.graph.eraseNode(node);
  }
  model.graph.eliminateDeadCode();
  for (const path of folded) if (!isRead(model, path)) deleteAttribute(model, path);
}

/** True if the graph names the attribute, or calls a module that holds it. */
function isRead(model: GraphModule, path: string): boolean {
  return [...model.graph.nodes].some(
    ({ op, target }) =>
      (op === "get_attr" && target === path) || (op === "call_module" && path.startsWith(`${String(target)}.`)),
  );
}

function deleteAttribute(model: GraphModule, path: string): void {
  const cut = path.lastIndexOf(".");
  const owner = cut < 0 ? model : model.getSubmodule(path.slice(0, cut));
  delete (owner as unknown as Record<string, unknown>)[path.slice(cut + 1)];
}
