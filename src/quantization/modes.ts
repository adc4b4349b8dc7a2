/**
 * Settings for whole models by two words, a mode and a backend: what `octet quantize --mode … --backend …` uses. The same
 * could be written as a QConfigMapping and a BackendConfig by hand.
 */
import { float32, qint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { perTensorSymmetric } from "../core/qparams.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import type { FxNode } from "../fx/node.ts";
import { Embedding, EmbeddingBag } from "../nn/modules/sparse.ts";
import { BackendConfig } from "./backend-config/backend-config.ts";
import { getNativeBackendConfig, getOnednnBackendConfig, getTensorrtBackendConfig } from "./backend-config/backends.ts";
import { DTypeConfig } from "./backend-config/dtype-config.ts";
import { defaultPerChannelWeightObserver } from "./observers/defaults.ts";
import { HistogramObserver, PlaceholderObserver } from "./observers/index.ts";
import { QConfig, defaultDynamicQconfig, floatQparamsWeightOnlyQconfig, perChannelDynamicQconfig } from "./qconfig.ts";
import { QConfigMapping, getDefaultQconfigMapping } from "./qconfig-mapping.ts";
import type { ObjectType } from "./qconfig-mapping.ts";

/** static: activations by calibration. dynamic: at every call, by their own range. weight-only: activations stay float. */
export type QuantizationMode = "static" | "dynamic" | "weight-only";

export const quantizationModes: readonly QuantizationMode[] = ["static", "dynamic", "weight-only"];

export type TargetBackend = "x86" | "qnnpack" | "onednn" | "tensorrt";

export const targetBackends: readonly TargetBackend[] = ["x86", "qnnpack", "onednn", "tensorrt"];

export interface QuantizationSettings {
  readonly qconfigMapping: QConfigMapping;
  readonly backendConfig: BackendConfig;
}

/** Both activations and weights symmetric and signed, as TensorRT computes. */
const tensorrtQconfig = new QConfig(
  HistogramObserver.withArgs({ dtype: qint8, qscheme: perTensorSymmetric }),
  defaultPerChannelWeightObserver,
);

const weightOnlyQconfig = new QConfig(
  PlaceholderObserver.withArgs({ dtype: float32 }),
  defaultPerChannelWeightObserver,
);

/** Weights as per-channel int8, inputs, outputs and biases as floats. */
const weightOnlyDtypes = new DTypeConfig({
  inputDtype: float32,
  outputDtype: float32,
  weightDtype: qint8,
  biasDtype: float32,
});

/**
 * @param skip names of nodes of the model, or paths of modules, that stay float. @throws if one is not in the model.
 */
export function quantizationSettings(
  model: GraphModule,
  mode: QuantizationMode,
  backend: TargetBackend,
  skip: readonly string[] = [],
): QuantizationSettings {
  if (backend === "tensorrt" && mode !== "static") {
    throw new OctetError(`backend tensorrt: mode ${mode} is not possible, it quantizes activations statically only`);
  }
  const qconfigMapping = mappingFor(model, mode, backend);
  for (const name of skip) keepFloat(model, name, qconfigMapping);
  return { qconfigMapping, backendConfig: backendFor(mode, backend) };
}

function mappingFor(model: GraphModule, mode: QuantizationMode, backend: TargetBackend): QConfigMapping {
  switch (mode) {
    case "dynamic":
      return new QConfigMapping().setGlobal(backend === "qnnpack" ? defaultDynamicQconfig : perChannelDynamicQconfig);
    case "weight-only":
      return weightOnlyMapping(model);
    case "static":
      return backend === "tensorrt"
        ? new QConfigMapping().setGlobal(tensorrtQconfig)
        : getDefaultQconfigMapping(backend);
    default:
      return mode satisfies never;
  }
}

/** Tables have their own scheme, whose zero points are floats. */
function weightOnlyMapping(model: GraphModule): QConfigMapping {
  const mapping = new QConfigMapping().setGlobal(weightOnlyQconfig);
  const modules = [...model.modules()];
  for (const table of [Embedding, EmbeddingBag]) {
    if (modules.some((module) => module.constructor === table))
      mapping.setObjectType(table, floatQparamsWeightOnlyQconfig);
  }
  return mapping;
}

function backendFor(mode: QuantizationMode, backend: TargetBackend): BackendConfig {
  if (mode === "weight-only") return weightOnlyBackendConfig();
  if (backend === "tensorrt") return getTensorrtBackendConfig();
  return backend === "onednn" && mode === "static" ? getOnednnBackendConfig() : getNativeBackendConfig();
}

/** The native patterns of modules with a weight; activations stay float. PyTorch has this for embeddings only. */
function weightOnlyBackendConfig(): BackendConfig {
  const weighted = getNativeBackendConfig().configs.filter(({ rootModule, fuserMethod }) => rootModule || fuserMethod);
  for (const config of weighted) {
    const hasFloatInputs = config.dtypeConfigs.some(({ inputDtype }) => inputDtype === float32);
    if (!hasFloatInputs) config.setDtypeConfigs([weightOnlyDtypes]);
  }
  return new BackendConfig("weight-only").setBackendPatternConfigs(weighted);
}

/** Rules for one module, or for the n-th use of a function in the graph. */
function keepFloat(model: GraphModule, name: string, mapping: QConfigMapping): void {
  const nodes = [...model.graph.nodes];
  const node = nodes.find((candidate) => candidate.name === name || candidate.target === name);
  if (!node || !isCall(node)) {
    throw new OctetError(`skip "${name}": the model has no operator of that name; octet inspect lists them`);
  }
  if (node.op === "call_module") {
    mapping.setModuleName(String(node.target), null);
    return;
  }
  if (node.op === "call_method") {
    throw new OctetError(`skip "${name}": a tensor method cannot be skipped by name; skip the operator before it`);
  }
  const uses = nodes.filter(({ op, target }) => op === "call_function" && target === node.target);
  mapping.setModuleNameObjectTypeOrder("", node.target as ObjectType, uses.indexOf(node), null);
}

function isCall({ op }: FxNode): boolean {
  return op === "call_module" || op === "call_function" || op === "call_method";
}
