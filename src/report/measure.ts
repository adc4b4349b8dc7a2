/**
 * Measures a quantized model against its float model. Samples stream through: what is kept of them are sums, so that memory
 * does not grow with their number.
 */
import { noGrad } from "../autograd/grad-mode.ts";
import { OctetError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { GraphModule } from "../fx/graph-module.ts";
import { kernels } from "../kernels/registry.ts";
import type { Module } from "../nn/module.ts";
import type { BackendConfig } from "../quantization/backend-config/backend-config.ts";
import type { Explanation } from "../quantization/fx/explain.ts";
import { EXPLANATIONS, explain } from "../quantization/fx/explain.ts";
import { fuseFx } from "../quantization/fx/quantize-fx.ts";
import { Tensor } from "../tensor/tensor.ts";
import { adviceFor } from "./advice.ts";
import type { Label } from "./agreement.ts";
import { OutputMeter } from "./agreement.ts";
import type { LatencyOptions, Runtime } from "./latency.ts";
import { measureLatency } from "./latency.ts";
import { LayerMeter } from "./layers.ts";
import { hasPerTensorWeights, ledgerOf } from "./ledger.ts";
import { observationsOf } from "./observations.ts";
import type { Pairing } from "./pairs.ts";
import { isReferenceForm, pairNodes } from "./pairs.ts";
import type { RecipeOptions } from "./recipe.ts";
import { recipeOf } from "./recipe.ts";
import type { Leftover, Report, RuntimeReport, SizeReport } from "./report.ts";
import { REPORT_FORMAT, REPORT_VERSION } from "./report.ts";

export interface Sample {
  /** What the models are called with. */
  readonly inputs: readonly Tensor[];
  /** The right answer for each row of the first output of shape [N, C]. */
  readonly label?: Label;
}

export interface MeasureOptions {
  /** The float model, in evaluation mode. */
  readonly float: Module;
  /** What convertFx made of it. */
  readonly quantized: GraphModule;
  readonly samples: AsyncIterable<Sample> | Iterable<Sample>;
  /** The prepared model, whose observers tell what they saw. */
  readonly prepared?: GraphModule;
  /** Names of the outputs, in their order. */
  readonly outputs?: readonly string[];
  /** Other runtimes to time besides Octet itself. */
  readonly runtimes?: readonly Runtime[];
  readonly latency?: LatencyOptions;
  /** Number of samples on which every layer is compared; default 8. */
  readonly layerSamples?: number;
  readonly recipe?: RecipeOptions;
  /** The one the model was prepared with, if it is not the default. */
  readonly backendConfig?: BackendConfig;
  /** Name of the model, for the title. */
  readonly name?: string;
  /** Bytes of the files that hold the models. */
  readonly files?: SizeReport["files"];
  /** Called after each sample with the number of samples so far. */
  readonly onSample?: (samples: number) => void;
}

const DEFAULT_LAYER_SAMPLES = 8;

/**
 * Runs both models on every sample and tells how they agree.
 *
 * @throws if a model is in training mode, if there is no sample, or if outputs differ in number or shape.
 */
export async function measure(options: MeasureOptions): Promise<Report> {
  const { float, quantized, prepared } = options;
  checkModels(float, quantized);
  const explanations = explanationsOf(quantized);
  const { backendConfig } = options;
  const fused = fuseFx(float, backendConfig ? { backendConfig } : {});
  const pairing = pairNodes(fused, quantized, explanations);
  const layers = new LayerMeter(fused, quantized, pairing);
  const { outputs, samples, runtimes } = await runSamples(options, layers);
  const ledger = ledgerOf(float, quantized, pairing.pairs);
  const measured = {
    outputs: outputs.map((meter) => meter.report()),
    layers: layers.report(),
    leftovers: leftoversOf(explanations, pairing),
    observations: prepared ? observationsOf(prepared) : [],
    recipe: recipeOf(options.recipe ?? {}, explanations, prepared),
  };
  const sum = (key: "floatBytes" | "quantizedBytes"): number => ledger.reduce((total, row) => total + row[key], 0);
  const own = explanations.filter(({ node }) => !pairing.absorbed.has(node));
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    octet: VERSION,
    model: options.name ?? float.getName(),
    samples,
    ...measured,
    runtimes,
    size: {
      floatBytes: sum("floatBytes"),
      quantizedBytes: sum("quantizedBytes"),
      files: options.files ?? null,
      ledger,
    },
    operators: { total: own.length, quantized: own.length - measured.leftovers.length },
    layerSamples: layers.samples,
    advice: adviceFor({ ...measured, hasPerTensorWeights: hasPerTensorWeights(quantized) }),
  };
}

