/** Writes the nodes of a graph of Octet's with the exports of export-ops/, module by module and call by call. */
import { OctetError } from "../core/errors.ts";
import type { Argument as FxArgument } from "../fx/argument.ts";
import { isArgumentRecord, mapRecord } from "../fx/argument.ts";
import { GraphModule } from "../fx/graph-module.ts";
import type { Graph } from "../fx/graph.ts";
import { attributeAt } from "../fx/graph.ts";
import { joinOptions } from "../fx/interpreter.ts";
import { camelCase } from "../fx/names.ts";
import type { FxNode } from "../fx/node.ts";
import { isNode } from "../fx/node.ts";
import * as operators from "../fx/operators.ts";
import type { TargetFunction } from "../fx/targets.ts";
import { printTarget } from "../fx/targets.ts";
import { Tracer } from "../fx/tracer.ts";
import * as functional from "../nn/functional.ts";
import type { Module } from "../nn/module.ts";
import { Sequential } from "../nn/modules/container.ts";
import { Dropout } from "../nn/modules/dropout.ts";
import * as ops from "../ops/index.ts";
import { tensorMethods } from "../ops/methods.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ExportBuilder } from "./export-builder.ts";
import { CallContext, NotExported, constantValue } from "./export-context.ts";
import { UNKNOWN, exampleValues, isKnown } from "./export-example.ts";
import { exportOpaque } from "./export-opaque.ts";
import { OriginExporter } from "./export-origin.ts";
import { moduleExportOf, opExports } from "./export-ops/index.ts";
import type { Argument, ArgumentRecord } from "./export-value.ts";
import { isQuantizedValue, isTensorValue } from "./export-value.ts";
import type { NodeOrigin } from "./import-settings.ts";
import type { OnnxModel } from "./model.ts";
import { OpaqueNode } from "./opaque.ts";
import { originOfPlain } from "./ops/plain.ts";

/** A module and the graph that it runs. */
interface Scope {
  readonly module: Module;
  /** The path of the module, with a dot behind it unless it is the root. */
  readonly prefix: string;
  readonly values: Map<FxNode, Argument>;
  readonly examples: ReadonlyMap<FxNode, unknown>;
}

export class GraphExporter {
  private readonly builder: ExportBuilder;

  /** For models that were read from a file. */
  private readonly origins: OriginExporter | null;

  constructor(builder: ExportBuilder, source: OnnxModel | null) {
    this.builder = builder;
    this.origins = source && new OriginExporter(source, builder);
  }

  /** Gives what the graph gives. `examples` are values of the inputs, or {@link UNKNOWN}. */
  exportGraph(
    module: Module,
    graph: Graph,
    inputs: readonly Argument[],
    examples: readonly unknown[],
    prefix = "",
  ): Argument {
    const known = exampleValues(module, graph, examples);
    const scope = { module, prefix, values: new Map<FxNode, Argument>(), examples: known };
    let taken = 0;
    for (const node of graph.nodes) {
      if (node.op === "output") return this.argument(node.args[0], scope);
      if (node.op === "placeholder") scope.values.set(node, inputs[taken++] ?? (node.args[0] as Argument) ?? null);
      else this.exportNode(node, scope);
      if (node.op === "placeholder") this.remember(node, scope);
    }
    throw new OctetError("onnx: the graph has no output");
  }

  private remember(node: FxNode, scope: Scope): void {
    const context = new CallContext(this.builder, [], {}, { where: node.name, name: node.name });
    this.origins?.remember(context, node, scope.values.get(node));
  }

  private exportNode(node: FxNode, scope: Scope): void {
    const before = this.builder.size;
    const name = valueName(node) ?? `${scope.prefix}${node.name}`;
    this.builder.scope = name;
    const value = this.withFacts(this.valueOf(node, scope, name), scope.examples.get(node));
    if (!setsOwnNames(node)) this.wishFor(value, name, before);
    scope.values.set(node, value);
    this.remember(node, scope);
    this.rebindInPlace(node, value, scope);
  }

  private valueOf(node: FxNode, scope: Scope, name: string): Argument {
    const given = this.origins?.valueOf(node, scope.examples.get(node));
    if (given) return given.value;
    const target = node.target as string;
    if (node.op === "get_attr") {
      const held = attributeAt(scope.module, target);
      return held instanceof Tensor ? constantValue(`${scope.prefix}${target}`, held) : (held as Argument);
    }
    const args = node.args.map((arg) => this.argument(arg, scope));
    const kwargs = mapRecord(node.kwargs, (arg) => this.argument(arg, scope) as FxArgument) as ArgumentRecord;
    const printed = node.op === "call_module" ? `the module ${target}` : printTarget(node.target);
    const origin = { where: `${printed} (node ${node.name})`, name };
    const context = new CallContext(this.builder, args, kwargs, origin, scope.examples.get(node));
    if (node.op === "call_module") {
      const called = scope.module.getSubmodule(target);
      return this.callModule(context, called, `${scope.prefix}${target}`, this.examplesOf(node, scope));
    }
    const op =
      node.op === "call_method" ? camelCase(target).replace(/_$/, "") : nameOfFunction(node.target as TargetFunction);
    const exported = op === null ? undefined : opExports.get(op);
    if (exported) return exported(context);
    if (!this.origins?.giveBack(context, node, scope.values)) return context.refuse("it has no form in ONNX");
    return this.origins.valueOf(node, scope.examples.get(node))!.value; // just given back
  }

  // ---------------------------------------------------------------- modules

