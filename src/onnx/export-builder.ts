/**
 * An ONNX graph in the making: nodes, initializers, and what values would like to be called. Names are given in the end, so
 * that the same model always gets the same ones; what nothing uses is left out.
 */
import type { DType } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxTarget } from "./export-targets.ts";
import { makeAttribute, makeNode } from "./make.ts";
import type { OnnxAttribute, OnnxDataType, OnnxInteger, OnnxNode, OnnxTensor } from "./model.ts";
import { fromTensor } from "./tensor.ts";

/** Stands for a value until it gets a name. */
export interface ValueId {
  readonly number: number;
}

/** Numbers are ints; a float is marked as one. */
export type AttributeValue =
  number | string | readonly number[] | { readonly float: number } | OnnxTensor | OnnxAttribute;

export type Attributes = Readonly<Record<string, AttributeValue>>;

/** The constant and how it is stored; or a tensor of a file as it is. */
type Initializer = { readonly tensor: Tensor; readonly dataType: OnnxDataType | undefined } | OnnxTensor;

interface Draft {
  readonly node: OnnxNode;
  readonly inputs: readonly (ValueId | null)[];
  readonly outputs: readonly (ValueId | null)[];
}

/** Thrown when an operator needs a newer version of the operator set: the export starts again with it. */
export class NeedsOpset extends OctetError {
  readonly opset: number;

  constructor(opset: number) {
    super(`onnx: needs operator set ${opset}`);
    this.opset = opset;
  }
}

/** The first versions of com.microsoft and of whatever else is used. */
const CONTRIB = "com.microsoft";

export class ExportBuilder {
  readonly target: OnnxTarget;
  readonly opset: number;
  /** What a reader should know: what was kept in float, and what was changed for the target. */
  readonly notes: string[] = [];
  readonly domains = new Map<string, number>();
  /** What new values and nodes are called after. */
  scope = "";
  private readonly drafts: Draft[] = [];
  private readonly initializers = new Map<ValueId, Initializer>();
  private readonly wishes = new Map<ValueId, string>();
  private readonly pinned = new Map<ValueId, string>();
  private readonly known = new Map<string, ValueId>();
  private readonly producers = new Map<ValueId, Draft>();
  private count = 0;