function checkModels(float: Module, quantized: GraphModule): void {
  if (float.training) throw new OctetError("measure: the float model is in training mode; call eval() first");
  if (!(quantized instanceof GraphModule)) {
    throw new OctetError("measure: `quantized` must be a graph module, as convertFx gives");
  }
}

function explanationsOf(quantized: GraphModule): readonly Explanation[] {
  return EXPLANATIONS in quantized.meta ? explain(quantized) : [];
}

interface SamplesResult {
  readonly outputs: readonly OutputMeter[];
  readonly samples: number;
  readonly runtimes: readonly RuntimeReport[];
}

async function runSamples(options: MeasureOptions, layers: LayerMeter): Promise<SamplesResult> {
  const { layerSamples = DEFAULT_LAYER_SAMPLES } = options;
  const outputs: OutputMeter[] = [];
  let first: readonly Tensor[] | null = null;
  let samples = 0;
  for await (const { inputs, label } of options.samples) {
    first ??= inputs;
    compareOutputs(outputs, samples, inputs, label, options);
    if (samples < layerSamples) layers.add(inputs);
    samples++;
    options.onSample?.(samples);
  }
  if (!first) throw new OctetError("measure: there was no sample");
  return { outputs, samples, runtimes: await timeRuntimes(options, first) };
}

function compareOutputs(
  meters: OutputMeter[],
  sample: number,
  inputs: readonly Tensor[],
  label: Label | undefined,
  { float, quantized, outputs: names }: MeasureOptions,
): void {
  const [expected, actual] = noGrad(() => [float, quantized].map((model) => namedTensors(model(...inputs))));
  if (expected.length !== actual.length || (meters.length && meters.length !== expected.length)) {
    throw new OctetError(
      `measure: sample ${sample} gives ${expected.length} outputs of the float model and ${actual.length} of the quantized one`,
    );
  }
  const isFirst = meters.length === 0;
  let labels = label;
  expected.forEach(([name, tensor], i) => {
    if (isFirst) meters.push(new OutputMeter(names?.[i] ?? name));
    const meter = meters[i];
    meter.add(sample, tensor, actual[i][1], labels);
    if (meter.takesLabels) labels = undefined;
  });
  if (labels !== undefined && isFirst) {
    throw new OctetError("measure: the samples have labels, but no output has shape [N, C]");
  }
}

/** The tensors of a result in order, with the way to each as its name: "output", "output.1", "output.boxes". */
function namedTensors(value: unknown, name = "output"): [name: string, tensor: Tensor][] {
  if (value instanceof Tensor) return [[name, value]];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, item]) => namedTensors(item, `${name}.${key}`));
}

async function timeRuntimes(options: MeasureOptions, inputs: readonly Tensor[]): Promise<RuntimeReport[]> {
  const { float, quantized, runtimes = [], latency = {} } = options;
  if (latency.runs === 0) return [];
  const own: Runtime = {
    name: `octet (${kernels().name})`,
    float: (given) => noGrad(() => float(...given) as unknown),
    quantized: (given) => noGrad(() => quantized(...given) as unknown),
  };
  const reports: RuntimeReport[] = [];
  for (const runtime of [own, ...runtimes]) reports.push(await measureLatency(runtime, inputs, latency));
  return reports;
}

/** Operators that compute in float, and why. */
function leftoversOf(explanations: readonly Explanation[], { absorbed }: Pairing): Leftover[] {
  return explanations.flatMap(({ node, operator, module, quantized, detail }): Leftover[] => {
    if (!quantized) return [{ node, operator, module, kind: "float", reason: detail }];
    if (!isReferenceForm(detail) || absorbed.has(node)) return [];
    const reason = "no integer form here: it computes in float between dequantize and quantize";
    return [{ node, operator, module, kind: "reference", reason }];
  });
}
