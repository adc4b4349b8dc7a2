/**
 * The custom modules that `prepare` and `convert` know without being told. Apart from the other mappings, because these
 * modules prepare and convert their own insides.
 */
import { LSTM } from "../../nn/modules/rnn.ts";
import { MultiheadAttention } from "../../nn/modules/multihead-attention.ts";
import type {
  ConvertCustomConfigDict,
  ObservedCustomClass,
  PrepareCustomConfigDict,
  QuantizedCustomClass,
} from "../quantization-mappings.ts";
import * as quantizable from "../recipes/quantizable/index.ts";
import type { ModuleClass } from "../recipes/recipe.ts";

/** LSTM and MultiheadAttention: observed, then quantized, part by part (`get_default_custom_config_dict`). */
export function getDefaultCustomConfigDict(): PrepareCustomConfigDict & ConvertCustomConfigDict {
  return {
    floatToObservedCustomModuleClass: new Map<ModuleClass, ObservedCustomClass>([
      [LSTM, quantizable.LSTM],
      [MultiheadAttention, quantizable.MultiheadAttention],
    ]),
    observedToQuantizedCustomModuleClass: new Map<ModuleClass, QuantizedCustomClass>([
      [quantizable.LSTM, quantizable.QuantizedLSTM],
      [quantizable.MultiheadAttention, quantizable.QuantizedMultiheadAttention],
    ]),
  };
}

/** Observed custom classes that observe their own insides and need no observer on their output (`no_observer_set`). */
export function noObserverSet(): ReadonlySet<ModuleClass> {
  return new Set<ModuleClass>([quantizable.LSTM, quantizable.MultiheadAttention]);
}
