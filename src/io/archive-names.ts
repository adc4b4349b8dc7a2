/**
 * The names under which archives mention functions, classes and constants. They are derived from what Octet's namespaces
 * export: `nn.quantized.Conv2d`, `ops.quantized.add`, `relu`, `float32`. What a namespace has under several names is
 * written under the first and read under all.
 *
 * An archive can only mention what stands here or what its reader was given: a name never leads to other code.
 */
import * as dtypes from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import * as qparams from "../core/qparams.ts";
import * as fx from "../fx/index.ts";
import { camelCase } from "../fx/names.ts";
import { Module } from "../nn/module.ts";
import * as ops from "../ops/index.ts";
import { tensorMethods } from "../ops/methods.ts";
import * as operatorNamespaces from "../ops/namespaces.ts";
import * as quantization from "../quantization/index.ts";
import * as nn from "../quantization/namespaces/nn.ts";
import { observeInput, observeOutput } from "../quantization/observed-module.ts";
import * as movingAverage from "../quantization/observers/moving-average.ts";
import * as dynamicWeight from "../quantization/recipes/dynamic-weight.ts";
import * as embedding from "../quantization/recipes/embedding/packed-params.ts";
import * as fusers from "../quantization/recipes/fusers.ts";
import * as linear from "../quantization/recipes/linear/packed-params.ts";
import * as referenceWeight from "../quantization/recipes/reference-weight.ts";
import * as rnn from "../quantization/recipes/rnn/packed-params.ts";
import * as referenceCells from "../quantization/recipes/rnn/reference-cells.ts";
import * as weightGrids from "../quantization/recipes/rnn/weight-grids.ts";
import { Tensor } from "../tensor/tensor.ts";

export type ArchiveFunction = (...args: never[]) => unknown;
export type ArchiveClass = abstract new (...args: never[]) => object;

/** What an archive may mention besides what is Octet's, by name. */
export interface ArchiveOptions {
  /** Classes of your own whose instances the model holds. */
  readonly classes?: Readonly<Record<string, ArchiveClass>>;
  /** Functions of your own that the graph calls. */
  readonly functions?: Readonly<Record<string, ArchiveFunction>>;
}

/** Before the names of what the reader was given. */
const OWN = "own.";

/** What the public namespaces show. */
const publicNamespaces: readonly (readonly [string, object])[] = [
  ["", dtypes],
  ["", qparams],
  ["", ops],
  ["Tensor", tensorMethods],
  ["nn", nn],
  ["ops", operatorNamespaces],
  ["fx", fx],
  ["quantization", quantization],
];

/** Parts of public modules that have no public name. */
const insides: readonly (readonly [string, object])[] = [
  ["insides.linear", linear],
  ["insides.embedding", embedding],
  ["insides.rnn", rnn],
  ["insides.rnn", referenceCells],
  ["insides.rnn", weightGrids],
  ["insides", referenceWeight],
  ["insides", movingAverage],
  ["insides", dynamicWeight],
  ["insides.fusers", fusers],
];

/** True for a class, false for any other function. */
export function isClass(value: unknown): value is ArchiveClass {
  return typeof value === "function" && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

/** True for a namespace or a table of exports. */
function isNamespace(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** One kind of things that have names. */
export class NameTable<T> {
  private readonly byName = new Map<string, T>();
  private readonly names = new Map<unknown, string>();

  add(name: string, value: T): void {
    if (this.byName.has(name)) return;
    this.byName.set(name, value);
    if (!this.names.has(value)) this.names.set(value, name);
  }

  nameOf(value: unknown): string | undefined {
    return this.names.get(value);
  }

  get(name: string): T | undefined {
    return this.byName.get(name);
  }

  copy(): NameTable<T> {
    const copy = new NameTable<T>();
    for (const [name, value] of this.byName) copy.add(name, value);
    return copy;
  }
}

export interface ArchiveNames {
  /** What a node of a graph may call. */
  readonly operators: NameTable<ArchiveFunction>;
  /** What a property may hold besides: ways of packing that Octet's modules keep. */
  readonly functions: NameTable<ArchiveFunction>;
  /** Those that observers stand on. */
  readonly hooks: NameTable<ArchiveFunction>;
  readonly classes: NameTable<ArchiveClass>;
  /** Frozen values that are compared by identity: dtypes, schemes, predefined qconfigs. */
  readonly constants: NameTable<object>;
}

let known: ArchiveNames | undefined;

/** The names of what is Octet's, and of what `options` gives. */
export function archiveNames(options: ArchiveOptions = {}): ArchiveNames {
  known ??= collect();
  const { classes = {}, functions = {} } = options;
  if (Object.keys(classes).length === 0 && Object.keys(functions).length === 0) return known;
  const names = { ...known, operators: known.operators.copy(), classes: known.classes.copy() };
  for (const [name, value] of Object.entries(classes)) {
    if (!isClass(value)) throw new OctetError(`archive: classes: "${name}" is no class`);
    names.classes.add(OWN + name, value);
  }
  for (const [name, value] of Object.entries(functions)) {
    if (typeof value !== "function") throw new OctetError(`archive: functions: "${name}" is no function`);
    names.operators.add(OWN + name, value);
  }
  return names;
}

function collect(): ArchiveNames {
  const names: ArchiveNames = {
    operators: new NameTable(),
    functions: new NameTable(),
    hooks: new NameTable(),
    classes: new NameTable(),
    constants: new NameTable(),
  };
  for (const [name, hook] of Object.entries({ observeInput, observeOutput })) names.hooks.add(name, hook);
  const seen = new Set<unknown>();
  const walk = (prefix: string, namespace: object): void => {
    if (seen.has(namespace)) return;
    seen.add(namespace);
    for (const [key, value] of Object.entries(namespace) as [string, unknown][]) {
      const name = prefix ? `${prefix}.${key}` : key;
      if (isNamespace(value)) walk(name, value);
      else addTo(names, name, value);
    }
  };
  for (const [prefix, namespace] of publicNamespaces) walk(prefix, namespace);
  for (const [prefix, namespace] of insides) {
    walk(prefix, namespace);
    for (const [key, value] of Object.entries(namespace) as [string, unknown][]) {
      if (typeof value === "function" && !isClass(value))
        names.functions.add(`${prefix}.${key}`, value as ArchiveFunction);
    }
  }
  return names;
}

/** Plain functions have no place among the operators: what a graph may call is what a tracer records. */
function addTo({ operators, classes, constants }: ArchiveNames, name: string, value: unknown): void {
  if (value instanceof Module || value instanceof Tensor) return;
  if (isClass(value)) classes.add(name, value);
  else if (typeof value === "function" && "op" in value) operators.add(name, value as unknown as ArchiveFunction);
  else if (typeof value === "object" && value !== null && Object.isFrozen(value)) constants.add(name, value);
}

/** Whether a node may call this method: one of Tensor, never what leads to a constructor. */
export function isTensorMethod(name: unknown): name is string {
  if (typeof name !== "string") return false;
  const method = camelCase(name);
  const found: unknown = Object.getOwnPropertyDescriptor(Tensor.prototype, method)?.value;
  return method !== "constructor" && typeof found === "function";
}
