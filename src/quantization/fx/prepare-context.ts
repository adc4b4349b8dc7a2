/** What the steps of preparing a graph share. */
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import type { QConfigMapping } from "../qconfig-mapping.ts";
import type { ObservedCustomClass } from "../quantization-mappings.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { PrepareCustomConfig } from "./custom-config.ts";
import type { Match } from "./match.ts";
import type { NodeQconfigs, NodeScopes } from "./node-qconfigs.ts";
import type { FloatReason } from "./observed-graph.ts";
import type { TargetDtypesByNode } from "./target-dtypes.ts";

export interface PrepareOptions {
  readonly qconfigMapping: QConfigMapping;
  readonly isQat: boolean;
  readonly scopes: NodeScopes;
  readonly prepareCustomConfig: PrepareCustomConfig;
  readonly backendConfig: BackendConfig;
  /** Of a module that is quantized on its own within another. */
  readonly isStandalone: boolean;
  /** Traces and prepares a module that stands on its own within this one. */
  prepareNested(module: Module, settings: NestedSettings): GraphModule;
}

/** What is set for a standalone module; its parent's where nothing was. */
export interface NestedSettings {
  readonly qconfigMapping: QConfigMapping;
  readonly prepareCustomConfig: PrepareCustomConfig;
  readonly backendConfig: BackendConfig;
}

/** What the steps share while observers are inserted. */
export interface PrepareContext extends PrepareOptions {
  readonly model: GraphModule;
  /** Follows the model: observers and swapped modules are added. */
  readonly modules: Map<string, Module>;
  readonly qconfigs: NodeQconfigs;
  readonly matches: ReadonlyMap<FxNode, Match>;
  readonly customClasses: ReadonlyMap<ModuleClass, ObservedCustomClass>;
  readonly wants: TargetDtypesByNode;
  /** Names of the nodes that will be quantized. */
  readonly observed: Set<string>;
  /** Why others will not. */
  readonly reasons: Map<string, FloatReason>;
}
