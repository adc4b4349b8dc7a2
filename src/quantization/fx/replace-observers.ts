/** Puts quantize and dequantize in the place of observers. */
import type { DType } from "../../core/dtype.ts";
import { float16, float32, int64, qint32, qint8, quint8 } from "../../core/dtype.ts";
import { getEngine } from "../../core/engine.ts";
import type { QScheme } from "../../core/qparams.ts";
import type { Graph } from "../../fx/graph.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { Argument, FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import { quantizePerChannel, quantizePerTensor, quantizePerTensorDynamic } from "../../ops/quantize.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Qparams } from "../determine-qparams.ts";
import { namesItsQparamsByUser } from "../recipes/operators.ts";
import type { ConvertContext } from "./convert-context.ts";
import { freeAttribute, moduleOf } from "./node-queries.ts";

type Observer = Module & {
  readonly dtype: DType;
  readonly isDynamic?: boolean;
  readonly qscheme: QScheme;
  readonly chAxis?: number;
  calculateQparams(): Qparams;
};

export function isDequantize(value: unknown): value is FxNode {
  return isNode(value) && value.op === "call_method" && value.target === "dequantize";
}

/** Everyone who reads `node` reads it dequantized instead. */
export function insertDequantize(node: FxNode, graph: Graph): void {
  const dequantize = graph.insertingAfter(node, () => graph.callMethod("dequantize", [node]));
  node.replaceAllUsesWith(dequantize, { deleteUserCb: (user) => user !== dequantize });
}

/**
 * observer(x) becomes dequantize(quantize(x)). An observer between nodes that all stay float, or whose dtype means that
 * nothing is to be done, vanishes.
 */
export function replaceObserver(node: FxNode, context: ConvertContext): void {
  const { graph } = context.model;
  const source = node.args[0] as FxNode;
  const observer = moduleOf(node, context.modules) as Observer;
  const staysFloat = (neighbour: unknown): boolean =>
    isNode(neighbour) && context.qconfigs.has(neighbour.name) && context.qconfigs.get(neighbour.name) === null;
  const replacement = [...node.args, ...node.users].every(staysFloat)
    ? source
    : graph.insertingBefore(node, () => quantizeDequantize(source, node, observer, context));
  node.replaceAllUsesWith(replacement);
  graph.eraseNode(node);
}

function quantizeDequantize(source: FxNode, node: FxNode, observer: Observer, context: ConvertContext): FxNode {
  const { model } = context;
  const { graph } = model;
  const { dtype } = observer;
  const dequantized = (quantized: FxNode): FxNode => graph.callMethod("dequantize", [quantized]);
  if (observer.isDynamic) {
    const reduceRange = ["fbgemm", "x86"].includes(getEngine());
    return dequantized(graph.callFunction(quantizePerTensorDynamic, [source, dtype, reduceRange]));
  }
  if (dtype === float16) return dequantized(graph.callMethod("to", [source, float16]));
  if (![quint8, qint8, qint32].includes(dtype)) return source;
  const [scale, zeroPoint] = observer.calculateQparams();
  const prefix = qparamsPrefix(node, context);
  const buffer = (name: string, value: Tensor): FxNode => constant(model, `${prefix}_${name}_`, value);
  if (observer.qscheme.isPerChannel) {
    const args: Argument[] = [source, buffer("scale", scale), buffer("zero_point", zeroPoint), observer.chAxis, dtype];
    return dequantized(graph.callFunction(quantizePerChannel, args));
  }
  const scaleNode = buffer("scale", Tensor.fromArray(Float32Array.of(scale.item()), [], float32));
  const zeroPointNode = buffer("zero_point", Tensor.fromArray(Float64Array.of(zeroPoint.item()), [], int64));
  return dequantized(graph.callFunction(quantizePerTensor, [source, scaleNode, zeroPointNode, dtype]));
}

/** A buffer with a free name, and the node that reads it. */
function constant(model: GraphModule, prefix: string, value: Tensor): FxNode {
  const name = freeAttribute(model, prefix);
  model.registerBuffer(name, value.detach().clone());
  return model.graph.getAttr(name);
}

/**
 * Qparams are named for the module that made the value, or, if nothing that is quantized made it, for the one that reads
 * it, followed by "_input".
 */
function qparamsPrefix(node: FxNode, { qconfigs, scopes }: ConvertContext): string {
  const source = node.args[0] as FxNode;
  const isInputOnly = qconfigs.has(source.name) && qconfigs.get(source.name) === null;
  const users = [...node.users];
  const named = isInputOnly ? (users.find(({ target }) => namesItsQparamsByUser.has(target)) ?? users[0]) : source;
  const path = (named && scopes.get(named.name)?.modulePath) ?? "";
  return `${path}${isInputOnly ? "_input" : ""}`;
}
