/**
 * Turns a module or function into a graph by running it once on traced values (`torch.fx.Tracer`). Calls of operators come
 * in through the interpreter stack of ops/op.ts, calls of modules through the interceptor of nn/module.ts, and everything
 * done to a traced value through its methods (trace-tensor.ts).
 *
 * A model runs with its own control flow: what depends on values is fixed in the graph, or fails.
 */
import * as nn from "../nn/index.ts";
import { Module, withCallInterceptor } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import type { AnyOp, Interpreter } from "../ops/op.ts";
import { withInterpreter } from "../ops/op.ts";
import { index } from "../ops/subscript.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { isArgumentRecord, mapRecord, visitAggregate } from "./argument.ts";
import { GraphModule } from "./graph-module.ts";
import { Graph } from "./graph.ts";
import type { FxNode, Opcode, Target, TargetFunction } from "./node.ts";
import { assertIsNone, assertTrue, eq } from "./operators.ts";
import type { ParameterInfo } from "./signature.ts";
import { parametersOf } from "./signature.ts";
import type { Recorder } from "./trace-tensor.ts";
import { TraceError, TraceTensor, traceTensor } from "./trace-tensor.ts";

/** A class of modules. */
// eslint-disable-next-line typescript/no-explicit-any -- any constructor
export type ModuleType = abstract new (...args: any[]) => Module;

/** What can be traced. */
export type TraceRoot = Module | ((...args: never[]) => unknown);

/** Values that inputs are fixed to while tracing, by parameter name. */
export type ConcreteArgs = Readonly<Record<string, unknown>>;

export interface TracerOptions {
  /** Classes whose modules become one node each, beside those of `nn`. */
  readonly leafClasses?: Iterable<ModuleType>;
}

/** A module on the way from the root to the one that is running: its path and its class. */
export type ModuleEntry = readonly [path: string, type: ModuleType];

/** The classes of `nn`, which are leaves unless a tracer says otherwise. Sequential is looked into. */
const nnClasses: readonly ModuleType[] = Object.values(nn as Readonly<Record<string, unknown>>).filter(
  (value): value is ModuleType =>
    typeof value === "function" && value.prototype instanceof Module && value !== nn.Sequential,
);

/** Classes beside those of `nn` that no tracer looks into. */
const otherLeafClasses = new Set<ModuleType>();

/** Makes the modules of a class one node each for every tracer: those whose `forward` is not written with operators. */
export function leafModule<T extends ModuleType>(type: T): T {
  otherLeafClasses.add(type);
  return type;
}

export class Tracer implements Interpreter, Recorder {
  /** Classes whose modules become one node each. */
  readonly leafClasses: Set<ModuleType>;
  graph: Graph = new Graph();
  root: Module = new Module();
  /** For every node, the innermost module that was running: its path and class. */
  readonly nodeNameToScope = new Map<string, ModuleEntry>();
  /** The modules that are running, outermost first, by path; a path that runs again gets "@" and a number. */
  protected moduleStack = new Map<string, ModuleEntry>();
  private scope: ModuleEntry = ["", Module];
  private readonly callCounts = new Map<string, number>();
  private modulePaths = new Map<Module, string>();
  private parameterPaths = new Map<Tensor, string>();
  private bufferPaths = new Map<Tensor, string>();
  /** Tensors in other properties of modules, and constants that were met while tracing. */
  private attributePaths = new Map<Tensor, string>();
  private readonly parameterNodes = new Map<string, FxNode>();
  private running = false;

  constructor(options: TracerOptions = {}) {
    this.leafClasses = new Set([...nnClasses, ...(options.leafClasses ?? [])]);
  }

  // ---------------------------------------------------------------- what subclasses may change

  /** True if calls of `module` become one node; its `forward` is then not looked into. */
  isLeafModule(module: Module, _path: string): boolean {
    const type = module.constructor as unknown as ModuleType;
    return this.leafClasses.has(type) || otherLeafClasses.has(type);
  }

  /** The dotted path of a module below the root. */
  pathOfModule(module: Module): string {
    const path = this.modulePaths.get(module);
    if (path === undefined) {
      throw new TraceError(
        `module is not installed as a submodule: ${module.getName()} is called in forward but is no property of the ` +
          "traced module or of one inside it",
      );
    }
    return path;
  }

  /** A call of a module: one node for a leaf, else the nodes of what `forward` (which runs the module) does. */
  callModule(module: Module, forward: (...args: readonly unknown[]) => unknown, args: readonly unknown[]): unknown {
    const path = this.pathOfModule(module);
    const calls = this.callCounts.get(path) ?? 0;
    this.callCounts.set(path, calls + 1);
    const key = calls ? `${path}@${calls}` : path;
    const outer = this.scope;
    this.scope = [path, module.constructor as unknown as ModuleType];
    this.moduleStack.set(key, this.scope);
    try {
      return this.isLeafModule(module, path) ? this.record("call_module", path, args) : forward(...args);
    } finally {
      this.moduleStack.delete(key);
      this.scope = outer;
    }
  }

