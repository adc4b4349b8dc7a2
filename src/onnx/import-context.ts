/**
 * What the import of one ONNX node works with: its attributes and inputs, and the making of nodes. What can be computed
 * at once, because all of its inputs are constants, is (passes/fold-constants.ts), so the functions in ops/ need not care.
 */
import type { DType } from "../core/dtype.ts";
import type { Module } from "../nn/module.ts";
import { OctetError } from "../core/errors.ts";
import type { Parameter } from "../nn/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxAttributeType, OnnxAttributeValues, OnnxGraph, OnnxNode } from "./model.ts";
import type { SymbolicShape, Value, ValueFacts } from "./import-value.ts";

/** Something that an operator's import takes as an argument: values among numbers, arrays and plain objects. */
export type Operand = Value | DType | number | string | boolean | null | undefined | readonly Operand[] | OperandRecord;

export interface OperandRecord {
  readonly [key: string]: Operand;
}

/** A function that a node can call: an operator, or one made by `fx.wrap`. */
export type Callee = (...args: never[]) => unknown;

/** The import of an operator, which gives its outputs in order; those left out of a list cannot be used. */
export interface OnnxOp {
  /** Versions of the operator set in which what the import does differs. Models older than the first are not known. */
  readonly since: readonly number[];
  import(c: NodeContext): Value | readonly Value[];
}

/** The operators of a family by name. */
export type OnnxOps = Readonly<Record<string, OnnxOp>>;

/** Thrown by an import: the node becomes opaque, for this reason. */
export class NotImported extends OctetError {
  override readonly name = "NotImported";
}

/** What makes nodes; implemented by import-graph.ts. */
export interface Emitter {
  call(fn: Callee, args: readonly Operand[], kwargs: OperandRecord, facts: ValueFacts): Value;
  method(name: string, args: readonly Operand[], facts: ValueFacts): Value;
  module(module: Module, path: string, args: readonly Operand[], facts: ValueFacts): Value;
  item(tuple: Value, index: number, facts: ValueFacts): Value;
  constant(tensor: Tensor): Value;
  /** True if only this node uses the value with this name, and the graph does not give it back. */
  isUsedOnce(name: string): boolean;
  /** The nodes of the graph that calls a value's node. */
  moduleOf(value: Value): Module | null;
  /** What the node of `value` takes as its first argument, with the facts of `value` but for its shape. */
  before(value: Value, shape: SymbolicShape | null): Value | null;
  /** Makes another node part of the one that computes `value`. */
  absorb(value: Value): void;
  /** A parameter over `tensor`, always the same for the same tensor and form. */
  parameter(tensor: Tensor, form: string, make: () => Tensor): Parameter;
  /** Imports a subgraph into the current one; `inputs` are its inputs in order. */
  inline(graph: OnnxGraph, inputs: readonly Value[]): readonly Value[];
  /** Imports a subgraph as a module; see import-subgraph.ts. */
  subgraph(graph: OnnxGraph): { readonly module: Module; readonly captures: readonly Value[] };
}

export class NodeContext {
  readonly node: OnnxNode;
  readonly opset: number;
  readonly emit: Emitter;
  private readonly inputs: readonly (Value | null)[];

  constructor(node: OnnxNode, opset: number, inputs: readonly (Value | null)[], emit: Emitter) {
    this.node = node;
    this.opset = opset;
    this.inputs = inputs;
    this.emit = emit;
  }

  refuse(reason: string): never {
    throw new NotImported(reason);
  }

  /** Makes the node opaque unless `condition` holds. */
  require(condition: unknown, reason: string): asserts condition {
    if (!condition) this.refuse(reason);
  }

  // ---------------------------------------------------------------- inputs

  get inputCount(): number {
    return this.inputs.length;
  }

  /** Whether the output at this position has a name, so that it may be used. */
  hasOutput(index: number): boolean {
    return Boolean(this.node.outputs[index]);
  }

  optional(index: number): Value | null {
    const value = this.inputs[index] ?? null;
    if (value?.unreadable) this.refuse(`input ${index} is a tensor of ${value.unreadable.dataType}`);
    return value;
  }

  input(index: number): Value {
    const value = this.optional(index);
    this.require(value, `input ${index} is missing`);
    return value;
  }

  allInputs(): Value[] {
    return this.inputs.map((_, i) => this.input(i));
  }

  /** An input that must be constant. */
  constant(index: number): Tensor {
    const { constant } = this.input(index);
    this.require(constant, `input ${index} is not constant`);
    return constant;
  }

  optionalConstant(index: number): Tensor | null {
    return this.optional(index) ? this.constant(index) : null;
  }

