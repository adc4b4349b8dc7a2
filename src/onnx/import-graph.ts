/**
 * Makes a graph of Octet's from an ONNX graph, node by node, with the operators of ops/. What an operator's import refuses
 * becomes an opaque node.
 */
import type { Graph as FxGraph } from "../fx/graph.ts";
import { Graph } from "../fx/graph.ts";
import { GraphModule } from "../fx/graph-module.ts";
import type { Argument, Kwargs } from "../fx/argument.ts";
import { isArgumentRecord, mapRecord } from "../fx/argument.ts";
import type { FxNode } from "../fx/node.ts";
import { isNode } from "../fx/node.ts";
import { getitem } from "../fx/operators.ts";
import { int32, int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Callee, Emitter, Operand, OperandRecord } from "./import-context.ts";
import { NodeContext, NotImported, identifier, isValue } from "./import-context.ts";
import type { ImportSettings, NodeOrigin } from "./import-settings.ts";
import { functionKey, opsetOf } from "./import-settings.ts";
import { capturedNames, usesOf } from "./import-uses.ts";
import type { SymbolicShape, Value, ValueFacts } from "./import-value.ts";
import { computedValue, constantValue, factsOfType, withDeclared } from "./import-value.ts";
import type { OnnxFunction, OnnxGraph, OnnxNode, OnnxTensor, OnnxValueInfo } from "./model.ts";
import { OpaqueNode } from "./opaque.ts";
import { withAttributesOf } from "./import-function.ts";
import { onnxOps } from "./ops/index.ts";
import { dtypeOf, toTensor } from "./tensor.ts";
import { plain, plainMethod } from "./ops/plain.ts";
import { folded } from "./passes/fold-constants.ts";
import { Paths } from "./import-paths.ts";

/** The values of one ONNX graph, and those around it. */
interface Scope {
  readonly values: Map<string, Value>;
  readonly declared: ReadonlyMap<string, ValueFacts | null>;
  readonly uses: ReadonlyMap<string, number>;
  readonly opsets: ReadonlyMap<string, number>;
  readonly outer: Scope | null;
}

type Lookup = (name: string) => Value | null;

export class GraphImporter implements Emitter {
  readonly graph: FxGraph = new Graph();
  /** Values of the graph around this one that it uses, in the order of the placeholders they have here. */
  readonly captures: Value[] = [];
  private readonly settings: ImportSettings;
  private readonly around: Lookup;
  private readonly members: Record<string, Module | Tensor> = {};
  private readonly paths = new Paths();
  private readonly constants = new Map<Tensor, FxNode>();
  private readonly parameters = new Map<Tensor, Map<string, Parameter>>();
  private readonly tuples = new Map<Value, readonly (Tensor | null)[]>();
  private scope: Scope | null = null;
  private origin: NodeOrigin | null = null;

  constructor(settings: ImportSettings, around: Lookup = () => null) {
    this.settings = settings;
    this.around = around;
  }

  /** Imports a whole graph: its inputs become placeholders (but those in `fixed`, which are constants), its outputs the result. */
  importGraph(graph: OnnxGraph, fixed: ReadonlyMap<string, Tensor> = new Map()): GraphModule {
    const initialized = new Set(graph.initializers.map(({ name }) => name));
    const inputs = graph.inputs.filter(({ name }) => !initialized.has(name));
    const results = this.inScope(graph, this.settings.opsets, () => {
      for (const input of inputs) {
        const given = fixed.get(input.name);
        this.define(input.name, given ? constantValue(given) : this.placeholder(input));
      }
      return this.importBody(graph);
    });
    const nodes = results.map((value) => this.nodeOf(value));
    this.graph.output(nodes.length === 1 ? nodes[0] : nodes);
    return this.finish(graph.name);
  }

  private finish(name: string): GraphModule {
    const module = new GraphModule(this.members, this.graph, identifier(name) || "OnnxModel");
    module.eval();
    module.graph.eliminateDeadCode();
    module.recompile();
    module.deleteAllUnusedSubmodules();
    return module;
  }

