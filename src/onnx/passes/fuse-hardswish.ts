/**
 * Hard-swish as exporters write it, x · relu6(x + 3) / 6 in some order, becomes the one function that quantization knows. Without
 * this every division stays in float.
 */
import type { GraphModule } from "../../fx/graph-module.ts";
import type { Argument } from "../../fx/argument.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { hardswish, relu6 } from "../../nn/functional.ts";
import { add, div, mul } from "../../ops/index.ts";
import type { NodeOrigin } from "../import-settings.ts";
import { callOf } from "./graph-queries.ts";

export function fuseHardswish(model: GraphModule): void {
  const { graph } = model;
  for (const node of graph.nodes) {
    const found = hardswishAt(node);
    if (!found) continue;
    const fused = graph.insertingBefore(node, () => graph.callFunction(hardswish, [found.input]));
    fused.meta.onnx = originOf([...found.inner, node]);
    node.replaceAllUsesWith(fused);
    for (const old of [node, ...found.inner.toReversed()]) graph.eraseNode(old);
  }
  model.recompile();
}

interface Hardswish {
  readonly input: FxNode;
  /** The nodes before the last, in their order; nothing else uses them. */
  readonly inner: readonly FxNode[];
}

/** (x · relu6(x + 3)) / 6, or the same with a product by 1/6. */
function hardswishAt(node: FxNode): Hardswish | null {
  const isSixth = (callOf(node, div) && node.args[1] === 6) || (callOf(node, mul) && isOneSixth(node.args[1]));
  const product = isSixth && callOf(node.args[0], mul);
  if (!product) return null;
  for (const [x, gate] of [product.args, product.args.toReversed()]) {
    const limited = callOf(gate, relu6);
    const shifted = limited && callOf(limited.args[0], add);
    if (!limited || !shifted || !isNode(x) || shifted.args[0] !== x || shifted.args[1] !== 3) continue;
    const inner = [shifted, limited, product];
    return inner.every(({ users }) => users.size === 1) ? { input: x, inner } : null;
  }
  return null;
}

function isOneSixth(value: Argument): boolean {
  return typeof value === "number" && Math.abs(value - 1 / 6) < 1e-7;
}

function originOf(nodes: readonly FxNode[]): NodeOrigin {
  const origins = nodes.flatMap(({ meta }) => (meta.onnx ? [meta.onnx as NodeOrigin] : []));
  return { nodes: origins.flatMap((origin) => origin.nodes), values: origins.at(-1)?.values ?? [] };
}
