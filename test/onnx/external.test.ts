/** Weights in a file beside the model. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OnnxModel, OnnxTensor } from "../../src/onnx/model.ts";
import { makeGraph, makeModel } from "../../src/onnx/make.ts";
import { readModel } from "../../src/onnx/read.ts";
import { rawTensor, toTensor } from "../../src/onnx/tensor.ts";
import { saveModel, writeModel } from "../../src/onnx/write.ts";
import { expectRefused } from "../io/hostile.ts";
import { linearModel, settled } from "./models.ts";

ort.env.wasm.numThreads = 1;

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "octet-onnx-"));
  path = join(folder, "model.onnx");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Two weights large enough to be moved out (16 and 4 KB), and a small one. */
const model = () => {
  const { graph, ...rest } = linearModel(1000);
  return { ...rest, graph: { ...graph, initializers: [...graph.initializers, small] } };
};
const small = rawTensor("small", "uint8", [3], Uint8Array.of(1, 2, 3));

/** A model whose only initializer says that it is in another file. */
function referring(location: string, entries: Partial<{ offset: number; length: number | null }> = {}): OnnxModel {
  const reference = { location, offset: 0, length: 4, others: new Map<string, string>(), files: null, ...entries };
  const tensor: OnnxTensor = {
    ...rawTensor("w", "uint8", [4], new Uint8Array(4)),
    data: { kind: "external", reference },
  };
  return makeModel({ opsetImports: new Map([["", 13]]), graph: makeGraph({ initializers: [tensor] }) });
}

function weightOf(file: string | Uint8Array): number[] {
  return [...toTensor(readModel(file).graph.initializers[0]).elements()];
}

describe("external data", () => {
  it("is written beside the model, and read from there", () => {
    saveModel(path, model(), { externalData: "always" });
    expect(readdirSync(folder).sort()).toEqual(["model.onnx", "model.onnx.data"]);
    expect(statSync(`${path}.data`).size).toBe(16384 + 4000);
    const back = readModel(path);
    const [w, b, inside] = back.graph.initializers;
    expect([w.data, b.data, inside.data]).toMatchObject([
      { kind: "external", reference: { location: "model.onnx.data", offset: 0, length: 16000 } },
      { kind: "external", reference: { location: "model.onnx.data", offset: 16384, length: 4000 } },
      { kind: "raw" },
    ]);
    expect(back.graph.initializers.map((tensor) => toTensor(tensor))).toEqual(
      model().graph.initializers.map((t) => toTensor(t)),
    );
  });

  it("gives the same bytes every time, and comes back into one file", () => {
    saveModel(path, model(), { externalData: "always" });
    const [main, data] = [readFileSync(path), readFileSync(`${path}.data`)];
    saveModel(path, readModel(path), { externalData: "always" });
    expect(readFileSync(path).equals(main)).toBe(true);
    expect(readFileSync(`${path}.data`).equals(data)).toBe(true);
    expect(settled(readModel(writeModel(readModel(path))))).toEqual(settled(model()));
    const whole = join(folder, "whole.onnx");
    saveModel(whole, readModel(path));
    expect(new Uint8Array(readFileSync(whole))).toEqual(writeModel(model()));
  });

  it("is run by ONNX Runtime", async () => {
    saveModel(path, linearModel(1000), { externalData: "always" });
    const externalData = [{ path: "model.onnx.data", data: new Uint8Array(readFileSync(`${path}.data`)) }];
    const apart = await ort.InferenceSession.create(new Uint8Array(readFileSync(path)), { externalData });
    const whole = await ort.InferenceSession.create(writeModel(linearModel(1000)));
    const x = new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [1, 4]);
    expect((await apart.run({ x })).y.data).toEqual((await whole.run({ x })).y.data);
  });

  it("is provided by the caller where there are no files", () => {
    saveModel(path, referring("weights/a.bin"));
    const bytes = new Uint8Array(readFileSync(path));
    expectRefused(
      () => weightOf(bytes),
      /^onnx: the tensor "w" is in the file "weights\/a\.bin": read the model by its path, or pass externalData/,
    );
    const asked: string[] = [];
    const provided = readModel(bytes, {
      externalData: (location) => {
        asked.push(location);
        return Uint8Array.of(5, 6, 7, 8);
      },
    });
    expect(asked).toEqual([]);
    expect([...toTensor(provided.graph.initializers[0]).elements()]).toEqual([5, 6, 7, 8]);
    expect(asked).toEqual(["weights/a.bin"]);
    expect(writeModel(readModel(bytes))).toEqual(bytes);
  });

  it("keeps a reference that it cannot follow, but not over the file that it names", () => {
    const away = referring("model.onnx.data");
    saveModel(path, away);
    expect(readModel(path).graph.initializers[0].data).toMatchObject({ reference: { location: "model.onnx.data" } });
    expect(() => saveModel(path, away, { externalData: "always" })).toThrow(/which it was read without$/);
  });
});

