/** A model as the JSON and the tensors of an archive. What cannot be saved is an error that names the place. */
import { OctetError } from "../core/errors.ts";
import { GraphModule } from "../fx/graph-module.ts";
import { FxNode } from "../fx/node.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import type { AnyPackedParams } from "../ops/quantized/packed-forms.ts";
import { isPacked, packedForm, packedTensors } from "../ops/quantized/packed-forms.ts";
import { BackendConfig } from "../quantization/backend-config/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import { makerOf } from "./archive-backend-configs.ts";
import type { Encoded, EncodedObject, Tag } from "./archive-format.ts";
import {
  GRAPH_MODULE_FIELDS,
  MAX_DEPTH,
  MODULE_FIELDS,
  isAssignable,
  isOwnKey,
  typedArrays,
} from "./archive-format.ts";
import type { ArchiveNames } from "./archive-names.ts";
import { isClass, isTensorMethod } from "./archive-names.ts";

/** The qparams of a quantized tensor stand beside it under its name and one of these. */
const QPARAM_SUFFIX = /\.q_(scales|zero_points)$/;

type Properties = Readonly<Record<string, unknown>>;

function tagged(tag: Tag, fields: EncodedObject = {}): EncodedObject {
  return { $: tag, ...fields };
}

export class ArchiveWriter {
  readonly tensors = new Map<string, Tensor>();
  private readonly names: ArchiveNames;
  private readonly ids = new Map<object, number>();
  private readonly keys = new Map<Tensor, string>();
  /** Paths of modules as users know them. */
  private readonly modulePaths: ReadonlyMap<unknown, string>;
  private depth = 0;

  constructor(names: ArchiveNames, root: Module) {
    this.names = names;
    this.modulePaths = new Map([...root.namedModules()].map(([path, module]) => [module, path]));
  }

  /** `path` is where the value stands, by the properties that lead to it. */
  encode(value: unknown, path: string): Encoded {
    if (++this.depth > MAX_DEPTH) this.fail(path, `is nested more than ${MAX_DEPTH} levels deep, or contains itself`);
    const encoded = this.encodeValue(value, path);
    this.depth--;
    return encoded;
  }

