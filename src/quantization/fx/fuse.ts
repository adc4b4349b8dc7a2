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
import { freeAttribute, moduleOf, namedModulesOf, replaceModule } from "./node-queries.ts";

/** Changes `model`: the fused module takes the place of the root module, and its node that of the last one. */
export function fuse(model: GraphModule, isQat: boolean, backendConfig: BackendConfig): GraphModule {
  const modules = namedModulesOf(model);
  const originals = new Map(modules); // a module that is called twice is fused from its own parts both times
  const fusions = fusionsIn(model, originals, backendConfig);
  const fusedNodes = new Set(fusions.map(rootOf));
  const calledAlone = [...model.graph.nodes].filter((node) => node.op === "call_module" && !fusedNodes.has(node));
  const kept = new Set(calledAlone.map(({ target }) => String(target)));
  const placed: PlacedFusion[] = [];
  for (const fusion of fusions) {
    const root = rootOf(fusion);
    const path = String(root.target);
    const parts = partsOf(fusion, originals);
    let place = placed.find((other) => other.root === path && haveSameParts(other.parts, parts));
    if (!place) {
      const fused = withoutInit(() => fusion.config.complexFuserMethod?.(isQat, ...parts)) as Module;
      place = { root: path, parts, path: kept.has(path) ? freeAttribute(model, `${path}_`) : path };
      kept.add(path);
      placed.push(place);
      replaceModule(modules, place.path, fused);
    }
    root.target = place.path;
    replaceNodes(fusion, model);
  }
  model.graph.lint();
  model.recompile();
  return model;
}

interface Fusion {
  readonly last: FxNode;
  readonly nodes: NodePattern;
  readonly config: BackendPatternConfig;
}

/**
 * A fused module goes where its root was. A root that is called elsewhere, too, alone or with other parts after it, keeps
 * that place for one of its uses; the others get free names.
 */
interface PlacedFusion {
  readonly root: string;
  readonly parts: readonly unknown[];
  readonly path: string;
}

function haveSameParts(a: readonly unknown[], b: readonly unknown[]): boolean {
  const [x, y] = [a, b].map((parts) => parts.flat(Infinity));
  return x.length === y.length && x.every((part, i) => part === y[i] || (part instanceof ReLU && y[i] instanceof ReLU));
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

function rootOf({ nodes, config }: Fusion): FxNode {
  return (config.rootNodeGetter ?? defaultRootNode)(nodes);
}

/** The root's node takes the place of the last one; the others go. */
function replaceNodes(fusion: Fusion, model: GraphModule): void {
  const { last, nodes, config } = fusion;
  const root = rootOf(fusion);
  root.args = [...root.args, ...(config.extraInputsGetter?.(nodes) ?? [])];
  last.replaceAllUsesWith(root);
  last.prepend(root);
  for (const member of membersOf(nodes, config.complexPattern)) if (member !== root) model.graph.eraseNode(member);
}

/** The modules (or functions and methods) that a fuser gets, in the nesting of the pattern. */
function partsOf(fusion: Fusion, modules: NamedModules): readonly unknown[] {
  const root = rootOf(fusion);
  const rootModule = moduleOf(root, modules);
  if (!rootModule) throw new OctetError(`fuse: ${root.name} is a ${root.op}, a fused pattern must begin with a module`);
  const part = (node: NodePattern, p: unknown): unknown => {
    if (Array.isArray(node)) return node.map((inner, i) => part(inner as NodePattern, (p as readonly unknown[])[i]));
    if (p === MatchAllNode || !isNode(node)) return MatchAllNode;
    if (node.op === "call_module") return moduleOf(node, modules);
    return node.target === relu ? new ReLU().train(rootModule.training) : node.target;
  };
  const made = part(fusion.nodes, fusion.config.complexPattern);
  return Array.isArray(made) ? made : [made];
}
