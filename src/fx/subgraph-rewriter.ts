/** Replaces every occurrence of a small graph in a larger one (`torch.fx.replace_pattern`). */
import { OctetError } from "../core/errors.ts";
import type { Module } from "../nn/module.ts";
import type { Argument } from "./argument.ts";
import { GraphModule, assignAttribute } from "./graph-module.ts";
import { Graph, attributeAt } from "./graph.ts";
import type { InternalMatch } from "./matcher.ts";
import { SubgraphMatcher } from "./matcher.ts";
import { FxNode } from "./node.ts";
import type { TraceRoot } from "./tracer.ts";
import { symbolicTrace } from "./tracer.ts";

/** A place that was replaced: the pattern's node that gives the result, and what the pattern's nodes were. */
export interface Match {
  readonly anchor: FxNode;
  readonly nodesMap: ReadonlyMap<FxNode, Argument>;
}

export interface ReplacedPatterns extends Match {
  /** The nodes that were put in. */
  readonly replacements: readonly FxNode[];
}

/** Says whether a match is to be replaced. */
export type MatchFilter = (match: InternalMatch, graph: Graph, pattern: Graph) => boolean;

export interface ReplaceWithFiltersOptions {
  readonly matchFilters?: readonly MatchFilter[];
  /** Lets numbers and other literals in the pattern stand for any. */
  readonly ignoreLiterals?: boolean;
  /** Makes the replacement for each match, instead of one for all. */
  readonly replacementCallback?: (match: InternalMatch, graph: Graph, pattern: Graph) => Graph;
}

/** A pattern or replacement: a function of the inputs, a module, or a graph. */
export type GraphSource = TraceRoot | Graph;

/**
 * Replaces what `pattern` computes by what `replacement` computes, wherever it stands in `gm`. Both take the same inputs.
 * Occurrences do not overlap; of two that do, the first is replaced.
 */
export function replacePattern(gm: GraphModule, pattern: GraphSource, replacement: GraphSource): Match[] {
  return replacePatternWithFilters(gm, pattern, replacement).map(({ anchor, nodesMap }) => ({ anchor, nodesMap }));
}

/** {@link replacePattern}, only for matches that all of `matchFilters` accept. */
export function replacePatternWithFilters(
  gm: GraphModule,
  pattern: GraphSource,
  replacement: GraphSource | null,
  options: ReplaceWithFiltersOptions = {},
): ReplacedPatterns[] {
  const { matchFilters = [], ignoreLiterals = false, replacementCallback } = options;
  const { graph } = gm;
  const patternGraph = sourceOf(pattern).graph;
  const common = replacement === null ? null : sourceOf(replacement);
  if (!common && !replacementCallback) {
    throw new OctetError("replacePatternWithFilters: give a replacement or a replacementCallback");
  }
  const matches = new SubgraphMatcher(patternGraph, { ignoreLiterals })
    .match(graph)
    .filter((match) => matchFilters.every((accepts) => accepts(match, graph, patternGraph)));
  if (common?.owner) copyAttributes(gm, common.graph, common.owner);
  /** Results that an earlier replacement took away, and what stands for them now. */
  const renamed = new Map<FxNode, FxNode>();
  const replaced = matches.map((match) => {
    const source = replacementCallback?.(match, graph, patternGraph) ?? (common?.graph as Graph);
    return replaceMatch(graph, patternGraph, match, source, renamed);
  });
  gm.recompile();
  return replaced;
}

function sourceOf(source: GraphSource): { graph: Graph; owner: Module | null } {
  if (source instanceof Graph) return { graph: source, owner: source.owningModule };
  const module = source instanceof GraphModule ? source : symbolicTrace(source);
  return { graph: module.graph, owner: module };
}

function replaceMatch(
  graph: Graph,
  pattern: Graph,
  match: InternalMatch,
  replacement: Graph,
  renamed: Map<FxNode, FxNode>,
): ReplacedPatterns {
  followRenamed(match, renamed);
  const inputs = replacement.findNodes({ op: "placeholder" });
  if (inputs.length !== match.placeholderNodes.length) {
    throw new OctetError(
      `replacePattern: the replacement takes ${inputs.length} inputs, the pattern ${match.placeholderNodes.length}`,
    );
  }
  const values = new Map<FxNode, Argument>(inputs.map((input, i) => [input, match.placeholderNodes[i]]));
  const result = graph.insertingBefore(firstUser(graph, match), () => graph.graphCopy(replacement, values));
  const results = (Array.isArray(result) ? result : [result]) as readonly Argument[];
  if (results.length !== match.returningNodes.length) {
    throw new OctetError(
      `replacePattern: the replacement has ${results.length} results, the pattern ${match.returningNodes.length}`,
    );
  }
  match.returningNodes.forEach((old, i) => {
    const node = results[i];
    if (!(node instanceof FxNode)) throw new OctetError("replacePattern: a result of the replacement is a constant");
    old.replaceAllUsesWith(node);
    renamed.set(old, node);
  });
  for (const node of pattern.nodes.reversed()) {
    if (node.op !== "placeholder" && node.op !== "output") graph.eraseNode(match.nodesMap.get(node) as FxNode);
  }
  const replacements = [...values.values()].filter(
    (value): value is FxNode => value instanceof FxNode && !match.placeholderNodes.includes(value),
  );
  return { anchor: match.anchors[0], nodesMap: match.nodesMap, replacements };
}

/** Inputs of this match that were results of an earlier one are the nodes that replaced them. */
function followRenamed(match: InternalMatch, renamed: ReadonlyMap<FxNode, FxNode>): void {
  const now = (value: Argument): Argument => (value instanceof FxNode ? (renamed.get(value) ?? value) : value);
  match.placeholderNodes.forEach((value, i) => (match.placeholderNodes[i] = now(value)));
  for (const [pattern, value] of match.nodesMap)
    if (pattern.op === "placeholder") match.nodesMap.set(pattern, now(value));
}

function firstUser(graph: Graph, match: InternalMatch): FxNode {
  const users = new Set(match.returningNodes.flatMap((node) => [...node.users]));
  for (const node of graph.nodes) if (users.has(node)) return node;
  throw new OctetError("replacePattern: nobody uses the results of a match");
}

/** Gives `gm` the modules and tensors that the replacement names. */
function copyAttributes(gm: GraphModule, replacement: Graph, owner: Module): void {
  for (const { op, target } of replacement.nodes) {
    if (op !== "call_module" && op !== "get_attr") continue;
    const path = target as string;
    const [mine, theirs] = [attributeAt(gm, path), attributeAt(owner, path)];
    if (mine === undefined && theirs === undefined) {
      throw new OctetError(`replacePattern: the replacement refers to "${path}", which neither module has`);
    }
    if (mine === undefined) assignAttribute(gm, path, theirs);
    else if (op === "get_attr" && theirs !== undefined && mine !== theirs) {
      throw new OctetError(
        `replacePattern: both modules have a "${path}", and they differ; rename that of the replacement`,
      );
    }
  }
}
