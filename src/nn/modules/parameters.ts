/** Modules that hold parameters and nothing else (`torch.nn`): ParameterList, ParameterDict. */
import { OctetError } from "../../core/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";
import { positionOf } from "./positions.ts";

/** Keeps parameters in a map, in the order in which they were added; see Container in container.ts. */
abstract class ParameterContainer extends Module {
  protected readonly items = new Map<string, Parameter>();

  override *ownParameters(): IterableIterator<[string, Parameter]> {
    yield* this.items;
    yield* super.ownParameters();
  }

  /** The number of parameters. */
  size(): number {
    return this.items.size;
  }

  protected put(name: string, tensor: Tensor): void {
    this.items.set(name, tensor instanceof Parameter ? tensor : new Parameter(tensor));
  }

  protected linesRepr(typeOf: (parameter: Parameter) => string): string {
    const lines = [...this.items].map(
      ([name, parameter]) =>
        `  (${name}): Parameter containing: [${typeOf(parameter)} of size ${parameter.shape.join("x")}]`,
    );
    return lines.join("\n");
  }
}

/** A list of parameters; other tensors become parameters. */
export class ParameterList extends ParameterContainer {
  constructor(parameters: Iterable<Tensor> = []) {
    super();
    this.extend(parameters);
  }

  [Symbol.iterator](): IterableIterator<Parameter> {
    return this.items.values();
  }

  get(index: number): Parameter {
    return [...this.items.values()][positionOf(this.getName(), index, this.size())];
  }

  set(index: number, parameter: Tensor): this {
    this.put(String(positionOf(this.getName(), index, this.size())), parameter);
    return this;
  }

  append(parameter: Tensor): this {
    this.put(String(this.size()), parameter);
    return this;
  }

  extend(parameters: Iterable<Tensor>): this {
    for (const parameter of Array.from(parameters)) this.append(parameter);
    return this;
  }

  override extraRepr(): string {
    return this.linesRepr(({ dtype }) => dtype.toString());
  }
}

/** Named parameters: an object, or entries. */
export type NamedParameters = Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]>;

/** Names of PyTorch's legacy tensor types, which it prints here. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  float32: "torch.FloatTensor",
  float64: "torch.DoubleTensor",
  float16: "torch.HalfTensor",
};

/** Parameters by name; other tensors become parameters. */
export class ParameterDict extends ParameterContainer {
  constructor(parameters: NamedParameters = {}) {
    super();
    this.update(parameters);
  }

  /** Adds or replaces parameters: those of an object in the order of their names, as in PyTorch; entries as they come. */
  update(parameters: NamedParameters): this {
    const entries =
      Symbol.iterator in parameters
        ? (parameters as Iterable<readonly [string, Tensor]>)
        : Object.entries(parameters as Readonly<Record<string, Tensor>>).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, parameter] of entries) this.set(name, parameter);
    return this;
  }

  get(name: string): Parameter {
    const found = this.items.get(name);
    if (!found) throw new OctetError(`${this.getName()}: there is no parameter "${name}"`);
    return found;
  }

  set(name: string, parameter: Tensor): this {
    this.put(name, parameter);
    return this;
  }

  has(name: string): boolean {
    return this.items.has(name);
  }

  /** Removes and returns a parameter. */
  pop(name: string): Parameter {
    const parameter = this.get(name);
    this.items.delete(name);
    return parameter;
  }

  clear(): void {
    this.items.clear();
  }

  keys(): string[] {
    return [...this.items.keys()];
  }

  values(): Parameter[] {
    return [...this.items.values()];
  }

  entries(): [string, Parameter][] {
    return [...this.items];
  }

  /** Iterates over the names, as PyTorch does. */
  [Symbol.iterator](): IterableIterator<string> {
    return this.items.keys();
  }

  override extraRepr(): string {
    return this.linesRepr(({ dtype }) => TYPE_NAMES[dtype.name] ?? dtype.toString());
  }
}