describe("a location", () => {
  it.each(["../secret", "a/../../secret", "/etc/passwd", "C:\\weights", "..\\secret", "a//b", "", "c:x", "a\0b"])(
    "like %j is refused",
    (location) => {
      expectRefused(() => readModel(writeModel(referring(location))), /is not a path inside the model's folder$/);
    },
  );

  it("may be below the model's folder, but not leave it by a link", () => {
    const outside = mkdtempSync(join(tmpdir(), "octet-outside-"));
    try {
      writeFileSync(join(outside, "secret"), Uint8Array.of(1, 2, 3, 4));
      symlinkSync(join(outside, "secret"), join(folder, "link"));
      symlinkSync(outside, join(folder, "linked"));
      mkdirSync(join(folder, "sub"));
      writeFileSync(join(folder, "sub", "w"), Uint8Array.of(9, 8, 7, 6));
      const read = (location: string) => {
        saveModel(path, referring(location));
        return weightOf(path);
      };
      expect(read("sub/w")).toEqual([9, 8, 7, 6]);
      expectRefused(() => read("link"), /external data "link" lies outside the model's folder$/);
      expectRefused(() => read("linked/secret"), /lies outside the model's folder$/);
      expect(() => read("absent")).toThrow(/^cannot read ".*absent": no such file or folder$/);
      expect(() => read("sub")).toThrow(/not an ordinary file$/);
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it("may be a link beside the real model, as caches have it", () => {
    const blobs = join(folder, "blobs");
    const snapshot = join(folder, "snapshot");
    mkdirSync(blobs);
    mkdirSync(snapshot);
    saveModel(join(blobs, "1234"), referring("w.bin"));
    writeFileSync(join(blobs, "5678"), Uint8Array.of(1, 2, 3, 4));
    symlinkSync(join(blobs, "1234"), join(snapshot, "model.onnx"));
    symlinkSync(join(blobs, "5678"), join(snapshot, "w.bin"));
    expect(weightOf(join(snapshot, "model.onnx"))).toEqual([1, 2, 3, 4]);
  });
});

describe("sizes of external data", () => {
  it("are checked against the shape, and then the file", () => {
    writeFileSync(join(folder, "w"), Uint8Array.of(1, 2, 3, 4, 5, 6));
    const read = (entries: Partial<{ offset: number; length: number | null }>) => {
      saveModel(path, referring("w", entries));
      return weightOf(path);
    };
    expect(read({ offset: 2 })).toEqual([3, 4, 5, 6]);
    expect(read({ offset: 1, length: null })).toEqual([2, 3, 4, 5]);
    expectRefused(
      () => read({ length: 5 }),
      /^.*model\.onnx: onnx: the tensor "w" takes 4 bytes, but its external data has 5$/,
    );
    expectRefused(
      () => read({ offset: 3 }),
      /^.*\/w: onnx: the tensor "w" takes 4 bytes from byte 3 on, but the file has 6$/,
    );
    expectRefused(() => read({ offset: 2 ** 53 - 1 }), /but the file has 6$/);
    expectRefused(() => read({ offset: -1 }), /has external data with the offset "-1"$/);
  });

  it("have to be whole numbers, and a location to be there", () => {
    const bytes = writeModel(referring("ww", { offset: 1234 }));
    const patched = (from: string, to: string) => {
      const text = Buffer.from(bytes).toString("latin1").replace(from, to);
      return () => readModel(new Uint8Array(Buffer.from(text, "latin1")));
    };
    expectRefused(patched("1234", "1e99"), /has external data with the offset "1e99"$/);
    expectRefused(patched("location", "lokation"), /has external data without a location$/);
  });
});