  private placeholder(input: OnnxValueInfo): Value {
    const node = this.graph.placeholder(identifier(input.name) || "input");
    node.target = node.name;
    node.meta.onnx = { nodes: [], values: [input.name] } satisfies NodeOrigin;
    return computedValue(node, factsOfType(input.type) ?? {});
  }

  // ---------------------------------------------------------------- scopes

  private inScope<T>(graph: OnnxGraph, opsets: ReadonlyMap<string, number>, body: () => T): T {
    const infos = [...graph.valueInfo, ...graph.outputs];
    return this.within(
      {
        values: new Map(),
        declared: new Map(infos.map(({ name, type }) => [name, factsOfType(type)])),
        uses: usesOf(graph),
        opsets,
        outer: this.scope,
      },
      body,
    );
  }

  private within<T>(scope: Scope, body: () => T): T {
    const before = this.scope;
    this.scope = scope;
    try {
      return body();
    } finally {
      this.scope = before;
    }
  }

  private current(): Scope {
    if (!this.scope) throw new OctetError("onnx: no graph is being imported");
    return this.scope;
  }

  private define(name: string, value: Value): void {
    const { values, declared } = this.current();
    values.set(name, { ...withDeclared(value, declared.get(name) ?? null), name });
  }

  /** The value with this name here or further out; one outside of this graph becomes an input of it. */
  private lookup(name: string): Value {
    const found = this.find(name);
    if (!found) throw new OctetError(`onnx: the value "${name}" is used but nothing makes it`);
    return found;
  }

  find(name: string): Value | null {
    let outermost: Scope | null = null;
    for (let scope = this.scope; scope; outermost = scope, scope = scope.outer) {
      const value = scope.values.get(name);
      if (value) return value;
    }
    const outside = this.around(name);
    if (!outside?.node) return outside;
    const node = this.graph.placeholder(identifier(name) || "captured");
    node.target = node.name;
    const value: Value = { ...computedValue(node, outside), name };
    this.captures.push(outside);
    outermost?.values.set(name, value);
    return value;
  }

  /** Imports the nodes of a graph whose inputs are defined; gives its outputs. */
  private importBody(graph: OnnxGraph): Value[] {
    for (const tensor of graph.initializers) this.define(tensor.name, initializerValue(tensor));
    for (const node of graph.nodes) this.importNode(node);
    return graph.outputs.map(({ name }) => this.lookup(name));
  }

  // ---------------------------------------------------------------- nodes

  private importNode(node: OnnxNode): void {
    const before = this.origin;
    this.origin = { nodes: [node], values: [] };
    try {
      const outputs = this.outputsOf(node);
      node.outputs.forEach((name, i) => {
        if (!name) return;
        const value = outputs[i];
        if (!value) throw new NotImported(`output ${i} is used`);
        this.define(name, value);
        (value.node?.meta.onnx as NodeOrigin | undefined)?.values.push(name);
      });
    } finally {
      this.origin = before;
    }
  }

  private outputsOf(node: OnnxNode): readonly Value[] {
    const called = this.settings.functions.get(functionKey(node));
    if (called) return this.inlineFunction(called, node);
    const opset = opsetOf(this.current().opsets, node.domain);
    try {
      return this.knownOutputs(node, opset);
    } catch (error) {
      if (!(error instanceof OctetError)) throw error;
      return this.opaque(node, opset, error.message);
    }
  }

  private knownOutputs(node: OnnxNode, opset: number): readonly Value[] {
    const op = isStandard(node) ? onnxOps.get(node.opType) : undefined;
    if (!op) throw new NotImported("the operator is not known");
    if (opset < op.since[0]) throw new NotImported(`it is known from operator set ${op.since[0]} on, this is ${opset}`);
    const inputs = node.inputs.map((name) => (name === "" ? null : this.lookup(name)));
    const result = op.import(new NodeContext(node, opset, inputs, this));
    const outputs = Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
    const missing = node.outputs.findIndex((name, i) => name !== "" && !outputs[i] && this.isUsed(name));
    if (missing >= 0) throw new NotImported(`its output ${missing} is used`);
    return node.outputs.map((_, i) => outputs[i] ?? outputs[0]);
  }

