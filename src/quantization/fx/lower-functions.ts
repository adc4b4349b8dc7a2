/** Lowers functions and methods without weights. A node that is put in another's place has its name in `meta.loweredFrom`. */
import { getattr } from "../../fx/operators.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { handlesQuantized } from "../recipes/operators.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { LoweringContext } from "./lowering-context.ts";
import { eraseQuantize, skipDequantize } from "./lowering-context.ts";
import { isDequantize } from "./replace-observers.ts";

/** dequantize (or a number), dequantize → function (→ ReLU) → quantize. With a number the result's grid follows from both. */
export function lowerBinary(context: LoweringContext): void {
  const { graph } = context.model;
  for (const { quantize, relu, operator } of context.quantizedOutputs()) {
    const lowering = context.loweringOf(operator);
    if (lowering?.kind !== "binary" || context.skips(operator)) continue;
    const tensors = operator.args.filter(isNode);
    if (tensors.length === 0 || !tensors.every(isDequantize)) continue;
    skipDequantize(operator);
    const [, scale, zeroPoint] = quantize.args;
    const target = relu && lowering.quantizedRelu ? lowering.quantizedRelu : lowering.quantized;
    const args = tensors.length === 2 ? [...operator.args, scale, zeroPoint] : operator.args;
    const made = graph.insertingAfter(quantize, () => graph.callFunction(target, args));
    made.meta.loweredFrom = operator.name;
    if (tensors.length === 1) context.offGrid.add(made);
    quantize.replaceAllUsesWith(made);
    graph.eraseNode(quantize);
    for (const node of relu ? [relu, operator] : [operator]) {
      context.note(node, target);
      graph.eraseNode(node);
    }
  }
}

/** dequantize → shape: the quantized tensor has the same. */
export function lowerMetadata(context: LoweringContext): void {
  for (const node of context.model.graph.nodes) {
    const readsShape =
      node.target === getattr ? node.args[1] === "shape" : context.loweringOf(node)?.kind === "metadata";
    if (readsShape && isDequantize(node.args[0])) skipDequantize(node);
  }
}

/**
 * dequantize → operator → quantize, where the operator takes quantized tensors as it is. What joins several tensors has the
 * grid of the first, so that must be the observer's: otherwise the others would be clipped, as they are in PyTorch.
 */
export function lowerSame(context: LoweringContext): void {
  for (const { quantize, operator } of context.quantizedOutputs()) {
    const module = context.moduleOf(operator);
    const takesIntegers = module
      ? handlesQuantized.has(module.constructor as unknown as ModuleClass)
      : context.loweringOf(operator)?.kind === "same";
    if (!takesIntegers || !inputsAreDequantized(operator)) continue;
    const [first, ...others] = firstInputs(operator).map((input) => (input as FxNode).args[0] as FxNode);
    const isOffGrid = context.offGrid.has(first);
    if (isOffGrid && others.length > 0) continue;
    if (isOffGrid) context.offGrid.add(operator);
    skipFirstDequantize(operator);
    quantize.replaceAllUsesWith(operator);
    eraseQuantize(quantize);
    context.note(operator, module ?? (operator.target as string));
  }
}

/** dequantize → function → quantize, where the quantized form takes the output's qparams. */
export function lowerOutputQparams(context: LoweringContext): void {
  const { graph } = context.model;
  for (const { quantize, operator } of context.quantizedOutputs()) {
    const lowering = context.loweringOf(operator);
    if (lowering?.kind !== "output qparams" || !inputsAreDequantized(operator)) continue;
    skipFirstDequantize(operator);
    const [, scale, zeroPoint] = quantize.args as readonly FxNode[];
    quantize.replaceAllUsesWith(operator);
    graph.eraseNode(quantize);
    const args = lowering.args(operator.args, operator.kwargs, scale, zeroPoint);
    const made = graph.insertingAfter(zeroPoint, () => graph.callFunction(lowering.quantized, args));
    made.meta.loweredFrom = operator.name;
    operator.replaceAllUsesWith(made);
    graph.eraseNode(operator);
    context.note(operator, lowering.quantized);
  }
}

/** The first argument: a tensor, or the tensors that are joined. */
function firstInputs(node: FxNode): readonly unknown[] {
  return [node.args.length > 0 ? node.args[0] : Object.values(node.kwargs)[0]].flat();
}

function inputsAreDequantized(node: FxNode): boolean {
  const inputs = firstInputs(node);
  return inputs.length > 0 && inputs.every(isDequantize);
}

function skipFirstDequantize(node: FxNode): void {
  for (const input of firstInputs(node)) node.replaceInputWith(input as FxNode, (input as FxNode).args[0] as FxNode);
}