  private callModule(c: CallContext, module: Module, path: string, examples: readonly unknown[]): Argument {
    if (module instanceof OpaqueNode) return exportOpaque(c, module);
    const known = moduleExportOf(module);
    if (known) return known(c, module, path);
    if (module instanceof GraphModule) return this.inside(module, module.graph, c, path, examples);
    if (module instanceof Dropout && !module.training) return c.args[0];
    if (module instanceof Sequential) return this.inSequence(c, module, path);
    return this.inside(module, this.traced(c, module), c, path, examples);
  }

  private inside(module: Module, graph: Graph, c: CallContext, path: string, examples: readonly unknown[]): Argument {
    return this.exportGraph(module, graph, joinOptions(c.args, c.kwargs) as Argument[], examples, `${path}.`);
  }

  /** Fused modules run their parts too, without looking at observers beside them. */
  private inSequence(c: CallContext, module: Sequential, path: string): Argument {
    const isPlain = c.args.length === 1 && Object.keys(c.kwargs).length === 0;
    if (!isPlain) return this.inside(module, this.traced(c, module), c, path, []);
    let value = c.args[0];
    for (const [key, part] of module.namedChildren()) {
      if (isAttachedObserver(key)) continue;
      value = this.callModule(c.with([value]), part, `${path}.${key}`, [UNKNOWN]);
    }
    return value;
  }

  private traced(c: CallContext, module: Module): Graph {
    try {
      return new Tracer().trace(module);
    } catch (error) {
      if (!(error instanceof OctetError)) throw error;
      throw new NotExported(`onnx: ${c.origin.where}: ${module.getName()} has no form in ONNX, and ${error.message}`, {
        cause: error,
      });
    }
  }

  private examplesOf(node: FxNode, scope: Scope): readonly unknown[] {
    const value = (arg: FxArgument): unknown => {
      if (isNode(arg)) return scope.examples.has(arg) ? scope.examples.get(arg) : UNKNOWN;
      return Array.isArray(arg) ? (arg as FxArgument[]).map(value) : arg;
    };
    const args = [...node.args, ...(Object.keys(node.kwargs).length ? [node.kwargs] : [])].map(value);
    return args.map((arg) => (isKnown(arg) ? arg : UNKNOWN));
  }

  // ---------------------------------------------------------------- values

  private argument(argument: FxArgument, scope: Scope): Argument {
    if (isNode(argument)) return scope.values.get(argument);
    if (Array.isArray(argument)) return (argument as FxArgument[]).map((item) => this.argument(item, scope));
    if (isArgumentRecord(argument)) {
      return mapRecord(argument, (item) => this.argument(item, scope) as FxArgument) as ArgumentRecord;
    }
    return argument as Argument;
  }

  /** With the shapes of the example. */
  private withFacts(value: Argument, example: unknown): Argument {
    if (isTensorValue(value) || isQuantizedValue(value)) {
      return example instanceof Tensor ? { ...value, shape: example.shape } : value;
    }
    if (!Array.isArray(value) || !Array.isArray(example)) return value;
    const examples = example as readonly unknown[];
    return (value as readonly Argument[]).map((item, i) => this.withFacts(item, examples[i]));
  }

  /** New values are called after their node. */
  private wishFor(value: Argument, name: string, before: number): void {
    if (isTensorValue(value) || isQuantizedValue(value)) {
      const { id } = value;
      if (id && id.number >= before && !this.builder.isInitializer(id)) this.builder.wish(id, name);
    } else if (Array.isArray(value)) {
      (value as readonly Argument[]).forEach((item, i) => this.wishFor(item, `${name}_${i}`, before));
    }
  }

  /** Who reads later what is written in place reads the result. */
  private rebindInPlace(node: FxNode, value: Argument, scope: Scope): void {
    const [first] = node.args;
    if (isNode(first) && writesInPlace(node, scope.module)) scope.values.set(first, value);
  }
}

function writesInPlace(node: FxNode, root: Module): boolean {
  if (node.op === "call_method") return (node.target as string).endsWith("_");
  if (node.op === "call_function") {
    return (nameOfFunction(node.target as TargetFunction, true) ?? "").endsWith("_") || node.kwargs.inplace === true;
  }
  if (node.op !== "call_module") return false;
  return (root.getSubmodule(node.target as string) as { inplace?: unknown }).inplace === true;
}

function isAttachedObserver(key: string): boolean {
  return key === "activation_post_process";
}

/** The name of the value in the file that the graph was read from. */
function valueName(node: FxNode): string | null {
  const origin = node.meta.onnx as Partial<NodeOrigin> | undefined;
  return origin?.values?.[0] ?? null;
}

/** Integers and what is made from them are called after what was quantized. */
function setsOwnNames(node: FxNode): boolean {
  if (valueName(node)) return false;
  return /^(de)?quantize/.test(
    node.op === "call_function" ? (nameOfFunction(node.target as TargetFunction) ?? "") : String(node.target),
  );
}

const namespaces: readonly Readonly<Record<string, unknown>>[] = [ops, functional, operators, tensorMethods];

/** The operator's name in camelCase; null for functions that are not Octet's own. */
function nameOfFunction(fn: TargetFunction, verbatim = false): string | null {
  const origin = originOfPlain(fn);
  if (origin !== null) return typeof origin === "string" ? camelCase(origin) : nameOfFunction(origin, verbatim);
  if (!opNames().has(fn)) return null;
  const name = "op" in fn ? (fn.op as { readonly name: string }).name : fn.name;
  return verbatim ? name : name.replace(/_$/, "");
}

let known: Set<unknown> | undefined;

/** Functions of the package; others may have the same names. */
function opNames(): Set<unknown> {
  return (known ??= new Set(namespaces.flatMap((namespace) => Object.values(namespace))));
}