  private isUsed(name: string): boolean {
    return (this.current().uses.get(name) ?? 0) > 0;
  }

  private opaque(node: OnnxNode, opset: number, reason: string): readonly Value[] {
    const names = [...new Set([...node.inputs.filter((name) => name !== ""), ...capturedNames(node)])];
    const values = names.map((name) => this.lookup(name));
    const known = values.filter((value) => !value.node);
    const record = {
      node,
      opset,
      constants: new Map(
        known.map((value) => [value.name, (value.constant ?? value.unreadable) as Tensor | OnnxTensor]),
      ),
      inputNames: values.filter((value) => value.node).map(({ name }) => name),
      reason,
    };
    const module = new OpaqueNode(record, this.settings.executor);
    const path = identifier(node.name) || `${node.opType.toLowerCase()}_${identifier(node.outputs[0] ?? "")}`;
    const made = this.module(
      module,
      path,
      values.filter((value) => value.node),
      {},
    );
    return node.outputs.length === 1 ? [made] : node.outputs.map((_, i) => this.item(made, i, {}));
  }

  // ---------------------------------------------------------------- subgraphs and functions

  inline(graph: OnnxGraph, inputs: readonly Value[]): readonly Value[] {
    return this.inScope(graph, this.current().opsets, () => {
      graph.inputs.forEach(({ name }, i) => this.define(name, inputs[i]));
      return this.importBody(graph);
    });
  }

  subgraph(graph: OnnxGraph): { module: Module; captures: readonly Value[] } {
    const inner = new GraphImporter({ ...this.settings, opsets: this.current().opsets }, (name) => this.find(name));
    return { module: inner.importGraph(graph), captures: inner.captures };
  }

  private inlineFunction(called: OnnxFunction, node: OnnxNode): readonly Value[] {
    const inputs = node.inputs.map((name) => (name === "" ? null : this.lookup(name)));
    const nodes = called.nodes.map((inner) => withAttributesOf(inner, called, node));
    const uses = usesOf({ nodes, outputs: called.outputs.map((name) => ({ name })) });
    const scope = { values: new Map(), declared: new Map(), uses, opsets: called.opsetImports, outer: null };
    return this.within(scope, () => {
      called.inputs.forEach((name, i) => {
        const value = inputs[i];
        if (value) this.define(name, value);
      });
      const given = new Set(called.inputs.filter((_, i) => inputs[i]));
      const leftOut = new Set(called.inputs.filter((name) => !given.has(name)));
      for (const inner of nodes) {
        this.importNode({ ...inner, inputs: inner.inputs.map((name) => (leftOut.has(name) ? "" : name)) });
      }
      return called.outputs.map((name) => this.lookup(name));
    });
  }

  // ---------------------------------------------------------------- making nodes

  call(fn: Callee, args: readonly Operand[], kwargs: OperandRecord, facts: ValueFacts): Value {
    const result = folded(fn, args, kwargs);
    if (result instanceof Tensor) return constantValue(result);
    if (result) {
      const tuple = { ...constantValue(result[0] as Tensor), constant: null };
      this.tuples.set(tuple, result);
      return tuple;
    }
    const known = knownConstant(facts);
    if (known) return constantValue(known);
    const isReal = !facts.dtype || facts.dtype.isFloatingPoint;
    const record = Object.fromEntries(Object.entries(kwargs).map(([key, arg]) => [key, this.argument(arg)]));
    return this.made((given) => this.graph.callFunction(isReal ? fn : plain(fn), given, record as Kwargs), args, facts);
  }

  method(name: string, args: readonly Operand[], facts: ValueFacts): Value {
    const isReal = !facts.dtype || facts.dtype.isFloatingPoint;
    const isConstant = args.every((arg) => !isValue(arg) || arg.constant);
    if (!isReal || isConstant) return this.call(plainMethod(name), args, {}, facts);
    return this.made((given) => this.graph.callMethod(name, given), args, facts);
  }

