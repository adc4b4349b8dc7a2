/** Modules that hold modules (`torch.nn`): Sequential, ModuleList, ModuleDict. Those that hold parameters: parameters.ts. */
import { OctetError } from "../../core/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module, indent } from "../module.ts";
import { positionOf } from "./positions.ts";

/**
 * Keeps its submodules in a map, in the order in which they were added: as properties, JavaScript would put names like
 * "10" and "2" first and in numerical order. Submodules that a subclass has as properties come after them.
 */
abstract class Container extends Module {
  protected items = new Map<string, Module>();

  override *ownModules(): IterableIterator<[string, Module]> {
    yield* this.items;
    yield* super.ownModules();
  }

  override setChild(name: string, module: Module): void {
    if (Object.hasOwn(this, name)) super.setChild(name, module);
    else this.items.set(name, module);
  }

  override ownModule(name: string): Module | undefined {
    return this.items.get(name) ?? super.ownModule(name);
  }

  override deleteChild(name: string): boolean {
    return this.items.delete(name) || super.deleteChild(name);
  }

  /** The submodules in order, one that stands in several places as often. */
  protected modulesInOrder(): Module[] {
    return [...this.ownModules()].map(([, module]) => module);
  }

  /** The number of submodules. (`length` belongs to functions, which modules are.) */
  size(): number {
    return this.modulesInOrder().length;
  }
}

/** What Sequential and ModuleList share: submodules by position. Negative positions count from the end. */
abstract class ModuleSequence extends Container {
  [Symbol.iterator](): IterableIterator<Module> {
    return this.modulesInOrder()[Symbol.iterator]();
  }

  get(index: number): Module {
    return this.modulesInOrder()[positionOf(this.getName(), index, this.size())];
  }

  /** Replaces the submodule at `index`; its name stays. */
  set(index: number, module: Module): this {
    const [name] = [...this.ownModules()][positionOf(this.getName(), index, this.size())];
    this.setChild(name, module);
    return this;
  }

  append(module: Module): this {
    this.setChild(String(this.size()), module);
    return this;
  }

  extend(modules: Iterable<Module>): this {
    for (const module of Array.from(modules)) this.append(module);
    return this;
  }

  /** Puts a module before position `index`; all are numbered anew. */
  insert(index: number, module: Module): this {
    const modules = this.modulesInOrder();
    const { length } = modules;
    if (!Number.isInteger(index) || index < -length || index > length) {
      throw new OctetError(`${this.getName()}: index ${index} is out of range for ${length} modules`);
    }
    modules.splice(index, 0, module);
    this.renumber(modules);
    return this;
  }

  /** Removes and returns the submodule at `index` (default: the last); the others are numbered anew. */
  pop(index = -1): Module {
    const modules = this.modulesInOrder();
    const [removed] = modules.splice(positionOf(this.getName(), index, modules.length), 1);
    this.renumber(modules);
    return removed;
  }

  private renumber(modules: readonly Module[]): void {
    this.items = new Map(modules.map((module, i) => [String(i), module]));
  }
}

/** Named submodules: an object, or entries (which keep the order of names like "10" and "2"). */
export type NamedModules = Readonly<Record<string, Module>> | Iterable<readonly [string, Module]>;

function entriesOf(modules: NamedModules): (readonly [string, Module])[] {
  return Symbol.iterator in modules ? [...(modules as Iterable<readonly [string, Module]>)] : Object.entries(modules);
}

/**
 * Runs modules one after the other, each on what the one before returns. The type parameters say what goes in and comes
 * out where that is not one tensor.
 */
export class Sequential<In extends readonly unknown[] = [input: Tensor], Out = Tensor> extends ModuleSequence {
  /** From modules, named "0", "1", …; or from one collection of named ones. */
  constructor(...modules: readonly Module[]);
  constructor(modules: NamedModules);
  constructor(...args: readonly Module[] | readonly [NamedModules]) {
    super();
    const [first] = args;
    const named =
      args.length === 1 && !(first instanceof Module) ? entriesOf(first) : numbered(args as readonly Module[]);
    for (const [name, module] of named) this.addModule(name, module);
  }

  override forward(...inputs: In): Out {
    let values: readonly unknown[] = inputs;
    for (const module of this.modulesInOrder()) values = [module(...values)];
    return values[0] as Out;
  }

  /** The modules at positions `start` to `end` (exclusive), under their names, in a new Sequential. */
  slice(start?: number, end?: number): Sequential {
    return new Sequential([...this.ownModules()].slice(start, end));
  }
}

function numbered(modules: readonly Module[]): [string, Module][] {
  return modules.map((module, i) => [String(i), module]);
}

/** A list of modules that belong to this one; it has no `forward`. */
export class ModuleList extends ModuleSequence {
  constructor(modules: Iterable<Module> = []) {
    super();
    this.extend(modules);
  }

  /** The modules at positions `start` to `end` (exclusive), in a new list. */
  slice(start?: number, end?: number): ModuleList {
    return new ModuleList(this.modulesInOrder().slice(start, end));
  }

  /** As PyTorch prints it: neighbours that print alike are printed once, with their number. */
  override toString(): string {
    const runs: { first: number; last: number; text: string }[] = [];
    for (const [i, module] of [...this].entries()) {
      const text = module.repr();
      const run = runs.at(-1);
      if (run?.text === text) run.last = i;
      else runs.push({ first: i, last: i, text });
    }
    if (!runs.length) return `${this.getName()}()`;
    const lines = runs.map(({ first, last, text }) =>
      first === last ? `(${first}): ${text}` : `(${first}-${last}): ${last - first + 1} x ${text}`,
    );
    return `${this.getName()}(${lines.map((line) => `\n  ${indent(line)}`).join("")}\n)`;
  }
}

/** Modules by name that belong to this one; it has no `forward`. */
export class ModuleDict extends Container {
  constructor(modules: NamedModules = {}) {
    super();
    this.update(modules);
  }

  /** Adds or replaces modules. */
  update(modules: NamedModules): this {
    for (const [name, module] of entriesOf(modules)) this.addModule(name, module);
    return this;
  }

  get(name: string): Module {
    for (const [key, module] of this.ownModules()) if (key === name) return module;
    throw new OctetError(`${this.getName()}: there is no module "${name}"; there are: ${[...this.keys()].join(", ")}`);
  }

  set(name: string, module: Module): this {
    this.addModule(name, module);
    return this;
  }

  has(name: string): boolean {
    return this.keys().includes(name);
  }

  /** Removes and returns a module. */
  pop(name: string): Module {
    const module = this.get(name);
    this.items.delete(name);
    return module;
  }

  clear(): void {
    this.items.clear();
  }

  keys(): string[] {
    return [...this.ownModules()].map(([name]) => name);
  }

  values(): Module[] {
    return this.modulesInOrder();
  }

  entries(): [string, Module][] {
    return [...this.ownModules()];
  }

  /** Iterates over the names, as PyTorch does. */
  [Symbol.iterator](): IterableIterator<string> {
    return this.keys()[Symbol.iterator]();
  }
}
