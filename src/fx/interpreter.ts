/**
 * Runs a graph node by node (`torch.fx.Interpreter`): the plain definition of what each opcode does, made to be subclassed.
 * A GraphModule itself runs its prepared program, which does the same faster.
 */
import { OctetError } from "../core/errors.ts";
import type { Module } from "../nn/module.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { mapRecord } from "./argument.ts";
import type { GraphModule } from "./graph-module.ts";
import type { Graph } from "./graph.ts";
import { attributeAt } from "./graph.ts";
import type { FxNode, TargetFunction } from "./node.ts";
import { mapArg } from "./node.ts";
import { callMethod, moduleAt } from "./program.ts";

export interface InterpreterOptions {
  /** Forgets values after their last use (the default). Otherwise {@link Interpreter.env} has all of them in the end. */
  readonly garbageCollectValues?: boolean;
  /** Runs this graph on the module instead of its own. */
  readonly graph?: Graph;
}

export class Interpreter {
  readonly module: Module;
  readonly graph: Graph;
  /** The value of every node that has run and is still needed. */
  readonly env = new Map<FxNode, unknown>();
  private readonly lastUses: ReadonlyMap<FxNode, readonly FxNode[]>;
  private inputs: readonly unknown[] = [];
  private inputsTaken = 0;

  constructor(module: GraphModule, options?: InterpreterOptions);
  constructor(module: Module, options: InterpreterOptions & { readonly graph: Graph });
  constructor(module: Module, options: InterpreterOptions = {}) {
    this.module = module;
    this.graph = options.graph ?? (module as GraphModule).graph;
    this.lastUses = options.garbageCollectValues === false ? new Map() : valuesByLastUse(this.graph);
  }

  /** The result of the graph for these inputs. */
  run(...inputs: readonly unknown[]): unknown {
    this.env.clear();
    this.inputs = inputs;
    this.inputsTaken = 0;
    for (const node of this.graph.nodes) {
      const value = this.runNode(node);
      if (node.op === "output") return value;
      this.env.set(node, value);
      for (const dead of this.lastUses.get(node) ?? []) this.env.delete(dead);
    }
    return undefined;
  }

  /** The value of one node, of which the inputs have run. */
  runNode(node: FxNode): unknown {
    const { op } = node;
    const { args, kwargs } = this.fetchArgsKwargsFromEnv(node);
    const target = node.target as string;
    switch (op) {
      case "placeholder":
        return this.placeholder(target, args, kwargs);
      case "get_attr":
        return this.getAttr(target, args, kwargs);
      case "call_module":
        return this.callModule(target, args, kwargs);
      case "call_method":
        return this.callMethod(target, args, kwargs);
      case "call_function":
        return this.callFunction(node.target as TargetFunction, args, kwargs);
      case "output":
        return this.output(target, args, kwargs);
      default:
        return op satisfies never;
    }
  }

  // ---------------------------------------------------------------- one method per opcode, for subclasses to change

  placeholder(target: string, args: readonly unknown[], _kwargs: Kwargs): unknown {
    if (target.startsWith("*")) return this.inputs.slice(this.inputsTaken);
    const value = this.inputs[this.inputsTaken++];
    if (value !== undefined) return value;
    if (args.length) return args[0];
    throw new OctetError(`Expected positional argument for parameter ${target}, but one was not passed in!`);
  }

  getAttr(target: string, _args: readonly unknown[], _kwargs: Kwargs): unknown {
    return this.fetchAttr(target);
  }

  callModule(target: string, args: readonly unknown[], kwargs: Kwargs): unknown {
    return moduleAt(this.module, target)(...joinOptions(args, kwargs));
  }

  callMethod(target: string, args: readonly unknown[], kwargs: Kwargs): unknown {
    return callMethod(target, joinOptions(args, kwargs));
  }

  callFunction(target: TargetFunction, args: readonly unknown[], kwargs: Kwargs): unknown {
    return (target as (...args: readonly unknown[]) => unknown)(...joinOptions(args, kwargs));
  }

  output(_target: string, args: readonly unknown[], _kwargs: Kwargs): unknown {
    return args[0];
  }

  // ---------------------------------------------------------------- helpers

  /** What stands at a dotted path below the module. */
  fetchAttr(path: string): unknown {
    const value = attributeAt(this.module, path);
    if (value === undefined)
      throw new OctetError(`${this.module.getName()}: references nonexistent attribute "${path}"`);
    return value;
  }

  /** The arguments of a node with the values of nodes in their place. */
  fetchArgsKwargsFromEnv(node: FxNode): { args: unknown[]; kwargs: Record<string, Argument> } {
    return {
      args: node.args.map((arg) => this.mapNodesToValues(arg, node)),
      kwargs: mapRecord(node.kwargs, (value) => this.mapNodesToValues(value, node)),
    };
  }

  mapNodesToValues(argument: Argument, node: FxNode): Argument {
    return mapArg(argument, (input) => {
      if (!this.env.has(input)) throw new OctetError(`Node ${node.name} referenced nonexistent value ${input.name}!`);
      return this.env.get(input) as Argument;
    });
  }
}

/** The arguments of a call as JavaScript writes it: the named ones in an object at the end. */
export function joinOptions(args: readonly unknown[], kwargs: Kwargs): readonly unknown[] {
  return Object.keys(kwargs).length ? [...args, kwargs] : args;
}

/** For each node, the values that nobody needs after it. */
function valuesByLastUse(graph: Graph): Map<FxNode, FxNode[]> {
  const seen = new Set<FxNode>();
  const last = new Map<FxNode, FxNode[]>();
  for (const node of graph.nodes.reversed()) {
    const dying = [node, ...node.allInputNodes].filter((value) => !seen.has(value));
    for (const value of dying) seen.add(value);
    last.set(node, dying);
  }
  return last;
}
