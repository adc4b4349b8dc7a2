/**
 * Finds the places of a graph where another, small graph stands (`torch.fx` SubgraphMatcher). The pattern's results are
 * compared with every node of the graph that could be them, and then their inputs, backwards: a value has one producer, but
 * may have many users.
 */
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Argument } from "./argument.ts";
import { isArgumentRecord } from "./argument.ts";
import type { Graph } from "./graph.ts";
import { attributeAt } from "./graph.ts";
import { FxNode } from "./node.ts";

export interface MatcherOptions {
  /** Makes the output node part of the pattern. Default: false. */
  readonly matchOutput?: boolean;
  /** Lets a placeholder stand for a placeholder only, not for any value. Default: false. */
  readonly matchPlaceholder?: boolean;
  /** Drops matches that share nodes with an earlier one (the default). */
  readonly removeOverlappingMatches?: boolean;
  /** Lets a number or other literal stand for any. Default: false. */
  readonly ignoreLiterals?: boolean;
}

/** One place where the pattern stands. */
export interface InternalMatch {
  /** The pattern's nodes that give its results. */
  readonly anchors: readonly FxNode[];
  /** What each node of the pattern is in the graph; for placeholders this may be a literal. */
  readonly nodesMap: Map<FxNode, Argument>;
  /** What the pattern's placeholders are in the graph, in order. */
  readonly placeholderNodes: Argument[];
  /** What the pattern's results are in the graph. */
  readonly returningNodes: FxNode[];
}

type NodesMap = Map<FxNode, Argument>;

export class SubgraphMatcher {
  readonly pattern: Graph;
  private readonly options: MatcherOptions;
  private readonly placeholders: readonly FxNode[];
  private readonly results: readonly FxNode[];
  private readonly anchors: readonly FxNode[];

  constructor(pattern: Graph, options: MatcherOptions = {}) {
    this.pattern = pattern;
    this.options = options;
    const nodes = [...pattern.nodes];
    if (!nodes.length) throw new OctetError("SubgraphMatcher cannot be initialized with an empty pattern");
    if (nodes.some((node) => node.op !== "output" && !node.users.size)) {
      throw new OctetError("SubgraphMatcher cannot be initialized with a pattern with dead code");
    }
    const output = pattern.outputNode();
    this.placeholders = nodes.filter((node) => node.op === "placeholder");
    this.results = output.allInputNodes;
    this.anchors = options.matchOutput ? [output] : this.results.filter((node) => node.users.size === 1);
  }

  /**
   * All places of `graph` where the pattern stands. Values inside it must not be used outside; results and inputs may be.
   */
  match(graph: Graph): InternalMatch[] {
    const candidates = this.anchors.map((anchor) => [...graph.nodes].filter((node) => this.sameNode(anchor, node)));
    if (candidates.some((nodes) => !nodes.length)) return [];
    const found = this.extend(new Map(), candidates, 0)
      .filter((map) => this.isContained(map))
      .filter((map) => !formsCycle(innerNodes(map)));
    const kept = (this.options.removeOverlappingMatches ?? true) ? withoutOverlaps(found) : found;
    return kept.map((nodesMap) => ({
      anchors: this.anchors,
      nodesMap,
      placeholderNodes: this.placeholders.map((node) => nodesMap.get(node)),
      returningNodes: this.results.map((node) => nodesMap.get(node) as FxNode),
    }));
  }

  /** All ways to match the anchors from `at` on, given what is matched already. */
  private extend(matched: NodesMap, candidates: readonly (readonly FxNode[])[], at: number): NodesMap[] {
    if (at === candidates.length) return [matched];
    return candidates[at].flatMap((node) => {
      const attempt = new Map(matched);
      return this.matchNodes(this.anchors[at], node, attempt) ? this.extend(attempt, candidates, at + 1) : [];
    });
  }

