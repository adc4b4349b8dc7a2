/**
 * Gives back nodes of the file that a model was read from, where the importer made functions of its own from them. They take
 * what the graph makes now; constants that were computed at import are computed by their own nodes again.
 */
import type { FxNode } from "../fx/node.ts";
import { isNode } from "../fx/node.ts";
import { Tensor } from "../tensor/tensor.ts";
import { float32 } from "../core/dtype.ts";
import type { ExportBuilder, ValueId } from "./export-builder.ts";
import type { CallContext } from "./export-context.ts";
import { tensorValue } from "./export-context.ts";
import type { Argument } from "./export-value.ts";
import { isQuantizedValue, isTensorValue } from "./export-value.ts";
import type { NodeOrigin } from "./import-settings.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "./model.ts";
import { qualifiedName } from "./opaque.ts";

export class OriginExporter {
  private readonly builder: ExportBuilder;
  private readonly opset: number;
  private readonly producers = new Map<string, OnnxNode>();
  private readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Values by their names in the file. */
  private readonly values = new Map<string, ValueId>();
  private readonly given = new Set<OnnxNode>();

  constructor(model: OnnxModel, builder: ExportBuilder) {
    this.builder = builder;
    this.opset = model.opsetImports.get("") ?? model.opsetImports.get("ai.onnx") ?? 1;
    this.initializers = new Map(model.graph.initializers.map((tensor) => [tensor.name, tensor]));
    for (const node of model.graph.nodes) for (const name of node.outputs) this.producers.set(name, node);
  }

  /** Remembers a value under the names that it has in the file. */
  remember(c: CallContext, node: FxNode, value: Argument): void {
    if (!isTensorValue(value)) return;
    for (const name of originOf(node)?.values ?? []) this.values.set(name, c.id(value)!);
  }

  /** The value of a node of which all the file's nodes were given back already; undefined if that is not so. */
  valueOf(node: FxNode, example: unknown): { readonly value: Argument } | undefined {
    const origin = originOf(node);
    if (!origin?.nodes.length || !origin.nodes.every((own) => this.given.has(own))) return undefined;
    const id = origin.values.map((name) => this.values.get(name)).find((known) => known !== undefined);
    return { value: id ? tensorValue(id, example instanceof Tensor ? example.dtype : float32) : null };
  }

  /** Gives back the file's nodes behind `node`. False if there are none. */
  giveBack(c: CallContext, node: FxNode, arguments_: ReadonlyMap<FxNode, Argument>): boolean {
    const nodes = originOf(node)?.nodes ?? [];
    if (nodes.length === 0 || !nodes.every((own) => own.outputs.every((name) => this.producers.get(name) === own))) {
      return false;
    }
    const overrides = this.argumentsByName(c, node, arguments_);
    for (const own of nodes) this.emit(c, own, overrides);
    return true;
  }

  /** What the arguments of a node are called in the file, also behind quantization that was put in between. */
  private argumentsByName(
    c: CallContext,
    node: FxNode,
    arguments_: ReadonlyMap<FxNode, Argument>,
  ): ReadonlyMap<string, ValueId> {
    const names = new Map<string, ValueId>();
    for (const input of node.allInputNodes) {
      const value = arguments_.get(input);
      if (!isTensorValue(value) && !isQuantizedValue(value)) continue;
      let source = input;
      while (!originOf(source) && isNode(source.args[0])) source = source.args[0];
      for (const name of originOf(source)?.values ?? []) names.set(name, c.id(value)!);
    }
    return names;
  }

  private emit(c: CallContext, node: OnnxNode, overrides: ReadonlyMap<string, ValueId>): void {
    if (this.given.has(node)) return;
    this.given.add(node);
    c.require(
      ![...node.attributes.values()].some(({ type }) => type === "graph" || type === "graphs"),
      "its subgraphs cannot be given back",
    );
    const isStandard = node.domain === "" || node.domain === "ai.onnx";
    if (isStandard && this.opset !== this.builder.opset) {
      this.builder.note(
        `${qualifiedName(node)} is given back as it was written for operator set ${this.opset}, in a model of ${this.builder.opset}`,
      );
    }
    const inputs = node.inputs.map((name) => (name === "" ? null : (overrides.get(name) ?? this.resolve(c, name))));
    const outputs = this.builder.addStored(node, 1, inputs);
    node.outputs.forEach((name, i) => {
      const id = outputs[i];
      if (id) this.values.set(name, id);
    });
  }

  private resolve(c: CallContext, name: string): ValueId {
    const known = this.values.get(name);
    if (known) return known;
    const tensor = this.initializers.get(name);
    if (tensor) return this.builder.storedConstant(tensor);
    const producer = this.producers.get(name);
    c.require(producer, `the value "${name}" of its file is not there any more`);
    this.emit(c, producer, new Map());
    return this.values.get(name)!; // emit has set the outputs
  }
}

function originOf(node: FxNode): NodeOrigin | null {
  return (node.meta.onnx as NodeOrigin | undefined) ?? null;
}
