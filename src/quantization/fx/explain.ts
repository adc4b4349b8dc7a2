/** Says of every operator of a converted graph how it was quantized, or why it stayed float. */
import { OctetError } from "../../core/errors.ts";
import { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { QConfig } from "../qconfig.ts";
import { getQuantType } from "../qconfig-dtypes.ts";
import type { ConvertContext } from "./convert-context.ts";
import { argsHaveNoTensors, isObserverNode, moduleOf, operatorName } from "./node-queries.ts";
import type { FloatReason, ObservedGraph } from "./observed-graph.ts";

export interface Explanation {
  /** The node's name in the graph that was traced. */
  readonly node: string;
  /** The module class, function or method. */
  readonly operator: string;
  /** Path of the module in which the operator was called, or of the module that it is. */
  readonly module: string;
  readonly quantized: boolean;
  /** How, as "static: QuantizedConv2d"; of a float operator, why. */
  readonly detail: string;
}

/** Where `meta` of a converted graph module keeps its explanations. */
export const EXPLANATIONS = "_explanations";

interface Draft extends Omit<Explanation, "detail"> {
  readonly how: string;
}

/** Before conversion: which operators there are and what the preparation decided. */
export function explanationsOf(context: ConvertContext, prepared: ObservedGraph): readonly Draft[] {
  const { model, modules, qconfigs, scopes } = context;
  const operators = [...model.graph.nodes].filter(
    (node) => isOperator(node) && !isObserverNode(node, modules) && !argsHaveNoTensors(node, modules),
  );
  return operators.map((node) => {
    const module = moduleOf(node, modules);
    const qconfig = qconfigs.get(node.name) ?? null;
    const quantized = prepared.observed.has(node.name) && qconfig !== null;
    const reason = prepared.reasons.get(node.name) ?? { kind: qconfig ? "unsupported op" : "qconfig null" };
    return {
      node: node.name,
      operator: operatorName(node, module),
      module: module ? String(node.target) : (scopes.get(node.name)?.modulePath ?? ""),
      quantized,
      how: quantized ? kindOf(qconfig) : reasonText(reason),
    };
  });
}

function isOperator({ op }: FxNode): boolean {
  return op === "call_module" || op === "call_function" || op === "call_method";
}

function kindOf(qconfig: QConfig): string {
  try {
    return String(getQuantType(qconfig)).toLowerCase();
  } catch {
    return "static";
  }
}

function reasonText({ kind, detail }: FloatReason): string {
  const text = {
    "no pattern": "the backend has no pattern for this operator",
    "qconfig null": "its qconfig is null",
    "dtype constraint": "the backend cannot serve its qconfig",
    "unsupported op": "it was not prepared for quantization",
  }[kind];
  return detail ? `${text}: ${detail}` : text;
}

/** After conversion: what the operators became. */
export function setExplanations(
  model: GraphModule,
  drafts: readonly Draft[],
  lowered: ReadonlyMap<string, string>,
): void {
  model.meta[EXPLANATIONS] = drafts.map(({ how, ...draft }): Explanation => {
    if (!draft.quantized) return { ...draft, detail: how };
    const became = lowered.get(draft.node);
    return { ...draft, detail: became ? `${how}: ${became}` : `${how}: reference form` };
  });
}

/**
 * Every operator of a graph module that convertFx gave, in the order of computation. A quantized operator in "reference
 * form" computes in float between quantize and dequantize.
 */
export function explain(graphModule: Module): readonly Explanation[] {
  const explanations = graphModule instanceof GraphModule ? graphModule.meta[EXPLANATIONS] : undefined;
  if (!explanations)
    throw new OctetError("explain: expects a graph module that convertFx or convertToReferenceFx gave");
  return explanations as readonly Explanation[];
}

/** {@link explain} as a table to print. */
export function formatExplanations(explanations: readonly Explanation[]): string {
  const rows = explanations.map(({ node, operator, quantized, detail }) => [
    node,
    operator,
    quantized ? "yes" : "no",
    detail,
  ]);
  const all = [["node", "operator", "quantized", "how or why"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
