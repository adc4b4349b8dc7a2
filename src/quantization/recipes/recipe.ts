/**
 * Recipes: what is known about quantizing one operator or fused pattern, as one frozen record. Every mapping that PyTorch
 * keeps in a global dictionary is derived from the list of them; no pass names an operator.
 */
import type { DType } from "../../core/dtype.ts";
import type { QScheme } from "../../core/qparams.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A class of modules, told apart by identity. */
// eslint-disable-next-line typescript/no-explicit-any -- constructors differ
export type ModuleClass<M extends Module = Module> = (abstract new (...args: any[]) => M) & { readonly name: string };

/** A class that {@link swapModule} can make from a float, observed or fused module. */
export interface QuantizedClass extends ModuleClass {
  fromFloat(float: Module, options?: FromFloatOptions): Module;
}

/** A reference class also takes the weight's qparams. */
export interface ReferenceClass extends ModuleClass {
  fromFloat(float: Module, weightQparams: WeightQparams): Module;
}

export interface FromFloatOptions {
  /** Takes the qparams that the weight's fake quantization holds instead of observing the weight again. */
  readonly usePrecomputedFakeQuant?: boolean;
}

/** How a weight is to be quantized, as an observer decided. */
export interface WeightQparams {
  readonly scale: Tensor;
  readonly zeroPoint: Tensor;
  readonly qscheme: QScheme;
  readonly dtype: DType;
  readonly quantMin?: number;
  readonly quantMax?: number;
  /** Channel axis of a per-channel scheme. */
  readonly axis?: number;
}

/** Makes one float module of several in a row (fold a batch norm, or wrap them to be quantized as one). */
export type Fuser = (isQat: boolean, ...modules: Module[]) => Module;

export interface Recipe {
  /** The float module, plain or fused. */
  readonly float: ModuleClass;
  /** Trains with fake quantization in place of `float`. */
  readonly qat?: QuantizedClass;
  /** As `qat`, but only in the mappings for embeddings, which have to be asked for. */
  readonly qatOnRequest?: QuantizedClass;
  /** Static quantized form of `float` and of `qat`. */
  readonly quantized?: QuantizedClass;
  /** Static quantized form of `qat` where `float` itself has none (its batch norm is folded away before). */
  readonly quantizedFromQat?: QuantizedClass;
  /** Static quantized form in graph mode, where eager mode leaves `float` as it is. */
  readonly quantizedInGraph?: QuantizedClass;
  /** Quantize-dequantize around float arithmetic; what other backends lower from. */
  readonly reference?: ReferenceClass | QuantizedClass;
  /** Weight quantized ahead, activations by their own range at every call. */
  readonly dynamic?: QuantizedClass;
  /** Module sequences that fusion turns into one, and how. */
  readonly fusions?: readonly { readonly pattern: readonly ModuleClass[]; readonly fuse: Fuser }[];
  /** `quantized` needs no qparams of input or output: the input is no float tensor. */
  readonly weightOnly?: boolean;
  /** Eager `prepare` observes the output of this module (and of `qat`). */
  readonly observed?: boolean;
}

export type ModuleMapping = ReadonlyMap<ModuleClass, QuantizedClass>;

/** Builds a mapping from the recipes that have both a key and a value. */
export function mappingOf<V>(
  recipes: readonly Recipe[],
  entries: (recipe: Recipe) => readonly (readonly [ModuleClass | undefined, V | undefined])[],
): Map<ModuleClass, V> {
  const mapping = new Map<ModuleClass, V>();
  for (const recipe of recipes) {
    for (const [key, value] of entries(recipe)) if (key && value) mapping.set(key, value);
  }
  return mapping;
}
