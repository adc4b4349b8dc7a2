/** Neural-network modules under PyTorch's names (`torch.nn`). */
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export { Module } from "./module.ts";
export type { ForwardHook, ForwardPreHook, RemovableHandle } from "./module.ts";
export { Parameter } from "./parameter.ts";
export { StateDict } from "./state-dict.ts";
export type { StateDictLike } from "./state-dict.ts";
export { Bilinear, Linear } from "./modules/linear.ts";
export { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./modules/conv.ts";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LayerNorm,
} from "./modules/norm.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from "./modules/pool.ts";
export * from "./modules/padding.ts";
export {
  ChannelShuffle,
  PixelShuffle,
  PixelUnshuffle,
  Upsample,
  UpsamplingBilinear2d,
  UpsamplingNearest2d,
} from "./modules/upsample.ts";
