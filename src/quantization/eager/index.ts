/** Eager mode: fuse, prepare, calibrate or train, convert (`torch.ao.quantization`). */
export { convert, swapModule } from "./convert.ts";
export type { ConvertOptions } from "./convert.ts";
export { fuseKnownModules, fuseModules, fuseModulesQat, getFuserMethod } from "./fuse.ts";
export type { CustomFusion, FuseOptions } from "./fuse.ts";
export { prepare, propagateQconfig_ } from "./prepare.ts";
export type { PrepareOptions, QConfigByModule } from "./prepare.ts";
export { addQuantDequant, defaultEvalFn, prepareQat, quantize, quantizeDynamic, quantizeQat } from "./quantize.ts";
export type { QConfigSpec, QuantizeOptions } from "./quantize.ts";
