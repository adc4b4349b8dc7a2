/** Packs weights once: what leads to a packing function becomes an attribute of the model. */
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

export function foldPackedWeights({ model, scopes }: LoweringContext): void {
  for (const node of model.graph.nodes) {
    if (node.op !== "call_function" || !packers.has(node.target)) continue;
    const producers = producersOf(node);
    if (!producers) continue;
    const [user] = node.users;
    const path = scopes.get((user as FxNode).name)?.modulePath ?? "";
    const name = freeAttribute(model, `${path}_packed_weight_`);
    (model as unknown as Record<string, unknown>)[name] = evaluate(model, producers);
    const packed = model.graph.insertingBefore(node, () => model.graph.getAttr(name));
    node.replaceAllUsesWith(packed);
    model.graph.eraseNode(node);
  }
}
