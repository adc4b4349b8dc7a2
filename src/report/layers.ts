/**
 * What quantization did to the value after each operator: both graphs run on the same sample, node by node, and the values
 * are compared as soon as the second one is there. Everything before a value is quantized too, so errors add up.
 */
import { noGrad } from "../autograd/grad-mode.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import { Interpreter } from "../fx/interpreter.ts";
import type { FxNode } from "../fx/node.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sameShape } from "../core/shape.ts";
import { ErrorSums, fromDecibels, realValues } from "./decibels.ts";
import type { NodePair, Pairing } from "./pairs.ts";
import type { Decibels, LayerReport } from "./report.ts";

/** Runs a graph and shows every value to `look`. */
class WatchingInterpreter extends Interpreter {
  private readonly look: (node: FxNode, value: unknown) => void;

  constructor(module: GraphModule, look: (node: FxNode, value: unknown) => void) {
    super(module);
    this.look = look;
  }

  override runNode(node: FxNode): unknown {
    const value = super.runNode(node);
    this.look(node, value);
    return value;
  }
}

export class LayerMeter {
  private readonly float: GraphModule;
  private readonly quantized: GraphModule;
  private readonly pairs: readonly NodePair[];
  private readonly sums: ReadonlyMap<NodePair, ErrorSums>;
  private runs = 0;

  constructor(float: GraphModule, quantized: GraphModule, { pairs }: Pairing) {
    this.float = float;
    this.quantized = quantized;
    this.pairs = pairs;
    this.sums = new Map(pairs.map((pair) => [pair, new ErrorSums()]));
  }

  get samples(): number {
    return this.runs;
  }

  /** Runs both graphs. The float values of one sample are in memory at a time. */
  add(inputs: readonly Tensor[]): void {
    const wanted = new Set(this.pairs.map(({ float }) => float));
    const expected = new Map<FxNode, readonly Tensor[]>();
    const byQuantized = new Map<FxNode, NodePair>(this.pairs.map((pair) => [pair.quantized, pair]));
    noGrad(() => {
      new WatchingInterpreter(this.float, (node, value) => {
        if (wanted.has(node)) expected.set(node, tensorsOf(value));
      }).run(...inputs);
      new WatchingInterpreter(this.quantized, (node, value) => {
        const pair = byQuantized.get(node);
        if (pair) this.compare(pair, expected.get(pair.float) ?? [], tensorsOf(value));
      }).run(...inputs);
    });
    this.runs++;
  }

  private compare(pair: NodePair, expected: readonly Tensor[], actual: readonly Tensor[]): void {
    const isComparable =
      expected.length === actual.length && expected.every(({ shape }, i) => sameShape(shape, actual[i].shape));
    const sums = this.sums.get(pair);
    if (!isComparable || !sums) return;
    expected.forEach((tensor, i) => sums.add(realValues(tensor), realValues(actual[i])));
  }

  /** Layers without any element, such as those whose values have no counterpart, are left out. */
  report(): LayerReport[] {
    const measured = new Map<FxNode, Decibels>();
    for (const pair of this.pairs) {
      const sums = this.sums.get(pair) as ErrorSums;
      if (this.runs && (sums.signal !== 0 || sums.noise !== 0)) measured.set(pair.float, sums.sqnrDb);
    }
    const inputs = new InputErrors(measured);
    return this.pairs.flatMap(({ float, operator, explanation }) => {
      const sqnrDb = measured.get(float);
      if (sqnrDb === undefined) return [];
      const { node, operator: name, module, detail } = explanation;
      return { node, operator: name, module, detail, sqnrDb, inputSqnrDb: inputs.lowest(operator) };
    });
  }
}

/** The lowest SQNR among the nearest measured values before a node. */
class InputErrors {
  private readonly measured: ReadonlyMap<FxNode, Decibels>;
  private readonly known = new Map<FxNode, Decibels | null>();

  constructor(measured: ReadonlyMap<FxNode, Decibels>) {
    this.measured = measured;
  }

  /** Nodes are asked for in the order of computation, so that looking back is never deep. */
  lowest(node: FxNode): Decibels | null {
    const known = this.known.get(node);
    if (known !== undefined) return known;
    let lowest: Decibels | null = null;
    for (const input of node.allInputNodes) {
      const value = this.measured.get(input) ?? this.lowest(input);
      if (value === null) continue;
      if (lowest === null || fromDecibels(value) < fromDecibels(lowest)) lowest = value;
    }
    this.known.set(node, lowest);
    return lowest;
  }
}

/** The floating-point and quantized tensors in a value: itself, or those of a list or record. */
export function tensorsOf(value: unknown): readonly Tensor[] {
  if (value instanceof Tensor) return value.isQuantized || value.isFloatingPoint() ? [value] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(tensorsOf);
}
