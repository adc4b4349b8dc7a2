/** Graphs in the form in which PyTorch's are recorded, and measures of outputs. */
import type { fx, nn } from "../../../src/index.ts";
import { Tensor } from "../../../src/index.ts";
import { printTarget } from "../../../src/fx/targets.ts";

export type NodeRow = readonly [op: string, name: string, target: string];

/** Names of functions that PyTorch has under several: its last part, without what only says in which form it was called. */
const aliases: Readonly<Record<string, string>> = { iadd: "add_", imul: "mul_" };

function simple(target: string): string {
  const last = target.split(".").at(-1) as string;
  return aliases[last] ?? last;
}

/** op, name and target of every node; functions by the last part of their names. */
export function listing(model: fx.GraphModule): NodeRow[] {
  return [...model.graph.nodes].map(({ op, name, target }): NodeRow => [op, name, printTarget(target)]);
}

export function comparable(rows: readonly NodeRow[]): NodeRow[] {
  return rows.map(([op, name, target]) => [op, name, op === "call_function" ? simple(target) : target]);
}

/** The class of every observer that a node calls. */
export function observersOf(model: fx.GraphModule): Record<string, string> {
  const modules = new Map(model.namedModules());
  const entries: [string, string][] = [];
  for (const { op, target } of model.graph.nodes) {
    const path = String(target);
    if (op !== "call_module" || !path.startsWith("activation_post_process_")) continue;
    const module = modules.get(path) ?? (model as unknown as Record<string, nn.Module>)[path];
    entries.push([path, module.getName()]);
  }
  return Object.fromEntries(entries);
}

/** All tensors of a result, in order, as floats. */
export function flatten(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value.isQuantized ? value.dequantize() : value];
  return Object.values(value as object).flatMap(flatten);
}

/** 20 · log10(‖x‖ / ‖x − y‖), in decibels; infinite if the values are equal. */
export function sqnr(x: Tensor, y: Tensor): number {
  const [signal, noise] = [x, x.sub(y)].map((t) => Math.sqrt(t.square().sum().item()));
  return noise === 0 ? Infinity : 20 * Math.log10(signal / noise);
}
