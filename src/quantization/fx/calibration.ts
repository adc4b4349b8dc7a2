/** Conversion needs observers that have seen data; PyTorch warns and goes on with nonsense, here it is an error. */
import { OctetError } from "../../core/errors.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NamedModules } from "./node-queries.ts";
import { isObserverNode, moduleOf } from "./node-queries.ts";

/** @throws listing the observers that have not seen any data, and what they stand on. */
export function checkCalibrated(model: GraphModule, modules: NamedModules): void {
  const missing: string[] = [];
  for (const node of model.graph.nodes) {
    if (!isObserverNode(node, modules) || hasData(moduleOf(node, modules) as Module)) continue;
    const [source] = node.args;
    missing.push(`${String(node.target)} (output of ${isNode(source) ? source.name : "?"})`);
  }
  if (missing.length === 0) return;
  const shown = missing.slice(0, 10).join(", ");
  const more = missing.length > 10 ? ` and ${missing.length - 10} more` : "";
  throw new OctetError(
    `convert_fx: ${missing.length} observers have seen no data: ${shown}${more}; run the prepared model on ` +
      "representative inputs before converting it, or convert with { allowUncalibrated: true } to load a state afterwards",
  );
}

/** True for observers that keep no range, too: placeholders, fixed qparams. */
function hasData(module: Module): boolean {
  const observer = (module as { activation_post_process?: Module }).activation_post_process ?? module;
  const { min_val: min, max_val: max } = observer as { min_val?: Tensor; max_val?: Tensor };
  if (!min || !max) return true;
  if (min.numel() === 0) return false;
  return !(min.ndim === 0 && min.item() === Infinity && max.item() === -Infinity);
}