  /** What a value that is used while tracing becomes in the graph. */
  createArg(value: unknown): Argument {
    if (value instanceof TraceTensor) return value.node;
    if (value instanceof Tensor) return this.tensorNode(value);
    if (value instanceof Module) return this.createNode("get_attr", this.pathOfModule(value), [], {});
    if (Array.isArray(value)) return value.map((item) => this.createArg(item));
    if (isArgumentRecord(value)) return mapRecord(value, (item) => this.createArg(item));
    if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value as Argument;
    throw new TraceError(
      `argument of type: ${value.constructor.name}; a graph holds tensors, numbers, strings, booleans, null, frozen ` +
        "records, and arrays and plain objects of these",
    );
  }

  /** Adds a node and notes in which modules it was made. */
  createNode(op: Opcode, target: Target, args: readonly Argument[], kwargs: Kwargs, name?: string): FxNode {
    const node = this.graph.createNode(op, target, args, kwargs, name);
    this.nodeNameToScope.set(node.name, this.scope);
    if (this.moduleStack.size) node.meta.nnModuleStack = new Map(this.moduleStack);
    return node;
  }

  /** The traced value of a node. */
  proxy(node: FxNode): TraceTensor {
    return traceTensor(node, this);
  }

  // ---------------------------------------------------------------- recording

  createProxy(op: Opcode, target: Target, args: readonly unknown[], kwargs: Kwargs, name?: string): TraceTensor {
    if (!this.running) throw new TraceError("a traced value is used after tracing has ended");
    const argumentList = args.map((arg) => this.createArg(arg));
    const record = mapRecord(kwargs, (value) => this.createArg(value));
    return this.proxy(this.createNode(op, target, argumentList, record, name));
  }

  record(op: Opcode, target: Target, args: readonly unknown[], name?: string): TraceTensor {
    const { positional, kwargs } = splitOptions(args);
    return this.createProxy(op, target, positional, kwargs, name);
  }

  /** Every call of an operator while tracing. Those without traced values run at once. */
  call(op: AnyOp, args: readonly unknown[], next: () => unknown): unknown {
    if (!this.mustRecord(args)) return next();
    if ((op as unknown) === index) return this.proxyOf(args[0]).index(...(args.slice(1) as number[]));
    return this.record("call_function", op as unknown as TargetFunction, args);
  }

  /** True if a traced value, or a parameter of the root, is among the arguments. */
  private mustRecord(args: readonly unknown[]): boolean {
    let found = false;
    visitAggregate(args as Argument, (leaf) => {
      found ||= leaf instanceof TraceTensor || (leaf instanceof Parameter && this.parameterPaths.has(leaf));
    });
    return found;
  }

  private proxyOf(value: unknown): TraceTensor {
    return value instanceof TraceTensor ? value : this.proxy(this.tensorNode(value as Tensor));
  }

  /** Parameters get one node however often they are used; buffers and other tensors one per use. */
  private tensorNode(tensor: Tensor): FxNode {
    const parameter = this.parameterPaths.get(tensor);
    if (parameter !== undefined) {
      const known = this.parameterNodes.get(parameter);
      const node = known ?? this.createNode("get_attr", parameter, [], {});
      this.parameterNodes.set(parameter, node);
      return node;
    }
    if (tensor instanceof Parameter) throw new TraceError("parameter is not a member of this module");
    const path = this.bufferPaths.get(tensor) ?? this.attributePaths.get(tensor) ?? this.addConstant(tensor);
    return this.createNode("get_attr", path, [], {});
  }

  /** Keeps a tensor that is no part of the model as a property of the root. */
  private addConstant(tensor: Tensor): string {
    const holder = this.root as unknown as Record<string, unknown>;
    let count = 0;
    while (`_tensor_constant${count}` in holder) count++;
    const name = `_tensor_constant${count}`;
    holder[name] = tensor;
    this.attributePaths.set(tensor, name);
    return name;
  }

  // ---------------------------------------------------------------- tracing

  /**
   * The graph of what `root` does. Inputs named in `concreteArgs` are fixed to these values. `inputNames` names the inputs
   * of functions whose text does not tell: those with rest parameters, and minified ones.
   */
  trace(root: TraceRoot, concreteArgs: ConcreteArgs = {}, inputNames?: readonly string[]): Graph {
    this.begin(root instanceof Module ? root : new Module());
    const graph = this.graph;
    const fn = root instanceof Module ? (root.forward as (...args: unknown[]) => unknown).bind(root) : root;
    const parameters = inputNames ? inputNames.map(namedParameter) : parametersOfRoot(root);
    this.runTracing(() => {
      const inputs = parameters.map((parameter, i) => this.createInput(parameter, i, concreteArgs));
      const result = (fn as (...args: unknown[]) => unknown)(...inputs);
      this.createNode("output", "output", [this.createArg(result)], {});
    });
    return graph;
  }