  /** The numbers of a constant input, or null if it is left out. */
  numbers(index: number): number[] | null {
    const tensor = this.optionalConstant(index);
    return tensor && Array.from(tensor.toNumbers());
  }

  /** The first number of a constant input. */
  number(index: number, fallback: number): number {
    return this.numbers(index)?.[0] ?? fallback;
  }

  // ---------------------------------------------------------------- attributes

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  attribute<K extends OnnxAttributeType>(name: string, type: K): OnnxAttributeValues[K] | null {
    const attribute = this.node.attributes.get(name);
    if (!attribute) return null;
    this.require(attribute.type === type, `its attribute ${name} is of type ${attribute.type} instead of ${type}`);
    return attribute.value as OnnxAttributeValues[K];
  }

  int(name: string, fallback: number): number {
    return Number(this.attribute(name, "int") ?? fallback);
  }

  ints(name: string): number[] | null {
    return this.attribute(name, "ints")?.map(Number) ?? null;
  }

  float(name: string, fallback: number): number {
    return this.attribute(name, "float") ?? fallback;
  }

  floats(name: string): number[] | null {
    const values = this.attribute(name, "floats");
    return values && [...values];
  }

  text(name: string, fallback: string): string {
    const value = this.attribute(name, "string") ?? fallback;
    this.require(typeof value === "string", `its attribute ${name} is no text`);
    return value;
  }

  texts(name: string): string[] | null {
    return this.attribute(name, "strings")?.map(String) ?? null;
  }

  graph(name: string): OnnxGraph {
    const graph = this.attribute(name, "graph");
    this.require(graph, `its attribute ${name} is missing`);
    return graph;
  }

  /**
   * Numbers that are an attribute up to some version of the operator, and an input from then on. Null if there are none;
   * a computed value where they are no constant.
   */
  intsOrInput(attribute: string, input: number): number[] | Value | null {
    const given = this.ints(attribute);
    if (given) return given;
    const value = this.optional(input);
    return value && (value.constant ? Array.from(value.constant.toNumbers()) : value);
  }

  // ---------------------------------------------------------------- making nodes

  /** A call of a function. The result has the dtype of the first value among the arguments, unless `facts` say otherwise. */
  call(fn: Callee, args: readonly Operand[], options: { kwargs?: OperandRecord } & ValueFacts = {}): Value {
    const { kwargs = {}, ...facts } = options;
    return this.emit.call(fn, args, kwargs, { dtype: firstDtype(args), ...facts });
  }

  /** A call of a Tensor method, under PyTorch's name of it. */
  method(name: string, args: readonly Operand[], facts: ValueFacts = {}): Value {
    return this.emit.method(name, args, { dtype: firstDtype(args), ...facts });
  }

  /** A call of a module, which is named after a weight if it has one, else after the node. */
  module(module: Module, args: readonly Operand[], facts: ValueFacts & { weight?: string } = {}): Value {
    const { weight = "", ...rest } = facts;
    return this.emit.module(module, moduleName(this.node, weight), args, { dtype: firstDtype(args), ...rest });
  }

  /** The outputs of an operator with several, of which `facts` are known. */
  items(tuple: Value, facts: readonly ValueFacts[]): Value[] {
    return facts.map((known, i) => this.emit.item(tuple, i, known));
  }
}

/** Shape of the result of something that changes no shape. */
export function sameAs(value: Value): { shape: SymbolicShape | null } {
  return { shape: value.shape };
}

export function isValue(operand: Operand): operand is Value {
  return typeof operand === "object" && operand !== null && "unreadable" in operand;
}

function firstDtype(args: readonly Operand[]): DType | null {
  for (const arg of args) {
    if (Array.isArray(arg)) {
      const dtype = firstDtype(arg as readonly Operand[]);
      if (dtype) return dtype;
    } else if (isValue(arg) && arg.dtype) return arg.dtype;
  }
  return null;
}

/**
 * The path of a module: that of its weight in the model it was exported from (`layer1.0.conv1` for `layer1.0.conv1.weight`),
 * or else the name of the node, or of the weight, as one word.
 */
function moduleName(node: OnnxNode, weight: string): string {
  const path = /^([A-Za-z_]\w*(?:\.\w+)*)\.(?:weight|kernel)$/.exec(weight);
  if (path) return path[1];
  return identifier(node.name) || identifier(weight) || identifier(node.outputs[0] ?? "") || node.opType.toLowerCase();
}

/** A name of letters, digits and underscores; "" if nothing is left. */
export function identifier(name: string): string {
  const word = name.replace(/\W+/g, "_").replace(/^_+|_+$/g, "");
  return /^\d/.test(word) ? `_${word}` : word;
}
