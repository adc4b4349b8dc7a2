/** Models through the writer and the reader, and models by another writer. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { oneNodeModel } from "../../bench/onnx-model.ts";
import { OctetError } from "../../src/core/errors.ts";
import { makeAttribute, makeNode } from "../../src/onnx/make.ts";
import type { OnnxModel } from "../../src/onnx/model.ts";
import { readModel } from "../../src/onnx/read.ts";
import { toTensor } from "../../src/onnx/tensor.ts";
import { saveModel, writeModel } from "../../src/onnx/write.ts";
import { everythingModel, linearModel, settled } from "./models.ts";

ort.env.wasm.numThreads = 1;

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "octet-onnx-"))));
afterEach(() => rmSync(folder, { recursive: true }));

describe("writing and reading", () => {
  it.each([
    ["a small model", linearModel()],
    ["a model with everything", everythingModel()],
  ])("gives %s back, always as the same bytes", (_, model: OnnxModel) => {
    const bytes = writeModel(model);
    const back = readModel(bytes);
    expect(settled(back)).toEqual(settled(model));
    expect(writeModel(back)).toEqual(bytes);
    const path = join(folder, "model.onnx");
    saveModel(path, model);
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
    expect(settled(readModel(path))).toEqual(settled(model));
  });

  it("tells zero from minus zero in floats", () => {
    const [node] = readModel(writeModel(everythingModel())).graph.nodes;
    expect(node.attributes.get("fs")).toMatchObject({ value: [0.5, -0, Infinity] });
  });

  it("reads a model of another writer", () => {
    const model = readModel(
      oneNodeModel({
        op: "Conv",
        inputs: { x: [1, 2, 5, 5] },
        output: [1, 1, 3, 3],
        attributes: { pads: [0, 0, 0, 0], strides: [1, 1] },
        constants: { w: { shape: [1, 2, 3, 3], data: Float32Array.from({ length: 18 }, (_, i) => i / 4) } },
      }),
    );
    expect(model.opsetImports).toEqual(new Map([["", 13]]));
    const [node] = model.graph.nodes;
    expect([node.opType, node.inputs, node.outputs]).toEqual(["Conv", ["x", "w"], ["y"]]);
    expect(node.attributes.get("pads")).toMatchObject({ type: "ints", value: [0, 0, 0, 0] });
    expect(model.graph.inputs[0].type).toMatchObject({
      elementType: "float",
      shape: [1, 2, 5, 5].map((size) => ({ size })),
    });
    const weight = toTensor(model.graph.initializers[0]);
    expect([weight.shape, weight.elements()]).toEqual([
      [1, 2, 3, 3],
      Float32Array.from({ length: 18 }, (_, i) => i / 4),
    ]);
  });

  it("writes what ONNX Runtime runs", async () => {
    const session = await ort.InferenceSession.create(writeModel(linearModel()));
    const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.of(1, 0, 0, 0, 0, 1, 0, 2), [2, 4]) });
    const w = toTensor(linearModel().graph.initializers[0]).toNumbers();
    const b = toTensor(linearModel().graph.initializers[1]).toNumbers();
    expect([...(y.data as Float32Array)]).toEqual([
      ...[0, 1, 2].map((j) => w[j] + b[j]),
      ...[0, 1, 2].map((j) => w[3 + j] + 2 * w[9 + j] + b[j]),
    ]);
  });

  it("refuses two attributes of one name, and what cannot be stored", () => {
    const twice = [makeAttribute("a", "int", 1), makeAttribute("a", "int", 2)];
    expect(() => makeNode({ opType: "X", inputs: [], outputs: [], attributes: twice })).toThrow(
      /two attributes called "a"/,
    );
    const broken = (change: Partial<OnnxModel>) => () => writeModel({ ...linearModel(), ...change });
    expect(broken({ producerName: "\ud800" })).toThrow(OctetError);
    expect(broken({ modelVersion: 2n ** 63n })).toThrow(/does not fit into 64 bits/);
    expect(broken({ irVersion: 1.5 })).toThrow(/1\.5 is not a whole number/);
  });
});

describe("a model in a file", () => {
  it("has its weights read when they are asked for", () => {
    const path = join(folder, "model.onnx");
    saveModel(path, linearModel(1000));
    const model = readModel(path);
    const [weight] = model.graph.initializers;
    expect(toTensor(weight)).toEqual(toTensor(linearModel(1000).graph.initializers[0]));
    truncateSync(path, statSync(path).size - 1);
    expect(() => toTensor(weight)).toThrow(
      /^cannot read ".*model\.onnx": it was changed after it had been opened; open it again$/,
    );
    rmSync(path);
    expect(() => toTensor(weight)).toThrow(/no such file or folder$/);
  });

  it("can be replaced by itself", () => {
    const path = join(folder, "model.onnx");
    saveModel(path, linearModel(1000));
    saveModel(path, { ...readModel(path), producerName: "again" });
    const model = readModel(path);
    expect(model.producerName).toBe("again");
    expect(settled(model.graph)).toEqual(settled(linearModel(1000).graph));
  });

  it("is named in errors", () => {
    const path = join(folder, "model.onnx");
    writeFileSync(path, writeModel(linearModel()).subarray(0, 40));
    expect(() => readModel(path)).toThrow(
      /^.*model\.onnx: onnx: byte \d+: field 7 says \d+ bytes, but only \d+ are left$/,
    );
    expect(() => readModel(join(folder, "absent.onnx"))).toThrow(/no such file or folder$/);
    expect(() => readModel(folder)).toThrow(/is not an ordinary file$/);
  });
});
