/**
 * A computation as a list of nodes (`torch.fx.Graph`). The list is the order in which they run; new nodes go before the
 * insertion point, which is the end unless {@link Graph.insertingBefore} or {@link Graph.insertingAfter} moves it.
 */
import { OctetError } from "../core/errors.ts";
import { Module } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { mapRecord } from "./argument.ts";
import { Namespace } from "./names.ts";
import type { Opcode } from "./node.ts";
import { FxNode, formatArgument, mapArg, visitNodes } from "./node.ts";
import type { Target, TargetFunction } from "./targets.ts";
import { printTarget, targetName } from "./targets.ts";

declare module "./node.ts" {
  interface FxNode {
    readonly graph: Graph;
  }
}

const OPCODES: ReadonlySet<string> = new Set<Opcode>([
  "placeholder",
  "get_attr",
  "call_module",
  "call_method",
  "call_function",
  "output",
]);

/** The nodes of a graph in order. Adding and erasing nodes while iterating is safe. */
export class NodeList implements Iterable<FxNode> {
  private readonly end: FxNode;
  private readonly backwards: boolean;

  constructor(end: FxNode, backwards = false) {
    this.end = end;
    this.backwards = backwards;
  }

  *[Symbol.iterator](): IterableIterator<FxNode> {
    const { end, backwards } = this;
    let node = end;
    while ((node = backwards ? node.prev : node.next) !== end) if (!node.erased) yield node;
  }

  /** The same nodes, last first. */
  reversed(): NodeList {
    return new NodeList(this.end, !this.backwards);
  }

  get length(): number {
    let count = 0;
    for (const _ of this) count++;
    return count;
  }
}

export class Graph {
  /** The GraphModule that runs this graph, against which targets are checked. */
  owningModule: Module | null = null;
  /** Stands before the first and after the last node. */
  private readonly end: FxNode = new FxNode(this, "", "output", "root", [], {});
  private insertionPoint: FxNode = this.end;
  private readonly namespace = new Namespace();

  get nodes(): NodeList {
    return new NodeList(this.end);
  }

  // ---------------------------------------------------------------- adding nodes

  /** Adds a node at the insertion point. Its name comes from `name`, or from the target. */
  createNode(
    op: Opcode,
    target: Target,
    args: readonly Argument[] = [],
    kwargs: Kwargs = {},
    name: string = targetName(target),
  ): FxNode {
    if (!OPCODES.has(op)) throw new OctetError(`createNode: "${op}" is not an opcode`);
    const node = new FxNode(this, this.namespace.createName(name), op, target, args, kwargs);
    this.insertionPoint.prepend(node);
    return node;
  }

  /** An input. `defaultValue` is used when the caller gives none. */
  placeholder(name: string, defaultValue?: Argument): FxNode {
    return this.createNode("placeholder", name, defaultValue === undefined ? [] : [defaultValue]);
  }

  /** A parameter, buffer or other attribute of the owning module, by its dotted path. */
  getAttr(path: string): FxNode {
    return this.createNode("get_attr", path);
  }

  callModule(path: string, args: readonly Argument[] = [], kwargs: Kwargs = {}): FxNode {
    return this.createNode("call_module", path, args, kwargs);
  }

  /** A method of the first argument, under PyTorch's name of it (`masked_fill`). */
  callMethod(method: string, args: readonly Argument[] = [], kwargs: Kwargs = {}): FxNode {
    return this.createNode("call_method", method, args, kwargs);
  }

  callFunction(fn: TargetFunction, args: readonly Argument[] = [], kwargs: Kwargs = {}): FxNode {
    return this.createNode("call_function", fn, args, kwargs);
  }

  /** The result. A graph has one, and it is the last node. */
  output(result: Argument): FxNode {
    return this.createNode("output", "output", [result]);
  }

  /** Runs `body`, in which new nodes go before `node` (default: before the first). */
  insertingBefore<T>(node: FxNode | null, body: () => T): T {
    return this.insertingAt(node ?? this.end.next, body);
  }

