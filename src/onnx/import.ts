/** ONNX models as modules (`onnx.load`): layers become modules of nn, everything else functions. */
import { check } from "../core/errors.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { GraphImporter } from "./import-graph.ts";
import { functionKey } from "./import-settings.ts";
import type { OnnxModel, OnnxValueInfo } from "./model.ts";
import type { OpaqueExecutor } from "./opaque.ts";
import { foldBatchNorms } from "./passes/fold-batch-norms.ts";
import { fuseHardswish } from "./passes/fuse-hardswish.ts";
import { fuseLayerNorms } from "./passes/fuse-layer-norm.ts";
import type { ReadModelOptions } from "./read.ts";
import { readModel } from "./read.ts";

export interface LoadOptions extends ReadModelOptions {
  /** Runs operators that Octet does not know. Without one a model that has such operators loads, but does not run. */
  readonly executor?: OpaqueExecutor;
  /** Inputs that are fixed to a value and no longer inputs of the model, such as a sampling rate that chooses a branch. */
  readonly fixedInputs?: Readonly<Record<string, Tensor>>;
  /** Folds batch normalizations into the layers before them. Default true; leave them in for quantization-aware training. */
  readonly foldBatchNorms?: boolean;
}

/** In `graphModule.meta.onnx`: what the file says beside its graph. */
export interface OnnxMetadata {
  /** The model as it was read. */
  readonly model: OnnxModel;
  /** The inputs of `forward` in order, with their names in the file and their types, symbolic sizes included. */
  readonly inputs: readonly OnnxValueInfo[];
  /** What `forward` gives. */
  readonly outputs: readonly OnnxValueInfo[];
}

/**
 * Loads an ONNX model from its bytes or, in Node, from a path. The result takes the model's inputs in their order and gives
 * its output, or an array of them; it is in evaluation mode, and ready for `quantization.prepareFx`. Operators that Octet does
 * not know stay in it as {@link OpaqueNode} modules.
 * @throws FileFormatError if the file is no ONNX model, or is damaged; OctetError if `fixedInputs` names what is no input.
 */
export function load(source: string | Uint8Array, options: LoadOptions = {}): GraphModule {
  return importModel(readModel(source, options), options);
}

/** {@link load} for a model that has been read. */
export function importModel(model: OnnxModel, options: Omit<LoadOptions, keyof ReadModelOptions> = {}): GraphModule {
  const { graph } = model;
  const fixed = new Map(Object.entries(options.fixedInputs ?? {}));
  for (const name of fixed.keys()) {
    check(
      graph.inputs.some((input) => input.name === name),
      () => `onnx: fixedInputs has "${name}", but the inputs are ${graph.inputs.map((input) => input.name).join(", ")}`,
    );
  }
  const importer = new GraphImporter({
    opsets: model.opsetImports,
    functions: new Map(model.functions.map((called) => [functionKey(called), called])),
    executor: options.executor ?? null,
  });
  const imported = importer.importGraph(graph, fixed);
  if (options.foldBatchNorms ?? true) foldBatchNorms(imported);
  fuseHardswish(imported);
  fuseLayerNorms(imported);
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  imported.meta.onnx = Object.freeze({
    model,
    inputs: graph.inputs.filter(({ name }) => !initialized.has(name) && !fixed.has(name)),
    outputs: graph.outputs,
  } satisfies OnnxMetadata);
  return imported;
}
