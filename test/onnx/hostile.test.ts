/** Files that are truncated, damaged, meant to hurt, or no models at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rangeOf } from "../../src/onnx/bytes.ts";
import { makeAttribute, makeGraph, makeModel, makeNode } from "../../src/onnx/make.ts";
import { mapTensors } from "../../src/onnx/map-tensors.ts";
import type { OnnxGraph, OnnxModel } from "../../src/onnx/model.ts";
import { readModel } from "../../src/onnx/read.ts";
import { toStrings, toTensor } from "../../src/onnx/tensor.ts";
import { WireWriter } from "../../src/onnx/wire-writer.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused } from "../io/hostile.ts";
import { everythingModel, linearModel } from "./models.ts";

/** Reads the model and all of its elements. */
function readAll(bytes: Uint8Array): void {
  mapTensors(readModel(bytes), (tensor) => {
    if (tensor.dataType === "string") toStrings(tensor);
    else if (!tensor.dataType.startsWith("complex") && tensor.dataType !== "undefined") toTensor(tensor);
    return tensor;
  });
}

function fileOf(body: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter();
  body(writer);
  return Uint8Array.from([...writer.output()].flatMap((piece) => [...piece]));
}

const withGraph = (graph: Partial<OnnxGraph>, change: Partial<OnnxModel> = {}) =>
  makeModel({ opsetImports: new Map([["", 13]]), graph: makeGraph(graph), ...change });

describe("damage", () => {
  it("is refused where a file is cut off", () => {
    expectTruncationsRefused(writeModel(linearModel()), readAll);
  });

  it("is refused or read over, wherever it is", () => {
    expectDamageSurvived(writeModel(linearModel()), readAll, 2000);
    expectDamageSurvived(writeModel(everythingModel()), readAll, 2000);
  });

  it("is refused at every length of a model with everything, but where a whole part is missing at the end", () => {
    const bytes = writeModel(everythingModel());
    let read = 0;
    for (let length = 0; length < bytes.length; length++) {
      try {
        readAll(bytes.slice(0, length));
        read++;
      } catch (error) {
        expect(error).toMatchObject({ name: "FileFormatError", message: expect.not.stringMatching(/[\r\n]/) });
      }
    }
    // After each of: the first operator set, the second, two properties, the function, the first unknown field.
    expect(read).toBe(6);
  });
});

describe("what is not a model", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["nothing", new Uint8Array(0), /^onnx: not an ONNX model, but an empty file$/],
    ["text", new TextEncoder().encode("Hello, this is no model.\n"), /but text$/],
    ["JSON", new TextEncoder().encode('{"graph": []}'), /but text$/],
    ["a web page", new TextEncoder().encode("<!doctype html><html>"), /but text$/],
    ["a pointer of Git LFS", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"), /Git LFS/],
    ["a zip archive", Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0), /but a zip archive$/],
    ["ONNX Runtime's format", new TextEncoder().encode("\x24\0\0\0ORTM\0\0\0\0"), /ONNX Runtime's own format$/],
    ["zeros", new Uint8Array(100), /^onnx: byte 1: 0 is no field number$/],
    ["a message without a graph", Uint8Array.of(8, 7), /^onnx: the file has no graph$/],
    ["a message without a version", fileOf((writer) => writer.textField(2, "me")), /has no IR version$/],
  ];

  it.each(cases)("%s is refused", (_, bytes, message) => {
    expectRefused(() => readModel(bytes), message);
  });

  it("is named, if it is a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "octet-onnx-"));
    try {
      for (const [, bytes] of cases) {
        const path = join(folder, "file.onnx");
        writeFileSync(path, bytes);
        expectRefused(() => readModel(path), /^.*file\.onnx: onnx: /);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("what is meant to hurt", () => {
  it("lengths beyond the file are refused", () => {
    const length = (value: number | bigint) =>
      fileOf((writer) => {
        writer.varint(7 * 8 + 2);
        writer.varint(value);
      });
    expectRefused(
      () => readModel(length(2 ** 31)),
      /^onnx: byte 6: field 7 says 2147483648 bytes, but only 0 are left$/,
    );
    expectRefused(() => readModel(length(-1)), /says 18446744073709552000 bytes/);
    expectRefused(() => readModel(new Uint8Array(20).fill(0xff)), /^onnx: byte 0: a number has more than ten bytes$/);
    expectRefused(() => readModel(Uint8Array.of(8, 0x80)), /a number ends early$/);
    expectRefused(() => readModel(Uint8Array.of(0x0b, 1)), /field 1 has the wire type 3, which ONNX does not use$/);
    expectRefused(() => readModel(Uint8Array.of(0x3d, 1, 2, 3, 4)), /field 7 has the wire type 5 instead of 2$/);
    expectRefused(() => readModel(Uint8Array.of(8, 7, 0xfd, 0x3f, 1, 2)), /field 1023 ends early$/);
  });

  it("nesting has a limit", () => {
    const nested = (depth: number): OnnxModel => {
      let graph = makeGraph({});
      for (let i = 0; i < depth; i++) {
        const attributes = [makeAttribute("body", "graph", graph)];
        graph = makeGraph({ nodes: [makeNode({ opType: "If", inputs: [], outputs: [], attributes })] });
      }
      return withGraph(graph);
    };
    expect(readModel(writeModel(nested(33))).graph.nodes).toHaveLength(1);
    expectRefused(() => readModel(writeModel(nested(34))), /messages are nested more than 100 deep$/);
  });

  it("contradictions are refused", () => {
    const refused = (model: OnnxModel, message: RegExp) => expectRefused(() => readModel(writeModel(model)), message);
    const node = (change: object) => ({ ...makeNode({ opType: "Relu", inputs: [], outputs: [] }), ...change });
    refused(withGraph({ nodes: [node({ opType: "", name: "n" })] }), /^onnx: the node "n" has no operator$/);
    refused(withGraph({}, { irVersion: 0 }), /has no IR version$/);
    refused(
      withGraph({}, { opsetImports: new Map() }),
      /does not say which operator sets it uses; it may be truncated$/,
    );
    const a = makeAttribute("a", "int", 1);
    const twice = new Map([
      ["a", a],
      ["b", a],
    ]);
    refused(withGraph({ nodes: [node({ attributes: twice })] }), /the attribute "a" is there twice$/);
    const mixed = { ...a, unknownFields: [{ number: 2, wireType: 5 as const, payload: rangeOf(new Uint8Array(4)) }] };
    refused(
      withGraph({ nodes: [node({ attributes: new Map([["a", mixed]]) })] }),
      /the attribute "a" has values of the types int and float$/,
    );
    const invalid = [{ number: 2, wireType: 2 as const, payload: rangeOf(Uint8Array.of(0xff)) }];
    refused(withGraph({}, { unknownFields: invalid }), /field 2 is not valid UTF-8$/);
  });

  it("people's text may be anything", () => {
    const unknownFields = [{ number: 10, wireType: 2 as const, payload: rangeOf(Uint8Array.of(0x61, 0xff)) }];
    expect(readModel(writeModel(withGraph({ unknownFields }))).graph.docString).toBe("a\ufffd");
  });
});
