/** The networks of graph mode with their recorded weights, and ONNX Runtime to compare exports of them with. */
import type { TargetName } from "../../src/onnx/export-targets.ts";
import { exportModel } from "../../src/onnx/export.ts";
import type { ExportOptions } from "../../src/onnx/export.ts";
import type { OnnxModel } from "../../src/onnx/model.ts";
import { toTensor } from "../../src/onnx/tensor.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import type { fx } from "../../src/index.ts";
import { noGrad, quantization as q, randn, manualSeed } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { goldenFolder } from "../golden.ts";
import { networks } from "../quantization/fx/networks.ts";
import { flatten } from "../quantization/fx/support.ts";
import { runOracle } from "./oracle.ts";

const { tensors } = loadSafetensors(`${goldenFolder}/quantization/fx-flows.safetensors`);

function withPrefix(prefix: string): [string, Tensor][] {
  const found = [...tensors].filter(([key]) => key.startsWith(prefix));
  return found.map(([key, value]) => [key.slice(prefix.length), value]);
}

/** The recorded inputs of a network. */
export function inputsOf(name: string): Tensor[] {
  return withPrefix(`${name}/in/`)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);
}

/** Random images in place of the recorded ones, more of them: [batch, …]. */
export function manyInputs(name: string, batch: number): Tensor[] {
  manualSeed(7);
  return inputsOf(name).map((input) => randn(batch, ...input.shape.slice(1)));
}

export function floatNetwork(name: string) {
  const net = networks[name].make();
  net.loadStateDict(new Map(withPrefix(`${name}/state/`)));
  return net.eval();
}

export type Engine = "qnnpack" | "onednn";

/** The reference form and the int8 form of a network, calibrated on `inputs`. */
export function quantizedNetwork(
  name: string,
  engine: Engine,
  inputs: readonly Tensor[],
): { reference: fx.GraphModule; int8: fx.GraphModule } {
  const { mapping, prepare, convert, qat = false } = networks[name];
  return q.withEngine(engine, () =>
    noGrad(() => {
      const net = floatNetwork(name).train(qat);
      const qconfigs = (mapping ?? q.getDefaultQconfigMapping)(engine === "onednn" ? "x86" : "qnnpack");
      const run = qat ? q.prepareQatFx : q.prepareFx;
      const prepared = run(net, qconfigs, inputs, { prepareCustomConfig: prepare?.() });
      prepared(...inputs);
      prepared.eval();
      const options = { convertCustomConfig: convert?.() };
      return { reference: q.convertToReferenceFx(prepared, options), int8: q.convertFx(prepared, options) };
    }),
  );
}

export function outputsOf(model: fx.GraphModule, engine: Engine, inputs: readonly Tensor[]): Tensor[] {
  return flatten(q.withEngine(engine, () => noGrad(() => model(...inputs) as unknown)));
}

/** What ONNX Runtime gives for a model, one list of numbers per output. */
export async function oracleOutputs(model: OnnxModel, inputs: readonly Tensor[]): Promise<number[][]> {
  const names = model.graph.inputs.map(({ name }) => name);
  const feeds = Object.fromEntries(names.map((name, i) => [name, inputs[i]]));
  const outputs = await runOracle(writeModel(model), feeds);
  return outputs.map(({ data }) => Array.from(data as Float32Array, Number));
}

/** The scale of each output that comes out of DequantizeLinear; null for others. */
export function outputScales({ graph }: OnnxModel): (number | null)[] {
  return graph.outputs.map(({ name }) => {
    let producer = graph.nodes.find(({ outputs }) => outputs.includes(name));
    while (producer?.opType === "Identity") {
      const [before] = producer.inputs;
      producer = graph.nodes.find(({ outputs }) => outputs.includes(before));
    }
    const scale = graph.initializers.find((tensor) => tensor.name === producer?.inputs[1]);
    return producer?.opType === "DequantizeLinear" && scale ? toTensor(scale).item() : null;
  });
}

export interface Agreement {
  readonly name: string;
  readonly compared: number;
  readonly different: number;
  /** In steps of the output's grid. */
  readonly largest: number;
}

/** Compares the int8 form with what ONNX Runtime makes of the export, integer by integer. */
export async function agreement(
  name: string,
  engine: Engine,
  options: { batch: number; target?: TargetName; format?: ExportOptions["format"] },
): Promise<Agreement> {
  const inputs = manyInputs(name, options.batch);
  const { reference, int8 } = quantizedNetwork(name, engine, inputs);
  const { target = "ort-web-wasm", format = "qdq" } = options;
  const model = exportModel(reference, { exampleInputs: inputs, target, format });
  const theirs = await oracleOutputs(model, inputs);
  const scales = outputScales(model);
  let [compared, different, largest] = [0, 0, 0];
  outputsOf(int8, engine, inputs).forEach((output, i) => {
    const scale = scales[i];
    if (scale === null) throw new Error(`${name}: output ${i} is not quantized`);
    output.toNumbers().forEach((value: number, k: number) => {
      const steps = Math.abs(value - theirs[i][k]) / scale;
      compared++;
      if (steps > 0.5) different++;
      largest = Math.max(largest, steps);
    });
  });
  return { name, compared, different, largest: Math.floor(largest + 0.5) };
}
