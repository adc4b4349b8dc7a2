/**
 * What stands in an archive's graph.json, as types. Numbers, strings, booleans, null and arrays stand for themselves, and
 * objects without the key "$" for plain records; everything else is an object whose "$" says what it is.
 */

export const FORMAT = "octet.archive";
/** Raised when an older reader could not understand what is written. */
export const FORMAT_VERSION = 1;
export const GRAPH_ENTRY = "graph.json";
export const TENSORS_ENTRY = "tensors.safetensors";

/** How deep values may lie inside each other. */
export const MAX_DEPTH = 400;

export type Encoded = null | boolean | number | string | readonly Encoded[] | EncodedObject;

export interface EncodedObject {
  readonly [key: string]: Encoded;
}

/** What a model is: not quantized, with observers, or converted. */
export type ArchiveKind = "float" | "prepared" | "converted";

/** Tags of values that are no plain data, the keys of their objects, and what these hold. */
export type Tag =
  /** { } */
  | "undefined"
  /** { value }: NaN, Infinity, -Infinity or -0. */
  | "number"
  /** { entries: [key, value][], frozen? }: a record that is frozen or has a key "$". */
  | "record"
  /** { entries: [key, value][] } */
  | "map"
  /** { items } */
  | "set"
  /** { type: "Float32Array", values } */
  | "array"
  /** { name } */
  | "constant"
  | "function"
  | "class"
  /** { name }: a class that the archive only mentions, of which it has no instance. */
  | "foreign class"
  /** { key, requiresGrad? }: an entry of tensors.safetensors. */
  | "tensor"
  | "parameter"
  /** { id, kind, …, weight, bias }: see ops/quantized/packed-forms.ts. */
  | "packed"
  /** { id, class, properties, frozen? } */
  | "object"
  /** { id, class, training, buffers, hooks?, properties } */
  | "module"
  /** { id, className, training, buffers, hooks?, properties, graph, meta } */
  | "graph module"
  /** { name }, one that Octet makes; or { dict }: a BackendConfig, whose keys only hold in one process. */
  | "backend config"
  /** { id }: an object that is there already. */
  | "ref"
  /** { name }: a node of the graph in which it stands. */
  | "node";

/** The classes of typed arrays by name. */
export const typedArrays = {
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
} as const;

export type TypedArrayName = keyof typeof typedArrays;

/** Properties that modules, being functions, have of their own. */
const FUNCTION_KEYS: ReadonlySet<string> = new Set(["length", "name", "prototype"]);

/** True for the properties of a value that are its own; modules have some because they are functions. */
export function isOwnKey(value: object, key: string): boolean {
  return typeof value !== "function" || !FUNCTION_KEYS.has(key);
}

/** Whether an object may be given a property of this name: not where its class has a method or accessor. */
export function isAssignable(object: object, key: string): boolean {
  if (key === "__proto__" || !isOwnKey(object, key)) return false;
  const prototype = Object.getPrototypeOf(object) as object;
  for (let at: object | null = prototype; at; at = Object.getPrototypeOf(at) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(at, key);
    if (descriptor) return "value" in descriptor && typeof descriptor.value !== "function";
  }
  return true;
}

/** The fields of a Module that have places of their own. */
export const MODULE_FIELDS: ReadonlySet<string> = new Set(["training", "bufferNames", "hooks"]);
/** Those of a GraphModule; the last two are made from the graph. */
export const GRAPH_MODULE_FIELDS: ReadonlySet<string> = new Set([
  ...MODULE_FIELDS,
  "meta",
  "className",
  "currentGraph",
  "program",
  "codeText",
]);
