/** Replaces sequences of modules that a backend runs as one (convolution, batch norm, ReLU) by one fused module. */
import { OctetError } from "../../core/errors.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { withoutInit } from "../../nn/init.ts";
import type { Module } from "../../nn/module.ts";
import { ReLU } from "../../nn/modules/activation.ts";
import { relu } from "../../ops/activation.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import type { BackendPatternConfig } from "../backend-config/backend-pattern-config.ts";
import type { NodePattern } from "../backend-config/pattern.ts";
import { MatchAllNode, sortedPatterns } from "../backend-config/pattern.ts";
import { defaultRootNode, isMatch, matchedNodes } from "./match.ts";
import type { NamedModules } from "./node-queries.ts";
import { moduleOf, namedModulesOf, replaceModule } from "./node-queries.ts";

/** Changes `model`: the fused module takes the place of the root module, and its node that of the last one. */
export function fuse(model: GraphModule, isQat: boolean, backendConfig: BackendConfig): GraphModule {
  const modules = namedModulesOf(model);
  const originals = new Map(modules); // a module that is called twice is fused from its own parts both times
  for (const fusion of fusionsIn(model, originals, backendConfig)) fuseAt(fusion, isQat, model, modules, originals);
  model.graph.lint();
  model.recompile();
  return model;
}

interface Fusion {
  readonly last: FxNode;
  readonly nodes: NodePattern;
  readonly config: BackendPatternConfig;
}

/** Disjoint matches in the order of the graph. */
function fusionsIn(model: GraphModule, modules: NamedModules, backendConfig: BackendConfig): Fusion[] {
  const candidates = sortedPatterns(backendConfig).filter(({ config }) => config.fuserMethod);
  const taken = new Set<FxNode>();
  const fusions: Fusion[] = [];
  for (const last of [...model.graph.nodes].reverse()) {
    const config = taken.has(last)
      ? undefined
      : candidates.find(({ pattern }) => isMatch(modules, last, pattern))?.config;
    if (!config) continue;
    const nodes = matchedNodes(last, config.complexPattern);
    fusions.push({ last, nodes, config });
    for (const member of membersOf(nodes, config.complexPattern)) taken.add(member);
  }
  return fusions.reverse();
}

/** The matched nodes without those that stand for any input. */
function membersOf(nodes: NodePattern, pattern: unknown): FxNode[] {
  if (pattern === MatchAllNode) return [];
  if (!Array.isArray(nodes)) return [nodes as FxNode];
  return nodes.flatMap((inner, i) => membersOf(inner as NodePattern, (pattern as readonly unknown[])[i]));
}

function fuseAt(
  { last, nodes, config }: Fusion,
  isQat: boolean,
  model: GraphModule,
  modules: Map<string, Module>,
  originals: NamedModules,
): void {
  const root = (config.rootNodeGetter ?? defaultRootNode)(nodes);
  const rootModule = moduleOf(root, originals);
  if (!rootModule) throw new OctetError(`fuse: ${root.name} is a ${root.op}, a fused pattern must begin with a module`);
  const parts = fusedParts(nodes, config.complexPattern, originals, rootModule.training);
  const fused = withoutInit(() => config.complexFuserMethod?.(isQat, ...parts)) as Module;
  replaceModule(modules, String(root.target), fused);
  root.args = [...root.args, ...(config.extraInputsGetter?.(nodes) ?? [])];
  last.replaceAllUsesWith(root);
  last.prepend(root);
  for (const member of membersOf(nodes, config.complexPattern)) if (member !== root) model.graph.eraseNode(member);
}

/** The modules (or functions and methods) that a fuser gets, in the nesting of the pattern. */
function fusedParts(
  nodes: NodePattern,
  pattern: unknown,
  modules: NamedModules,
  training: boolean,
): readonly unknown[] {
  const part = (node: NodePattern, p: unknown): unknown => {
    if (Array.isArray(node)) return node.map((inner, i) => part(inner as NodePattern, (p as readonly unknown[])[i]));
    if (p === MatchAllNode || !isNode(node)) return MatchAllNode;
    if (node.op === "call_module") return moduleOf(node, modules);
    return node.target === relu ? new ReLU().train(training) : node.target;
  };
  const made = part(nodes, pattern);
  return Array.isArray(made) ? made : [made];
}
