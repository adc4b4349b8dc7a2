/**
 * Layer normalization as exporters wrote it before ONNX had an operator for it, (x − mean) / √(mean((x − mean)²) + eps) · w + b,
 * becomes nn.LayerNorm, which quantization knows.
 */
import type { Argument } from "../../fx/argument.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { attributeAt } from "../../fx/graph.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import * as nn from "../../nn/index.ts";
import { Parameter } from "../../nn/parameter.ts";
import { add, div, mean, mul, pow, sqrt, square, sub } from "../../ops/index.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeOrigin } from "../import-settings.ts";
import { callOf } from "./graph-queries.ts";

export function fuseLayerNorms(model: GraphModule): void {
  const { graph } = model;
  let count = 0;
  for (const node of graph.nodes) {
    const found = layerNormAt(model, node);
    if (!found) continue;
    const norm = new nn.LayerNorm([...found.weight.shape], { eps: found.eps });
    norm.weight = new Parameter(found.weight);
    norm.bias = new Parameter(found.bias);
    norm.eval();
    let path = `layer_norm_${count++}`;
    while (path in model) path = `layer_norm_${count++}`;
    model.addSubmodule(path, norm);
    const fused = graph.insertingBefore(node, () => graph.callModule(path, [found.input]));
    fused.meta.onnx = originOf(found.chain);
    node.replaceAllUsesWith(fused);
  }
  if (count === 0) return;
  graph.eliminateDeadCode();
  model.recompile();
}

interface LayerNormMatch {
  readonly input: FxNode;
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly eps: number;
  /** The nodes that it is made of, last first. */
  readonly chain: readonly FxNode[];
}

/** `node` is the last step, the sum with the bias. */
function layerNormAt(model: GraphModule, node: FxNode): LayerNormMatch | null {
  const shifted = withVector(model, callOf(node, add));
  const scaled = shifted && withVector(model, callOf(shifted.other, mul));
  const quotient = scaled && callOf(scaled.other, div);
  if (!shifted || !scaled || !quotient || scaled.vector.shape[0] !== shifted.vector.shape[0]) return null;
  const centred = callOf(quotient.args[0], sub);
  const root = callOf(quotient.args[1], sqrt);
  const sum = root && callOf(root.args[0], add);
  const input = centred?.args[0];
  if (!centred || !sum || !isNode(input) || typeof sum.args[1] !== "number") return null;
  const variance = lastMean(sum.args[0]);
  const power = variance && squareOf(variance.args[0]);
  const average = lastMean(centred.args[1]);
  if (!variance || !power || !average || average.args[0] !== input || !isSame(power.args[0], centred)) return null;
  const chain = [node, scaled.node, quotient, root, sum, variance, power, centred, average].filter(
    (step) => step !== null,
  );
  return { input, weight: scaled.vector, bias: shifted.vector, eps: sum.args[1], chain };
}

/** A call of an operator of two operands, of which one is a constant vector. */
function withVector(model: GraphModule, node: FxNode | null): { node: FxNode; other: Argument; vector: Tensor } | null {
  if (!node) return null;
  for (const [other, constant] of [node.args, node.args.toReversed()]) {
    if (!isNode(constant) || constant.op !== "get_attr") continue;
    const vector = attributeAt(model, constant.target as string);
    if (vector instanceof Tensor && vector.ndim === 1 && vector.dtype.isFloatingPoint) return { node, other, vector };
  }
  return null;
}

/** A mean over the last dimension, which it keeps. */
function lastMean(argument: Argument): FxNode | null {
  const node = callOf(argument, mean);
  const dims = node?.args[1];
  const isLast = Array.isArray(dims) && dims.length === 1 && dims[0] === -1;
  return node && isLast && node.kwargs.keepdim === true ? node : null;
}

function squareOf(argument: Argument): FxNode | null {
  const power = callOf(argument, pow);
  return power?.args[1] === 2 ? power : callOf(argument, square);
}

/** The same node, or another that computes the same: some exporters write the difference twice. */
function isSame(argument: Argument, node: FxNode): boolean {
  if (argument === node) return true;
  const other = callOf(argument, sub);
  return other !== null && other.args[0] === node.args[0] && other.args[1] === node.args[1];
}

/** In the order of the file. */
function originOf(chain: readonly FxNode[]): NodeOrigin {
  const origins = chain.toReversed().flatMap(({ meta }) => (meta.onnx ? [meta.onnx as NodeOrigin] : []));
  return { nodes: origins.flatMap(({ nodes }) => nodes), values: origins.at(-1)?.values ?? [] };
}
