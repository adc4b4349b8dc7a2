/**
 * A graph made ready to run: one closure per node over an array of values, in which a value is forgotten after its last
 * use. No code is generated, so that pages that forbid `eval` run graphs too.
 */
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import type { Argument } from "./argument.ts";
import { isArgumentRecord } from "./argument.ts";
import type { Graph } from "./graph.ts";
import { attributeAt } from "./graph.ts";
import { camelCase } from "./names.ts";
import { FxNode } from "./node.ts";

/** The values of the nodes of one run, by position. */
type Values = unknown[];
type Evaluate = (values: Values, inputs: readonly unknown[]) => unknown;

interface Step {
  readonly evaluate: Evaluate;
  /** Place of the result. */
  readonly slot: number;
  /** Places that nobody reads after this step. */
  readonly dead: readonly number[];
}

export class Program {
  private readonly steps: readonly Step[];
  private readonly inputCount: number;

  /** `module` holds the modules and tensors that the graph names; they are looked up anew in every run. */
  constructor(graph: Graph, module: Module) {
    const nodes = [...graph.nodes];
    const slots = new Map(nodes.map((node, slot) => [node, slot]));
    const dead = deadAfter(nodes, slots);
    const placeholders = nodes.filter((node) => node.op === "placeholder");
    const compiler = new Compiler(module, slots, placeholders);
    this.inputCount = placeholders.some(isRest) ? Infinity : placeholders.length;
    this.steps = nodes.map((node, slot) => ({ evaluate: compiler.compile(node), slot, dead: dead[slot] }));
  }

  /** The value of the output node. */
  run(inputs: readonly unknown[]): unknown {
    if (inputs.length > this.inputCount) {
      throw new OctetError(`forward: takes ${this.inputCount} inputs, ${inputs.length} were given`);
    }
    const values: Values = new Array<unknown>(this.steps.length);
    let result: unknown;
    for (const { evaluate, slot, dead } of this.steps) {
      result = evaluate(values, inputs);
      values[slot] = result;
      for (const place of dead) values[place] = undefined;
    }
    return result;
  }
}

/** True for a placeholder that takes all remaining inputs. */
function isRest(placeholder: FxNode): boolean {
  return (placeholder.target as string).startsWith("*");
}

/** For each node, the places whose last reader it is; its own where nobody reads it. */
function deadAfter(nodes: readonly FxNode[], slots: ReadonlyMap<FxNode, number>): number[][] {
  const seen = new Set<FxNode>();
  const dead: number[][] = nodes.map(() => []);
  for (const node of nodes.toReversed()) {
    const mine = dead[slots.get(node) as number];
    for (const value of [node, ...node.allInputNodes]) {
      if (!seen.has(value)) mine.push(slots.get(value) as number);
      seen.add(value);
    }
  }
  return dead;
}

class Compiler {
  private readonly module: Module;
  private readonly slots: ReadonlyMap<FxNode, number>;
  private readonly placeholders: readonly FxNode[];

  constructor(module: Module, slots: ReadonlyMap<FxNode, number>, placeholders: readonly FxNode[]) {
    this.module = module;
    this.slots = slots;
    this.placeholders = placeholders;
  }

  compile(node: FxNode): Evaluate {
    const { op, module } = { op: node.op, module: this.module };
    const target = node.target as string;
    switch (op) {
      case "placeholder":
        return this.placeholder(node);
      case "output":
        return this.reader(node.args[0]);
      case "get_attr":
        return () => {
          const value = attributeAt(module, target);
          if (value === undefined) throw new OctetError(`${module.getName()}: has no attribute "${target}"`);
          return value;
        };
      case "call_module": {
        const args = this.argumentReader(node);
        return (values, inputs) => moduleAt(module, target)(...args(values, inputs));
      }
      case "call_method": {
        const args = this.argumentReader(node);
        return (values, inputs) => callMethod(target, args(values, inputs));
      }
      case "call_function": {
        const fn = node.target as unknown as (...args: unknown[]) => unknown;
        const args = this.argumentReader(node);
        return (values, inputs) => fn(...args(values, inputs));
      }
      default:
        return op satisfies never;
    }
  }

  private placeholder(node: FxNode): Evaluate {
    const position = this.placeholders.indexOf(node);
    if (isRest(node)) return (_, inputs) => inputs.slice(position);
    const defaultValue = node.args.length ? this.reader(node.args[0]) : null;
    const used = node.users.size > 0;
    return (values, inputs) => {
      const value = inputs[position];
      if (value !== undefined) return value;
      if (defaultValue) return defaultValue(values, inputs);
      if (used) throw new OctetError(`forward: the input "${String(node.target)}" is missing`);
      return undefined;
    };
  }

  /** Reads all arguments of a call: the positional ones, then the options object if there are named ones. */
  private argumentReader(node: FxNode): (values: Values, inputs: readonly unknown[]) => unknown[] {
    const all = Object.keys(node.kwargs).length ? [...node.args, node.kwargs] : node.args;
    const readers = all.map((arg) => this.reader(arg));
    return (values, inputs) => readers.map((read) => read(values, inputs));
  }

  private reader(argument: Argument): Evaluate {
    if (argument instanceof FxNode) {
      const slot = this.slots.get(argument);
      if (slot === undefined) throw new OctetError(`the graph uses ${argument.name}, which is not in it`);
      return (values) => values[slot];
    }
    if (Array.isArray(argument)) {
      const readers = argument.map((item: Argument) => this.reader(item));
      return (values, inputs) => readers.map((read) => read(values, inputs));
    }
    if (!isArgumentRecord(argument)) return () => argument;
    const readers = Object.entries(argument).map(([key, value]) => [key, this.reader(value)] as const);
    return (values, inputs) => Object.fromEntries(readers.map(([key, read]) => [key, read(values, inputs)]));
  }
}

/** The module at a dotted path. */
export function moduleAt(root: Module, path: string): Module {
  const found = attributeAt(root, path);
  if (!(found instanceof Module)) throw new OctetError(`${root.getName()}: has no module "${path}"`);
  return found;
}

/** Calls the method that PyTorch names `method` of the first of `args` with the others. */
export function callMethod(method: string, [self, ...args]: readonly unknown[]): unknown {
  const fn: unknown = (self as Record<string, unknown> | undefined)?.[camelCase(method)];
  if (typeof fn !== "function") throw new OctetError(`call_method: the value has no method "${method}"`);
  return (fn as (...args: unknown[]) => unknown).apply(self, args);
}
