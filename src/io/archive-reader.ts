/**
 * A model from the JSON and the tensors of an archive. Nothing in them is trusted: names lead only to what
 * archive-names.ts knows, no constructor and no function runs on what the file says (but those that pack weights, which
 * check it), and every value has the type that its place asks for or is refused.
 */
import { GraphModule } from "../fx/graph-module.ts";
import type { FxNode } from "../fx/node.ts";
import { makeCallable } from "../nn/callable.ts";
import { HookList } from "../nn/hooks.ts";
import type { ForwardHook, ForwardPreHook } from "../nn/module.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import type { PackedForm } from "../ops/quantized/packed-forms.ts";
import { packAs } from "../ops/quantized/packed-forms.ts";
import type { BackendConfigDict } from "../quantization/backend-config/index.ts";
import { BackendConfig } from "../quantization/backend-config/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import { backendConfigOf } from "./archive-backend-configs.ts";
import type { Fields } from "./archive-checks.ts";
import { arrayOf, fail, quote, recordOf, textOf } from "./archive-checks.ts";
import { GRAPH_MODULE_FIELDS, MAX_DEPTH, MODULE_FIELDS, isAssignable, typedArrays } from "./archive-format.ts";
import type { Tag, TypedArrayName } from "./archive-format.ts";
import { readGraph } from "./archive-graph.ts";
import type { ArchiveClass, ArchiveFunction, ArchiveNames } from "./archive-names.ts";

/** A class that the archive mentions and nobody gave: it only has the name. */
function foreignClass(name: string): ArchiveClass {
  return Object.defineProperty(class extends Module {}, "name", { value: name });
}

export class ArchiveReader {
  private readonly names: ArchiveNames;
  private readonly tensors: ReadonlyMap<string, Tensor>;
  private readonly objects = new Map<unknown, object>();
  private readonly shared = new Map<string, Tensor>();
  private readonly foreign = new Map<string, ArchiveClass>();
  /** The nodes so far of the graph that is being read. */
  private nodes: ReadonlyMap<unknown, FxNode> = new Map();
  private depth = 0;

  constructor(names: ArchiveNames, tensors: ReadonlyMap<string, Tensor>) {
    this.names = names;
    this.tensors = tensors;
  }

  decode(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (++this.depth > MAX_DEPTH) fail(`values are nested more than ${MAX_DEPTH} levels deep`);
    const decoded = Array.isArray(value)
      ? value.map((item) => this.decode(item))
      : "$" in value
        ? this.decodeTagged(value as Fields)
        : this.decodeRecord(Object.entries(value));
    this.depth--;
    return decoded;
  }

  /** Decodes values in which nodes of a graph stand. */
  decodeIn(nodes: ReadonlyMap<unknown, FxNode>, value: unknown): unknown {
    const outer = this.nodes;
    this.nodes = nodes;
    const decoded = this.decode(value);
    this.nodes = outer;
    return decoded;
  }

  /** Refuses tensors that nothing in the model is. */
  checkAllUsed(): void {
    const unused = [...this.tensors.keys()].find((key) => !this.shared.has(key));
    if (unused !== undefined) fail(`tensor ${quote(unused)} belongs to nothing`);
  }

  private decodeTagged(fields: Fields): unknown {
    const tag = fields.$ as Tag;
    switch (tag) {
      case "undefined":
        return undefined;
      case "number":
        return decodeNumber(fields.value);
      case "record":
        return this.frozenIf(fields, this.decodeRecord(this.entriesOf(fields.entries)));
      case "map":
        return new Map(this.entriesOf(fields.entries).map(([key, item]) => [this.decode(key), this.decode(item)]));
      case "set":
        return new Set(arrayOf("a set", this.decode(fields.items)));
      case "array":
        return this.decodeTypedArray(fields);
      case "constant":
        return this.named("constant", this.names.constants.get(textOf("a constant's name", fields.name)), fields.name);
      case "function":
        return this.functionOf(textOf("a function's name", fields.name));
      case "class":
        return this.classOf(fields.name);
      case "foreign class":
        return this.foreignClassOf(textOf("a class's name", fields.name));
      case "tensor":
      case "parameter":
        return this.decodeTensor(fields, tag);
      case "packed":
        return this.remember(fields.id, this.decodePacked(fields));
      case "object":
        return this.decodeInstance(fields);
      case "module":
        return this.decodeModule(fields);
      case "graph module":
        return this.decodeGraphModule(fields);
      case "backend config":
        return "name" in fields
          ? backendConfigOf(textOf("a backend config's name", fields.name))
          : BackendConfig.fromDict(recordOf("a backend config", this.decode(fields.dict)) as BackendConfigDict);
      case "ref":
        return this.objects.get(fields.id) ?? fail(`there is no object ${quote(fields.id)} before its mention`);
      case "node":
        return this.nodes.get(fields.name) ?? fail(`a node ${quote(fields.name)} is used that does not come before`);
      default:
        tag satisfies never;
        return fail(`there are no values of kind ${quote(tag)}`);
    }
  }

