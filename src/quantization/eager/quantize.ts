/** The front functions of eager mode (`torch.ao.quantization.quantize*`). */
import type { DType } from "../../core/dtype.ts";
import { float16, qint8, quint4x2, quint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import type { QConfig } from "../qconfig.ts";
import {
  defaultDynamicQconfig,
  float16DynamicQconfig,
  floatQparamsWeightOnlyQconfig,
  floatQparamsWeightOnlyQconfig4bit,
} from "../qconfig.ts";
import {
  dynamicallyQuantizable,
  getDefaultDynamicQuantModuleMappings,
  getDefaultQatModuleMappings,
} from "../quantization-mappings.ts";
import type { ModuleClass, ModuleMapping } from "../recipes/recipe.ts";
import { QuantWrapper } from "../stubs.ts";
import { convert } from "./convert.ts";
import type { QConfigByModule } from "./observe.ts";
import { propagateQconfig_ } from "./observe.ts";
import { prepare } from "./prepare.ts";

export interface QuantizeOptions {
  readonly mapping?: ModuleMapping;
  /** Changes the model itself instead of a copy. */
  readonly inplace?: boolean;
}

/** Prepares `model`, calls `runFn(model, ...runArgs)` to calibrate it, and converts it: post-training static quantization. */
export function quantize<M extends Module, A extends readonly unknown[]>(
  model: M,
  runFn: (model: M, ...args: A) => void,
  runArgs: A,
  options: QuantizeOptions = {},
): M {
  const prepared = prepare(options.inplace ? model : model.deepCopy(), { inplace: true }).eval();
  runFn(prepared, ...runArgs);
  return convert(prepared, { mapping: options.mapping, inplace: true });
}

/** What {@link quantizeDynamic} quantizes: classes or paths, alone (with a default qconfig for the dtype) or with qconfigs. */
export type QConfigSpec = ReadonlySet<ModuleClass | string> | QConfigByModule;

/** The qconfig that dynamic quantization to a dtype uses by default. */
function dynamicQconfigFor(dtype: DType): QConfig | undefined {
  const byDtype = new Map<DType, QConfig>([
    [qint8, defaultDynamicQconfig],
    [float16, float16DynamicQconfig],
    [quint8, floatQparamsWeightOnlyQconfig],
    [quint4x2, floatQparamsWeightOnlyQconfig4bit],
  ]);
  return byDtype.get(dtype);
}

/**
 * A copy of `model` whose weights are quantized and whose activations are quantized by their own range at every call. No
 * calibration is needed. By default Linear, LSTM, GRU and the recurrent cells (qint8, float16), or embeddings (quint8, quint4x2).
 */
export function quantizeDynamic<M extends Module>(
  model: M,
  qconfigSpec: QConfigSpec | null = null,
  options: QuantizeOptions & { readonly dtype?: DType } = {},
): M {
  const { dtype = qint8, mapping = getDefaultDynamicQuantModuleMappings() } = options;
  const target = (options.inplace ? model : model.deepCopy()).eval();
  propagateQconfig_(target, resolveSpec(qconfigSpec, dtype));
  return convert(target, { mapping, inplace: true });
}

function resolveSpec(spec: QConfigSpec | null, dtype: DType): QConfigByModule {
  if (spec instanceof Map) return spec;
  const qconfig = dynamicQconfigFor(dtype);
  if (!spec) {
    const classes = dynamicallyQuantizable.get(dtype);
    if (!qconfig || !classes) {
      throw new OctetError(
        `Don't know how to quantize with default settings for torch.${dtype.name}. Provide full qconfig please`,
      );
    }
    return new Map(classes.map((type) => [type, qconfig]));
  }
  if (!qconfig) throw new OctetError(`Unknown dtype specified for quantize_dynamic: torch.${dtype.name}`);
  return new Map([...(spec as ReadonlySet<ModuleClass | string>)].map((key) => [key, qconfig]));
}

/** A copy of a model in training mode with fake quantization on weights and activations; train it, then `convert` it. */
export function prepareQat<M extends Module>(model: M, options: QuantizeOptions = {}): M {
  if (!model.training) throw new OctetError("prepare_qat only works on models in training mode");
  const { mapping = getDefaultQatModuleMappings() } = options;
  const target = options.inplace ? model : model.deepCopy();
  propagateQconfig_(target);
  convert(target, { mapping, inplace: true, removeQconfig: false });
  return prepare(target, { observerNonLeafModuleList: new Set(mapping.values()), inplace: true });
}

/** Prepares a model for quantization-aware training, calls `runFn(model, ...runArgs)` to train it, and converts it. */
export function quantizeQat<M extends Module, A extends readonly unknown[]>(
  model: M,
  runFn: (model: M, ...args: A) => void,
  runArgs: A,
  options: Omit<QuantizeOptions, "mapping"> = {},
): M {
  const prepared = prepareQat((options.inplace ? model : model.deepCopy()).train(), { inplace: true });
  runFn(prepared, ...runArgs);
  return convert(prepared, { inplace: true });
}

/** Wraps every leaf module that has a qconfig in a {@link QuantWrapper}, in place. */
export function addQuantDequant(module: Module): Module {
  const children = [...module.ownModules()];
  if (!children.length && module.qconfig) return new QuantWrapper(module);
  for (const [name, child] of children) module.setChild(name, addQuantDequant(child));
  return module;
}

/** Runs a model over calibration data, ignoring labels (`default_eval_fn`). */
export function defaultEvalFn(
  model: Module,
  calibrationData: Iterable<readonly [input: unknown, target: unknown]>,
): void {
  model.eval();
  for (const [input] of calibrationData) model(input);
}
