/** What the steps of lowering share, and the patterns that they look for. */
import type { GraphModule } from "../../fx/graph-module.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { TargetFunction } from "../../fx/targets.ts";
import { printTarget } from "../../fx/targets.ts";
import type { Module } from "../../nn/module.ts";
import { ReLU } from "../../nn/modules/activation.ts";
import { relu } from "../../ops/activation.ts";
import { quantizePerTensor } from "../../ops/quantize.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { operatorLowerings } from "../recipes/operators.ts";
import type { OperatorLowering } from "../recipes/lowering.ts";
import type { NodeQconfigs, NodeScopes } from "./node-qconfigs.ts";
import { namedModulesOf, moduleOf } from "./node-queries.ts";
import { isDequantize } from "./replace-observers.ts";

/** An operator whose output is quantized, maybe after a ReLU. */
export interface QuantizedOutput {
  readonly quantize: FxNode;
  readonly relu: FxNode | null;
  readonly operator: FxNode;
}

export class LoweringContext {
  readonly model: GraphModule;
  readonly modules: Map<string, Module>;
  readonly scopes: NodeScopes;
  /** What became of the nodes that were lowered, by their names before. */
  readonly lowered = new Map<string, string>();
  /** Nodes in integers whose results are on another grid than the observer's there: on one that follows from their input's. */
  readonly offGrid = new Set<FxNode>();
  /** Paths of modules that were swapped. */
  readonly swapped = new Set<string>();
  private readonly qconfigs: NodeQconfigs;

  constructor(model: GraphModule, qconfigs: NodeQconfigs, scopes: NodeScopes) {
    this.model = model;
    this.modules = namedModulesOf(model);
    this.qconfigs = qconfigs;
    this.scopes = scopes;
  }

  moduleOf(node: FxNode): Module | undefined {
    return moduleOf(node, this.modules);
  }

  /** True for an operator that is to stay float. */
  skips(node: FxNode): boolean {
    return this.qconfigs.has(node.name) && this.qconfigs.get(node.name) === null;
  }

  loweringOf(node: FxNode): OperatorLowering | undefined {
    if (node.op !== "call_function" && node.op !== "call_method") return undefined;
    return operatorLowerings.get(node.target);
  }

  /**
   * The quantize nodes of the graph with the operators before them, if nobody else reads the float values there. A ReLU that
   * is to stay float keeps the operator before it in float.
   */
  *quantizedOutputs(): Iterable<QuantizedOutput> {
    for (const quantize of this.model.graph.nodes) {
      if (quantize.erased || quantize.op !== "call_function" || quantize.target !== quantizePerTensor) continue;
      const [source] = quantize.args;
      if (!isNode(source) || source.users.size > 1) continue;
      const before = source.args[0];
      if (
        this.isRelu(source) &&
        !this.skips(source) &&
        isNode(before) &&
        this.takesRelu(before) &&
        before.users.size === 1
      )
        yield { quantize, relu: source, operator: before };
      else yield { quantize, relu: null, operator: source };
    }
  }

  /** Whether an operator has a quantized form that ends with a ReLU, or none of its own. */
  private takesRelu(node: FxNode): boolean {
    const lowering = this.loweringOf(node);
    return (lowering?.kind === "weighted" || lowering?.kind === "binary") && !!lowering.quantizedRelu;
  }

  isRelu(node: FxNode): boolean {
    return node.op === "call_function" ? node.target === relu : this.moduleOf(node)?.constructor === ReLU;
  }

  /** The output's scale and zero point at a quantize node, which reads them from buffers. */
  outputQparams(quantize: FxNode): [scale: number, zeroPoint: number] {
    const [, scale, zeroPoint] = quantize.args as readonly FxNode[];
    const value = (node: FxNode): number =>
      (this.model as unknown as Record<string, Tensor>)[String(node.target)].item();
    return [value(scale), value(zeroPoint)];
  }

  note(node: FxNode, became: Module | TargetFunction | string): void {
    this.lowered.set(node.name, isModule(became) ? became.getName() : printTarget(became));
  }
}

function isModule(value: Module | TargetFunction | string): value is Module {
  return typeof value === "function" && "getName" in value;
}

/** Makes `node` read what its dequantized inputs were dequantized from. */
export function skipDequantize(node: FxNode): void {
  for (const input of node.allInputNodes) {
    if (isDequantize(input)) node.replaceInputWith(input, input.args[0] as FxNode);
  }
}

/** Erases a quantize node and, if nobody else reads them, the nodes of its qparams. */
export function eraseQuantize(quantize: FxNode): void {
  const { graph } = quantize;
  const [, ...qparams] = quantize.args;
  graph.eraseNode(quantize);
  for (const node of qparams) if (isNode(node) && node.users.size === 0) graph.eraseNode(node);
}
