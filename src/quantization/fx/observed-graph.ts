/** What a prepared graph module remembers for its conversion. */
import { OctetError } from "../../core/errors.ts";
import { GraphModule } from "../../fx/graph-module.ts";
import type { Module } from "../../nn/module.ts";
import type { QConfigMapping } from "../qconfig-mapping.ts";
import type { PrepareCustomConfig } from "./custom-config.ts";
import type { NodeQconfigs, NodeScopes } from "./node-qconfigs.ts";

/** Why an operator stays float. */
export interface FloatReason {
  readonly kind: "no pattern" | "qconfig null" | "dtype constraint" | "unsupported op";
  readonly detail?: string;
}

export interface ObservedGraph {
  readonly qconfigs: NodeQconfigs;
  readonly scopes: NodeScopes;
  readonly prepareCustomConfig: PrepareCustomConfig;
  readonly qconfigMapping: QConfigMapping;
  readonly isQat: boolean;
  readonly isStandalone: boolean;
  /** Names of the nodes that will be quantized. */
  readonly observed: ReadonlySet<string>;
  readonly reasons: ReadonlyMap<string, FloatReason>;
}

/** Where `meta` of a prepared graph module keeps it. */
export const OBSERVED_GRAPH = "_observed_graph_module_attrs";

export function setObservedGraph(model: GraphModule, observed: ObservedGraph): void {
  model.meta[OBSERVED_GRAPH] = observed;
}

export function forgetObservedGraph(model: GraphModule): void {
  delete model.meta[OBSERVED_GRAPH];
}

/** @throws if the model is not one that prepareFx gave. */
export function observedGraph(model: Module): ObservedGraph {
  const observed = model instanceof GraphModule ? (model.meta[OBSERVED_GRAPH] as ObservedGraph | undefined) : undefined;
  if (!observed) throw new OctetError("incoming model must be produced by prepare_fx: prepare and calibrate it first");
  return observed;
}

/** True for a model that prepareFx gave. */
export function isPrepared(model: Module): boolean {
  return model instanceof GraphModule && model.meta[OBSERVED_GRAPH] !== undefined;
}

/** What a prepared standalone module remembers; null for any other module. */
export function observedStandalone(module: Module): ObservedGraph | null {
  const observed =
    module instanceof GraphModule ? (module.meta[OBSERVED_GRAPH] as ObservedGraph | undefined) : undefined;
  return observed?.isStandalone ? observed : null;
}