  /** Runs `body`, in which everything done to traced values of this tracer is recorded in {@link graph}. */
  protected runTracing<T>(body: () => T): T {
    const before = this.running;
    this.running = true;
    try {
      return withCallInterceptor(
        (module, args, forward) => this.callModule(module, forward, args),
        () => withInterpreter(this, body),
      );
    } finally {
      this.running = before;
    }
  }

  /** Forgets earlier traces and learns the paths of what is in `root`. */
  protected begin(root: Module): void {
    this.root = root;
    this.graph = new Graph();
    for (const memory of [this.nodeNameToScope, this.callCounts, this.parameterNodes, this.moduleStack]) memory.clear();
    this.scope = ["", Module];
    this.modulePaths = new Map([...root.namedModules()].map(([path, module]) => [module, path]));
    this.parameterPaths = new Map([...root.namedParameters()].map(([path, tensor]) => [tensor, path]));
    this.bufferPaths = new Map([...root.namedBuffers()].map(([path, tensor]) => [tensor, path]));
    this.attributePaths = new Map();
    for (const [path, module] of root.namedModules()) {
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Tensor) this.attributePaths.set(value, path ? `${path}.${name}` : name);
      }
    }
  }

  private createInput(parameter: ParameterInfo, position: number, concreteArgs: ConcreteArgs): unknown {
    if (parameter.isRest) {
      throw new TraceError(
        `forward takes "...${parameter.name}": how many inputs there are is not known; give their names as inputNames`,
      );
    }
    if (parameter.isObjectPattern) {
      throw new TraceError(
        "forward takes an object apart in its parameter list, which cannot be traced; name the parameter and use " +
          'operators.getitem(inputs, "key")',
      );
    }
    const name = parameter.name ?? `input_${position + 1}`;
    const { defaultValue } = parameter;
    const defaults = defaultValue === undefined ? [] : [defaultValue];
    if (!Object.hasOwn(concreteArgs, name)) return this.createProxy("placeholder", name, defaults, {});
    const input = this.createProxy("placeholder", `${name}_1`, defaults, {});
    this.assertSpecialized(name, input, concreteArgs[name]);
    return concreteArgs[name];
  }

  /** Lets the graph fail on another value than the one it was traced with, where values can be compared. */
  private assertSpecialized(name: string, input: TraceTensor, value: unknown): void {
    const message = `${name} has been specialized to have value ${printValue(value)} but got another value`;
    if (value === null || value === undefined) {
      this.createProxy("call_function", assertIsNone, [input, message], {});
    } else if (typeof value !== "object" && typeof value !== "function") {
      const same = this.createProxy("call_function", eq, [input, value], {});
      this.createProxy("call_function", assertTrue, [same, message], {});
    }
  }
}

function printValue(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : String(value);
}

function namedParameter(name: string): ParameterInfo {
  return { name, isRest: false, isObjectPattern: false, defaultValue: undefined };
}

function parametersOfRoot(root: TraceRoot): ParameterInfo[] {
  if (root instanceof GraphModule) {
    return root.graph.findNodes({ op: "placeholder" }).map(({ target, args }) => ({
      ...namedParameter(target as string),
      defaultValue: args[0],
    }));
  }
  // Sequential takes whatever its first module takes; that is one input unless inputNames say otherwise.
  if (root instanceof nn.Sequential && root.forward === nn.Sequential.prototype.forward)
    return [namedParameter("input")];
  return parametersOf(root instanceof Module ? root.forward : root);
}

/** The positional arguments of a call without undefined ones at the end, and its options object. */
export function splitOptions(args: readonly unknown[]): { positional: unknown[]; kwargs: Kwargs } {
  const positional = [...args];
  const last = positional.at(-1);
  const kwargs = isArgumentRecord(last) ? mapRecord(last, (value) => value) : {};
  if (isArgumentRecord(last)) positional.pop();
  for (const [key, value] of Object.entries(kwargs)) if (value === undefined) delete kwargs[key];
  if (!Object.keys(kwargs).length) while (positional.length && positional.at(-1) === undefined) positional.pop();
  return { positional, kwargs };
}

export interface SymbolicTraceOptions {
  readonly concreteArgs?: ConcreteArgs;
  /** See {@link Tracer.trace}. */
  readonly inputNames?: readonly string[];
}

/** A module that does what `root` does, as a graph (`torch.fx.symbolic_trace`). */
export function symbolicTrace(root: TraceRoot, options: SymbolicTraceOptions = {}): GraphModule {
  const tracer = new Tracer();
  const graph = tracer.trace(root, options.concreteArgs, options.inputNames);
  return new GraphModule(tracer.root, graph, root instanceof Module ? root.getName() : root.name || "GraphModule");
}
