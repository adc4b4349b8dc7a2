/**
 * A module whose `forward` is a graph (`torch.fx.GraphModule`). It holds those modules and tensors of another module that
 * the graph names, under the same paths, and runs the graph as prepared closures.
 */
import { OctetError } from "../core/errors.ts";
import { sameShape } from "../core/shape.ts";
import { BEFORE_DEEP_COPY } from "../nn/deep-copy.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import type { LoadContext, StateDict } from "../nn/state-dict.ts";
import { sizeMismatch } from "../nn/state-dict.ts";
import type { AnyPackedParams } from "../ops/quantized/packed-forms.ts";
import { isPacked, packAs, packedForm, packedTensors } from "../ops/quantized/packed-forms.ts";
import { Tensor } from "../tensor/tensor.ts";
import { printCode } from "./code.ts";
import type { Graph } from "./graph.ts";
import { attributeAt } from "./graph.ts";
import { Program } from "./program.ts";

export class GraphModule extends Module {
  /** Anything that passes want to note; copied one level deep with the module. */
  meta: Record<string, unknown> = {};
  readonly className: string;
  private currentGraph: Graph;
  /** Null in a fresh copy, until it first runs. */
  private program: Program | null = null;
  private codeText = "";

  /**
   * `root` is the module that the targets of `graph` refer to, or a record from target to module or tensor. Nothing is
   * copied: the new module shares them with `root`.
   */
  constructor(root: Module | Readonly<Record<string, Module | Tensor>>, graph: Graph, className = "GraphModule") {
    super();
    this.className = className;
    if (root instanceof Module) this.training = root.training;
    for (const { op, target, name } of graph.nodes) {
      if (op !== "get_attr" && op !== "call_module") continue;
      const path = target as string;
      const value = root instanceof Module ? attributeAt(root, path) : root[path];
      if (value !== undefined && value !== null) assignAttribute(this, path, value);
      else if (!(root instanceof Module)) {
        throw new OctetError(`Node ${name} referenced target ${path} but that target was not provided in "root"!`);
      }
    }
    this.currentGraph = graph;
    this.graph = graph;
  }

  /** The graph that `forward` runs. After changing it, call {@link recompile}; assigning one does that. */
  get graph(): Graph {
    this.currentGraph.owningModule = this;
    return this.currentGraph;
  }

  set graph(graph: Graph) {
    this.currentGraph = graph;
    graph.owningModule = this;
    this.recompile();
  }

  /** Makes `forward` and `code` follow the graph as it is now. */
  recompile(): void {
    this.program = new Program(this.graph, this);
    this.codeText = printCode(this.currentGraph);
  }

  /** The text of a function that does what `forward` does. It is for reading: nothing evaluates it. */
  get code(): string {
    return this.codeText;
  }

  // eslint-disable-next-line typescript/no-explicit-any -- a graph takes and returns what it was traced with
  override forward(...inputs: any[]): any {
    this.program ??= new Program(this.graph, this);
    return this.program.run(inputs);
  }

  override getName(): string {
    return this.className;
  }

  /** Adds a module at a dotted path, with empty modules on the way. False if something else stands there. */
  addSubmodule(path: string, module: Module): boolean {
    const cut = path.lastIndexOf(".");
    const owner = cut < 0 ? this : ownerAt(this, path.slice(0, cut));
    if (!owner) return false;
    owner.setChild(path.slice(cut + 1), module);
    return true;
  }

  /** Removes the module at a dotted path. False if there is none. */
  deleteSubmodule(path: string): boolean {
    const cut = path.lastIndexOf(".");
    const owner = cut < 0 ? this : attributeAt(this, path.slice(0, cut));
    return owner instanceof Module && owner.deleteChild(path.slice(cut + 1));
  }

  /** Removes every module that the graph neither calls nor reads a tensor of, nor any module inside or around it. */
  deleteAllUnusedSubmodules(): void {
    const used: string[] = [];
    for (const { op, target } of this.graph.nodes) {
      if (op === "call_module" || op === "get_attr") used.push(target as string);
    }
    const isUsed = (path: string): boolean =>
      used.some((target) => `${target}.`.startsWith(`${path}.`) || `${path}.`.startsWith(`${target}.`));
    for (const path of pathsBelow(this, "")) if (!isUsed(path)) this.deleteSubmodule(path);
  }

