/** Gives back nodes that were read and not understood, with their attributes and their version. */
import { float32 } from "../core/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ValueId } from "./export-builder.ts";
import type { CallContext } from "./export-context.ts";
import { constantValue, tensorValue } from "./export-context.ts";
import type { Argument } from "./export-value.ts";
import { isQuantizedValue, isTensorValue } from "./export-value.ts";
import type { OpaqueNode } from "./opaque.ts";
import { qualifiedName } from "./opaque.ts";

export function exportOpaque(c: CallContext, { record }: OpaqueNode): Argument {
  const { node, opset, constants, inputNames } = record;
  const { builder } = c;
  const isStandard = node.domain === "" || node.domain === "ai.onnx";
  if (isStandard && opset !== builder.opset) {
    builder.note(
      `${c.origin.name}: ${qualifiedName(node)} is given back as it was written for operator set ${opset}, in a model of ${builder.opset}`,
    );
  }
  const ids = new Map<string, ValueId>();
  inputNames.forEach((name, i) => ids.set(name, idOf(c, c.args[i])));
  for (const [name, constant] of constants) {
    const isTensor = constant instanceof Tensor;
    ids.set(name, isTensor ? c.id(constantValue(name, constant))! : builder.storedConstant(constant));
  }
  // What subgraphs use, they use by its name.
  for (const [name, id] of ids) if (!node.inputs.includes(name)) pinned(c, id, name);
  const inputs = node.inputs.map((name) => (name === "" ? null : ids.get(name)!));
  const outputs = builder.addStored(node, opset, inputs).map((id) => id && tensorValue(id, float32));
  return outputs.length === 1 ? outputs[0] : outputs;
}

function pinned(c: CallContext, id: ValueId, name: string): void {
  if (c.builder.pin(id, name)) return;
  c.builder.pin(c.builder.add("Identity", [id])[0], name);
}

function idOf(c: CallContext, value: Argument): ValueId {
  c.require(isTensorValue(value) || isQuantizedValue(value), "an opaque node takes tensors only");
  return c.id(value)!;
}
