/** PyTorch's module mappings, derived from the recipes (`torch.ao.quantization.quantization_mappings`). */
import type { DType } from "../core/dtype.ts";
import { float16, qint8, quint4x2, quint8 } from "../core/dtype.ts";
import type { Module } from "../nn/module.ts";
import { Hardsigmoid, Sigmoid, Softmax, Tanh } from "../nn/modules/activation.ts";
import { Sequential } from "../nn/modules/container.ts";
import { Linear } from "../nn/modules/linear.ts";
import { GRUCell, LSTMCell, RNNCell } from "../nn/modules/rnn-cells.ts";
import { GRU, LSTM } from "../nn/modules/rnn.ts";
import { Embedding, EmbeddingBag } from "../nn/modules/sparse.ts";
import {
  defaultFixedQparamsRange0to1FakeQuant,
  defaultFixedQparamsRangeNeg1to1FakeQuant,
} from "./fake-quantize-defaults.ts";
import { recipes } from "./recipes/index.ts";
import type { ModuleClass, ModuleMapping, QuantizedClass } from "./recipes/recipe.ts";
import { mappingOf } from "./recipes/recipe.ts";
import type { Factory } from "./with-args.ts";

/** Float, fused and QAT classes → static quantized classes. */
export function getDefaultStaticQuantModuleMappings(): ModuleMapping {
  return mappingOf(recipes, ({ float, qat, quantized, quantizedFromQat }) => [
    [float, quantized],
    [qat, quantizedFromQat ?? quantized],
  ]);
}

/** Float classes → reference classes. */
export function getDefaultStaticQuantReferenceModuleMappings(): ModuleMapping {
  return mappingOf(recipes, ({ float, reference }) => [[float, reference as QuantizedClass | undefined]]);
}

/** Float and fused classes → classes that train with fake quantization. */
export function getDefaultQatModuleMappings(): ModuleMapping {
  return mappingOf(recipes, ({ float, qat }) => [[float, qat]]);
}

/** The static mapping, with embeddings trained with fake quantization added. */
export function getEmbeddingStaticQuantModuleMappings(): ModuleMapping {
  const trained = mappingOf(recipes, ({ qatOnRequest, quantized }) => [[qatOnRequest, quantized]]);
  return new Map([...getDefaultStaticQuantModuleMappings(), ...trained]);
}

/** The QAT mapping, with embeddings added. */
export function getEmbeddingQatModuleMappings(): ModuleMapping {
  const trained = mappingOf(recipes, ({ float, qatOnRequest }) => [[float, qatOnRequest]]);
  return new Map([...getDefaultQatModuleMappings(), ...trained]);
}

/** Float classes → dynamic quantized classes. */
export function getDefaultDynamicQuantModuleMappings(): ModuleMapping {
  return mappingOf(recipes, ({ float, dynamic }) => [[float, dynamic]]);
}

/** Classes whose outputs eager `prepare` observes. */
export function getDefaultQconfigPropagationList(): ReadonlySet<ModuleClass> {
  const observed = recipes.filter((recipe) => recipe.observed);
  return new Set([Sequential as ModuleClass, ...observed.flatMap(({ float, qat }) => (qat ? [float, qat] : [float]))]);
}

/** Activations whose output range is known: what fake-quantizes them in training. */
export const defaultModuleToActPostProcess: ReadonlyMap<ModuleClass, Factory<Module>> = new Map<
  ModuleClass,
  Factory<Module>
>([
  [Hardsigmoid, defaultFixedQparamsRange0to1FakeQuant],
  [Sigmoid, defaultFixedQparamsRange0to1FakeQuant],
  [Softmax, defaultFixedQparamsRange0to1FakeQuant],
  [Tanh, defaultFixedQparamsRangeNeg1to1FakeQuant],
]);

const recurrentAndLinear: readonly ModuleClass[] = [Linear, LSTM, GRU, LSTMCell, RNNCell, GRUCell];

/** What `quantizeDynamic` quantizes by default for each dtype. */
export const dynamicallyQuantizable: ReadonlyMap<DType, readonly ModuleClass[]> = new Map<
  DType,
  readonly ModuleClass[]
>([
  [qint8, recurrentAndLinear],
  [float16, recurrentAndLinear],
  [quint8, [EmbeddingBag, Embedding]],
  [quint4x2, [EmbeddingBag]],
]);

/** A class made from a float module, whose modules are observed. */
export interface ObservedCustomClass extends ModuleClass {
  fromFloat(float: Module): Module;
}

/** A class made from an observed module. */
export interface QuantizedCustomClass extends ModuleClass {
  fromObserved(observed: Module): Module;
}

export interface PrepareCustomConfigDict {
  readonly floatToObservedCustomModuleClass?: ReadonlyMap<ModuleClass, ObservedCustomClass>;
  readonly nonTraceableModuleName?: readonly string[];
  readonly nonTraceableModuleClass?: readonly ModuleClass[];
}

export interface ConvertCustomConfigDict {
  readonly observedToQuantizedCustomModuleClass?: ReadonlyMap<ModuleClass, QuantizedCustomClass>;
}
