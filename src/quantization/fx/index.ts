/** Graph-mode quantization: what `quantization` shows of it. */
export { convertFx, convertToReferenceFx, fuseFx, prepareFx, prepareQatFx } from "./quantize-fx.ts";
export type { ConvertFxOptions, FuseFxOptions, PrepareFxOptions } from "./quantize-fx.ts";
export { ConvertCustomConfig, FuseCustomConfig, PrepareCustomConfig } from "./custom-config.ts";
export type {
  ConvertCustomConfigDict as ConvertFxCustomConfigDict,
  FuseCustomConfigDict,
  PrepareCustomConfigDict as PrepareFxCustomConfigDict,
  StandaloneModuleConfigEntry,
} from "./custom-config.ts";
export { explain, formatExplanations } from "./explain.ts";
export type { Explanation } from "./explain.ts";