  /** Matches `node` and what it depends on with `pattern`, and adds that to `map`. After a failure `map` is useless. */
  private matchNodes(pattern: FxNode, node: FxNode, map: NodesMap): boolean {
    if (map.has(pattern)) return map.get(pattern) === node;
    if ([...map.values()].includes(node) || !this.sameNode(pattern, node)) return false;
    map.set(pattern, node);
    if (pattern.op === "placeholder") return true;
    return (
      this.matchArguments(pattern.args as Argument, node.args as Argument, map) &&
      this.matchArguments(pattern.kwargs, node.kwargs, map)
    );
  }

  private matchArguments(pattern: Argument, argument: Argument, map: NodesMap): boolean {
    if (pattern instanceof FxNode) return this.matchValue(pattern, argument, map);
    if (Array.isArray(pattern) && Array.isArray(argument)) {
      const items: readonly Argument[] = argument;
      return (
        pattern.length === items.length &&
        pattern.every((item: Argument, i) => this.matchArguments(item, items[i], map))
      );
    }
    if (isArgumentRecord(pattern) && isArgumentRecord(argument)) {
      const keys = Object.keys(pattern);
      return (
        keys.length === Object.keys(argument).length &&
        keys.every((key) => key in argument && this.matchArguments(pattern[key], argument[key], map))
      );
    }
    return (this.options.ignoreLiterals ?? false) || Object.is(pattern, argument);
  }

  /** A placeholder also stands for a literal, the same one in all its places. */
  private matchValue(pattern: FxNode, argument: Argument, map: NodesMap): boolean {
    if (argument instanceof FxNode) return this.matchNodes(pattern, argument, map);
    if (pattern.op !== "placeholder") return this.options.ignoreLiterals ?? false;
    if (map.has(pattern)) return Object.is(map.get(pattern), argument);
    map.set(pattern, argument);
    return true;
  }

  private sameNode(pattern: FxNode, node: FxNode): boolean {
    if (pattern.op === "placeholder" && !this.options.matchPlaceholder) return true;
    if (pattern.op !== node.op) return false;
    if (pattern.op === "placeholder" || pattern.op === "output") return true;
    return pattern.op === "get_attr" ? sameAttribute(pattern, node) : pattern.target === node.target;
  }

  /** True if no value inside the match is used outside it. */
  private isContained(map: NodesMap): boolean {
    const inside = new Set([...map].flatMap(([pattern, node]) => (pattern.op === "placeholder" ? [] : [node])));
    for (const [pattern, node] of map) {
      if (pattern.op === "placeholder" || this.results.includes(pattern)) continue;
      for (const user of (node as FxNode).users) if (!inside.has(user)) return false;
    }
    return true;
  }
}

/** Tensors match whatever their values. */
function sameAttribute(pattern: FxNode, node: FxNode): boolean {
  const valueOf = ({ graph, target }: FxNode): unknown =>
    graph.owningModule instanceof Module ? attributeAt(graph.owningModule, target as string) : undefined;
  const [a, b] = [valueOf(pattern), valueOf(node)];
  return a instanceof Tensor && b instanceof Tensor && a.constructor === b.constructor;
}

/** The nodes of a match that replacing it would remove. */
function innerNodes(map: NodesMap): FxNode[] {
  return [...map].flatMap(([pattern, node]) =>
    node instanceof FxNode && pattern.op !== "placeholder" && pattern.op !== "output" ? [node] : [],
  );
}

/** True if a value leaves the nodes and comes back in: they could then not run as one. */
function formsCycle(nodes: readonly FxNode[]): boolean {
  const inside = new Set(nodes);
  const queue = nodes.flatMap((node) => [...node.users].filter((user) => !inside.has(user)));
  const seen = new Set(queue);
  for (let node = queue.pop(); node; node = queue.pop()) {
    for (const user of node.users) {
      if (inside.has(user)) return true;
      if (!seen.has(user)) queue.push(user);
      seen.add(user);
    }
  }
  return false;
}

function withoutOverlaps(maps: readonly NodesMap[]): NodesMap[] {
  const taken = new Set<FxNode>();
  return maps.filter((map) => {
    const nodes = innerNodes(map);
    if (nodes.some((node) => taken.has(node))) return false;
    for (const node of nodes) taken.add(node);
    return true;
  });
}
