/** PyTorch checkpoints: every tensor in them, by its path through the containers. */
import { loadCheckpoint } from "../../io/checkpoint.ts";
import { stateTensors } from "../../io/checkpoint-quantized.ts";
import type { PickleValue } from "../../io/pickle-values.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Inspection } from "./inspection.ts";
import { factsOfTensor } from "./inspection.ts";

export function inspectCheckpoint(path: string): Inspection {
  const found: [string, Tensor][] = [];
  collect("", loadCheckpoint(path), found, new Set());
  return { facts: new Map(), tensors: found.map(([name, tensor]) => factsOfTensor(name, tensor)), operators: null };
}

/** `above` are the containers around the value: a pickle may hold one that contains itself. */
function collect(path: string, value: PickleValue, found: [string, Tensor][], above: ReadonlySet<unknown>): void {
  if (above.has(value)) return;
  const around = new Set(above).add(value);
  const tensors = stateTensors(path, value);
  if (tensors) {
    found.push(...tensors);
  } else if (value instanceof Map) {
    for (const [key, item] of value) collect(joined(path, String(key)), item, found, around);
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) collect(joined(path, String(i)), item as PickleValue, found, around);
  }
}

function joined(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}