  // ---------------------------------------------------------------- names

  private named<T>(what: string, found: T | undefined, name: unknown): T {
    return found ?? fail(`unknown ${what} ${quote(name)}`);
  }

  /** A function that a node may call. */
  operatorOf(name: unknown): ArchiveFunction {
    const own = textOf("a function's name", name);
    const hint = own.startsWith("own.") ? ": pass it as functions" : "";
    return this.names.operators.get(own) ?? fail(`unknown function ${quote(name)}${hint}`);
  }

  private functionOf(name: string): ArchiveFunction {
    return this.names.functions.get(name) ?? this.operatorOf(name);
  }

  private classOf(name: unknown): ArchiveClass {
    const own = textOf("a class's name", name);
    const hint = own.startsWith("own.") ? `: pass it as classes: { ${own.slice(4)} }` : "";
    return this.names.classes.get(own) ?? fail(`unknown class ${quote(name)}${hint}`);
  }

  private foreignClassOf(name: string): ArchiveClass {
    const known = this.names.classes.get(`own.${name}`) ?? this.foreign.get(name);
    if (known) return known;
    const made = foreignClass(name);
    this.foreign.set(name, made);
    return made;
  }

  // ---------------------------------------------------------------- plain data

  private decodeRecord(entries: readonly (readonly [unknown, unknown])[]): object {
    const decoded = entries.map(([key, item]) => {
      if (typeof key !== "string" || key === "__proto__") fail(`a record has the key ${quote(key)}`);
      return [key, this.decode(item)];
    });
    return Object.fromEntries(decoded) as object;
  }

  private entriesOf(value: unknown): [unknown, unknown][] {
    const entries = arrayOf("entries", value);
    if (!entries.every((entry) => Array.isArray(entry) && entry.length === 2)) fail("an entry is no pair");
    return entries as [unknown, unknown][];
  }

  private frozenIf<T extends object>(fields: Fields, value: T): T {
    return fields.frozen === true ? Object.freeze(value) : value;
  }

  private decodeTypedArray({ type, values }: Fields): unknown {
    if (typeof type !== "string" || !Object.hasOwn(typedArrays, type)) fail(`unknown array type ${quote(type)}`);
    const numbers = arrayOf("an array's values", this.decode(values));
    if (!numbers.every((value) => typeof value === "number")) fail(`an array of type ${type} holds no numbers`);
    return typedArrays[type as TypedArrayName].from(numbers as number[]);
  }

  private decodeTensor({ key, requiresGrad = false }: Fields, tag: "tensor" | "parameter"): Tensor {
    const name = textOf("a tensor's key", key);
    const known = this.shared.get(name);
    const isParameter = tag === "parameter";
    if (known) return known instanceof Parameter === isParameter ? known : fail(`tensor ${quote(key)} is of two kinds`);
    const stored = this.tensors.get(name) ?? fail(`there is no tensor ${quote(key)}`);
    if (requiresGrad !== false && !(requiresGrad === true && stored.dtype.isFloatingPoint)) {
      fail(`tensor ${quote(key)} of dtype ${stored.dtype.name} requires no gradient`);
    }
    if (isParameter && stored.isQuantized) fail(`parameter ${quote(key)} is quantized`);
    const tensor = isParameter ? new Parameter(stored, { requiresGrad }) : stored;
    if (requiresGrad) tensor.leafRequiresGrad = true;
    this.shared.set(name, tensor);
    return tensor;
  }

