/** What backends can quantize (`torch.ao.quantization.backend_config`). */
export { BackendConfig } from "./backend-config.ts";
export type { BackendConfigDict } from "./backend-config.ts";
export { BackendPatternConfig } from "./backend-pattern-config.ts";
export type {
  BackendPatternConfigDict,
  ExtraInputsGetter,
  FuserMethod,
  InputTypeToIndex,
  NestedFuserMethod,
  RootNodeGetter,
} from "./backend-pattern-config.ts";
export * from "./backends.ts";
export { DTypeConfig, DTypeWithConstraints } from "./dtype-config.ts";
export type { DTypeConfigDict, DTypeConfigOptions, DTypeConstraints } from "./dtype-config.ts";
export {
  defaultDynamicFloat16DtypeConfig,
  defaultDynamicInt8DtypeConfig,
  defaultOpFp16DtypeConfig,
  defaultOpQuint8DtypeConfig,
  inputOutputOnlyQuint8DtypeConfig,
  weightOnlyQuint4x2DtypeConfig,
  weightOnlyQuint8DtypeConfig,
} from "./dtype-configs.ts";
export { ObservationType } from "./observation-type.ts";
export { MatchAllNode, PatternMap, patternKey, patternToHumanReadable, sortedPatternsDict } from "./pattern.ts";
export type { NodePattern, Pattern, PatternElement, PatternFunction } from "./pattern.ts";
export * from "./queries.ts";