  /** Runs `body`, in which new nodes go after `node` (default: after the last), each after the one added before it. */
  insertingAfter<T>(node: FxNode | null, body: () => T): T {
    return this.insertingAt(node ? node.next : this.end, body);
  }

  private insertingAt<T>(point: FxNode, body: () => T): T {
    if (point.graph !== this) throw new OctetError("insertion point: the node is not in this graph");
    const before = this.insertionPoint;
    this.insertionPoint = point;
    try {
      return body();
    } finally {
      this.insertionPoint = before;
    }
  }

  /** Copies a node, perhaps of another graph; `argTransform` gives the nodes that its arguments become. */
  nodeCopy(node: FxNode, argTransform: (node: FxNode) => Argument = (arg) => arg): FxNode {
    const copy = this.createNode(
      node.op,
      node.target,
      node.args.map((arg) => mapArg(arg, argTransform)),
      mapRecord(node.kwargs, (value) => mapArg(value, argTransform)),
      node.name,
    );
    copy.meta = { ...node.meta };
    return copy;
  }

  /**
   * Copies all nodes of `graph` but its output, and returns what its result has become. `valueMap` maps nodes of `graph`
   * to nodes here: entries given are used instead of copies, and those of the copies are added.
   */
  graphCopy(graph: Graph, valueMap: Map<FxNode, Argument> = new Map()): Argument {
    const mapped = (node: FxNode): Argument => valueMap.get(node);
    for (const node of graph.nodes) {
      if (valueMap.has(node)) continue;
      if (node.op === "output") return mapArg(node.args[0], mapped);
      valueMap.set(node, this.nodeCopy(node, mapped));
    }
    return null;
  }

  /** A copy that shares no nodes with this graph; `meta` is copied one level deep. */
  deepCopy(): Graph {
    const copy = new Graph();
    const valueMap = new Map<FxNode, Argument>();
    const result = copy.graphCopy(this, valueMap);
    const output = this.findNodes({ op: "output" })[0];
    if (output) copy.output(result).meta = { ...output.meta };
    return copy;
  }

  // ---------------------------------------------------------------- removing nodes

  /** Takes a node without users out of the graph. */
  eraseNode(node: FxNode): void {
    if (node.users.size) {
      const users = [...node.users].map((user) => `${user.name}: None`).join(", ");
      throw new OctetError(
        `Tried to erase Node ${node.name} but it still had ${node.users.size} users in the graph: {${users}}!`,
      );
    }
    if (node.graph !== this) throw new OctetError(`Attempting to remove ${node.name} from wrong graph!`);
    if (node.erased) return;
    node.unlink();
    node.erased = true;
    node.args = [];
    node.kwargs = {};
    if (this.insertionPoint === node) this.insertionPoint = node.next;
  }

  /** Erases nodes whose value nobody uses and that have no other effect. True if there were any. */
  eliminateDeadCode(isImpureNode: (node: FxNode) => boolean = (node) => node.isImpure()): boolean {
    let changed = false;
    for (const node of this.nodes.reversed()) {
      if (node.users.size || isImpureNode(node)) continue;
      this.eraseNode(node);
      changed = true;
    }
    return changed;
  }

  // ---------------------------------------------------------------- asking

  /** The nodes with this opcode and, if given, target, in order. */
  findNodes({ op, target }: { readonly op: Opcode; readonly target?: Target }): FxNode[] {
    return [...this.nodes].filter((node) => node.op === op && (target === undefined || node.target === target));
  }

  /** The last node, which is the output. */
  outputNode(): FxNode {
    const node = this.end.prev;
    if (node === this.end || node.op !== "output") throw new OctetError("outputNode: the graph has no output");
    return node;
  }

  /**
   * Checks that the graph is well formed: every argument belongs to it and is defined before it is used, names are unique,
   * users are recorded on both sides, and targets exist in the owning module.
   */
  lint(): void {
    const defined = new Set<FxNode>();
    const names = new Set<string>();
    for (const node of this.nodes) {
      this.lintNode(node, defined);
      defined.add(node);
      if (names.has(node.name)) throw new OctetError(`Node redefined name ${node.name}!`);
      names.add(node.name);
      if (this.owningModule) lintTarget(node, this.owningModule);
    }
  }

