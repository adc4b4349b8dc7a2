/** A model with other tensors: every tensor of it, in subgraphs, attributes and functions too, passed through a function. */
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxSparseTensor, OnnxTensor } from "./model.ts";

/** Called in the order in which the tensors are written, which is the same for every run. */
export type TensorMap = (tensor: OnnxTensor, isInitializer: boolean) => OnnxTensor;

export function mapTensors(model: OnnxModel, map: TensorMap): OnnxModel {
  const graph = mapGraph(model.graph, map);
  const functions = model.functions.map((body) => ({
    ...body,
    attributeDefaults: mapAttributes(body.attributeDefaults, map),
    nodes: body.nodes.map((node) => mapNode(node, map)),
  }));
  return { ...model, graph, functions };
}

function mapGraph(graph: OnnxGraph, map: TensorMap): OnnxGraph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) => mapNode(node, map)),
    initializers: graph.initializers.map((tensor) => map(tensor, true)),
    sparseInitializers: graph.sparseInitializers.map((sparse) => mapSparse(sparse, map)),
  };
}

function mapNode(node: OnnxNode, map: TensorMap): OnnxNode {
  return node.attributes.size === 0 ? node : { ...node, attributes: mapAttributes(node.attributes, map) };
}

function mapAttributes(attributes: ReadonlyMap<string, OnnxAttribute>, map: TensorMap): Map<string, OnnxAttribute> {
  return new Map([...attributes].map(([name, attribute]) => [name, mapAttribute(attribute, map)]));
}

function mapAttribute(attribute: OnnxAttribute, map: TensorMap): OnnxAttribute {
  switch (attribute.type) {
    case "tensor":
      return { ...attribute, value: map(attribute.value, false) };
    case "tensors":
      return { ...attribute, value: attribute.value.map((tensor) => map(tensor, false)) };
    case "graph":
      return { ...attribute, value: mapGraph(attribute.value, map) };
    case "graphs":
      return { ...attribute, value: attribute.value.map((graph) => mapGraph(graph, map)) };
    case "sparseTensor":
      return { ...attribute, value: mapSparse(attribute.value, map) };
    case "sparseTensors":
      return { ...attribute, value: attribute.value.map((sparse) => mapSparse(sparse, map)) };
    default:
      return attribute;
  }
}

function mapSparse(sparse: OnnxSparseTensor, map: TensorMap): OnnxSparseTensor {
  return { ...sparse, values: map(sparse.values, false), indices: map(sparse.indices, false) };
}
