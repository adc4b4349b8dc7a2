/** What the steps of converting a graph share. */
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import type { QConfigMapping } from "../qconfig-mapping.ts";
import type { QuantizedCustomClass } from "../quantization-mappings.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { ConvertCustomConfig } from "./custom-config.ts";
import type { NodeQconfigs, NodeScopes } from "./node-qconfigs.ts";

export interface ConvertOptions {
  readonly isReference: boolean;
  readonly convertCustomConfig: ConvertCustomConfig;
  /** Keeps parts in float that were prepared; may not change anything else. */
  readonly qconfigMapping?: QConfigMapping;
  readonly backendConfig: BackendConfig;
  readonly removeQconfig: boolean;
  /** Takes observers that have seen no data. */
  readonly allowUncalibrated: boolean;
}

/** What the steps of a conversion share. */
export interface ConvertContext extends ConvertOptions {
  readonly model: GraphModule;
  readonly modules: Map<string, Module>;
  readonly qconfigs: NodeQconfigs;
  readonly scopes: NodeScopes;
  readonly observed: ReadonlySet<string>;
  readonly customClasses: ReadonlyMap<ModuleClass, QuantizedCustomClass>;
  /** Custom modules that take and give quantized tensors. */
  readonly staticCustomNodes: Set<FxNode>;
}
