/** Lowers modules: reference modules, fused ones around them, and float modules that have a quantized class. */
import type { DType } from "../../core/dtype.ts";
import { float16, qint8, quint8 } from "../../core/dtype.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import { withoutInit } from "../../nn/init.ts";
import type { Module } from "../../nn/module.ts";
import { quantizePerTensorDynamic } from "../../ops/quantize.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import { loweredClasses } from "../recipes/lowered-classes.ts";
import type { QuantizedFromReference } from "../recipes/lowered-classes.ts";
import type { ModuleClass } from "../recipes/recipe.ts";
import type { LoweringContext } from "./lowering-context.ts";
import { eraseQuantize, skipDequantize } from "./lowering-context.ts";
import { freeAttribute, parentName } from "./node-queries.ts";
import { isDequantize } from "./replace-observers.ts";

/** dequantize → module → quantize; a fused module only if its first part is a reference module. */
export function lowerStaticModules(context: LoweringContext): void {
  for (const { quantize, operator } of context.quantizedOutputs()) {
    const target = classFor(operator, context, "static");
    const inputs = operator.args.filter(isNode);
    if (!target || context.skips(operator) || inputs.length === 0 || !inputs.every(isDequantize)) continue;
    const [scale, zeroPoint] = context.outputQparams(quantize);
    const quantized = swap(operator, (module) => target.fromReference(module, scale, zeroPoint), context);
    if (!("scale" in quantized)) context.offGrid.add(operator); // Dropout gives its input
    skipDequantize(operator);
    quantize.replaceAllUsesWith(operator);
    eraseQuantize(quantize);
  }
}

/** quantize_per_tensor_dynamic → dequantize → module. */
export function lowerDynamicModules(context: LoweringContext): void {
  for (const node of context.model.graph.nodes) {
    const target = classFor(node, context, "dynamic");
    const [dequantize] = node.args;
    if (!target || !isDequantize(dequantize)) continue;
    const quantize = dequantize.args[0] as FxNode;
    if (quantize.target !== quantizePerTensorDynamic) continue;
    if (![quint8, qint8, float16].includes(quantize.args[1] as DType)) continue;
    swap(node, (module) => target.fromReference(module), context);
    node.replaceInputWith(dequantize, quantize.args[0] as FxNode);
  }
}

/** Tables of which only rows are read: their input is no float tensor. */
export function lowerWeightOnlyModules(context: LoweringContext): void {
  for (const node of context.model.graph.nodes) {
    const target = classFor(node, context, "weightOnly");
    if (target) swap(node, (module) => target.fromReference(module), context);
  }
}

function classFor(
  node: FxNode,
  context: LoweringContext,
  way: "static" | "dynamic" | "weightOnly",
): QuantizedFromReference | undefined {
  const module = context.moduleOf(node);
  if (!module) return undefined;
  const entry = loweredClasses.get(classOf(module))?.[way];
  if (!entry || entry.inner === null) return entry?.quantized;
  const [first] = module instanceof FusedModule ? [...module.children()] : [];
  return first && classOf(first) === entry.inner ? entry.quantized : undefined;
}

function swap(node: FxNode, make: (module: Module) => Module, context: LoweringContext): Module {
  const path = String(node.target);
  const quantized = withoutInit(() => make(context.modules.get(path) as Module));
  // `context.modules` keeps the reference module: another node may call it too, and gets a quantized module of its own,
  // because each call has its own qparams. (PyTorch gives all calls those of the last.)
  const isFirst = !context.swapped.has(path);
  context.swapped.add(path);
  node.target = isFirst ? path : freeAttribute(context.model, `${path}_`);
  const [parent, name] = parentName(node.target);
  context.modules.get(parent)?.setChild(name, quantized);
  context.note(node, quantized);
  return quantized;
}

function classOf(module: Module): ModuleClass {
  return module.constructor as unknown as ModuleClass;
}