  constructor(target: OnnxTarget, opset: number) {
    this.target = target;
    this.opset = opset;
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  needs(opset: number): void {
    if (this.opset < opset) throw new NeedsOpset(opset);
  }

  // ---------------------------------------------------------------- values

  value(wish: string): ValueId {
    const id = Object.freeze({ number: this.count++ });
    this.wishes.set(id, wish);
    return id;
  }

  /** How many values there are: those that come later have higher numbers. */
  get size(): number {
    return this.count;
  }

  wishOf(id: ValueId): string {
    return this.wishes.get(id) ?? "";
  }

  /** What the value should be called if nothing else is. */
  wish(id: ValueId, name: string): void {
    this.wishes.set(id, name);
  }

  /** The value gets exactly this name. False if it has another one already. */
  pin(id: ValueId, name: string): boolean {
    const before = this.pinned.get(id);
    if (before !== undefined) return before === name;
    if ([...this.pinned.values()].includes(name)) throw new OctetError(`onnx: two values are to be called "${name}"`);
    this.pinned.set(id, name);
    return true;
  }

  isInitializer(id: ValueId): boolean {
    return this.initializers.has(id);
  }

  /** The operator that computes a value; "" for inputs and constants. */
  producerOf(id: ValueId | null): string {
    return (id && this.producers.get(id)?.node.opType) ?? "";
  }

  // ---------------------------------------------------------------- constants

  /** A constant, stored once per key. */
  constant(key: string, wish: string, tensor: () => Tensor, dataType?: OnnxDataType): ValueId {
    const before = this.known.get(key);
    if (before) return before;
    const id = this.value(wish);
    this.initializers.set(id, { tensor: tensor(), dataType });
    this.known.set(key, id);
    return id;
  }

  /** A tensor of a file. */
  storedConstant(tensor: OnnxTensor): ValueId {
    const key = `stored ${tensor.name}`;
    const before = this.known.get(key);
    if (before) return before;
    const id = this.value(tensor.name);
    this.initializers.set(id, tensor);
    this.known.set(key, id);
    return id;
  }

  // ---------------------------------------------------------------- nodes

  /** Adds a node and gives its outputs. `opType` may have a domain: `com.microsoft.QLinearAdd`. */
  add(opType: string, inputs: readonly (ValueId | null)[], attributes: Attributes = {}, outputCount = 1): ValueId[] {
    const domain = opType.startsWith(`${CONTRIB}.`) ? CONTRIB : "";
    if (domain) this.domains.set(domain, 1);
    const name = domain ? opType.slice(domain.length + 1) : opType;
    const outputs = Array.from({ length: outputCount }, () => this.value(`${this.scope}/${name}`));
    const node = makeNode({
      opType: name,
      domain,
      inputs: [],
      outputs: [],
      name: `${this.scope}/${name}`,
      attributes: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
    });
    this.draft({ node, inputs: withoutTrailing(inputs), outputs });
    return outputs;
  }

  /** Adds a node of a file: only its inputs and outputs are new. */
  addStored(node: OnnxNode, version: number, inputs: readonly (ValueId | null)[]): (ValueId | null)[] {
    const outputs = node.outputs.map((name) => (name === "" ? null : this.value(name)));
    if (node.domain !== "" && node.domain !== "ai.onnx") this.domains.set(node.domain, version);
    this.draft({ node, inputs, outputs });
    return outputs;
  }

  private draft(draft: Draft): void {
    this.drafts.push(draft);
    for (const id of draft.outputs) if (id) this.producers.set(id, draft);
  }

  // ---------------------------------------------------------------- the end

  /** Nodes and initializers that `outputs` need, with names. */
  finish(
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
  ): { nodes: OnnxNode[]; initializers: OnnxTensor[]; nameOf: (id: ValueId) => string } {
    const used = this.usedFor(outputs);
    const drafts = this.drafts.filter((draft) => draft.outputs.some((id) => id && used.has(id)));
    const names = this.namesOf([...inputs, ...outputs, ...used, ...drafts.flatMap((draft) => draft.outputs)]);
    const nameOf = (id: ValueId | null): string => (id ? (names.get(id) as string) : "");
    const taken = new Set<string>();
    const nodes = drafts.map(({ node, inputs: from, outputs: to }) => ({
      ...node,
      name: node.name && unique(node.name, taken),
      inputs: from.map(nameOf),
      outputs: to.map(nameOf),
    }));
    const kept = [...this.initializers].filter(([id]) => used.has(id));
    const initializers = kept.map(([id, value]) => storedAs(value, nameOf(id)));
    return { nodes, initializers, nameOf };
  }

  private usedFor(outputs: readonly ValueId[]): Set<ValueId> {
    const used = new Set(outputs);
    for (const draft of this.drafts.toReversed()) {
      if (!draft.outputs.some((id) => id && used.has(id))) continue;
      for (const id of draft.inputs) if (id) used.add(id);
    }
    return used;
  }

  private namesOf(ids: readonly (ValueId | null)[]): Map<ValueId, string> {
    const names = new Map(this.pinned);
    const taken = new Set(names.values());
    const inOrder = [...new Set(ids)].filter((id) => id !== null).sort((a, b) => a.number - b.number);
    for (const id of inOrder) if (!names.has(id)) names.set(id, unique(this.wishes.get(id) || "value", taken));
    return names;
  }
}

function unique(wish: string, taken: Set<string>): string {
  let name = wish;
  for (let i = 1; taken.has(name); i++) name = `${wish}_${i}`;
  taken.add(name);
  return name;
}

function withoutTrailing(inputs: readonly (ValueId | null)[]): readonly (ValueId | null)[] {
  const last = inputs.findLastIndex((id) => id !== null);
  return inputs.slice(0, last + 1);
}

function attributeOf(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === "number") return makeAttribute(name, "int", value);
  if (typeof value === "string") return makeAttribute(name, "string", value);
  if (Array.isArray(value)) return makeAttribute(name, "ints", value as readonly OnnxInteger[]);
  if ("float" in value) return makeAttribute(name, "float", Math.fround((value as { float: number }).float));
  if ("dataType" in value) return makeAttribute(name, "tensor", value as OnnxTensor);
  return value as OnnxAttribute;
}

function storedAs(value: Initializer, name: string): OnnxTensor {
  return "data" in value ? { ...value, name } : fromTensor(name, value.tensor.detach(), value.dataType);
}

/** What an element type is called in a file; quantized dtypes are their integers. */
export function dataTypeOfDtype(dtype: DType): OnnxDataType {
  const type = dataTypes[dtype.name];
  if (!type) throw new OctetError(`onnx: there is no element type for ${dtype.name}`);
  return type;
}

const dataTypes: Readonly<Record<string, OnnxDataType>> = {
  float32: "float",
  float64: "double",
  float16: "float16",
  int8: "int8",
  uint8: "uint8",
  int16: "int16",
  int32: "int32",
  int64: "int64",
  bool: "bool",
  quint8: "uint8",
  qint8: "int8",
  qint32: "int32",
};
