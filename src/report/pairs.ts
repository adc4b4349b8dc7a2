/**
 * Which node of a converted graph computes what which node of the float graph does. Both have the names of the traced
 * graph, except that lowering puts new nodes in the place of some functions and takes a ReLU into the operator before it.
 */
import type { GraphModule } from "../fx/graph-module.ts";
import type { FxNode } from "../fx/node.ts";
import { isNode } from "../fx/node.ts";
import { printTarget } from "../fx/targets.ts";
import { quantizePerTensor } from "../ops/quantize.ts";
import type { Explanation } from "../quantization/fx/explain.ts";

export interface NodePair {
  readonly explanation: Explanation;
  /** The operator in the float graph. */
  readonly operator: FxNode;
  /** The node whose value is compared: the operator, or the ReLU after it that was fused with it. */
  readonly float: FxNode;
  /** The operator in the converted graph. */
  readonly quantizedOperator: FxNode;
  /** The node whose value is compared: the operator, or the quantize node after it in the reference form. */
  readonly quantized: FxNode;
}

export interface Pairing {
  /** Of the quantized operators, in the order of computation. */
  readonly pairs: readonly NodePair[];
  /** Names of nodes that became part of another operator. */
  readonly absorbed: ReadonlySet<string>;
}

/** `float` is the fused float graph, which has the names that the preparation saw. */
export function pairNodes(float: GraphModule, quantized: GraphModule, explanations: readonly Explanation[]): Pairing {
  const floatNodes = nodesByName(float);
  const relus = fusedRelus(floatNodes, nodesByName(quantized), explanations);
  const absorbed = new Set([...relus.values()].map(({ name }) => name));
  const counterpart = findCounterparts(
    quantized,
    explanations.filter(({ node }) => !absorbed.has(node)),
  );
  const pairs: NodePair[] = [];
  for (const explanation of explanations) {
    const [operator, made] = [floatNodes.get(explanation.node), counterpart.get(explanation.node)];
    if (!explanation.quantized || !operator || !made) continue;
    pairs.push({
      explanation,
      operator,
      float: relus.get(operator.name) ?? operator,
      quantizedOperator: made,
      quantized: quantizeAfter(made) ?? made,
    });
  }
  return { pairs, absorbed };
}

function nodesByName({ graph }: GraphModule): Map<string, FxNode> {
  return new Map([...graph.nodes].map((node) => [node.name, node]));
}

/**
 * The node of the converted graph for every explained name. Most kept theirs. Of the others, the first that became some
 * function is the first new node with that function, because lowering keeps the order; where the numbers differ, nobody
 * knows, and there is no pair.
 */
function findCounterparts(quantized: GraphModule, explanations: readonly Explanation[]): Map<string, FxNode> {
  const nodes = nodesByName(quantized);
  const found = new Map<string, FxNode>();
  const renamed = new Map<string, string[]>();
  const explained = new Set<string>();
  for (const { node: name, quantized: isQuantized, detail } of explanations) {
    explained.add(name);
    const kept = nodes.get(name);
    if (kept) found.set(name, kept);
    else if (isQuantized) pushTo(renamed, becameOf(detail), name);
  }
  const made = new Map<string, FxNode[]>();
  for (const node of nodes.values()) {
    if (node.op === "call_function" && !explained.has(node.name)) pushTo(made, printTarget(node.target), node);
  }
  for (const [target, names] of renamed) {
    const candidates = made.get(target) ?? [];
    if (candidates.length === names.length) names.forEach((name, i) => found.set(name, candidates[i]));
  }
  return found;
}

function pushTo<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** "static: torch.ops.quantized.add" tells the function behind the colon. */
function becameOf(detail: string): string {
  return detail.slice(detail.indexOf(": ") + 2);
}

/**
 * The ReLUs that are part of the operator before them in the converted graph, by that operator's name: both say that they
 * became the same, and the ReLU itself is gone.
 */
function fusedRelus(
  float: ReadonlyMap<string, FxNode>,
  quantized: ReadonlyMap<string, FxNode>,
  explanations: readonly Explanation[],
): Map<string, FxNode> {
  const explained = new Map(explanations.map((explanation) => [explanation.node, explanation]));
  const relus = new Map<string, FxNode>();
  for (const { node, quantized: isQuantized, detail, operator } of explanations) {
    const [user, ...others] = float.get(node)?.users ?? [];
    const reader = user && explained.get(user.name);
    if (!isQuantized || !reader || others.length || isRelu(operator) || !isRelu(reader.operator)) continue;
    const isPart = reader.detail === detail && !isReferenceForm(detail);
    if (isPart && !quantized.has(user.name)) relus.set(node, user);
  }
  return relus;
}

/** By the name in an explanation: "ReLU", "torch.nn.functional.relu". */
function isRelu(operator: string): boolean {
  return /(^|\.)relu_?$/i.test(operator);
}

/** True for an operator that was not lowered. */
export function isReferenceForm(detail: string): boolean {
  return becameOf(detail) === "reference form";
}

function quantizeAfter(node: FxNode): FxNode | null {
  for (const user of node.users) {
    if (user.target === quantizePerTensor && isNode(user.args[0]) && user.args[0] === node) return user;
  }
  return null;
}
