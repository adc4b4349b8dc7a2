/** Makes an operator's output, and all inputs of one that joins several, use the observer of its first input. */
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import { isObserverNode, replaceModule } from "./node-queries.ts";
import type { PrepareContext } from "./prepare-context.ts";

/** False if no observer stands before the first input. */
export function shareObservers(node: FxNode, context: PrepareContext): boolean {
  const { modules } = context;
  const first = node.args.find((arg) => isNode(arg) || Array.isArray(arg));
  const inputs = Array.isArray(first) ? (first as readonly unknown[]) : [first];
  const source = observerBehind(inputs[0], context, { throughPlaceholders: false });
  if (!source) return false;
  const observer = modules.get(String(source.target)) as Module;
  for (const other of inputs.slice(1)) {
    const at = observerBehind(other, context, { throughPlaceholders: true });
    if (!at) return false;
    replaceModule(modules, String(at.target), observer);
  }
  for (const user of node.users) {
    if (isObserverNode(user, modules)) replaceModule(modules, String(user.target), observer);
  }
  return true;
}

/** Follows first arguments up to an observer. */
function observerBehind(
  start: unknown,
  { modules }: PrepareContext,
  { throughPlaceholders }: { readonly throughPlaceholders: boolean },
): FxNode | null {
  let at = start;
  while (!isObserverNode(at, modules)) {
    if (!isNode(at) || (at.op === "placeholder" && !throughPlaceholders)) return null;
    at = at.args.find(isNode);
  }
  return at as FxNode;
}
