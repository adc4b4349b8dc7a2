/** Neural-network modules under PyTorch's names (`torch.nn`). */
export * as functional from "./functional.ts";
export { Module } from "./module.ts";
export type { ForwardHook, ForwardPreHook, RemovableHandle } from "./module.ts";
export { Parameter } from "./parameter.ts";
export { StateDict } from "./state-dict.ts";
export type { StateDictLike } from "./state-dict.ts";
