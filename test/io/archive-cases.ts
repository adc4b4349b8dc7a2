/** Small models for tests of archives, and how their results are compared: byte for byte. */
import { expect } from "vitest";
import type { Tensor as TensorType } from "../../src/index.ts";
import { Tensor, fx, io, manualSeed, nn, noGrad, quantization as q, randn } from "../../src/index.ts";
import { openZip, writeZip } from "../../src/io/zip.ts";

/** Every tensor of a result, in order, as text that two equal ones share: dtype, shape, qparams and bytes. */
export function bitsOf(value: unknown): string[] {
  if (!(value instanceof Tensor)) {
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(bitsOf) : [String(value)];
  }
  const { buffer, byteOffset, byteLength } = value.elements();
  const bytes = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  const grid = value.quantizer ? JSON.stringify(value.quantizer) : "";
  return [`${value.dtype.name} [${value.shape.join()}] ${grid} ${bytes}`];
}

/** All of a module's state, by key. */
export function stateOf(module: nn.Module): [string, string[]][] {
  return [...module.stateDict()].map(([key, tensor]) => [key, bitsOf(tensor)]);
}

/** What an archive gives back, after a look that it writes the same bytes again. */
export function throughArchive(model: fx.GraphModule, options: io.WriteArchiveOptions = {}): fx.GraphModule {
  const bytes = io.writeArchive(model, options);
  const { model: loaded } = io.readArchive(bytes, options);
  expect(Buffer.compare(io.writeArchive(loaded, options), bytes)).toBe(0);
  return loaded;
}

/** Both compute the same, hold the same and print the same. */
export function expectSame(actual: fx.GraphModule, expected: fx.GraphModule, inputs: readonly TensorType[]): void {
  expect(String(actual)).toBe(String(expected));
  expect(String(actual.graph)).toBe(String(expected.graph));
  expect(stateOf(actual)).toEqual(stateOf(expected));
  expect(actual.training).toBe(expected.training);
  expect(bitsOf(actual(...inputs))).toEqual(bitsOf(expected(...inputs)));
}

/** A traced Linear, ReLU and Linear. */
export function smallFloat(): fx.GraphModule {
  manualSeed(0);
  return fx.symbolicTrace(new nn.Sequential(new nn.Linear(4, 3), new nn.ReLU(), new nn.Linear(3, 2)));
}

/** The same in integers. */
export function smallConverted(): fx.GraphModule {
  const model = q.prepareFx(smallFloat().eval(), q.getDefaultQconfigMapping(), [randn([2, 4])]);
  noGrad(() => model(randn([8, 4])));
  return q.convertFx(model);
}

export interface ArchiveParts {
  /** graph.json; tests change it in place. */
  // eslint-disable-next-line typescript/no-explicit-any -- tests write whatever they like into it
  readonly graph: any;
  readonly tensors: Uint8Array;
}

export function partsOf(archive: Uint8Array): ArchiveParts {
  const zip = openZip(archive);
  const graph: unknown = JSON.parse(new TextDecoder().decode(zip.read("graph.json")));
  return { graph, tensors: zip.read("tensors.safetensors") };
}

/** An archive with this text, or value, as graph.json. */
export function archiveOf(graph: unknown, tensors: Uint8Array): Uint8Array {
  const text = typeof graph === "string" ? graph : JSON.stringify(graph);
  const entries = [
    ["graph.json", new TextEncoder().encode(text)],
    ["tensors.safetensors", tensors],
  ] as const;
  return writeZip(entries, false);
}
