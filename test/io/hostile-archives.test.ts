/** Archives that are damaged, or made to do harm: each is refused with a FileFormatError of one line. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FileFormatError, fx, io, nn, randn } from "../../src/index.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { writeZip } from "../../src/io/zip.ts";
import type { ArchiveParts } from "./archive-cases.ts";
import { archiveOf, partsOf, smallConverted, smallFloat } from "./archive-cases.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused } from "./hostile.ts";

const float = io.writeArchive(smallFloat());
const converted = io.writeArchive(smallConverted());

/** Reads an archive whose graph.json was changed. */
function readChanged(archive: Uint8Array, change: (graph: ArchiveParts["graph"]) => void): unknown {
  const { graph, tensors } = partsOf(archive);
  change(graph);
  return io.readArchive(archiveOf(graph, tensors));
}

describe("damaged archives", () => {
  it("are refused when they are cut off anywhere", () => {
    expectTruncationsRefused(float, io.readArchive);
    expectTruncationsRefused(converted, io.readArchive);
  });

  it("are read or refused with any bytes changed", () => {
    expectDamageSurvived(converted, io.readArchive);
  });

  it.each([
    ["float", float],
    ["converted", converted],
  ])("are read or refused with any bytes of the JSON changed: %s", (_name, archive) => {
    const { graph, tensors } = partsOf(archive);
    const text = new TextEncoder().encode(JSON.stringify(graph));
    const read = (bytes: Uint8Array) =>
      io.readArchive(
        writeZip(
          [
            ["graph.json", bytes],
            ["tensors.safetensors", tensors],
          ],
          false,
        ),
      );
    expectDamageSurvived(text, read, 2000);
  });
});

/** Every place in a JSON value, as the object or array that holds it and its key there. */
function placesOf(value: unknown): [holder: Record<string, unknown>, key: string][] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [[holder, key] as [typeof holder, string], ...placesOf(holder[key])]);
}

describe("archives with other values in some places", () => {
  const strange: readonly unknown[] = [
    null,
    true,
    -1,
    1e300,
    "",
    "constructor",
    "__proto__",
    [],
    {},
    [[]],
    { $: "undefined" },
    { $: "ref", id: 0 },
    { $: "map", entries: [["0", 1]] },
    { $: "tensor", key: "0.weight" },
    { $: "class", name: "nn.Linear" },
    { $: "function", name: "relu" },
    { $: "object", id: 99, class: "quantization.QConfig", properties: {} },
    { $: "module", id: 99, class: "nn.Sequential", training: true, buffers: {}, properties: {} },
  ];
  it.each([
    ["float", float],
    ["converted", converted],
  ])("are read or refused: %s", (_name, archive) => {
    const { graph, tensors } = partsOf(archive);
    const text = JSON.stringify(graph);
    const count = placesOf(graph).length;
    let refused = 0;
    const run = (at: number, other: unknown): void => {
      const copy: unknown = JSON.parse(text);
      const [holder, key] = placesOf(copy)[at];
      holder[key] = other;
      try {
        io.readArchive(archiveOf(copy, tensors));
      } catch (error) {
        refused++;
        expect(error).toBeInstanceOf(FileFormatError);
        expect((error as Error).message).not.toMatch(/[\r\n]/);
      }
    };
    fc.assert(fc.property(fc.nat(count - 1), fc.constantFrom(...strange), run), { numRuns: 1500 });
    expect(refused).toBeGreaterThan(500);
  });
});

const text = (value: string) => new TextEncoder().encode(value);
const noTensors = writeSafetensors({});

