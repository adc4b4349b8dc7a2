/**
 * One step of a graph (`torch.fx.Node`). Nodes form a doubly linked list in the order they run; each knows the nodes that
 * use its value. Which graph a node belongs to is declared in graph.ts. Exported as `Node` from the namespace.
 */
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { isArgumentRecord, mapAggregate, mapRecord, visitAggregate } from "./argument.ts";
import type { Target, TargetFunction } from "./targets.ts";
import { printTarget, targetName } from "./targets.ts";

export type { Argument, Kwargs } from "./argument.ts";
export type { Target, TargetFunction } from "./targets.ts";

export type Opcode = "placeholder" | "get_attr" | "call_module" | "call_method" | "call_function" | "output";

export interface ReplaceOptions {
  /** Returns false for users that keep the old value. */
  readonly deleteUserCb?: (user: FxNode) => boolean;
  /** Copies `meta` to the replacement, which must not have any. */
  readonly propagateMeta?: boolean;
}

/** Functions that matter although nobody uses their value. */
const sideEffectful = new Set<unknown>();

/** Keeps calls of `fn` from being removed as dead code (`torch.fx.node.has_side_effect`). */
export function hasSideEffect<F extends TargetFunction>(fn: F): F {
  sideEffectful.add(fn);
  return fn;
}

export class FxNode {
  readonly op: Opcode;
  /** The name of the value, unique in the graph. */
  name: string;
  /** The function for call_function; else the name of a placeholder or method, or a dotted path. */
  target: Target;
  /** Nodes that use this value, in the order in which they began to. */
  readonly users: Set<FxNode> = new Set();
  /** Anything that passes want to note. */
  meta: Record<string, unknown> = {};
  /** @internal Set when the node has been taken out of its graph. */
  erased = false;
  /** @internal */
  previousNode: FxNode = this;
  /** @internal */
  nextNode: FxNode = this;
  private inputs = new Set<FxNode>();
  private argList: readonly Argument[] = [];
  private kwargRecord: Kwargs = {};

  /** Made by `Graph.createNode`. */
  constructor(graph: object, name: string, op: Opcode, target: Target, args: readonly Argument[], kwargs: Kwargs) {
    Object.defineProperty(this, "graph", { value: graph }); // not enumerable: tests that compare nodes skip it
    this.op = op;
    this.name = name;
    this.target = target;
    this.setArguments(args, kwargs);
  }

  /** The positional arguments. Assigning updates the users of the nodes among them. */
  get args(): readonly Argument[] {
    return this.argList;
  }

  set args(args: readonly Argument[]) {
    this.setArguments(args, this.kwargRecord);
  }

  /** The named arguments. Assigning updates the users of the nodes among them. */
  get kwargs(): Kwargs {
    return this.kwargRecord;
  }

  set kwargs(kwargs: Kwargs) {
    this.setArguments(this.argList, kwargs);
  }

  private setArguments(args: readonly Argument[], kwargs: Kwargs): void {
    for (const input of this.inputs) input.users.delete(this);
    this.inputs = new Set();
    const note = (leaf: Argument): Argument => {
      if (leaf instanceof FxNode) {
        this.inputs.add(leaf);
        leaf.users.add(this);
      }
      return leaf;
    };
    this.argList = args.map((arg) => mapAggregate(arg, note));
    this.kwargRecord = mapRecord(kwargs, (value) => mapAggregate(value, note));
  }

  /** The nodes among the arguments, each once, in order. */
  get allInputNodes(): FxNode[] {
    return [...this.inputs];
  }

  /** The node after this one; the last one gives the list's end, whose op no node has. */
  get next(): FxNode {
    return this.nextNode;
  }

  get prev(): FxNode {
    return this.previousNode;
  }

  /** Moves `node` in front of this one. */
  prepend(node: FxNode): void {
    if (node.graph !== this.graph) throw new OctetError("Attempting to move a Node into a different Graph");
    if (node === this) return;
    node.unlink();
    const before = this.previousNode;
    before.nextNode = node;
    node.previousNode = before;
    node.nextNode = this;
    this.previousNode = node;
  }

  /** Moves `node` behind this one. */
  append(node: FxNode): void {
    if (node !== this.nextNode) this.nextNode.prepend(node);
  }

  /** @internal Takes the node out of the list; users and arguments stay. */
  unlink(): void {
    this.previousNode.nextNode = this.nextNode;
    this.nextNode.previousNode = this.previousNode;
  }

  /** Makes all users use `replacement` instead; returns those that were changed. */
  replaceAllUsesWith(replacement: FxNode, options: ReplaceOptions = {}): FxNode[] {
    const { deleteUserCb = () => true, propagateMeta = false } = options;
    if (propagateMeta) {
      if (Object.keys(replacement.meta).length) {
        throw new OctetError("replaceAllUsesWith: propagateMeta needs a replacement without meta");
      }
      Object.assign(replacement.meta, this.meta);
    }
    const changed = [...this.users].filter(deleteUserCb);
    for (const user of changed) user.replaceInputWith(this, replacement);
    return changed;
  }

