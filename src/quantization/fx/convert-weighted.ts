/** Puts reference modules in the place of prepared modules with weights. */
import { withoutInit } from "../../nn/init.ts";
import type { Module } from "../../nn/module.ts";
import {
  getPatternToDtypeConfigs,
  getQatModuleClasses,
  getRootModuleToQuantizedReferenceModule,
} from "../backend-config/queries.ts";
import type { DTypeConfig } from "../backend-config/dtype-config.ts";
import { float16, float32 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import type { QConfig } from "../qconfig.ts";
import { getQconfigDtypes, weightIsQuantized } from "../qconfig-dtypes.ts";
import { FusedModule } from "../recipes/fused-module.ts";
import type { ModuleClass, QuantizedClass, ReferenceClass } from "../recipes/recipe.ts";
import { weightQparamsOf } from "../recipes/weight.ts";
import type { Factory } from "../with-args.ts";
import { create } from "../with-args.ts";
import type { ConvertContext } from "./convert-context.ts";
import { replaceModule } from "./node-queries.ts";

/** A module that trained with fake quantization, and how it turns back to float. */
type TrainedModule = Module & { readonly weight_fake_quant: Module; toFloat(): Module };

/** A trained module becomes float even where it is not quantized. */
export function convertWeightedModule(node: FxNode, context: ConvertContext): void {
  const path = String(node.target);
  const { modules, backendConfig, observed, qconfigs } = context;
  let module = modules.get(path) as Module;
  const qconfig = module.qconfig ?? null;
  let trainedWeight: Module | null = null;
  if (getQatModuleClasses(backendConfig).includes(classOf(module))) {
    const trained = module as TrainedModule;
    trainedWeight = trained.weight_fake_quant;
    module = withoutInit(() => trained.toFloat());
    module.qconfig = qconfig;
    replaceModule(modules, path, module);
  }
  if (!qconfig || qconfigs.get(node.name) === null || !observed.has(node.name)) return;
  const dtypes = getPatternToDtypeConfigs(backendConfig).get(classOf(module)) ?? [];
  if (!dtypes.some((config) => servesQconfig(config, qconfig)) || !weightIsQuantized(qconfig)) return;
  const inner = module instanceof FusedModule ? ([...module.children()][0] as Module) : module;
  const reference = withoutInit(() => referenceOf(inner, qconfig, trainedWeight, context));
  if (module instanceof FusedModule) module.setChild("0", reference);
  else replaceModule(modules, path, reference);
}

function referenceOf(
  float: Module,
  qconfig: QConfig,
  trainedWeight: Module | null,
  { backendConfig }: ConvertContext,
): Module {
  const type = classOf(float);
  const reference = getRootModuleToQuantizedReferenceModule(backendConfig).get(type) as ReferenceClass | undefined;
  if (!reference) throw new OctetError(`No reference quantized module class configured for ${type.name}`);
  if ("weight" in float) {
    const observer: Module = trainedWeight ?? create(qconfig.weight as Factory<Module>);
    return reference.fromFloat(float, weightQparamsOf(float, observer));
  }
  // A recurrent module observes each of its weights by its qconfig.
  return (reference as unknown as QuantizedClass).fromFloat(float);
}

/** Whether a dtype config is what a qconfig asks of an operator with weights. */
function servesQconfig(config: DTypeConfig, qconfig: QConfig): boolean {
  const [activation, weight, isDynamic] = getQconfigDtypes(qconfig);
  const weightFits = (config.weightDtype ?? float32) === weight;
  const inputFits = (config.inputDtype ?? float32) === activation;
  const output = config.outputDtype ?? float32;
  if (config.isDynamic) return isDynamic && inputFits && output === float32 && weightFits;
  const bias = activation === float16 && weight === float16 ? float16 : float32;
  return inputFits && output === activation && weightFits && (config.biasDtype ?? float32) === bias;
}

function classOf(module: Module): ModuleClass {
  return module.constructor as unknown as ModuleClass;
}
