/** What the export of one operator works with: its arguments, and the making of ONNX nodes. */
import type { DType } from "../core/dtype.ts";
import { float32, float64, int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { Module } from "../nn/module.ts";
import { asDtype } from "../ops/elementwise.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { AttributeValue, Attributes, ExportBuilder, ValueId } from "./export-builder.ts";
import { dataTypeOfDtype } from "./export-builder.ts";
import { onnxDataTypes } from "./model.ts";
import type { Argument, ArgumentRecord, QuantizedValue, TensorValue } from "./export-value.ts";
import { isQuantizedValue, isTensorValue } from "./export-value.ts";

/** An operand of an ONNX node; null for one that is left out. */
export type Operand = TensorValue | QuantizedValue | ValueId | null;

/** The export of an operator: a tensor, or several. */
export type OpExport = (c: CallContext) => Argument;

/** The operators of a family, by the names that they have in the namespaces of the package. */
export type OpExports = Readonly<Record<string, OpExport>>;

/** The export of a module. The arguments of the call are those of `forward`. */
// eslint-disable-next-line typescript/no-explicit-any -- each entry of the table is for modules of its class
export type ModuleExport = (c: CallContext, module: any, path: string) => Argument;

/** Thrown by exports: the model cannot be written, for this reason. */
export class NotExported extends OctetError {
  override readonly name = "NotExported";
}

export interface CallOrigin {
  /** For messages: the operator or module, and the node. */
  readonly where: string;
  /** The name of the node's value. */
  readonly name: string;
}

export class CallContext {
  readonly builder: ExportBuilder;
  readonly args: readonly Argument[];
  readonly kwargs: ArgumentRecord;
  readonly origin: CallOrigin;
  /** Shapes of the result and dtype as in the example; null if not known. */
  readonly example: unknown;

  constructor(
    builder: ExportBuilder,
    args: readonly Argument[],
    kwargs: ArgumentRecord,
    origin: CallOrigin,
    example: unknown = null,
  ) {
    this.builder = builder;
    this.args = args;
    this.kwargs = kwargs;
    this.origin = origin;
    this.example = example;
  }

  /** The same call with other arguments. */
  with(args: readonly Argument[], kwargs: ArgumentRecord = {}): CallContext {
    return new CallContext(this.builder, args, kwargs, this.origin, this.example);
  }

  get opset(): number {
    return this.builder.opset;
  }

  refuse(this: CallContext, reason: string): never {
    throw new NotExported(`onnx: ${this.origin.where}: ${reason}`);
  }

  require(condition: unknown, reason: string): asserts condition {
    if (!condition) this.refuse(reason);
  }

  // ---------------------------------------------------------------- arguments

  /** The argument at a position, or else the named one. */
  argument(position: number, key?: string): Argument {
    return this.args[position] ?? (key === undefined ? undefined : this.kwargs[key]);
  }

  tensor(position: number, key?: string): TensorValue {
    const value = this.argument(position, key);
    this.require(isTensorValue(value), `argument ${position} must be a float tensor`);
    return value;
  }

  optionalTensor(position: number, key?: string): TensorValue | null {
    const value = this.argument(position, key);
    return value === undefined || value === null ? null : this.tensor(position, key);
  }

  /** The tensors of a list. */
  tensors(position: number, key?: string): TensorValue[] {
    const list = this.argument(position, key);
    this.require(Array.isArray(list) && list.every(isTensorValue), `argument ${position} must be a list of tensors`);
    return list as TensorValue[];
  }

  number(position: number, key: string, fallback: number): number {
    const value = this.argument(position, key) ?? fallback;
    this.require(typeof value === "number", `${key} must be a number that is known`);
    return value;
  }

  flag(position: number, key: string, fallback = false): boolean {
    return Boolean(this.argument(position, key) ?? fallback);
  }

  text(position: number, key: string, fallback: string): string {
    return String(this.argument(position, key) ?? fallback);
  }

  /** A number or a list of them as a list; null if it is left out. */
  numbers(position: number, key: string): number[] | null {
    const value = this.argument(position, key);
    if (value === undefined || value === null) return null;
    const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    this.require(
      list.every((item) => typeof item === "number"),
      `${key} must be numbers that are known`,
    );
    return list as number[];
  }

  /** A size for each of `rank` dimensions. */
  sizes(position: number, key: string, rank: number, fallback: number): number[] {
    const given = this.numbers(position, key) ?? [fallback];
    return given.length === 1 ? new Array<number>(rank).fill(given[0]) : given;
  }

  // ---------------------------------------------------------------- what is known of a value

  rank(value: TensorValue | QuantizedValue): number {
    return this.shape(value).length;
  }

  shape(value: TensorValue | QuantizedValue): readonly number[] {
    this.require(value.shape, "needs the shape of its input: give exampleInputs");
    return value.shape;
  }

  dim(dim: number, value: TensorValue | QuantizedValue, extra = 0): number {
    return dim < 0 ? dim + this.rank(value) + extra : dim;
  }

  // ---------------------------------------------------------------- making values

  /** The value as it stands in the graph; constants are stored when they are first asked for. */
  id(operand: Operand): ValueId | null {
    if (!operand || !("kind" in operand)) return operand;
    if (operand.id) return operand.id;
    const { path, tensor } = (operand as TensorValue).constant!; // what has no id is constant
    return this.builder.constant(`tensor ${path}`, path, () => tensor, dataTypeOfDtype(tensor.dtype));
  }

  /** One node with one output. */
  node(opType: string, inputs: readonly Operand[], attributes: Attributes = {}, dtype?: DType): TensorValue {
    return this.nodes(opType, inputs, attributes, [dtype ?? firstDtype(inputs)])[0];
  }

  /** One node with an output for each dtype. */
  nodes(
    opType: string,
    inputs: readonly Operand[],
    attributes: Readonly<Record<string, AttributeValue>>,
    dtypes: readonly DType[],
  ): TensorValue[] {
    const ids = inputs.map((input) => this.id(input));
    const outputs = this.builder.add(opType, ids, attributes, dtypes.length);
    return outputs.map((id, i) => tensorValue(id, dtypes[i]));
  }

  /** A constant vector of integers. */
  ints(values: readonly number[], wish = "ints"): TensorValue {
    return this.stored(smallTensor(values, [values.length], int64), wish);
  }

  scalar(value: number, dtype: DType = float32): TensorValue {
    return this.stored(smallTensor([value], [], dtype), "scalar");
  }

  /** A constant, stored once for all that have the same elements. */
  stored(tensor: Tensor, wish: string): TensorValue {
    const { dtype, shape } = tensor;
    const key = `${dtype.name} [${shape.join()}] ${Array.from(tensor.toNumbers()).join()}`;
    const id = this.builder.constant(key, wish, () => tensor, dataTypeOfDtype(dtype));
    return { ...tensorValue(id, dtype), shape };
  }

  /** Numbers, of which some are computed, as one vector: what Reshape and Expand take. */
  shapeVector(sizes: readonly Argument[]): TensorValue {
    if (sizes.every((size) => typeof size === "number")) return this.ints(sizes, "shape");
    const parts = sizes.map((size) => {
      if (typeof size === "number") return this.ints([size]);
      this.require(isTensorValue(size), "a size must be a number");
      return this.node("Unsqueeze", [size, this.ints([0])], {}, int64);
    });
    return this.node("Concat", parts, { axis: 0 }, int64);
  }

  cast(value: Operand, dtype: DType): TensorValue {
    return this.node("Cast", [value], { to: onnxDataTypes.indexOf(dataTypeOfDtype(dtype)) }, dtype);
  }

  /** An operand that may be a number, as a tensor of the dtype of `like`. */
  operand(value: Argument, like: TensorValue | null): TensorValue {
    if (isTensorValue(value)) return value;
    if (isQuantizedValue(value)) this.refuse("it works on quantized tensors, which only the reference form avoids");
    this.require(typeof value === "number" || typeof value === "boolean", "an operand must be a tensor or a number");
    return this.scalar(Number(value), like?.dtype ?? float32);
  }

  reshape(value: Operand, sizes: readonly Argument[]): TensorValue {
    return this.node("Reshape", [value, this.shapeVector(sizes)]);
  }

  unsqueeze(value: Operand, axes: readonly number[]): TensorValue {
    return this.node("Unsqueeze", [value, this.ints(axes)]);
  }

  squeeze(value: Operand, axes: readonly number[]): TensorValue {
    return this.node("Squeeze", [value, this.ints(axes)]);
  }

  transpose(value: Operand, perm: readonly number[]): TensorValue {
    return this.node("Transpose", [value], { perm });
  }

  // ---------------------------------------------------------------- parameters of modules

  parameter(path: string, tensor: Tensor): TensorValue {
    return constantValue(path, tensor);
  }

  optionalParameter(path: string, tensor: Tensor | null): TensorValue | null {
    return tensor && constantValue(path, tensor);
  }
}

export function tensorValue(id: ValueId, dtype: DType): TensorValue {
  return { kind: "tensor", id, dtype, shape: null, constant: null, integers: null };
}

export function constantValue(path: string, tensor: Tensor): TensorValue {
  const { dtype, shape } = tensor;
  return { kind: "tensor", id: null, dtype, shape, constant: { path, tensor }, integers: null };
}

/** A tensor of any dtype from numbers. */
export function smallTensor(values: readonly number[], shape: readonly number[], dtype: DType): Tensor {
  return asDtype(Tensor.fromArray(Float64Array.from(values), shape, float64), dtype);
}

function firstDtype(inputs: readonly Operand[]): DType {
  return inputs.find(isTensorValue)?.dtype ?? float32;
}

/** The module with fields that its class does not declare. */
export function fieldsOf<T>(module: Module): T {
  return module as unknown as T;
}