  /** Replaces every use of `from` among the arguments by `to`. */
  replaceInputWith(from: FxNode, to: FxNode): void {
    const replace = (leaf: Argument): Argument => (leaf === from ? to : leaf);
    this.setArguments(
      this.argList.map((arg) => mapAggregate(arg, replace)),
      mapRecord(this.kwargRecord, (value) => mapAggregate(value, replace)),
    );
  }

  updateArg(index: number, arg: Argument): void {
    this.args = this.argList.map((old, i) => (i === index ? arg : old));
  }

  updateKwarg(key: string, arg: Argument): void {
    this.kwargs = { ...this.kwargRecord, [key]: arg };
  }

  /** Puts an argument before position `index`. */
  insertArg(index: number, arg: Argument): void {
    if (index < 0 || index > this.argList.length) {
      throw new OctetError(`insertArg: index ${index} must be between 0 and ${this.argList.length}`);
    }
    this.args = [...this.argList.slice(0, index), arg, ...this.argList.slice(index)];
  }

  /**
   * True if the node matters even when nobody uses its value. Unlike in PyTorch that is so for what writes in place, by its
   * name (`add_`) or by `{ inplace: true }`: others may use the tensor it writes to.
   */
  isImpure(): boolean {
    if (this.op === "placeholder" || this.op === "output") return true;
    if (this.op === "call_method") return (this.target as string).endsWith("_");
    if (this.op === "call_function") {
      return sideEffectful.has(this.target) || targetName(this.target).endsWith("_") || this.kwargs.inplace === true;
    }
    if (this.op !== "call_module") return false;
    const module = this.graph.owningModule?.getSubmodule(this.target as string);
    if (!module) throw new OctetError("isImpure: the graph has no owning module in which to look up the module");
    return "isImpure" in module && module.isImpure === true;
  }

  /** One line that describes the node, as PyTorch prints it. */
  formatNode(): string {
    const { op, name, args } = this;
    if (op === "output") return `return ${formatValue(args[0], false)}`;
    const head = `%${name} : [num_users=${this.users.size}] = ${op}[target=${printTarget(this.target)}]`;
    if (op === "get_attr") return head;
    if (op === "placeholder") return args.length ? `${head}(default=${formatValue(args[0], false)})` : head;
    return `${head}(args = ${formatTuple(args)}, kwargs = ${formatArgument(this.kwargs)})`;
  }

  toString(): string {
    return this.name;
  }

  /** What JSON and test reports show; following the links of a node would never end. */
  toJSON(): string {
    return this.formatNode();
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.name;
  }
}

/** A copy of `argument` with every node replaced by `fn(node)` (`torch.fx.map_arg`). */
export function mapArg(argument: Argument, fn: (node: FxNode) => Argument): Argument {
  return mapAggregate(argument, (leaf) => (leaf instanceof FxNode ? fn(leaf) : leaf));
}

/** Calls `fn` with every node in `argument`. */
export function visitNodes(argument: Argument, fn: (node: FxNode) => void): void {
  visitAggregate(argument, (leaf) => {
    if (leaf instanceof FxNode) fn(leaf);
  });
}

/** An argument as PyTorch prints it in a graph: nodes with a percent sign, strings without quotes. */
export function formatArgument(argument: Argument): string {
  return formatValue(argument, true);
}

function formatTuple(args: readonly Argument[]): string {
  return `(${args.map(formatArgument).join(", ")}${args.length === 1 ? "," : ""})`;
}

function formatValue(argument: Argument, marked: boolean): string {
  if (argument instanceof FxNode) return marked ? `%${argument.name}` : argument.name;
  if (Array.isArray(argument)) return `[${argument.map((item: Argument) => formatValue(item, marked)).join(", ")}]`;
  if (isArgumentRecord(argument)) {
    // Inside `return`, PyTorch writes dictionaries with quoted keys.
    const entry = ([key, value]: [string, Argument]): string =>
      `${marked ? key : `'${key}'`}: ${formatValue(value, marked)}`;
    return `{${Object.entries(argument).map(entry).join(", ")}}`;
  }
  if (argument === null || argument === undefined) return "None";
  if (argument === true) return "True";
  if (argument === false) return "False";
  if (typeof argument === "function")
    return argument instanceof Module ? argument.getName() : printTarget(argument as TargetFunction);
  // eslint-disable-next-line typescript/no-base-to-string -- frozen records that graphs hold print themselves
  return String(argument);
}

export function isNode(value: unknown): value is FxNode {
  return value instanceof FxNode;
}