  /** What packs a weight checks it. */
  private decodePacked({ weight, bias, $: _tag, id: _id, ...form }: Fields): object {
    const [own, added] = [this.decode(weight), this.decode(bias)];
    if (!(own instanceof Tensor) || !(added === null || added instanceof Tensor))
      fail("a packed weight has no tensors");
    const decoded = this.decodeRecord(Object.entries(form)) as PackedForm;
    if (!["linear", "conv", "linear float16", "embedding"].includes(decoded.kind)) {
      fail(`unknown kind ${quote(decoded.kind)} of packed weight`);
    }
    if (decoded.kind === "conv") {
      if (![1, 2, 3].includes(decoded.rank)) fail(`a convolution has rank ${quote(decoded.rank)}`);
      recordOf("options of a convolution", decoded.options);
    }
    return packAs(decoded, own, added);
  }

  // ---------------------------------------------------------------- objects with a class

  /** From now on the object can be mentioned, also by what it holds. */
  private remember<T extends object>(id: unknown, object: T): T {
    if (typeof id !== "number" || this.objects.has(id)) fail(`object ${quote(id)} is there twice or has no number`);
    this.objects.set(id, object);
    return object;
  }

  private decodeInstance(fields: Fields): object {
    const { prototype } = this.classOf(fields.class);
    if (isKindOf(prototype, Module) || isKindOf(prototype, Tensor)) fail(`${quote(fields.class)} is no plain class`);
    const object = this.remember(fields.id, Object.create(prototype as object) as object);
    this.assign(object, fields, new Set());
    return this.frozenIf(fields, object);
  }

  private decodeModule(fields: Fields): Module {
    const { prototype } = this.classOf(fields.class);
    if (!isKindOf(prototype, Module) || isKindOf(prototype, GraphModule))
      fail(`${quote(fields.class)} is no module class`);
    const module = this.remember(fields.id, makeCallable(prototype as Module));
    this.assignModuleFields(module, fields);
    this.assign(module, fields, MODULE_FIELDS);
    return module;
  }

  private decodeGraphModule(fields: Fields): GraphModule {
    const module = this.remember(fields.id, makeCallable(GraphModule.prototype));
    this.assignModuleFields(module, fields);
    const className = textOf("the class name of a graph module", fields.className);
    Object.assign(module, { meta: {}, className, program: null, codeText: "" });
    this.assign(module, fields, GRAPH_MODULE_FIELDS);
    module.graph = readGraph(this, arrayOf("the nodes of a graph", fields.graph), module);
    const nodes = new Map([...module.graph.nodes].map((node) => [node.name, node]));
    module.meta = recordOf("meta", this.decodeIn(nodes, fields.meta)) as Record<string, unknown>;
    return module;
  }

  /** What a module's own constructor would set first. */
  private assignModuleFields(module: Module, { training, buffers, hooks = { pre: [], post: [] } }: Fields): void {
    if (typeof training !== "boolean") fail("a module does not say whether it is training");
    const bufferNames = new Map<string, { readonly persistent: boolean }>();
    for (const [name, persistent] of Object.entries(recordOf("buffers", buffers))) {
      if (typeof persistent !== "boolean") fail(`buffer ${quote(name)} is neither saved nor not`);
      bufferNames.set(name, { persistent });
    }
    Object.assign(module, { training, bufferNames, hooks: { pre: new HookList(), post: new HookList() } });
    const { pre, post } = recordOf("hooks", hooks);
    for (const name of arrayOf("hooks", pre)) module.registerForwardPreHook(this.hookOf(name) as ForwardPreHook);
    for (const name of arrayOf("hooks", post)) module.registerForwardHook(this.hookOf(name) as ForwardHook);
  }

  private hookOf(name: unknown): ArchiveFunction {
    return this.named("hook", this.names.hooks.get(textOf("a hook's name", name)), name);
  }

  private assign(object: object, fields: Fields, without: ReadonlySet<string>): void {
    for (const [key, encoded] of Object.entries(recordOf("properties", fields.properties))) {
      if (without.has(key) || !isAssignable(object, key)) fail(`an object may not have the property ${quote(key)}`);
      const value = this.decode(encoded);
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    }
  }
}

function isKindOf(prototype: unknown, Class: { readonly prototype: object }): boolean {
  return prototype === Class.prototype || Object.prototype.isPrototypeOf.call(Class.prototype, prototype as object);
}

function decodeNumber(value: unknown): number {
  if (value !== "NaN" && value !== "Infinity" && value !== "-Infinity" && value !== "-0")
    fail(`${quote(value)} is no number`);
  return Number(value);
}
