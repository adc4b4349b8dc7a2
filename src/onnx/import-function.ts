/** Operators that a model writes with others: their nodes, with the attributes of one call put in. */
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxNode } from "./model.ts";

/** `node` of the body of `called`, as it is in the call `call`: attributes that refer to the call's have its values. */
export function withAttributesOf(node: OnnxNode, called: OnnxFunction, call: OnnxNode): OnnxNode {
  const attributes = new Map<string, OnnxAttribute>();
  for (const [name, attribute] of node.attributes) {
    const given = resolved(attribute, called, call);
    if (given) attributes.set(name, { ...given, name });
  }
  return { ...node, name: call.name && node.name ? `${call.name}/${node.name}` : node.name, attributes };
}

/** Null where a call leaves out what has no default: the attribute is left out then too. */
function resolved(attribute: OnnxAttribute, called: OnnxFunction, call: OnnxNode): OnnxAttribute | null {
  if (attribute.type === "reference") {
    const { refAttrName } = attribute;
    return call.attributes.get(refAttrName) ?? called.attributeDefaults.get(refAttrName) ?? null;
  }
  const inGraph = (graph: OnnxGraph): OnnxGraph => ({
    ...graph,
    nodes: graph.nodes.map((node) => withAttributesOf(node, called, call)),
  });
  if (attribute.type === "graph") return { ...attribute, value: inGraph(attribute.value) };
  if (attribute.type === "graphs") return { ...attribute, value: attribute.value.map(inGraph) };
  return attribute;
}