  private encodeValue(value: unknown, path: string): Encoded {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "undefined":
        return tagged("undefined");
      case "number":
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : tagged("number", { value: Object.is(value, -0) ? "-0" : String(value) });
      case "function":
        return value instanceof Module ? this.encodeObject(value, path) : this.encodeFunction(value, path);
      case "object":
        return value === null ? null : this.encodeObject(value, path);
      default:
        return this.fail(path, `is a ${typeof value}`);
    }
  }

  private encodeFunction(value: object, path: string): EncodedObject {
    const { operators, functions, classes } = this.names;
    const name = operators.nameOf(value) ?? functions.nameOf(value);
    if (name !== undefined) return tagged("function", { name });
    const own = (value as { name?: unknown }).name;
    const printed = typeof own === "string" && own ? own : "a function without a name";
    if (!isClass(value)) return this.fail(path, `is ${printed}, a function that is not Octet's: pass it as functions`);
    const known = classes.nameOf(value);
    return known === undefined ? tagged("foreign class", { name: printed }) : tagged("class", { name: known });
  }

  private encodeObject(value: object, path: string): Encoded {
    const constant = this.names.constants.nameOf(value);
    if (constant !== undefined) return tagged("constant", { name: constant });
    if (value instanceof Tensor) return this.encodeTensor(value, path);
    if (Array.isArray(value)) return value.map((item, i) => this.encode(item, `${path}.${i}`));
    if (value instanceof FxNode) return tagged("node", { name: value.name });
    if (value instanceof Map) return tagged("map", { entries: this.encodeEntries([...value], path) });
    if (value instanceof Set) return tagged("set", { items: this.encode([...value], path) });
    if (ArrayBuffer.isView(value)) return this.encodeTypedArray(value, path);
    const known = this.ids.get(value);
    if (known !== undefined) return tagged("ref", { id: known });
    if (isPacked(value)) return this.encodePacked(value, path);
    if (value instanceof GraphModule) return this.encodeGraphModule(value, path);
    if (value instanceof Module) return this.encodeModule(value, path);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.encodeRecord(value as Properties, path);
    if (value instanceof BackendConfig) {
      const name = makerOf(value);
      return tagged("backend config", name ? { name } : { dict: this.encode(value.toDict(), path) });
    }
    return this.encodeInstance(value, path);
  }

  // ---------------------------------------------------------------- plain data

  private encodeEntries(entries: readonly (readonly [unknown, unknown])[], path: string): Encoded {
    return entries.map(([key, item]) => {
      const at = typeof key === "string" ? `${path}.${key}` : path;
      return [this.encode(key, at), this.encode(item, at)];
    });
  }

  private encodeRecord(record: Properties, path: string): Encoded {
    const entries = this.ownEntries(record, path);
    const frozen = Object.isFrozen(record);
    if (frozen || Object.hasOwn(record, "$")) {
      return tagged("record", { entries: this.encodeEntries(entries, path), ...(frozen && { frozen }) });
    }
    return Object.fromEntries(entries.map(([key, item]) => [key, this.encode(item, `${path}.${key}`)]));
  }

  private encodeTypedArray(array: ArrayBufferView, path: string): Encoded {
    const type = Object.entries(typedArrays).find(([, Class]) => Object.getPrototypeOf(array) === Class.prototype)?.[0];
    if (!type) return this.fail(path, `is a ${array.constructor.name}`);
    return tagged("array", { type, values: this.encode(Array.from(array as Float64Array), path) });
  }

  private encodeTensor(tensor: Tensor, path: string): EncodedObject {
    const prototype: unknown = Object.getPrototypeOf(tensor);
    if (prototype !== Tensor.prototype && prototype !== Parameter.prototype) {
      return this.fail(path, `is a ${tensor.constructor.name}, a subclass of Tensor`);
    }
    let key = this.keys.get(tensor);
    if (key === undefined) {
      key = this.freeKey(path);
      this.keys.set(tensor, key);
      this.tensors.set(key, tensor);
    }
    const requiresGrad = tensor.leafRequiresGrad;
    return tagged(tensor instanceof Parameter ? "parameter" : "tensor", { key, ...(requiresGrad && { requiresGrad }) });
  }

  /** A name for a tensor that nothing else in the file has, or could need for its qparams. */
  private freeKey(path: string): string {
    const wished = path.replace(QPARAM_SUFFIX, "_q_$1").replace(/^__metadata__$/, "metadata") || "value";
    let key = wished;
    for (let i = 2; this.tensors.has(key); i++) key = `${wished}.${i}`;
    return key;
  }

  private encodePacked(packed: AnyPackedParams, path: string): EncodedObject {
    const id = this.newId(packed);
    const [weight, bias] = packedTensors(packed);
    const form = this.encode({ ...packedForm(packed) }, path) as EncodedObject;
    const tensors = { weight: this.encode(weight, `${path}.weight`), bias: this.encode(bias, `${path}.bias`) };
    return tagged("packed", { id, ...form, ...tensors });
  }

  // ---------------------------------------------------------------- objects with a class

  private encodeInstance(value: object, path: string): EncodedObject {
    const name = this.classOf(value, path);
    const id = this.newId(value);
    const properties = this.encodeProperties(value, new Set(), path);
    return tagged("object", { id, class: name, properties, ...(Object.isFrozen(value) && { frozen: true }) });
  }

  private encodeModule(module: Module, path: string): EncodedObject {
    const at = this.modulePaths.get(module) ?? path;
    const name = this.classOf(module, at);
    const id = this.newId(module);
    const properties = this.encodeProperties(module, MODULE_FIELDS, at);
    return tagged("module", { id, class: name, ...this.encodeModuleFields(module), properties });
  }

  private encodeGraphModule(module: GraphModule, path: string): EncodedObject {
    if (Object.getPrototypeOf(module) !== GraphModule.prototype) {
      return this.fail(path, `is a ${module.constructor.name}, a subclass of GraphModule`);
    }
    const id = this.newId(module);
    const at = this.modulePaths.get(module) ?? path;
    return tagged("graph module", {
      id,
      className: module.className,
      ...this.encodeModuleFields(module),
      properties: this.encodeProperties(module, GRAPH_MODULE_FIELDS, at),
      graph: [...module.graph.nodes].map((node) => this.encodeNode(node, join(at, `node ${node.name}`))),
      meta: this.encode(module.meta, join(at, "meta")),
    });
  }

  /** Hooks are functions, which no file holds; only those that Octet's own observers stand on are mentioned. */
  private encodeModuleFields(module: Module): EncodedObject {
    const { bufferNames } = module as unknown as { bufferNames: ReadonlyMap<string, { persistent: boolean }> };
    const buffers = Object.fromEntries([...bufferNames].map(([name, { persistent }]) => [name, persistent]));
    const known = (hooks: readonly object[]): string[] =>
      hooks.map((hook) => this.names.hooks.nameOf(hook)).filter((name) => name !== undefined);
    const { pre, post } = module.registeredHooks();
    const [before, after] = [known(pre), known(post)];
    const fields = { training: module.training, buffers };
    return before.length || after.length ? { ...fields, hooks: { pre: before, post: after } } : fields;
  }

  private encodeProperties(value: object, without: ReadonlySet<string>, path: string): EncodedObject {
    const entries = this.ownEntries(value, path).filter(([key]) => !without.has(key) && isOwnKey(value, key));
    const shadowing = entries.find(([key]) => !isAssignable(value, key));
    if (shadowing) this.fail(join(path, shadowing[0]), "is a property in place of a method");
    return Object.fromEntries(entries.map(([key, item]) => [key, this.encode(item, join(path, key))]));
  }

  private ownEntries(value: object, path: string): [string, unknown][] {
    return Reflect.ownKeys(value)
      .filter((key) => typeof key !== "string" || isOwnKey(value, key))
      .map((key) => {
        if (typeof key !== "string" || key === "__proto__") return this.fail(path, `has a property ${String(key)}`);
        const descriptor = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
        if (!("value" in descriptor)) this.fail(join(path, key), "is computed by a function");
        return [key, descriptor.value as unknown];
      });
  }

  private classOf(value: object, path: string): string {
    const Class = (Object.getPrototypeOf(value) as { constructor?: { prototype?: unknown; name: string } }).constructor;
    const name = Class?.prototype === Object.getPrototypeOf(value) ? this.names.classes.nameOf(Class) : undefined;
    if (name !== undefined) return name;
    const printed = Class?.name || "a class without a name";
    return this.fail(path, `is of class ${printed}, which is not Octet's: pass it as classes: { ${printed} }`);
  }

  private newId(value: object): number {
    const id = this.ids.size;
    this.ids.set(value, id);
    return id;
  }

  // ---------------------------------------------------------------- graphs

  private encodeNode(node: FxNode, path: string): EncodedObject {
    const { op, name, args, kwargs, meta } = node;
    const optional = {
      ...(Object.keys(kwargs).length && { kwargs: this.encode({ ...kwargs }, path) }),
      ...(Object.keys(meta).length && { meta: this.encode({ ...meta }, path) }),
    };
    return { name, op, target: this.encodeTarget(node, path), args: this.encode(args, path), ...optional };
  }

  private encodeTarget({ op, target }: FxNode, path: string): Encoded {
    if (op === "call_method" && !isTensorMethod(target))
      this.fail(path, `calls "${String(target)}", no method of Tensor`);
    if (typeof target === "string") return target;
    if (this.names.operators.nameOf(target) !== undefined) return this.encodeFunction(target, path);
    const name = target.name || "a function without a name";
    return this.fail(path, `calls ${name}, which is not Octet's: pass it as functions: { ${name} }`);
  }

  private fail(path: string, problem: string): never {
    const place = path === "" ? "the model" : this.isModulePath(path) ? `module "${path}"` : `"${path}"`;
    throw new OctetError(`saveArchive: ${place} ${problem}`);
  }

  private isModulePath(path: string): boolean {
    return [...this.modulePaths.values()].includes(path);
  }
}

function join(path: string, key: string): string {
  return path ? `${path}.${key}` : key;
}
