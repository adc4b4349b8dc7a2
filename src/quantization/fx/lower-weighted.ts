/** Lowers functions that take a weight: `F.linear`, convolutions. */
import { isNode } from "../../fx/node.ts";
import type { FxNode } from "../../fx/node.ts";
import type { TargetFunction } from "../../fx/targets.ts";
import { quantizePerChannel, quantizePerTensor, quantizePerTensorDynamic } from "../../ops/quantize.ts";
import type { LoweringContext } from "./lowering-context.ts";
import { isDequantize } from "./replace-observers.ts";

/** dequantize, dequantized weight → function (→ ReLU) → quantize. */
export function lowerStaticFunctions(context: LoweringContext): void {
  const { graph } = context.model;
  for (const { quantize, relu, operator } of context.quantizedOutputs()) {
    const lowering = context.loweringOf(operator);
    if (lowering?.kind !== "weighted" || context.skips(operator)) continue;
    const [input, weight] = operator.args;
    if (!isDequantize(input) || !isDequantize(weight)) continue;
    const quantizedWeight = weight.args[0] as FxNode;
    if (quantizedWeight.target !== quantizePerTensor && quantizedWeight.target !== quantizePerChannel) continue;
    const [, scale, zeroPoint] = quantize.args as readonly FxNode[];
    const packed = graph.insertingBefore(scale, () => prepack(operator, quantizedWeight, lowering.prepack));
    operator.target = relu && lowering.quantizedRelu ? lowering.quantizedRelu : lowering.quantized;
    operator.args = [input.args[0], packed, scale, zeroPoint];
    operator.kwargs = {};
    quantize.replaceAllUsesWith(operator);
    zeroPoint.append(operator);
    graph.eraseNode(quantize);
    context.note(operator, operator.target);
    if (!relu) continue;
    context.note(relu, operator.target);
    graph.eraseNode(relu);
  }
}

/** quantize_per_tensor_dynamic → dequantize, dequantized weight → function (→ ReLU). */
export function lowerDynamicFunctions(context: LoweringContext): void {
  const { graph } = context.model;
  for (const last of [...graph.nodes].reverse()) {
    if (last.erased) continue;
    const before = last.args[0];
    const endsWithRelu = context.isRelu(last) && !context.skips(last) && isNode(before) && before.users.size === 1;
    const relu = endsWithRelu ? last : null;
    const operator = relu ? (before as FxNode) : last;
    const lowering = context.loweringOf(operator);
    if (lowering?.kind !== "weighted" || context.skips(operator)) continue;
    const [input, weight] = operator.args;
    if (!isDequantize(input) || !isDequantize(weight)) continue;
    const quantize = input.args[0] as FxNode;
    if (quantize.target !== quantizePerTensorDynamic) continue;
    const [source, activation, reduceRange] = quantize.args;
    const quantizedWeight = weight.args[0] as FxNode;
    const weightDtype = quantizedWeight.args.at(-1);
    const dynamic = lowering.dynamic?.find((form) => form.activation === activation && form.weight === weightDtype);
    if (!dynamic) continue;
    const packed = graph.insertingBefore(operator, () => prepack(operator, quantizedWeight, dynamic.prepack));
    operator.target = relu ? dynamic.quantizedRelu : dynamic.quantized;
    operator.args = dynamic.activation.isQuantized ? [source, packed, reduceRange] : [source, packed];
    operator.kwargs = {};
    context.note(operator, operator.target);
    if (!relu) continue;
    context.note(relu, operator.target);
    relu.replaceAllUsesWith(operator);
    graph.eraseNode(relu);
  }
}

/** Packing takes the function's arguments without the input; float16 weights are packed from the float weight. */
function prepack(operator: FxNode, quantizedWeight: FxNode, target: TargetFunction): FxNode {
  const [, , ...others] = operator.args;
  return operator.graph.callFunction(target, [quantizedWeight, ...others], operator.kwargs);
}
