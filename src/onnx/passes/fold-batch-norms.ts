/**
 * Batch-norm folding: a batch normalization behind a convolution or a linear layer becomes part of its weight and bias. The
 * same is done by `quantization.fuseFx`; here it also takes what is no `nn.BatchNorm` of the same rank, and leaves a smaller model.
 */
import type { GraphModule } from "../../fx/graph-module.ts";
import { attributeAt } from "../../fx/graph.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { ModuleType } from "../../fx/tracer.ts";
import { Module } from "../../nn/module.ts";
import * as nn from "../../nn/index.ts";
import type { Foldable } from "../../nn/utils/fusion.ts";
import { fuseBnWeights } from "../../nn/utils/fusion.ts";
import type { NodeOrigin } from "../import-settings.ts";

const batchNorms: readonly ModuleType[] = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d];
const plainLayers: readonly ModuleType[] = [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear];
const transposedLayers: readonly ModuleType[] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d];

/** Folds in place, where the layer's output goes nowhere else. */
export function foldBatchNorms(model: GraphModule): void {
  const { graph } = model;
  for (const node of graph.nodes) {
    const [layerNode] = node.args;
    const norm = moduleOf(model, node);
    if (!isOf(norm, batchNorms) || !isNode(layerNode) || layerNode.users.size !== 1) continue;
    const layer = moduleOf(model, layerNode);
    const transpose = isOf(layer, transposedLayers);
    if (!layer || !(transpose || isOf(layer, plainLayers)) || callsOf(model, layerNode) !== 1) continue;
    if (transpose && (layer as unknown as nn.ConvTranspose2d).groups !== 1) continue; // its weight has the output channels per group
    const foldable = layer as unknown as Foldable;
    [foldable.weight, foldable.bias] = fuseBnWeights(foldable.weight, foldable.bias, norm as nn.BatchNorm2d, { transpose });
    node.replaceAllUsesWith(layerNode);
    mergeOrigins(layerNode, node);
    graph.eraseNode(node);
  }
  model.recompile();
  model.deleteAllUnusedSubmodules();
}

function moduleOf(model: GraphModule, node: FxNode): Module | null {
  const found = node.op === "call_module" ? attributeAt(model, node.target as string) : null;
  return found instanceof Module ? found : null;
}

function isOf(module: Module | null, types: readonly ModuleType[]): module is Module {
  return types.some((type) => module instanceof type);
}

function callsOf(model: GraphModule, { target }: FxNode): number {
  return model.graph.findNodes({ op: "call_module", target }).length;
}

/** The layer now stands for both nodes of the file, and makes the values of the second. */
function mergeOrigins(layer: FxNode, norm: FxNode): void {
  const [first, second] = [layer.meta.onnx, norm.meta.onnx] as (NodeOrigin | undefined)[];
  if (first && second) layer.meta.onnx = { nodes: [...first.nodes, ...second.nodes], values: second.values };
}
