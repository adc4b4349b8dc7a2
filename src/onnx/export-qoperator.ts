/**
 * From grids around float operators to operators on integers: DequantizeLinear → operator → QuantizeLinear becomes QLinearConv and
 * the like. Where ONNX has none, ONNX Runtime's (com.microsoft) are taken; an operator that neither knows stays as it is,
 * which the notes say.
 */
import type { ExportBuilder } from "./export-builder.ts";
import { makeNode } from "./make.ts";
import type { OnnxGraph, OnnxNode, OnnxTensor } from "./model.ts";
import { tensorBytes } from "./tensor.ts";

/** An operand with its scale and zero point: names of values. */
type Integers = readonly [value: string, scale: string, zeroPoint: string];

/** An operator between grids. */
interface Match {
  readonly node: OnnxNode;
  /** The float inputs before they were dequantized. */
  readonly inputs: readonly Integers[];
  /** QuantizeLinear's result. */
  readonly output: Integers;
}

interface IntegerForm {
  readonly opType: string;
  readonly domain?: "com.microsoft";
  /** The inputs in the order of the integer operator. */
  inputs(match: Match): string[];
  /** Where the inputs must have one number of operands. */
  readonly operands?: number;
}

const MICROSOFT = "com.microsoft";

const one = ({ inputs: [x], output: [, ...grid] }: Match): string[] => [...x, ...grid];
const two = ({ inputs: [a, b], output: [, ...grid] }: Match): string[] => [...a, ...b, ...grid];
/** A bias has no grid of its own: it is on that of the products. */
const withBias = (match: Match): string[] => [...two(match), ...match.inputs.slice(2).map(([bias]) => bias)];
const gemm = ({ inputs: [a, b, bias], output: [, ...grid] }: Match): string[] => {
  return [...a, ...b, bias ? bias[0] : "", ...grid];
};
const many = ({ inputs, output: [, ...grid] }: Match): string[] => [...grid, ...inputs.flat()];

const integerForms: Readonly<Record<string, IntegerForm>> = {
  Conv: { opType: "QLinearConv", inputs: withBias },
  MatMul: { opType: "QLinearMatMul", inputs: two, operands: 2 },
  Gemm: { opType: "QGemm", domain: MICROSOFT, inputs: gemm },
  Add: { opType: "QLinearAdd", domain: MICROSOFT, inputs: two, operands: 2 },
  Mul: { opType: "QLinearMul", domain: MICROSOFT, inputs: two, operands: 2 },
  Concat: { opType: "QLinearConcat", domain: MICROSOFT, inputs: many },
  Sigmoid: { opType: "QLinearSigmoid", domain: MICROSOFT, inputs: one },
  LeakyRelu: { opType: "QLinearLeakyRelu", domain: MICROSOFT, inputs: one },
  AveragePool: { opType: "QLinearAveragePool", domain: MICROSOFT, inputs: one },
  GlobalAveragePool: { opType: "QLinearGlobalAveragePool", domain: MICROSOFT, inputs: one },
};

/** Operators that move elements: on integers the same, if the grid stays the same. */
const movers: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "MaxPool",
  "Slice",
  "Gather",
  "Tile",
  "Expand",
]);

/** The graph with operators on integers. */
export function toQOperators(graph: OnnxGraph, builder: ExportBuilder): OnnxGraph {
  return new Lowering(graph, builder).run();
}

class Lowering {
  private readonly graph: OnnxGraph;
  private readonly builder: ExportBuilder;
  private readonly producers = new Map<string, OnnxNode>();
  private readonly uses = new Map<string, OnnxNode[]>();
  private readonly outputs: ReadonlySet<string>;
  private readonly initializers: ReadonlyMap<string, OnnxTensor>;

  constructor(graph: OnnxGraph, builder: ExportBuilder) {
    this.graph = graph;
    this.builder = builder;
    this.outputs = new Set(graph.outputs.map(({ name }) => name));
    this.initializers = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
    for (const node of graph.nodes) {
      for (const name of node.outputs) this.producers.set(name, node);
      for (const name of node.inputs) this.uses.set(name, [...(this.uses.get(name) ?? []), node]);
    }
  }

