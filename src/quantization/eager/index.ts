/** Eager mode: fuse, prepare, calibrate or train, convert (`torch.ao.quantization`). */
export { checkStubs } from "./check-stubs.ts";
export type { StubFinding } from "./check-stubs.ts";
export { convert } from "./convert.ts";
export type { ConvertOptions } from "./convert.ts";
export { fuseKnownModules, fuseModules, fuseModulesQat, getFuserMethod } from "./fuse.ts";
export type { CustomFusion, FuseOptions } from "./fuse.ts";
export { getDefaultCustomConfigDict, noObserverSet } from "./custom-config.ts";
export { propagateQconfig_ } from "./observe.ts";
export type { QConfigByModule } from "./observe.ts";
export { prepare } from "./prepare.ts";
export type { PrepareOptions } from "./prepare.ts";
export { addQuantDequant, defaultEvalFn, prepareQat, quantize, quantizeDynamic, quantizeQat } from "./quantize.ts";
export type { QConfigSpec, QuantizeOptions } from "./quantize.ts";
export { swapModule } from "./swap.ts";