  module(module: Module, path: string, args: readonly Operand[], facts: ValueFacts): Value {
    const free = this.paths.take(path);
    this.members[free] = module;
    return this.made((given) => this.graph.callModule(free, given), args, facts);
  }

  item(tuple: Value, index: number, facts: ValueFacts): Value {
    const known = this.tuples.get(tuple);
    if (known) return constantValue(known[index] as Tensor);
    return this.made((given) => this.graph.callFunction(getitem, given), [tuple, index], facts);
  }

  constant(tensor: Tensor): Value {
    return constantValue(tensor);
  }

  private made(make: (args: Argument[]) => FxNode, args: readonly Operand[], facts: ValueFacts): Value {
    const node = make(args.map((arg) => this.argument(arg)));
    if (this.origin) node.meta.onnx = { nodes: [...this.origin.nodes], values: [] } satisfies NodeOrigin;
    return computedValue(node, facts);
  }

  private argument(operand: Operand): Argument {
    if (Array.isArray(operand)) return (operand as readonly Operand[]).map((item) => this.argument(item));
    if (isValue(operand)) return this.nodeOf(operand);
    if (!isArgumentRecord(operand)) return operand;
    return mapRecord(operand, (item) => this.argument(item as Operand));
  }

  private nodeOf(value: Value): FxNode {
    if (value.node) return value.node;
    const { constant } = value;
    if (!constant) throw new NotImported(`"${value.name}" is a tensor of ${value.unreadable?.dataType ?? "no type"}`);
    const known = this.constants.get(constant);
    if (known) return known;
    const path = this.paths.take(identifier(value.name) || "constant");
    this.members[path] = constant;
    const node = this.graph.getAttr(path);
    node.meta.onnx = { nodes: [], values: value.name ? [value.name] : [] } satisfies NodeOrigin;
    this.constants.set(constant, node);
    return node;
  }

  // ---------------------------------------------------------------- asking

  isUsedOnce(name: string): boolean {
    return this.current().uses.get(name) === 1;
  }

  moduleOf({ node }: Value): Module | null {
    const member = node?.op === "call_module" ? this.members[node.target as string] : null;
    return member instanceof Module ? member : null;
  }

  before({ node, dtype }: Value, shape: SymbolicShape | null): Value | null {
    const input = node?.args[0];
    return isNode(input) ? computedValue(input, { dtype, shape }) : null;
  }

  absorb({ node }: Value): void {
    const origin = node?.meta.onnx as NodeOrigin | undefined;
    if (this.origin) origin?.nodes.push(...this.origin.nodes);
  }

  parameter(tensor: Tensor, form: string, make: () => Tensor): Parameter {
    const forms = this.parameters.get(tensor) ?? new Map<string, Parameter>();
    this.parameters.set(tensor, forms);
    const made = forms.get(form) ?? new Parameter(make());
    forms.set(form, made);
    return made;
  }
}

/** A result of which every element is known, such as the shape of an input of fixed sizes. */
function knownConstant({ dtype, shape, elements }: ValueFacts): Tensor | null {
  if (
    (dtype !== int64 && dtype !== int32) ||
    !shape ||
    shape.length > 1 ||
    !elements?.every((element) => element !== null)
  )
    return null;
  const filled = dtype.allocate(elements.length);
  elements.forEach((element, i) => (filled[i] = element));
  return Tensor.fromArray(filled, shape.length ? [elements.length] : [], dtype);
}

function isStandard({ domain }: OnnxNode): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** Bounds of slices are often the largest int64. */
const CLAMPED = Object.freeze({ wideIntegers: "clamp" as const });

/** A weight, read now; or kept as it is, where no tensor can hold it. */
function initializerValue(tensor: OnnxTensor): Value {
  if (dtypeOf(tensor.dataType)) return constantValue(toTensor(tensor, CLAMPED), tensor.name);
  return {
    name: tensor.name,
    node: null,
    constant: null,
    unreadable: tensor,
    dtype: null,
    shape: tensor.dims,
    elements: null,
  };
}
