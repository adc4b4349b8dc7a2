/**
 * Models as ONNX (`onnx.save`, `onnx.exportModel`): float graphs as they are, and the reference form of quantized ones
 * (`convertToReferenceFx`) with QuantizeLinear and DequantizeLinear, or with operators on integers.
 */
import type { DType } from "../core/dtype.ts";
import { float32 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import type { FxNode } from "../fx/node.ts";
import { perTensorOf } from "../ops/quantize.ts";
import { zeros } from "../ops/create.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ValueId } from "./export-builder.ts";
import { ExportBuilder, NeedsOpset, dataTypeOfDtype } from "./export-builder.ts";
import { CallContext, tensorValue } from "./export-context.ts";
import { UNKNOWN } from "./export-example.ts";
import { GraphExporter } from "./export-graph.ts";
import { toQOperators } from "./export-qoperator.ts";
import { activationGrid, quantizedInput } from "./export-quantized.ts";
import type { OnnxTarget, TargetName } from "./export-targets.ts";
import { onnxTargets } from "./export-targets.ts";
import type { Argument } from "./export-value.ts";
import { isQuantizedValue, isTensorValue } from "./export-value.ts";
import type { OnnxMetadata } from "./import.ts";
import { makeGraph, makeModel, makeValueInfo } from "./make.ts";
import type { OnnxModel, OnnxType, OnnxValueInfo } from "./model.ts";
import { OpaqueNode } from "./opaque.ts";
import { dtypeOf } from "./tensor.ts";
import { saveModel } from "./write.ts";

export interface ExportOptions {
  /** Inputs to take shapes from, in the order of `forward`. Models that were read from ONNX bring their own. */
  readonly exampleInputs?: readonly unknown[];
  /** The runtime to write for. Default "generic". */
  readonly target?: TargetName | OnnxTarget;
  /** How quantized operators are written: as floats between grids (default), or as operators on integers where there are. */
  readonly format?: "qdq" | "qoperator";
  /** The version of ONNX's operators. Default: that of the model's file, or 17; raised where something needs more. */
  readonly opset?: number;
  /** Names of the inputs and outputs, in order; nested outputs count one by one. */
  readonly inputNames?: readonly string[];
  readonly outputNames?: readonly string[];
  /** Dimensions that may have any size: their names, by input or output and dimension. */
  readonly dynamicAxes?: Readonly<Record<string, Readonly<Record<number, string>>>>;
  /** Text that says how the model was quantized; kept in the metadata, as the next one. */
  readonly recipe?: string;
  /** What identifies the data that it was calibrated with. */
  readonly calibrationHash?: string;
}

/** Keys of metadata that exports write. Notes say what was changed or kept in float, one a line. */
export const metadataKeys = Object.freeze({
  version: "octet.version",
  target: "octet.target",
  format: "octet.format",
  recipe: "octet.recipe",
  calibration: "octet.calibration",
  notes: "octet.notes",
});

const DEFAULT_OPSET = 17;
/** The first version of what exports are written in. */
const OLDEST_OPSET = 13;

/** {@link exportModel} to a file, which is replaced in one step (Node only). */
export function save(graphModule: GraphModule, path: string, options: ExportOptions = {}): void {
  saveModel(path, exportModel(graphModule, options));
}

/**
 * The model as ONNX. The same model always gives the same bytes.
 * @throws NotExported, which names the operator, where something has no form in ONNX.
 */
export function exportModel(graphModule: GraphModule, options: ExportOptions = {}): OnnxModel {
  const { target: wanted = "generic" } = options;
  const target = typeof wanted === "string" ? onnxTargets[wanted] : wanted;
  if (!target) throw new OctetError(`onnx: there is no target "${String(wanted)}"`);
  const source = (graphModule.meta.onnx as OnnxMetadata | undefined) ?? null;
  let opset = options.opset ?? Math.max(OLDEST_OPSET, source ? opsetOfModel(source.model) : DEFAULT_OPSET);
  for (;;) {
    if (opset < OLDEST_OPSET) throw new OctetError(`onnx: operator sets before ${OLDEST_OPSET} cannot be written`);
    if (opset > target.newestOpset) {
      throw new OctetError(
        `onnx: the model takes operator set ${opset}, and ${target.name} reads up to ${target.newestOpset}`,
      );
    }
    try {
      return new ModelExport(graphModule, source, new ExportBuilder(target, opset), options).run();
    } catch (error) {
      if (!(error instanceof NeedsOpset) || options.opset !== undefined) throw error;
      ({ opset } = error);
    }
  }
}

function opsetOfModel(model: OnnxModel): number {
  return model.opsetImports.get("") ?? model.opsetImports.get("ai.onnx") ?? 1;
}

/** A value that the model takes. */
interface Input {
  readonly name: string;
  readonly value: Argument;
  readonly info: OnnxValueInfo;
}

class ModelExport {
  private readonly module: GraphModule;
  private readonly source: OnnxMetadata | null;
  private readonly builder: ExportBuilder;
  private readonly options: ExportOptions;

  constructor(module: GraphModule, source: OnnxMetadata | null, builder: ExportBuilder, options: ExportOptions) {
    this.module = module;
    this.source = source;
    this.builder = builder;
    this.options = options;
  }

  run(): OnnxModel {
    const { module, builder } = this;
    const placeholders = [...module.graph.nodes].filter(({ op }) => op === "placeholder");
    const examples = placeholders.map((_, i) => this.example(i));
    const inputs = placeholders.map((node, i) => this.input(node, i, examples[i]));
    const values = inputs.map(({ value }) => value);
    const result = new GraphExporter(builder, this.source?.model ?? null).exportGraph(
      module,
      module.graph,
      values,
      examples,
    );
    const outputs = this.outputs(result, inputs);
    const ids = inputs.map(({ value }) => idOf(value));
    const { nodes, initializers } = builder.finish(
      ids,
      outputs.map(({ id }) => id),
    );
    const written = makeGraph({
      name: this.source?.model.graph.name || module.getName(),
      docString: this.source?.model.graph.docString ?? "",
      nodes,
      initializers,
      inputs: inputs.map(({ info }) => info),
      outputs: outputs.map(({ info }) => info),
    });
    const isInteger = this.options.format === "qoperator";
    const graph = isInteger ? toQOperators(written, builder) : written;
    return this.model(graph);
  }

  // ---------------------------------------------------------------- inputs

  private example(index: number): unknown {
    const given = this.options.exampleInputs;
    if (given) return index < given.length ? given[index] : UNKNOWN;
    const type = this.source?.inputs[index]?.type;
    return type?.kind === "tensor" ? zerosOf(type) : UNKNOWN;
  }

  private input(node: FxNode, index: number, example: unknown): Input {
    const { builder, options, source } = this;
    const declared = source?.inputs[index];
    const name = options.inputNames?.[index] ?? declared?.name ?? String(node.target);
    const id = builder.value(name);
    builder.pin(id, name);
    if (example instanceof Tensor && example.isQuantized) return this.quantizedInput(id, name, example);
    const isTensor = example instanceof Tensor;
    const dtype = (isTensor ? example.dtype : declaredDtype(declared)) ?? float32;
    const shape = isTensor ? example.shape : null;
    const info =
      declared && !options.dynamicAxes?.[name]
        ? { ...declared, name }
        : makeValueInfo(name, dataTypeOfDtype(dtype), this.axesOf(name, shape));
    return { name, value: { ...tensorValue(id, dtype), shape }, info };
  }

  private quantizedInput(id: ValueId, name: string, example: Tensor): Input {
    const c = new CallContext(this.builder, [], {}, { where: `the input ${name}`, name });
    const quantizer = perTensorOf(example);
    const grid = activationGrid(c, quantizer.scale, quantizer.zeroPoint, example.dtype);
    const value = { ...quantizedInput(c, id, grid, name), shape: example.shape };
    return { name, value, info: makeValueInfo(name, grid.type, this.axesOf(name, example.shape)) };
  }

  private axesOf(name: string, shape: readonly number[] | null): (number | string)[] | null {
    const axes = this.options.dynamicAxes?.[name] ?? {};
    return shape && shape.map((size, d) => axes[d] ?? axes[d - shape.length] ?? size);
  }

  // ---------------------------------------------------------------- outputs

  private outputs(result: Argument, inputs: readonly Input[]): { id: ValueId; info: OnnxValueInfo }[] {
    const taken = new Set<ValueId>(inputs.map(({ value }) => idOf(value)));
    return flattened(result).map(([key, value], i) => {
      const declared = this.source?.outputs[i];
      const name = this.options.outputNames?.[i] ?? declared?.name ?? (key || "output");
      const id = this.outputId(value, name, taken);
      taken.add(id);
      return { id, info: this.outputInfo(value, name, declared) };
    });
  }

  /** An output is made by a node and has its own name. */
  private outputId(value: Argument, name: string, taken: ReadonlySet<ValueId>): ValueId {
    const { builder } = this;
    const c = new CallContext(builder, [], {}, { where: `the output ${name}`, name });
    if (!isTensorValue(value) && !isQuantizedValue(value)) return c.refuse("it is no tensor");
    builder.scope = name;
    const id = isQuantizedValue(value) && value.unquantized ? c.id(value.unquantized) : c.id(value);
    const isOwn = id !== null && !taken.has(id) && !builder.isInitializer(id);
    if (isOwn && builder.pin(id, name)) return id;
    const [copy] = builder.add("Identity", [id]);
    builder.pin(copy, name);
    return copy;
  }

  private outputInfo(value: Argument, name: string, declared: OnnxValueInfo | undefined): OnnxValueInfo {
    const type = typeOfValue(value);
    if (declared?.type?.kind === "tensor" && declared.type.elementType === type) return { ...declared, name };
    const { dynamicAxes } = this.options;
    const shape = isTensorValue(value) || isQuantizedValue(value) ? value.shape : null;
    // Which sizes of an output follow from dynamic ones of the inputs is not worked out.
    if (dynamicAxes && !dynamicAxes[name]) return makeValueInfo(name, type, shape && shape.map(() => null));
    return makeValueInfo(name, type, this.axesOf(name, shape));
  }

  // ---------------------------------------------------------------- the model

  private model(graph: OnnxModel["graph"]): OnnxModel {
    const { builder, source, options } = this;
    const opsetImports = new Map([["", builder.opset], ...builder.domains]);
    const hasOpaque = [...this.module.modules()].some((module) => module instanceof OpaqueNode);
    return makeModel({
      graph,
      opsetImports,
      irVersion: irVersionOf(builder.opset),
      producerName: "octet",
      producerVersion: VERSION,
      domain: source?.model.domain ?? "",
      modelVersion: source?.model.modelVersion ?? 0,
      docString: source?.model.docString ?? "",
      functions: hasOpaque ? (source?.model.functions ?? []) : [],
      metadataProps: new Map([...(source?.model.metadataProps ?? []), ...this.metadata(options)]),
    });
  }

  private metadata({ recipe, calibrationHash, format = "qdq" }: ExportOptions): [string, string][] {
    const { notes, target } = this.builder;
    const entries: [string, string | undefined][] = [
      [metadataKeys.version, VERSION],
      [metadataKeys.target, target.name],
      [metadataKeys.format, format],
      [metadataKeys.recipe, recipe],
      [metadataKeys.calibration, calibrationHash],
      [metadataKeys.notes, notes.length ? notes.join("\n") : undefined],
    ];
    return entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  }
}

/** What the exporter noted: one line for each thing that was changed for the target or kept in float. */
export function exportNotes(model: OnnxModel): string[] {
  return model.metadataProps.get(metadataKeys.notes)?.split("\n") ?? [];
}

/** The file format that an operator set came with. */
function irVersionOf(opset: number): number {
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return opset >= 15 ? 8 : 7;
}

function idOf(value: Argument): ValueId {
  if ((isTensorValue(value) || isQuantizedValue(value)) && value.id) return value.id;
  throw new OctetError("onnx: an input must be a tensor");
}

/** Zeros of a declared type; symbolic sizes are 2. */
function zerosOf(type: OnnxType & { kind: "tensor" | "sparseTensor" }): unknown {
  const dtype = dtypeOf(type.elementType);
  if (!dtype || !type.shape) return UNKNOWN;
  return zeros(
    type.shape.map(({ size }) => (typeof size === "number" ? size : 2)),
    { dtype },
  );
}

function declaredDtype(info: OnnxValueInfo | undefined): DType | null {
  return info?.type?.kind === "tensor" ? dtypeOf(info.type.elementType) : null;
}

function typeOfValue(value: Argument) {
  if (isTensorValue(value)) return dataTypeOfDtype(value.dtype);
  if (isQuantizedValue(value)) return value.unquantized ? "float" : (value.grid?.type ?? "uint8");
  throw new OctetError("onnx: an output must be a tensor");
}

/** Tensors of nested results, with a name for each: its keys and positions. */
function flattened(result: Argument, key = ""): [string, Argument][] {
  if (isTensorValue(result) || isQuantizedValue(result) || typeof result !== "object" || result === null) {
    return [[key, result]];
  }
  const isList = Array.isArray(result);
  const prefix = key === "" ? (isList ? "output_" : "") : `${key}_`;
  return Object.entries(result as object).flatMap(([name, item]) => flattened(item as Argument, `${prefix}${name}`));
}
