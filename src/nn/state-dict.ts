/** State dicts: the named tensors of a module tree, in PyTorch's order and under PyTorch's keys. */
import { formatShape } from "../core/errors.ts";
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

/** The sentence about an entry whose shape is not the module's. */
export function sizeMismatch(key: string, given: readonly number[], own: readonly number[]): string {
  return `size mismatch for ${key}: the state dict has shape ${formatShape(given)}, the module ${formatShape(own)}.`;
}

/** A module that knows under which names older files hold its state; see `Module.oldStateKeys`. */
interface HasOldKeys {
  oldStateKeys(): Readonly<Record<string, string>>;
}

/** A state with the entries of older formats under the names of today, as the modules of a tree tell. */
export function renameOldKeys(
  state: ReadonlyMap<string, Tensor>,
  modules: Iterable<readonly [path: string, module: HasOldKeys]>,
): ReadonlyMap<string, Tensor> {
  const renamed = new Map<string, string>();
  for (const [path, module] of modules) {
    const prefix = path ? `${path}.` : "";
    for (const [old, now] of Object.entries(module.oldStateKeys())) {
      if (state.has(prefix + old) && !state.has(prefix + now)) renamed.set(prefix + old, prefix + now);
    }
  }
  return renamed.size ? new Map([...state].map(([key, tensor]) => [renamed.get(key) ?? key, tensor])) : state;
}

export function toStateMap(state: StateDictLike): ReadonlyMap<string, Tensor> {
  return state instanceof Map ? state : new Map(Object.entries(state as Record<string, Tensor>));
}
