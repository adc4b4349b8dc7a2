/** Finds a backend's patterns in a graph: which nodes are quantized together, and as what. */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import type { BackendPatternConfig } from "../backend-config/backend-pattern-config.ts";
import { ObservationType } from "../backend-config/observation-type.ts";
import type { NodePattern, Pattern } from "../backend-config/pattern.ts";
import { MatchAllNode, isModuleClass, sortedPatterns } from "../backend-config/pattern.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import { argsHaveNoTensors } from "./node-queries.ts";
import type { NamedModules } from "./node-queries.ts";

/** Nodes that are quantized as one. */
export interface Match {
  /** The node whose output is the output of all. */
  readonly last: FxNode;
  /** The node whose inputs are the inputs of all. */
  readonly root: FxNode;
  /** The nodes in the nesting of the pattern: an operator before its arguments. */
  readonly nodes: NodePattern;
  /** Null for custom and standalone modules, which no pattern describes. */
  readonly config: BackendPatternConfig | null;
  readonly kind: "pattern" | "custom module" | "standalone module";
  /** Input and output are on one grid: the operator computes on integers or moves them. */
  readonly sharesObserver: boolean;
}

/** Whether `node` is the outermost operator of a pattern whose inner values nobody else uses. */
export function isMatch(modules: NamedModules, node: unknown, pattern: Pattern, maxUsers = Infinity): boolean {
  const [self, ...argumentPatterns] = Array.isArray(pattern) ? (pattern as readonly Pattern[]) : [pattern];
  if (self === MatchAllNode) return true;
  if (!isNode(node) || node.users.size > maxUsers) return false;
  if (typeof self === "string") {
    if (node.op !== "call_method" || node.target !== self) return false;
  } else if (isModuleClass(self)) {
    if (node.op !== "call_module" || modules.get(String(node.target))?.constructor !== self) return false;
  } else if (node.op !== "call_function" || node.target !== self) {
    return false;
  }
  if (argumentPatterns.length === 0) return true;
  return (
    argumentPatterns.length === node.args.length &&
    argumentPatterns.every((inner, i) => isMatch(modules, node.args[i], inner, 1))
  );
}

/** The nodes that a matching pattern stands for, in its nesting. */
export function matchedNodes(node: FxNode, pattern: Pattern): NodePattern {
  if (!Array.isArray(pattern)) return node;
  const [, ...inner] = pattern as readonly Pattern[];
  return [node, ...inner.map((p, i) => matchedNodes(node.args[i] as FxNode, p))];
}

/** The innermost node along the last arguments, which is where the inputs enter unless a backend says otherwise. */
export function defaultRootNode(nodes: NodePattern): FxNode {
  let at = nodes;
  while (Array.isArray(at)) at = (at as readonly NodePattern[]).at(-1) as NodePattern;
  return at as FxNode;
}

export function flattenNodes(nodes: NodePattern): FxNode[] {
  return Array.isArray(nodes) ? (nodes as readonly NodePattern[]).flatMap(flattenNodes) : [nodes as FxNode];
}

/** Modules that are matched whatever the patterns say. */
export interface SpecialModules {
  readonly customClasses: ReadonlySet<ModuleClass>;
  isStandalone(path: string, module: Module): boolean;
}

/** The match of every node that belongs to one. Longer patterns win, and of equal ones the first. */
export function findMatches(
  graphNodes: readonly FxNode[],
  modules: NamedModules,
  backendConfig: BackendConfig,
  special: SpecialModules,
): Map<FxNode, Match> {
  const matches = new Map<FxNode, Match>();
  const patterns = sortedPatterns(backendConfig);
  for (const node of [...graphNodes].reverse()) {
    if (matches.has(node)) continue;
    const config = patterns.find(({ pattern }) => isMatch(modules, node, pattern))?.config;
    if (!config) continue;
    const match = patternMatch(node, config, modules);
    for (const member of flattenNodes(match.nodes)) matches.set(member, match);
  }
  for (const node of graphNodes) {
    const module = node.op === "call_module" ? modules.get(String(node.target)) : undefined;
    if (!module) continue;
    const alone = { last: node, root: node, nodes: node, config: null, sharesObserver: false };
    if (special.customClasses.has(module.constructor as unknown as ModuleClass)) {
      matches.set(node, { ...alone, kind: "custom module" });
    }
    if (special.isStandalone(String(node.target), module)) matches.set(node, { ...alone, kind: "standalone module" });
  }
  return matches;
}

function patternMatch(node: FxNode, config: BackendPatternConfig, modules: NamedModules): Match {
  const nodes = matchedNodes(node, config.complexPattern);
  const root = (config.rootNodeGetter ?? defaultRootNode)(nodes);
  const sharesObserver = observationType(root, config, modules) === ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT;
  return { last: node, root, nodes, config, kind: "pattern", sharesObserver };
}

function observationType(root: FxNode, config: BackendPatternConfig, modules: NamedModules): ObservationType {
  const byCount = config.numTensorArgsToObservationType;
  if (!byCount || byCount.size === 0) return config.observationType;
  const tensors = root.args.filter((arg) => isNode(arg) && !argsHaveNoTensors(arg, modules)).length;
  const type = byCount.get(tensors);
  if (!type) {
    throw new OctetError(
      `${root.name}: the backend config says nothing about ${tensors} tensor arguments of this pattern`,
    );
  }
  return type;
}
