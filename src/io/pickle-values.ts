/** What a pickle can turn into here: plain values and containers, tensors, and the names of a few harmless globals. */
import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * A value out of a pickle. Python's types map to: None → null; bool; int → number, or bigint beyond ±(2^53 − 1); float →
 * number; str → string; bytes, bytearray → Uint8Array; tuple, torch.Size → frozen array; list → array; dict → Map;
 * OrderedDict → {@link OrderedDict}; set, frozenset → Set; torch.dtype → DType; torch.device → string; a packed weight →
 * {@link ScriptObject}. A storage that was saved without a tensor gives a {@link StorageReference}: its name, not its values.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | DType
  | Tensor
  | PythonName
  | StorageReference
  | ScriptObject
  | readonly PickleValue[]
  | PickleValue[]
  | Set<PickleValue>
  | Map<PickleValue, PickleValue>;

/** Python's OrderedDict: a Map that may carry attributes, as a state dict carries `_metadata`. */
export class OrderedDict extends Map<PickleValue, PickleValue> {
  attributes: Map<PickleValue, PickleValue> | null = null;
}

/** The name of an allowed Python global that has no value here, such as a class or `torch.bfloat16`. Never called. */
export class PythonName {
  /** The dotted name, e.g. `torch.bfloat16`. */
  readonly pythonName: string;

  constructor(pythonName: string) {
    this.pythonName = pythonName;
    Object.freeze(this);
  }

  toString(): string {
    return this.pythonName;
  }
}

/** A tensor storage as a pickle names it; its bytes lie elsewhere in the file. */
export class StorageReference {
  readonly key: string;
  /** PyTorch's class, e.g. `torch.FloatStorage`. */
  readonly storageClass: string;
  /** Elements of that class; bytes for an untyped storage. */
  readonly length: number;

  constructor(key: string, storageClass: string, length: number) {
    this.key = key;
    this.storageClass = storageClass;
    this.length = length;
    Object.freeze(this);
  }
}

/**
 * An object of PyTorch's C++ classes for packed weights (`torch.ScriptObject`): the name of the class and the values it was
 * saved as. No code belongs to it.
 */
export class ScriptObject {
  /** E.g. `__torch__.torch.classes.quantized.LinearPackedParamsBase`; empty until the pickle tells. */
  className = "";
  state: PickleValue = null;
}

/** A value out of a file as it appears in a message: short, on one line, and never walking a container. */
export function describe(value: PickleValue | undefined): string {
  if (typeof value === "string") return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
  if (value instanceof PythonName) return value.pythonName;
  if (typeof value !== "object" || value === null) return String(value).slice(0, 40);
  return Array.isArray(value) ? "(a list)" : "(an object)";
}
