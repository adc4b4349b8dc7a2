/** State dicts: the named tensors of a module tree, in PyTorch's order and under PyTorch's keys. */
import type { Tensor } from "../tensor/tensor.ts";

/** An ordered map from key to tensor. A Map, because keys come from files and may be `__proto__`. */
export class StateDict extends Map<string, Tensor> {
  /** Format version per module path, as PyTorch's `_metadata`; "" is the root. */
  readonly metadata = new Map<string, { readonly version: number }>();
}

/** What `loadStateDict` accepts: a StateDict, any Map, or a plain object. */
export type StateDictLike = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Collects what does not fit while a state dict is loaded. */
export interface LoadReport {
  readonly missingKeys: string[];
  readonly unexpectedKeys: string[];
  /** Sentences about misshapen or otherwise unusable entries. */
  readonly errors: string[];
}

export interface LoadContext extends LoadReport {
  readonly state: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, { readonly version: number }>;
  /** Takes the given tensors as they are instead of copying their values. */
  readonly assign: boolean;
}

export function toStateMap(state: StateDictLike): ReadonlyMap<string, Tensor> {
  return state instanceof Map ? state : new Map(Object.entries(state as Record<string, Tensor>));
}