  /** Prints {@link code} with the class's name and returns it. */
  printReadable(): string {
    const text = `class ${this.className} {\n  ${this.code.replaceAll("\n", "\n  ")}\n}`;
    console.log(text);
    return text;
  }

  /** Also packed weights among the attributes: the weight under `_packed_weight_0.0`, its bias under `….1`. */
  override saveToStateDict(state: StateDict, prefix: string): void {
    super.saveToStateDict(state, prefix);
    for (const [name, packed] of this.packedAttributes()) {
      const [weight, bias] = packedTensors(packed);
      state.set(`${prefix}${name}.0`, weight);
      if (bias) state.set(`${prefix}${name}.1`, bias);
    }
  }

  /** Packed weights are packed anew, the way they were. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const known = super.loadFromStateDict(context, prefix);
    for (const [name, packed] of this.packedAttributes()) {
      const keys = [`${prefix}${name}.0`, `${prefix}${name}.1`];
      known.push(...keys);
      const [weight, bias] = keys.map((key) => context.state.get(key));
      if (!weight) context.missingKeys.push(keys[0]);
      else this.loadPacked(name, packed, weight, bias ?? null, { context, key: keys[0] });
    }
    return known;
  }

  private loadPacked(
    name: string,
    packed: AnyPackedParams,
    weight: Tensor,
    bias: Tensor | null,
    { context, key }: { context: LoadContext; key: string },
  ): void {
    const [own] = packedTensors(packed);
    if (!sameShape(weight.shape, own.shape)) {
      context.errors.push(sizeMismatch(key, weight.shape, own.shape));
    } else if (weight.isQuantized !== own.isQuantized) {
      context.errors.push(`dtype mismatch for ${key}: ${weight.dtype.name} cannot be loaded into ${own.dtype.name}.`);
    } else {
      try {
        (this as unknown as Record<string, unknown>)[name] = packAs(packedForm(packed), weight, bias);
      } catch (error) {
        if (!(error instanceof OctetError)) throw error;
        context.errors.push(`${key} cannot be packed: ${error.message}.`);
      }
    }
  }

  private packedAttributes(): [string, AnyPackedParams][] {
    return Object.entries(this).filter((entry): entry is [string, AnyPackedParams] => isPacked(entry[1]));
  }

  override repr(): string {
    return super.toString();
  }

  /** The module tree and the code. */
  override toString(): string {
    return `${this.repr()}\n\n${this.code}\n\n# To see more debug info, please use graphModule.printReadable()`;
  }

  /** @internal The graph is copied as one, not node by node along its links, and meta one level deep. */
  [BEFORE_DEEP_COPY](memo: Map<unknown, unknown>): void {
    memo.set(this.meta, { ...this.meta });
    memo.set(this.currentGraph, this.currentGraph.deepCopy());
    memo.set(this.program, null);
  }
}

/** The paths of all modules below one, of a shared module every one. */
function pathsBelow(root: Module, prefix: string): string[] {
  const paths = [...root.ownModules()].map(([name, child]) => [prefix + name, child] as const);
  return paths.flatMap(([path, child]) => [path, ...pathsBelow(child, `${path}.`)]);
}

/** The module at a dotted path below `root`, made empty if there is nothing. Null if something else stands on the way. */
function ownerAt(root: Module, path: string): Module | null {
  let owner = root;
  for (const atom of path.split(".")) {
    let next = attributeAt(owner, atom);
    if (next === undefined) owner.setChild(atom, (next = new Module()));
    if (!(next instanceof Module)) return null;
    owner = next;
  }
  return owner;
}

/** Puts a module or tensor at a dotted path below `root`, with empty modules on the way. */
export function assignAttribute(root: Module, path: string, value: unknown): void {
  const cut = path.lastIndexOf(".");
  const owner = cut < 0 ? root : ownerAt(root, path.slice(0, cut));
  const name = path.slice(cut + 1);
  if (!owner) throw new OctetError(`GraphModule: "${path}" lies below something that is not a module`);
  if (attributeAt(owner, name) === value) return;
  if (value instanceof Module) owner.setChild(name, value);
  else if (value instanceof Parameter) owner.registerParameter(name, value);
  else if (value instanceof Tensor) owner.registerBuffer(name, value);
  else (owner as unknown as Record<string, unknown>)[name] = value;
}
