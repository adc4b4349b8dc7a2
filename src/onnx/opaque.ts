/**
 * Operators that Octet does not know. Their nodes stay in the graph as they were read, so that an exporter can give them back
 * unchanged; running one needs an executor.
 */
import { OctetError } from "../core/errors.ts";
import { leafModule } from "../fx/tracer.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxNode, OnnxTensor } from "./model.ts";

/** An input of an opaque node that is known already. */
export type OpaqueConstant = Tensor | OnnxTensor;

export interface OpaqueRecord {
  readonly node: OnnxNode;
  /** The version of the operator's domain that the model imports. */
  readonly opset: number;
  /** Constant inputs by name. */
  readonly constants: ReadonlyMap<string, OpaqueConstant>;
  /** Names of the other inputs, in the order in which they are passed; then those that its subgraphs use. */
  readonly inputNames: readonly string[];
  /** Why the operator is not known in full. */
  readonly reason: string;
}

/** Runs opaque nodes. */
export interface OpaqueExecutor {
  /** One tensor per output of the node; `inputs` are those of `record.inputNames`. */
  run(record: OpaqueRecord, inputs: readonly Tensor[]): readonly Tensor[];
}

/** A node as it was read. Calling it gives its output, or an array of them, if there is an executor. */
export class OpaqueNode extends Module {
  readonly record: OpaqueRecord;
  readonly executor: OpaqueExecutor | null;

  constructor(record: OpaqueRecord, executor: OpaqueExecutor | null = null) {
    super();
    this.record = Object.freeze(record);
    this.executor = executor && Object.freeze({ run: executor.run.bind(executor) }); // frozen: copies of the module share it
  }

  override forward(...inputs: Tensor[]): Tensor | readonly Tensor[] {
    const { node, reason, inputNames } = this.record;
    if (!this.executor) {
      throw new OctetError(
        `${describeNode(node)}: Octet cannot run this operator (${reason}); ` +
          "onnxruntime-node (optional) can: give an executor when loading the model",
      );
    }
    if (inputs.length !== inputNames.length) {
      throw new OctetError(`${describeNode(node)}: takes ${inputNames.length} inputs, ${inputs.length} were given`);
    }
    const outputs = this.executor.run(this.record, inputs);
    return node.outputs.length === 1 ? outputs[0] : outputs;
  }

  override extraRepr(): string {
    const { node, opset } = this.record;
    return `${qualifiedName(node)}, opset=${opset}`;
  }
}
leafModule(OpaqueNode);

/** `com.microsoft.Gelu`, or `Conv` for ONNX's own. */
export function qualifiedName({ domain, opType }: Pick<OnnxNode, "domain" | "opType">): string {
  return domain === "" || domain === "ai.onnx" ? opType : `${domain}.${opType}`;
}

/** For messages: the operator and the node's name. */
export function describeNode(node: OnnxNode): string {
  return node.name ? `${qualifiedName(node)} "${node.name}"` : qualifiedName(node);
}
