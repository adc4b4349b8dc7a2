/** What PyTorch's backends can quantize: which families of operators, in which dtypes. */
import { addmmPatterns, binaryPatterns, elementwisePatterns } from "../recipes/arithmetic/patterns.ts";
import { convAddPatterns } from "../recipes/conv/add-patterns.ts";
import { conv2dPatterns, convPatterns } from "../recipes/conv/patterns.ts";
import { embeddingPatterns, embeddingPatternsWithFunction } from "../recipes/embedding/patterns.ts";
import { fixedQparamsPatterns } from "../recipes/fixed-qparams/patterns.ts";
import { linearActivationPatterns, linearPatterns, plainLinearPatterns } from "../recipes/linear/patterns.ts";
import { batchNorm2dPatterns, batchNormPatterns, layerNormPatterns } from "../recipes/norm/patterns.ts";
import { ownQparamsPatterns } from "../recipes/own-qparams/patterns.ts";
import type { FamilyPatterns } from "../recipes/pattern-configs.ts";
import { recurrentPatterns } from "../recipes/rnn/patterns.ts";
import {
  catPatterns,
  executorchSharedQparamsPatterns,
  sharedQparamsPatterns,
  tensorInfoPatterns,
} from "../recipes/shared-qparams/patterns.ts";
import type { BackendConfigDict } from "./backend-config.ts";
import { BackendConfig } from "./backend-config.ts";
import * as dtypes from "./dtype-configs.ts";
import type { DTypeConfig } from "./dtype-config.ts";

/** Families of patterns, each with the dtypes that the backend computes it in. */
type Table = readonly (readonly [FamilyPatterns, readonly DTypeConfig[]])[];

function backendConfig(name: string, table: Table): BackendConfig {
  return new BackendConfig(name).setBackendPatternConfigs(
    table.flatMap(([patterns, dtypeConfigs]) => patterns(dtypeConfigs)),
  );
}

const weighted = [dtypes.weightedOpQuint8DtypeConfig];
const unweighted = [dtypes.defaultOpQuint8DtypeConfig];
const dynamic = [dtypes.defaultDynamicInt8DtypeConfig, dtypes.defaultDynamicFloat16DtypeConfig];
const weightOnly = [dtypes.weightOnlyQuint8DtypeConfig, dtypes.weightOnlyQuint4x2DtypeConfig];
const floatWeight = [dtypes.inputOutputOnlyQuint8DtypeConfig];
const half = dtypes.defaultOpFp16DtypeConfig;

/** All that PyTorch's own engines run; what `prepareFx` uses unless it is told otherwise. */
export function getNativeBackendConfig(): BackendConfig {
  return backendConfig("native", [
    [convPatterns, weighted],
    [linearPatterns, [...weighted, ...dynamic]],
    [binaryPatterns, unweighted],
    [catPatterns, unweighted],
    [ownQparamsPatterns, unweighted],
    [fixedQparamsPatterns, unweighted],
    [sharedQparamsPatterns, unweighted],
    [tensorInfoPatterns, unweighted],
    [batchNormPatterns, unweighted],
    [layerNormPatterns, floatWeight],
    [recurrentPatterns, dynamic],
    [embeddingPatterns, weightOnly],
  ]);
}

export function getNativeBackendConfigDict(): BackendConfigDict {
  return getNativeBackendConfig().toDict();
}

/** {@link getNativeBackendConfig} with float16 operators, which PyTorch's tests use. */
export function getTestOnlyLegacyNativeBackendConfig(): BackendConfig {
  return backendConfig("_native_and_fp16", [
    [convPatterns, weighted],
    [linearPatterns, [...weighted, ...dynamic, half]],
    [binaryPatterns, [...unweighted, half]],
    [catPatterns, unweighted],
    [ownQparamsPatterns, unweighted],
    [fixedQparamsPatterns, [...unweighted, half]],
    [sharedQparamsPatterns, [...unweighted, half]],
    [tensorInfoPatterns, unweighted],
    [batchNormPatterns, unweighted],
    [layerNormPatterns, floatWeight],
    [recurrentPatterns, dynamic],
    [embeddingPatterns, weightOnly],
  ]);
}

export function getTestOnlyLegacyNativeBackendConfigDict(): BackendConfigDict {
  return getTestOnlyLegacyNativeBackendConfig().toDict();
}

