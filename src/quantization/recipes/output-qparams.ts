/** The output qparams of quantized modules: numbers in the module, two scalar tensors in its state dict. */
import { float32, int64 } from "../../core/dtype.ts";
import type { LoadContext, StateDict } from "../../nn/state-dict.ts";
import { full } from "../../ops/create.ts";

/** A module that rounds what it gives to one grid. The names are the state dict's. */
interface HasOutputQparams {
  scale: number;
  zero_point: number;
}

export function saveOutputQparams(module: HasOutputQparams, state: StateDict, prefix: string): void {
  state.set(`${prefix}scale`, full([], module.scale, { dtype: float32 }));
  state.set(`${prefix}zero_point`, full([], module.zero_point, { dtype: int64 }));
}

/** Reads what is there, reports what is missing, and returns both keys. */
export function loadOutputQparams(module: HasOutputQparams, context: LoadContext, prefix: string): string[] {
  return (["scale", "zero_point"] as const).map((name) => {
    const key = prefix + name;
    const value = context.state.get(key);
    if (value) module[name] = value.item();
    else context.missingKeys.push(key);
    return key;
  });
}
