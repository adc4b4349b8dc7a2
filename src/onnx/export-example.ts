/** Runs a graph on an example, for the shapes of its values. What cannot be run is simply not known. */
import { noGrad } from "../autograd/grad-mode.ts";
import { OctetError } from "../core/errors.ts";
import { visitAggregate } from "../fx/argument.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import type { Graph } from "../fx/graph.ts";
import { Interpreter } from "../fx/interpreter.ts";
import type { FxNode } from "../fx/node.ts";
import type { Module } from "../nn/module.ts";

/** Stands for a value that could not be computed. */
export const UNKNOWN = Symbol("unknown");

/** Whether a value that a graph takes is known in all its parts. */
export function isKnown(value: unknown): boolean {
  let known = true;
  visitAggregate(value as object, (leaf) => (known &&= (leaf as unknown) !== UNKNOWN));
  return known;
}

class ExampleRun extends Interpreter {
  override runNode(node: FxNode): unknown {
    if (node.op === "output") return null;
    if (node.allInputNodes.some((input) => !isKnown(this.env.get(input)))) return UNKNOWN;
    try {
      return super.runNode(node);
    } catch (error) {
      if (error instanceof OctetError) return UNKNOWN;
      throw error;
    }
  }
}

/** The value of every node, {@link UNKNOWN} where there is none. */
export function exampleValues(
  module: GraphModule | Module,
  graph: Graph,
  inputs: readonly unknown[],
): ReadonlyMap<FxNode, unknown> {
  const run = new ExampleRun(module, { graph, garbageCollectValues: false });
  noGrad(() => run.run(...inputs));
  return run.env;
}