describe("archives that are refused", () => {
  it("without an entry, of another format, or of a newer one", () => {
    const { graph, tensors } = partsOf(float);
    expectRefused(
      () => io.readArchive(writeZip([["graph.json", text("{}")]], false)),
      /no entry "tensors.safetensors"/,
    );
    expectRefused(() => io.readArchive(writeZip([["tensors.safetensors", tensors]], false)), /no entry "graph.json"/);
    expectRefused(() => io.readArchive(archiveOf("[]", tensors)), /graph.json: expects an object/);
    expectRefused(() => io.readArchive(archiveOf({ ...graph, format: "other" }, tensors)), /the format is "other"/);
    expectRefused(
      () => io.readArchive(archiveOf({ ...graph, version: 2 }, tensors)),
      /version 2 cannot be read; this Octet reads version 1/,
    );
    expectRefused(() => io.readArchive(archiveOf({ ...graph, model: 3 }, tensors)), /the model is no graph module/);
  });

  it("with tensors that are missing or belong to nothing", () => {
    const { graph, tensors } = partsOf(float);
    expectRefused(() => io.readArchive(archiveOf(graph, noTensors)), /there is no tensor "0.weight"/);
    expectRefused(
      () => io.readArchive(archiveOf({ ...graph, model: { ...graph.model, graph: [], properties: {} } }, tensors)),
      /tensor ".*" belongs to nothing/,
    );
  });

  it("nested beyond any model", () => {
    const { graph, tensors } = partsOf(float);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const json = JSON.stringify({ ...graph, metadata: 0 }).replace('"metadata":0', `"metadata":{"deep":${deep}}`);
    expectRefused(() => io.readArchive(archiveOf(json, tensors)), /nested more than 400 levels deep/);
  });

  const cases: readonly [string, (graph: ArchiveParts["graph"]) => void, RegExp][] = [
    ["an unknown class", ({ model }) => (model.properties["0"].class = "nn.Nothing"), /unknown class "nn.Nothing"/],
    ["an inherited name", ({ model }) => (model.properties["0"].class = "toString"), /unknown class "toString"/],
    ["a class that is no module's", ({ model }) => (model.properties["0"].class = "quantization.QConfig"), /no module/],
    ["a tensor's class", ({ model }) => (model.meta.x = instance("nn.Parameter")), /is no plain class/],
    ["a module's class", ({ model }) => (model.meta.x = instance("nn.Linear")), /is no plain class/],
    [
      "a property of all objects",
      ({ model }) => set(model, '{"__proto__":1}'),
      /may not have the property "__proto__"/,
    ],
    ["a property in place of a method", ({ model }) => set(model, '{"forward":1}'), /the property "forward"/],
    ["a property of functions", ({ model }) => set(model, '{"call":1}'), /the property "call"/],
    ["a constructor", ({ model }) => set(model, '{"constructor":1}'), /the property "constructor"/],
    ["a field that has its own place", ({ model }) => set(model, '{"bufferNames":1}'), /the property "bufferNames"/],
    ["a module in itself", ({ model }) => (model.properties.me = { $: "ref", id: 0 }), /contains itself/],
    ["an object before it is there", ({ model }) => (model.meta.x = { $: "ref", id: 77 }), /no object 77 before/],
    ["a key that leads to a prototype", ({ model }) => (model.meta.x = JSON.parse('{"__proto__":1}')), /has the key/],
    ["an unknown kind of value", ({ model }) => (model.meta.x = { $: "code" }), /no values of kind "code"/],
    [
      "a huge array",
      ({ model }) => (model.meta.x = { $: "array", type: "Int8Array", values: 1e12 }),
      /expects an array/,
    ],
    ["another array class", ({ model }) => (model.meta.x = { $: "array", type: "Function", values: [] }), /array type/],
    ["an unknown function", ({ model }) => (model.graph[1] = call("function", "eval")), /unknown function "eval"/],
    [
      "a function that is no operator",
      ({ model }) => (model.graph[1] = call("function", "manualSeed")),
      /unknown func/,
    ],
    ["a hook", ({ model }) => (model.properties["0"].hooks = { pre: ["relu"], post: [] }), /unknown hook "relu"/],
    ["the constructor as method", ({ model }) => (model.graph[1] = call("method", "constructor")), /no method/],
    ["a method of objects", ({ model }) => (model.graph[1] = call("method", "__lookupGetter__")), /has no method/],
    ["a module that is not there", ({ model }) => (model.graph[1].target = "9"), /there is no module "9"/],
    [
      "an attribute of functions",
      ({ model }) => Object.assign(model.graph[1], { op: "get_attr", target: "0.weight.constructor" }),
      /no attribute "0.weight.constructor"/,
    ],
    [
      "an attribute of prototypes",
      ({ model }) => Object.assign(model.graph[1], { op: "get_attr", target: "0.weight.__proto__" }),
      /no attribute/,
    ],
    ["a node twice", ({ model }) => (model.graph[2].name = model.graph[1].name), /is there twice/],
    ["a node without a name", ({ model }) => (model.graph[2].name = "a b"), /the name is none/],
    ["a later node as argument", ({ model }) => (model.graph[1].args = [{ $: "node", name: "_2" }]), /not come before/],
    ["an output in the middle", ({ model }) => (model.graph[1].op = "output"), /the output is not the last node/],
    ["an unknown opcode", ({ model }) => (model.graph[1].op = "call"), /is no opcode/],
    ["arguments that are no array", ({ model }) => (model.graph[1].args = 1), /expects an array/],
    ["a training flag that is none", ({ model }) => (model.training = "yes"), /whether it is training/],
    ["two kinds of one tensor", ({ model }) => (model.meta.x = { $: "tensor", key: "0.weight" }), /of two kinds/],
  ];
  const instance = (name: string) => ({ $: "object", id: 99, class: name, properties: {} });
  const set = (model: ArchiveParts["graph"], properties: string) => (model.properties = JSON.parse(properties));
  const call = (kind: "function" | "method", name: string) => {
    const target = kind === "function" ? { $: "function", name } : name;
    return { name: "_0", op: `call_${kind}`, target, args: [{ $: "node", name: "input_1" }] };
  };
  it.each(cases)("with %s", (_name, change, message) => {
    expectRefused(() => readChanged(float, change), message);
  });

  it("with packed weights that do not fit", () => {
    const packed = (graph: ArchiveParts["graph"]) =>
      graph.model.properties["0"].properties._packed_params.properties.packed;
    expect(packed(partsOf(converted).graph)).toMatchObject({ $: "packed", kind: "linear", engine: "x86" });
    const refuse = (changes: object, message: RegExp): void =>
      expectRefused(() => readChanged(converted, (graph) => Object.assign(packed(graph), changes)), message);
    refuse({ engine: "none" }, /engine/);
    refuse({ engine: "other" }, /"other" is no engine/);
    refuse({ kind: "sparse" }, /unknown kind "sparse" of packed weight/);
    refuse({ weight: 1 }, /a packed weight has no tensors/);
    refuse({ kind: "conv", rank: 2, options: {}, transposed: false }, /weight must have 4 dimensions/);
    refuse({ kind: "conv", rank: 1e9, options: {}, transposed: false }, /a convolution has rank 1000000000/);
    refuse({ kind: "conv", rank: 2, options: 1, transposed: false }, /options of a convolution/);
    refuse({ kind: "embedding" }, /quint8 and quint4x2 weights/);
  });
});

describe("graphs that ask for functions while they run", () => {
  const run = (name: string, args: readonly unknown[]): unknown => {
    const graph = new fx.Graph();
    const x = graph.placeholder("x");
    const fn = (fx.operators as unknown as Record<string, never>)[name];
    graph.output(graph.callFunction(fn, [x, ...(args as never[])]));
    const { model } = io.readArchive(io.writeArchive(new fx.GraphModule(new nn.Module(), graph)));
    return model(randn([2]));
  };
  it("get none", () => {
    expect(run("getattr", ["shape"])).toEqual([2]);
    expect(() => run("getattr", ["constructor"])).toThrow('getattr: "constructor" is a function');
    expect(() => run("getattr", ["add"])).toThrow('"add" is a function');
  });
});
