/** Conversion in eager mode: a copy of the model in which every observed module is quantized. */
import type { Module } from "../../nn/module.ts";
import type { ConvertCustomConfigDict } from "../quantization-mappings.ts";
import {
  getDefaultStaticQuantModuleMappings,
  getDefaultStaticQuantReferenceModuleMappings,
} from "../quantization-mappings.ts";
import type { ModuleMapping } from "../recipes/recipe.ts";
import { getDefaultCustomConfigDict } from "./custom-config.ts";
import { convertChildren, removeQconfig } from "./swap.ts";
import type { SwapOptions } from "./swap.ts";

export { removeQconfig, swapModule } from "./swap.ts";

export interface ConvertOptions extends SwapOptions {
  /** Float (or QAT) class → quantized class; default the static mapping, or the reference one. */
  readonly mapping?: ModuleMapping;
  /** Changes `module` itself instead of a copy. */
  readonly inplace?: boolean;
  /** Removes qconfigs and observers afterwards; default true. */
  readonly removeQconfig?: boolean;
  /** Makes reference modules: quantize-dequantize around float arithmetic. */
  readonly isReference?: boolean;
  readonly convertCustomConfigDict?: ConvertCustomConfigDict;
}

/** A copy of a prepared and calibrated (or trained) model in which every module that the mapping knows is quantized. */
export function convert<M extends Module>(module: M, options: ConvertOptions = {}): M {
  const target = options.inplace ? module : module.deepCopy();
  const { isReference = false } = options;
  const mapping =
    options.mapping ??
    (isReference ? getDefaultStaticQuantReferenceModuleMappings() : getDefaultStaticQuantModuleMappings());
  const custom = options.convertCustomConfigDict ?? getDefaultCustomConfigDict();
  convertChildren(target, mapping, custom, options);
  if (options.removeQconfig ?? true) removeQconfig(target);
  return target;
}
