/** ONNX models: operators, inputs, outputs and weights. Only the structure is read, and the scales of quantized weights. */
import { rawSize } from "../../onnx/data-types.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from "../../onnx/model.ts";
import { readModel } from "../../onnx/read.ts";
import { toTensor } from "../../onnx/tensor.ts";
import { formatBytes } from "../text.ts";
import type { Inspection, QuantizationFacts, TensorFacts } from "./inspection.ts";
import { countsOf, factsOfScales } from "./inspection.ts";

export function inspectOnnx(path: string): Inspection {
  const model = readModel(path);
  const { graph } = model;
  const nodes = [...nodesOf(graph)];
  const { large, small } = tensorsOf(graph, nodes);
  const scales = scalesOf(nodes, new Map([...large, ...small].map((tensor) => [tensor.name, tensor])));
  const tensors = large.map((tensor) => factsOf(tensor, scales.get(tensor.name) ?? null));
  const facts = factsOfModel(model);
  if (small.length) {
    const bytes = small.reduce((sum, tensor) => sum + factsOf(tensor, null).bytes, 0);
    facts.set("small constants", `${small.length} below ${SMALL} elements, ${formatBytes(bytes)}, not listed`);
  }
  return { facts, tensors, operators: countsOf(nodes.map(operatorName)) };
}

function factsOfModel(model: OnnxModel): Map<string, string> {
  const { graph, opsetImports, irVersion, producerName, producerVersion, functions } = model;
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  const opsets = [...opsetImports].map(([domain, version]) => (domain ? `${domain} ${version}` : String(version)));
  const producer = [producerName, producerVersion].filter((word) => word !== "").join(" ");
  const facts = new Map([
    ["opset", opsets.join(", ")],
    ["IR version", String(irVersion)],
  ]);
  if (producer) facts.set("producer", producer);
  for (const info of graph.inputs) if (!initialized.has(info.name)) facts.set(`input ${info.name}`, typeText(info));
  for (const info of graph.outputs) facts.set(`output ${info.name}`, typeText(info));
  if (functions.length) facts.set("functions", functions.map(({ name }) => name).join(", "));
  return facts;
}

function typeText({ type }: OnnxValueInfo): string {
  if (type?.kind !== "tensor" && type?.kind !== "sparseTensor") return type?.kind ?? "of unknown type";
  const sizes = type.shape?.map(({ size }) => size ?? "?").join(", ");
  return `${typeName(type.elementType)}${sizes === undefined ? "" : ` [${sizes}]`}`;
}

/** ONNX says float and double. */
function typeName(type: string): string {
  return type === "float" ? "float32" : type === "double" ? "float64" : type;
}

/** Nodes of a graph, with those of the graphs inside them. */
function* nodesOf({ nodes }: OnnxGraph): Generator<OnnxNode> {
  for (const node of nodes) {
    yield node;
    for (const inner of graphsIn(node)) yield* nodesOf(inner);
  }
}

/** The graphs that a node runs, such as the branches of an If. */
function graphsIn({ attributes }: OnnxNode): readonly OnnxGraph[] {
  return [...attributes.values()].flatMap((attribute) => {
    if (attribute.type === "graph") return [attribute.value];
    return attribute.type === "graphs" ? attribute.value : [];
  });
}

function operatorName({ domain, opType }: OnnxNode): string {
  return domain === "" || domain === "ai.onnx" ? opType : `${domain}.${opType}`;
}

/** A Constant with fewer elements is a size or an index rather than a weight. */
const SMALL = 32;

/** Initializers, and the values of Constant nodes, in which some exporters put the weights. */
function tensorsOf(graph: OnnxGraph, nodes: readonly OnnxNode[]): { large: OnnxTensor[]; small: OnnxTensor[] } {
  const inner = nodes.flatMap(graphsIn).flatMap(({ initializers }) => initializers);
  const constants = nodes.flatMap(({ opType, attributes, outputs }) => {
    const value = opType === "Constant" ? attributes.get("value") : undefined;
    return value?.type === "tensor" ? [{ ...value.value, name: outputs[0] }] : [];
  });
  const isSmall = ({ dims }: OnnxTensor): boolean => dims.reduce((n, size) => n * size, 1) < SMALL;
  return {
    large: [...graph.initializers, ...inner, ...constants.filter((tensor) => !isSmall(tensor))],
    small: constants.filter(isSmall),
  };
}

/** At which inputs of an operator a quantized weight, its scale and its zero point stand. */
const quantizedInputs: Readonly<Record<string, readonly (readonly [weight: number, scale: number])[]>> = {
  DequantizeLinear: [[0, 1]],
  QLinearConv: [[3, 4]],
  QLinearMatMul: [
    [0, 1],
    [3, 4],
  ],
};

/** What is known of the scales of quantized weights, by their names. */
function scalesOf(nodes: readonly OnnxNode[], byName: ReadonlyMap<string, OnnxTensor>): Map<string, QuantizationFacts> {
  const found = new Map<string, QuantizationFacts>();
  for (const node of nodes) {
    const places = Object.hasOwn(quantizedInputs, node.opType) ? quantizedInputs[node.opType] : [];
    for (const [weightAt, scaleAt] of places) {
      const [weight, scale] = [weightAt, scaleAt].map((at) => byName.get(node.inputs[at]));
      if (weight && scale)
        found.set(weight.name, factsOfScales(toTensor(scale).elements(), axisOf(node, weight, scale)));
    }
  }
  return found;
}

/** The axis of the channels; null if all have one scale. */
function axisOf({ opType, attributes }: OnnxNode, weight: OnnxTensor, scale: OnnxTensor): number | null {
  if (scale.dims.length === 0 || (scale.dims.length === 1 && scale.dims[0] === 1)) return null;
  if (opType === "QLinearConv") return 0;
  const given = attributes.get("axis");
  const axis = given?.type === "int" ? Number(given.value) : 1;
  return axis < 0 ? axis + weight.dims.length : axis;
}

function factsOf({ name, dims, dataType, data }: OnnxTensor, quantization: QuantizationFacts | null): TensorFacts {
  const numel = dims.reduce((n, size) => n * size, 1);
  const bytes =
    data.kind === "strings" ? data.values.reduce((n, value) => n + value.length, 0) : rawSize(dataType, numel);
  return { name, shape: dims, dtype: typeName(dataType), bytes, quantization };
}
