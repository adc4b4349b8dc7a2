/** Observers (`torch.ao.quantization.observer`). */
export { ObserverBase, UniformQuantizationObserverBase } from "./observer-base.ts";
export type { ObserverOptions, UniformObserverOptions } from "./observer-base.ts";
export { MinMaxObserver, MovingAverageMinMaxObserver } from "./min-max.ts";
export type { MovingAverageMinMaxOptions } from "./min-max.ts";
export { MovingAveragePerChannelMinMaxObserver, PerChannelMinMaxObserver } from "./per-channel.ts";
export type { MovingAveragePerChannelMinMaxOptions, PerChannelMinMaxOptions } from "./per-channel.ts";
export { HistogramObserver } from "./histogram.ts";
export type { HistogramObserverOptions } from "./histogram.ts";
export {
  FixedQParamsObserver,
  NoopObserver,
  PlaceholderObserver,
  RecordingObserver,
  ReuseInputObserver,
} from "./pass-through.ts";
export type { FixedQParamsOptions, PlaceholderOptions } from "./pass-through.ts";
export type { ObserverJSON } from "./json.ts";
export * from "./defaults.ts";
export {
  _isActivationPostProcess,
  getObserverStateDict,
  loadObserverStateDict,
  observerFromJSON,
} from "./observer-state.ts";
