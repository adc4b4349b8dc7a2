/** Whole networks as ONNX, run by ONNX Runtime: float ones must give the same numbers, quantized ones the same integers. */
import { afterAll, describe, expect, it } from "vitest";
import { fx, noGrad } from "../../src/index.ts";
import { exportModel } from "../../src/onnx/export.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { networks } from "../quantization/fx/networks.ts";
import { flatten } from "../quantization/fx/support.ts";
import type { Agreement, Engine } from "./export-networks.ts";
import { agreement, floatNetwork, inputsOf, oracleOutputs, outputsOf, quantizedNetwork } from "./export-networks.ts";
import { largestDifference } from "./oracle.ts";

const recorded = Object.keys(networks).filter((name) => inputsOf(name).length > 0);

/** The ends of quantization that reference graphs do not describe: modules that work on integers themselves. */
const withoutReferenceForm = new Set(["lstm-custom", "custom-module"]);

describe("float networks give the same numbers", () => {
  it.each(recorded)("%s", async (name) => {
    const [net, inputs] = [floatNetwork(name), inputsOf(name)];
    const model = exportModel(fx.symbolicTrace(net), { exampleInputs: inputs });
    const theirs = await oracleOutputs(model, inputs);
    const mine = flatten(noGrad(() => net(...inputs) as unknown));
    expect(theirs.length).toBe(mine.length);
    mine.forEach((tensor, i) => expect(largestDifference(tensor.toNumbers(), theirs[i])).toBeLessThan(1e-4));
  });
});

describe.each(["qdq", "qoperator"] as const)("reference forms give what they compute: %s", (format) => {
  const names = recorded.filter((name) => !withoutReferenceForm.has(name));

  it.each(names)("%s", async (name) => {
    const inputs = inputsOf(name);
    const { reference } = quantizedNetwork(name, "qnnpack", inputs);
    const model = exportModel(reference, { exampleInputs: inputs, target: "ort-web-wasm", format });
    const theirs = await oracleOutputs(model, inputs);
    if (name === "quantized-output") return expect(model.graph.outputs[0].type).toMatchObject({ elementType: "uint8" });
    // A value on the border of two steps may fall on either side; a few of a small output weigh much.
    outputsOf(reference, "qnnpack", inputs).forEach((output, i) => {
      const numbers = Array.from(output.toNumbers());
      const power = numbers.reduce((sum, x) => sum + x * x, 0);
      const noise = numbers.reduce((sum, x, k) => sum + (x - theirs[i][k]) ** 2, 0);
      expect(10 * Math.log10(power / noise)).toBeGreaterThan(35);
    });
  });
});

/** Convolutions, sums, pools over everything and linears: what image networks are made of. */
const imageNetworks = [
  "conv-bn-relu-1d",
  "conv-bn-relu-2d",
  "conv-bn-relu-3d",
  "residual",
  "functional",
  "nested",
  "shared-module",
  "standalone-quantized",
  "add-relu",
  "qat-conv-bn-relu",
  "qat-residual",
];

const results: Agreement[] = [];

async function agreements(engine: Engine, format: "qdq" | "qoperator"): Promise<Agreement[]> {
  const found: Agreement[] = [];
  for (const name of imageNetworks) found.push(await agreement(name, engine, { batch: 16, format }));
  results.push(...found.map((own) => ({ ...own, name: `${own.name}/${engine}/${format}` })));
  return found;
}

function shareOfDifferent(found: readonly Agreement[]): number {
  const sum = (key: "different" | "compared"): number => found.reduce((total, own) => total + own[key], 0);
  return sum("different") / sum("compared");
}

describe("quantized image networks give the integers of Octet's int8 models", () => {
  it.each(["qdq", "qoperator"] as const)("with whole biases, which ONNX Runtime has too: %s", async (format) => {
    const found = await agreements("qnnpack", format);
    expect(shareOfDifferent(found)).toBeLessThanOrEqual(0.001);
    expect(Math.max(...found.map(({ largest }) => largest))).toBeLessThanOrEqual(1);
  });

  // Engine x86 adds the float bias; ONNX Runtime one that is rounded to a step of the sums. Values near a border differ.
  it("within a step with float biases", async () => {
    const found = await agreements("onednn", "qdq");
    expect(shareOfDifferent(found)).toBeLessThanOrEqual(0.01);
    expect(Math.max(...found.map(({ largest }) => largest))).toBeLessThanOrEqual(1);
  });

  afterAll(() => {
    const rows = results.filter(({ different }) => different > 0);
    const all = results.reduce((sum, { compared }) => sum + compared, 0);
    const listed = rows.map(({ name, compared, different }) => `${name}: ${different} of ${compared}`);
    console.log(`onnx export: ${all} integers compared; different (by one step): ${listed.join(", ") || "none"}`);
  });
});

describe("files", () => {
  it.each(["residual", "lstm-dynamic", "embedding-bag"])("%s: the same bytes every time, and after reading", (name) => {
    const inputs = inputsOf(name);
    const { reference } = quantizedNetwork(name, "qnnpack", inputs);
    const bytes = writeModel(exportModel(reference, { exampleInputs: inputs }));
    expect(writeModel(exportModel(reference, { exampleInputs: inputs }))).toEqual(bytes);
    const again = quantizedNetwork(name, "qnnpack", inputs).reference;
    expect(writeModel(exportModel(again, { exampleInputs: inputs }))).toEqual(bytes);
    expect(writeModel(readModel(bytes))).toEqual(bytes);
  });
});
