/** PyTorch's quantization system (`torch.ao.quantization`). */
export * from "./backend-config/index.ts";
export { backends, withEngine } from "./engine.ts";
export type { Engine } from "./engine.ts";
export { checkMinMaxValid, determineQparams } from "./determine-qparams.ts";
export type { Qparams, QparamsRule } from "./determine-qparams.ts";
export * from "./observers/index.ts";
export {
  FakeQuantize,
  FakeQuantizeBase,
  FixedQParamsFakeQuantize,
  FusedMovingAvgObsFakeQuantize,
  disableFakeQuant,
  disableObserver,
  enableFakeQuant,
  enableObserver,
} from "./fake-quantize.ts";
export type { FakeQuantizeOptions } from "./fake-quantize.ts";
export * from "./fake-quantize-defaults.ts";
export { _LearnableFakeQuantize } from "./learnable-fake-quantize.ts";
export type { LearnableFakeQuantizeOptions } from "./learnable-fake-quantize.ts";
export * from "./qconfig.ts";
export * from "./qconfig-dtypes.ts";
export * from "./qconfig-mapping.ts";
export { calculateQminQmax, validateQminQmax } from "./quant-range.ts";
export { QuantType, _quantTypeFromStr } from "./quant-type.ts";
export { WithArgs, create, sameFactory } from "./with-args.ts";
export type { Factory, OptionsClass } from "./with-args.ts";
export * from "./eager/index.ts";
export * from "./fx/index.ts";
export { DeQuantStub, QuantStub, QuantWrapper } from "./stubs.ts";
export {
  getDefaultDynamicQuantModuleMappings,
  getDefaultQatModuleMappings,
  getDefaultQconfigPropagationList,
  getDefaultStaticQuantModuleMappings,
  getDefaultStaticQuantReferenceModuleMappings,
  getEmbeddingQatModuleMappings,
  getEmbeddingStaticQuantModuleMappings,
} from "./quantization-mappings.ts";
export type {
  ConvertCustomConfigDict,
  ObservedCustomClass,
  PrepareCustomConfigDict,
  QuantizedCustomClass,
} from "./quantization-mappings.ts";
export { OBSERVER_STATES_FORMAT, calibrate, mergeObserverStates, observerStates } from "./calibrate.ts";
export type { CalibrateOptions, ObserverStates } from "./calibrate.ts";
export { quantizationModes, quantizationSettings, targetBackends } from "./modes.ts";
export type { QuantizationMode, QuantizationSettings, TargetBackend } from "./modes.ts";
