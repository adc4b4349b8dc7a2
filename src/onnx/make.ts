/** Records of model.ts with everything filled in that was not said, for whoever makes a model. */
import { OctetError } from "../core/errors.ts";
import type {
  OnnxAttribute,
  OnnxAttributeType,
  OnnxAttributeValues,
  OnnxDataType,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxType,
  OnnxValueAttribute,
  OnnxValueInfo,
} from "./model.ts";

/** Not frozen for the sake of speed: shared empty values are never written to. */
const common = { docString: "", metadataProps: new Map<string, string>(), unknownFields: [] };

/** An attribute with a value of its own. */
export function makeAttribute<K extends OnnxAttributeType>(
  name: string,
  type: K,
  value: OnnxAttributeValues[K],
): OnnxValueAttribute<K> {
  // TypeScript does not see that one member of the union is built here, whichever K is.
  return { name, type, value, docString: "", unknownFields: [] } as unknown as OnnxValueAttribute<K>;
}

/** A node. `attributes` may be a list; two of one name are an error. */
export function makeNode(
  node: Pick<OnnxNode, "opType" | "inputs" | "outputs"> &
    Partial<Omit<OnnxNode, "attributes">> & { readonly attributes?: Iterable<OnnxAttribute> },
): OnnxNode {
  const attributes = new Map<string, OnnxAttribute>();
  for (const attribute of node.attributes ?? []) {
    if (attributes.has(attribute.name)) {
      throw new OctetError(`onnx: the node ${node.opType} has two attributes called ${JSON.stringify(attribute.name)}`);
    }
    attributes.set(attribute.name, attribute);
  }
  return { ...common, domain: "", overload: "", name: "", ...node, attributes };
}

/** A value that is a tensor. `shape` has names for symbolic sizes and null for unknown ones; null says nothing of the rank. */
export function makeValueInfo(
  name: string,
  elementType: OnnxDataType,
  shape: readonly (number | string | null)[] | null,
): OnnxValueInfo {
  const dims = shape && shape.map((size) => ({ size, denotation: "" }));
  const type: OnnxType = { kind: "tensor", elementType, shape: dims, denotation: "", unknownFields: [] };
  return { ...common, name, type };
}

export function makeGraph(graph: Partial<OnnxGraph>): OnnxGraph {
  return {
    ...common,
    name: "graph",
    nodes: [],
    initializers: [],
    sparseInitializers: [],
    inputs: [],
    outputs: [],
    valueInfo: [],
    quantizationAnnotations: [],
    ...graph,
  };
}

/** A model of IR version 8 (2021), which readers of today know, unless it says otherwise. */
export function makeModel(model: Pick<OnnxModel, "graph" | "opsetImports"> & Partial<OnnxModel>): OnnxModel {
  return {
    ...common,
    irVersion: 8,
    producerName: "octet",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    functions: [],
    ...model,
  };
}
