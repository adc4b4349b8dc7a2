/**
 * Batch-norm folding: a batch normalization behind a convolution or a linear layer becomes part of its weight and bias. So does
 * a factor or a term that is one number, which some networks learn behind every layer. `quantization.fuseFx` does the
 * first of these too; here the model that is left is smaller from the start.
 */
import { noGrad } from "../../autograd/grad-mode.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { ModuleType } from "../../fx/tracer.ts";
import type { Module } from "../../nn/module.ts";
import * as nn from "../../nn/index.ts";
import { Parameter } from "../../nn/parameter.ts";
import type { Foldable } from "../../nn/utils/fusion.ts";
import { fuseBnWeights } from "../../nn/utils/fusion.ts";
import { add, full, mul } from "../../ops/index.ts";
import { absorbInto, callOf, isOf, moduleOf } from "./graph-queries.ts";

const batchNorms: readonly ModuleType[] = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d];
const plainLayers: readonly ModuleType[] = [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear];
const transposedLayers: readonly ModuleType[] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d];

/** Folds in place, where the layer's output goes nowhere else. */
export function foldBatchNorms(model: GraphModule): void {
  const calls = new Map<unknown, number>();
  for (const { op, target } of model.graph.nodes) {
    if (op === "call_module") calls.set(target, (calls.get(target) ?? 0) + 1);
  }
  for (const node of model.graph.nodes) {
    const [layerNode] = node.args;
    if (!isNode(layerNode) || layerNode.users.size !== 1 || calls.get(layerNode.target) !== 1) continue;
    const layer = foldableAt(model, layerNode);
    if (layer && folds(model, node, layer)) absorbInto(layerNode, node);
  }
  model.recompile();
  model.deleteAllUnusedSubmodules();
}

/** The layer that a node calls. */
function foldableAt(model: GraphModule, node: FxNode): Foldable | null {
  const layer = moduleOf(model, node);
  return isOf(layer, [...plainLayers, ...transposedLayers]) ? (layer as unknown as Foldable) : null;
}

/** Makes what `node` does part of the layer before it; false if it cannot be. */
function folds(model: GraphModule, node: FxNode, layer: Foldable): boolean {
  const norm = moduleOf(model, node);
  if (isOf(norm, batchNorms)) return foldsNorm(layer, norm);
  const [, number] = node.args;
  if (typeof number !== "number" || Object.keys(node.kwargs).length > 0) return false;
  if (callOf(node, mul)) scale(layer, number);
  else if (callOf(node, add)) shift(layer, number);
  else return false;
  return true;
}

function foldsNorm(layer: Foldable, norm: Module): boolean {
  const transpose = isOf(layer, transposedLayers);
  if (transpose && (layer as unknown as nn.ConvTranspose2d).groups !== 1) return false; // the weight has outputs per group
  [layer.weight, layer.bias] = fuseBnWeights(layer.weight, layer.bias, norm as nn.BatchNorm2d, { transpose });
  return true;
}

/** New parameters, because the file may use the weight elsewhere too. */
function scale(layer: Foldable, factor: number): void {
  noGrad(() => {
    layer.weight = new Parameter(mul(layer.weight, factor));
    if (layer.bias) layer.bias = new Parameter(mul(layer.bias, factor));
  });
}

function shift(layer: Foldable, term: number): void {
  noGrad(() => {
    layer.bias = new Parameter(layer.bias ? add(layer.bias, term) : full([outputsOf(layer)], term));
  });
}

function outputsOf(layer: Foldable): number {
  const { outFeatures, outChannels } = layer as unknown as Partial<nn.Linear & nn.Conv2d>;
  return outFeatures ?? outChannels ?? 0;
}
