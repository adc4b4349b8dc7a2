/** Optimizers and learning-rate schedules (`torch.optim`). */
export { Optimizer } from "./optimizer.ts";
export type { OptimizerStateDict, ParamGroup, Params, ParameterState } from "./optimizer.ts";
export { SGD } from "./sgd.ts";
export type { SGDOptions } from "./sgd.ts";
export { Adam, AdamW } from "./adam.ts";
export type { AdamOptions } from "./adam.ts";
export * as lrScheduler from "./lr-scheduler.ts";