  private lintNode(node: FxNode, defined: ReadonlySet<FxNode>): void {
    if (node.graph !== this) throw new OctetError(`Node '${node.name}' does not belong to this Graph!`);
    const check = (arg: FxNode): void => {
      if (arg.graph !== this) {
        throw new OctetError(
          `Argument '${arg.name}' of Node '${node.name}' does not belong to this Graph, but was used as an argument! ` +
            "If you are copying nodes from another graph, use argTransform of nodeCopy() to remap values",
        );
      }
      if (!defined.has(arg)) {
        throw new OctetError(
          `Argument '${arg.name}' of Node '${node.name}' was used before it has been defined! Nodes must stand in the ` +
            "order in which they run",
        );
      }
      if (!arg.users.has(node)) throw new OctetError(`Node '${node.name}' is missing from the users of '${arg.name}'`);
    };
    visitNodes(node.args as Argument, check);
    visitNodes(node.kwargs, check);
    for (const user of node.users) {
      if (user.erased || !user.allInputNodes.includes(node)) {
        throw new OctetError(`Node '${user.name}' is a user of '${node.name}' but does not use it`);
      }
    }
  }

  // ---------------------------------------------------------------- printing

  toString(): string {
    return `graph():${[...this.nodes].map((node) => `\n    ${node.formatNode()}`).join("")}`;
  }

  /** What JSON and test reports show. */
  toJSON(): string {
    return this.toString();
  }

  /** The nodes as a table of opcode, name, target, args and kwargs. */
  tabular(): string {
    const header = ["opcode", "name", "target", "args", "kwargs"];
    const rows = [...this.nodes].map((node) => [
      node.op,
      node.name,
      printTarget(node.target),
      node.args.map(formatArgument).join(", "),
      formatArgument(node.kwargs),
    ]);
    const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)));
    const line = (row: readonly string[]): string =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd();
    return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
  }

  printTabular(): void {
    console.log(this.tabular());
  }
}

/** Checks that what a node refers to exists in `root`. */
function lintTarget(node: FxNode, root: Module): void {
  const { op, target, name } = node;
  if (op === "call_function") {
    if (typeof target !== "function") throw new OctetError(`Node ${name} target ${target} is not a function`);
    return;
  }
  if (typeof target !== "string") throw new OctetError(`Node ${name} target ${printTarget(target)} is not a string`);
  if (op !== "get_attr" && op !== "call_module") return;
  const found = attributeAt(root, target);
  if (found === undefined) throw new OctetError(`Node ${name} target ${target} references nonexistent attribute`);
  if (op === "call_module" && !(found instanceof Module)) {
    throw new OctetError(`Node ${name} target ${target} does not reference a Module`);
  }
}

/** What stands at a dotted path below `root`: a module, parameter, buffer or other attribute; undefined if nothing does. */
export function attributeAt(root: Module, path: string): unknown {
  let value: unknown = root;
  for (const atom of path.split(".")) value = attributeOf(value, atom);
  return value;
}

/** Containers keep their modules elsewhere than in properties; these are looked up among them. */
function attributeOf(owner: unknown, atom: string): unknown {
  if (!(owner instanceof Module)) {
    return typeof owner === "object" && owner !== null ? (owner as Record<string, unknown>)[atom] : undefined;
  }
  const own: unknown = Object.hasOwn(owner, atom) ? (owner as unknown as Record<string, unknown>)[atom] : undefined;
  if (own instanceof Module || own instanceof Tensor) return own;
  const child = owner.ownModule(atom);
  if (child) return child;
  // Only lists and dictionaries of parameters keep them elsewhere than in properties.
  if (owner.ownParameters === Module.prototype.ownParameters) return own;
  for (const [name, parameter] of owner.ownParameters()) if (name === atom) return parameter;
  return own;
}
