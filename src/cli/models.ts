/** Models that commands run: Octet archives and ONNX files, with the names, shapes and dtypes of what goes in and comes out. */
import { noGrad } from "../autograd/grad-mode.ts";
import { dtypeFromName } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { isCount } from "../core/element-types.ts";
import type { InputSpec } from "../data/model-inputs.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import { loadArchive } from "../io/archive.ts";
import { isJsonObject } from "../io/json.ts";
import type { OnnxMetadata } from "../onnx/import.ts";
import { load as loadOnnx } from "../onnx/import.ts";
import type { OnnxValueInfo } from "../onnx/model.ts";
import { dtypeOf } from "../onnx/tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { detectFormat, formatTitles } from "./formats.ts";

export interface LoadedModel {
  readonly path: string;
  readonly format: "archive" | "onnx";
  readonly module: GraphModule;
  readonly inputs: readonly InputSpec[];
  /** Runs the model without gradients. The inputs have the names of `inputs`. */
  run(inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
}

/** Loads a model that can run. Throws an {@link OctetError} of one line for any other file. */
export function loadModel(path: string): LoadedModel {
  const format = detectFormat(path);
  if (format === "archive") return archiveModel(path);
  if (format === "onnx") return onnxModel(path);
  const hint = format === "checkpoint" || format === "safetensors" ? ", which holds weights but no model" : "";
  throw new OctetError(`${path} is ${formatTitles[format]}${hint}; expected an Octet archive or an ONNX model`);
}

function archiveModel(path: string): LoadedModel {
  const { model, metadata } = loadArchive(path);
  const inputs = inputsFromMetadata(metadata.inputs) ?? placeholdersOf(model);
  return runnable({ path, format: "archive", module: model, inputs }, null);
}

function onnxModel(path: string): LoadedModel {
  const module = loadOnnx(path);
  const { inputs, outputs } = module.meta.onnx as OnnxMetadata;
  const specs = inputs.map(specOf);
  return runnable(
    { path, format: "onnx", module, inputs: specs },
    outputs.map(({ name }) => name),
  );
}

function specOf({ name, type }: OnnxValueInfo): InputSpec {
  if (type?.kind !== "tensor") return { name, dtype: null, shape: null };
  return { name, dtype: dtypeOf(type.elementType), shape: type.shape?.map(({ size }) => size) ?? null };
}

function runnable(model: Omit<LoadedModel, "run">, outputNames: readonly string[] | null): LoadedModel {
  const run = (inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> => {
    const output: unknown = noGrad(() => model.module(...model.inputs.map(({ name }) => inputs.get(name))));
    const found = new Map<string, Tensor>();
    collectOutputs(output, "", found);
    if (!outputNames) return found;
    return new Map([...found.values()].map((tensor, i) => [outputNames[i] ?? `output_${i}`, tensor]));
  };
  return { ...model, run };
}

/** Tensors of an output by name: `output`, or `output_0`, … in an array, or the keys of a record. */
function collectOutputs(value: unknown, name: string, found: Map<string, Tensor>): void {
  if (value instanceof Tensor) {
    found.set(name || "output", value);
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) collectOutputs(item, `${name || "output"}_${i}`, found);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) collectOutputs(item, name ? `${name}.${key}` : key, found);
  }
}

/** The arguments that a graph must be given; it does not know their shapes. */
function placeholdersOf(module: GraphModule): InputSpec[] {
  const required = [...module.graph.nodes].filter(({ op, args }) => op === "placeholder" && args.length === 0);
  return required.map(({ target }) => ({ name: String(target), dtype: null, shape: null }));
}

/** Inputs as plain data, for `metadata.inputs` of an archive: so it keeps what the model it was made from said. */
export function inputsToMetadata(inputs: readonly InputSpec[]): readonly Readonly<Record<string, unknown>>[] {
  return inputs.map(({ name, dtype, shape }) => ({ name, dtype: dtype?.name ?? null, shape }));
}

function inputsFromMetadata(value: unknown): InputSpec[] | null {
  if (!Array.isArray(value)) return null;
  return value.map((input: unknown) => {
    const { name, dtype, shape } = isJsonObject(input) ? input : {};
    if (typeof name !== "string" || !(shape === null || (Array.isArray(shape) && shape.every(isSize)))) {
      throw new OctetError("archive: metadata.inputs does not describe inputs");
    }
    return { name, dtype: typeof dtype === "string" ? dtypeFromName(dtype) : null, shape: shape as InputSpec["shape"] };
  });
}

function isSize(size: unknown): boolean {
  return size === null || typeof size === "string" || isCount(size);
}