  run(): OnnxGraph {
    const replaced = new Map<OnnxNode, OnnxNode>();
    for (const node of this.graph.nodes) {
      const made = this.lowered(node);
      // It takes the place of QuantizeLinear: what it reads was made before.
      if (made) replaced.set(made.quantize, made.node);
    }
    const nodes = this.graph.nodes.map((node) => replaced.get(node) ?? node);
    if (nodes.some(({ domain }) => domain === MICROSOFT)) this.builder.domains.set(MICROSOFT, 1);
    return this.withoutUnused(nodes);
  }

  private lowered(node: OnnxNode): { quantize: OnnxNode; node: OnnxNode } | null {
    const float = node.inputs.filter((name) => name !== "" && !this.isPlainConstant(name));
    const inputs = float.map((name) => this.dequantizedFrom(name));
    if (inputs.length === 0 || !inputs.every((input) => input !== null) || node.opType === "QuantizeLinear")
      return null;
    const relu = this.onlyUser(node, "Relu");
    const quantize = this.onlyUser(relu ?? node, "QuantizeLinear");
    if (!quantize || quantize.attributes.size > 0) return null;
    const [, scale, zeroPoint] = quantize.inputs;
    const match: Match = { node, inputs, output: [quantize.outputs[0], scale, zeroPoint] };
    const made = relu && !this.clampsAtZero(zeroPoint) ? null : this.integerNode(match);
    if (made) return { quantize, node: made };
    this.builder.note(`${node.name}: ${node.opType} between grids has no operator on integers here; it stays in float`);
    return null;
  }

  private integerNode(match: Match): OnnxNode | null {
    const { node, inputs, output } = match;
    if (movers.has(node.opType)) {
      if (inputs.length !== 1 || !this.sameGrid(inputs[0], output)) return null;
      return { ...node, inputs: [inputs[0][0], ...node.inputs.slice(1)], outputs: [output[0]] };
    }
    const form = integerForms[node.opType];
    if (!form || (form.operands && form.operands !== inputs.length)) return null;
    const { opType, domain = "" } = form;
    // Attributes that tell the float operator's and the integer operator's defaults apart are none; alpha of QGemm is 1 too.
    return makeNode({
      opType,
      domain,
      name: node.name,
      inputs: form.inputs(match),
      outputs: [output[0]],
      attributes: node.attributes.values(),
    });
  }

  // ---------------------------------------------------------------- asking

  /** Shapes, axes and other constants that are not dequantized. */
  private isPlainConstant(name: string): boolean {
    const tensor = this.initializers.get(name);
    return tensor !== undefined && tensor.dataType === "int64";
  }

  private dequantizedFrom(name: string): Integers | null {
    const producer = this.producers.get(name);
    return producer?.opType === "DequantizeLinear" ? (producer.inputs as unknown as Integers) : null;
  }

  /** The node that alone reads the only result of `node`, if it is of this type. */
  private onlyUser(node: OnnxNode, opType: string): OnnxNode | null {
    const [name, ...others] = node.outputs;
    const users = this.uses.get(name) ?? [];
    if (others.length > 0 || users.length !== 1 || this.outputs.has(name)) return null;
    return users[0].opType === opType ? users[0] : null;
  }

  /** The smallest integer stands for 0, so that saturation does what a ReLU does. */
  private clampsAtZero(zeroPoint: string): boolean {
    const tensor = this.initializers.get(zeroPoint);
    return tensor !== undefined && tensorBytes(tensor)[0] === (tensor.dataType === "uint8" ? 0 : 128);
  }

  private sameGrid([, ...a]: Integers, [, ...b]: Integers): boolean {
    return a.every((name, i) => name === b[i] || this.sameConstant(name, b[i]));
  }

  private sameConstant(a: string, b: string): boolean {
    const [x, y] = [this.initializers.get(a), this.initializers.get(b)];
    if (!x || !y || x.dataType !== y.dataType) return false;
    const [first, second] = [tensorBytes(x), tensorBytes(y)];
    return first.length === second.length && first.every((byte, i) => byte === second[i]);
  }

  private withoutUnused(nodes: readonly OnnxNode[]): OnnxGraph {
    const used = new Set(this.outputs);
    const kept = nodes.toReversed().filter((node) => {
      if (!node.outputs.some((name) => used.has(name))) return false;
      for (const name of node.inputs) used.add(name);
      return true;
    });
    const initializers = this.graph.initializers.filter(({ name }) => used.has(name));
    return { ...this.graph, nodes: kept.toReversed(), initializers };
  }
}