export function getFbgemmBackendConfig(): BackendConfig {
  return backendConfig("fbgemm", [
    [convPatterns, weighted],
    [linearPatterns, [...weighted, ...dynamic]],
    [binaryPatterns, unweighted],
    [catPatterns, unweighted],
    [ownQparamsPatterns, unweighted],
    [fixedQparamsPatterns, unweighted],
    [sharedQparamsPatterns, unweighted],
    [tensorInfoPatterns, unweighted],
    [batchNormPatterns, unweighted],
    [recurrentPatterns, dynamic],
    [embeddingPatterns, weightOnly],
  ]);
}

/** As fbgemm; that two families state weights which they do not have is PyTorch's. */
export function getX86BackendConfig(): BackendConfig {
  return backendConfig("x86", [
    [convPatterns, weighted],
    [linearPatterns, [...weighted, ...dynamic]],
    [binaryPatterns, weighted],
    [catPatterns, unweighted],
    [ownQparamsPatterns, unweighted],
    [fixedQparamsPatterns, weighted],
    [sharedQparamsPatterns, unweighted],
    [tensorInfoPatterns, unweighted],
    [batchNormPatterns, unweighted],
    [recurrentPatterns, dynamic],
    [embeddingPatterns, weightOnly],
  ]);
}

/** Also adds to convolutions, and LeakyReLU and Tanh behind linear layers. */
export function getOnednnBackendConfig(): BackendConfig {
  const linear = [...weighted, dtypes.defaultDynamicInt8DtypeConfig];
  return backendConfig("onednn", [
    [convPatterns, weighted],
    [convAddPatterns, weighted],
    [linearPatterns, linear],
    [linearActivationPatterns, linear],
    [binaryPatterns, unweighted],
    [catPatterns, unweighted],
    [ownQparamsPatterns, unweighted],
    [fixedQparamsPatterns, unweighted],
    [sharedQparamsPatterns, unweighted],
    [batchNormPatterns, unweighted],
    [layerNormPatterns, floatWeight],
    [recurrentPatterns, [dtypes.defaultDynamicInt8DtypeConfig]],
    [embeddingPatterns, [dtypes.weightOnlyQint8DtypeConfig]],
  ]);
}

const symmetricWeighted = [dtypes.weightedOpQint8SymmetricDtypeConfig, ...weighted];
const symmetric = [dtypes.defaultOpQint8SymmetricDtypeConfig, ...unweighted];

/** For ARM. Symmetric signed activations come first, for XNNPACK. */
export function getQnnpackBackendConfig(): BackendConfig {
  return backendConfig("qnnpack", [
    [convPatterns, symmetricWeighted],
    [linearPatterns, [...symmetricWeighted, ...dynamic]],
    [binaryPatterns, symmetric],
    [catPatterns, symmetric],
    [ownQparamsPatterns, symmetric],
    [fixedQparamsPatterns, symmetric],
    [sharedQparamsPatterns, symmetric],
    [batchNormPatterns, symmetric],
    [recurrentPatterns, dynamic],
    [embeddingPatterns, weightOnly],
  ]);
}

export function getTensorrtBackendConfig(): BackendConfig {
  const [signedWeighted, signed] = [[dtypes.weightedOpQint8DtypeConfig], [dtypes.defaultOpQint8DtypeConfig]];
  return backendConfig("tensorrt", [
    [convPatterns, signedWeighted],
    [addmmPatterns, signedWeighted],
    [catPatterns, signed],
    [linearPatterns, signedWeighted],
    [binaryPatterns, signedWeighted],
    [sharedQparamsPatterns, signed],
    [tensorInfoPatterns, signed],
  ]);
}

export function getTensorrtBackendConfigDict(): BackendConfigDict {
  return getTensorrtBackendConfig().toDict();
}

export function getExecutorchBackendConfig(): BackendConfig {
  const dynamicLinear = [
    dtypes.defaultDynamicInt8DtypeConfig,
    dtypes.dynamicQint8SymmetricDtypeConfig,
    dtypes.defaultDynamicFloat16DtypeConfig,
  ];
  return backendConfig("executorch", [
    [plainLinearPatterns, [...symmetricWeighted, ...dynamicLinear]],
    [conv2dPatterns, symmetricWeighted],
    [elementwisePatterns, [dtypes.defaultOpQint8SymmetricDtypeConfig, ...weighted]],
    [executorchSharedQparamsPatterns, symmetric],
    [batchNorm2dPatterns, symmetric],
    [catPatterns, symmetric],
    [embeddingPatternsWithFunction, [dtypes.weightOnlyQuint8DtypeConfig]],
  ]);
}
