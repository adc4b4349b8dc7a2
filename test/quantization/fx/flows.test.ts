/** Graph-mode quantization against PyTorch's: node lists, observers, qparams and int8 outputs of whole networks. */
import { afterAll, describe, expect, it } from "vitest";
import { loadSafetensors } from "../../../src/io/safetensors.ts";
import { noGrad, quantization as q } from "../../../src/index.ts";
import type { Tensor, fx } from "../../../src/index.ts";
import { goldenFolder } from "../../golden.ts";
import type { NetworkCase } from "./networks.ts";
import { networks } from "./networks.ts";
import { comparable, flatten, listing, observersOf, sqnr } from "./support.ts";
import type { NodeRow } from "./support.ts";

interface Flow {
  readonly net: string;
  readonly engine: "qnnpack" | "onednn";
  readonly backend: "qnnpack" | "x86";
  readonly error?: string;
  readonly prepared?: readonly NodeRow[];
  readonly reference?: readonly NodeRow[];
  readonly converted?: readonly NodeRow[];
  readonly observers?: Readonly<Record<string, string>>;
}

const { tensors, metadata } = loadSafetensors(`${goldenFolder}/quantization/fx-flows.safetensors`);
const flows = JSON.parse(metadata.get("flows") as string) as Flow[];

function withPrefix(prefix: string): [string, Tensor][] {
  const found = [...tensors].filter(([key]) => key.startsWith(prefix));
  return found.map(([key, value]) => [key.slice(prefix.length), value]);
}

const inOrder = (prefix: string): Tensor[] =>
  withPrefix(prefix)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);

/** 40 dB against PyTorch's own output. */
const ENOUGH = 40;
const worst = { sqnr: Infinity, name: "" };
let exact = 0;
let compared = 0;

/**
 * Where PyTorch's int8 model is wrong: it disagrees with its own reference form, which Octet's is compared with instead.
 * The reasons are in docs/numerics.md.
 */
const wrongInPyTorch: ReadonlyMap<string, string> = new Map([
  ["depthwise/qnnpack", "relu6 of a channels-last tensor permutes its values"],
  ["activations/qnnpack", "clamp of a channels-last tensor permutes its values"],
  ["transposed/onednn", "transposed convolutions are wrong"],
  ["shared-module/qnnpack", "a module that is called twice keeps the qparams of its last call"],
  ["shared-module/onednn", "a module that is called twice keeps the qparams of its last call"],
]);

function prepared(flow: Flow, { make, mapping, prepare, qat = false }: NetworkCase) {
  const net = make();
  net.loadStateDict(new Map(withPrefix(`${flow.net}/state/`)));
  net.train(qat);
  const qconfigs = (mapping ?? q.getDefaultQconfigMapping)(flow.backend);
  const run = qat ? q.prepareQatFx : q.prepareFx;
  return run(net, qconfigs, inOrder(`${flow.net}/in/`), { prepareCustomConfig: prepare?.() });
}

function compareOutputs(name: string, actual: unknown, expected: readonly Tensor[], least = ENOUGH): void {
  const outputs = flatten(actual);
  expect(outputs.length).toBe(expected.length);
  outputs.forEach((output, i) => {
    const ratio = sqnr(expected[i], output);
    compared += output.numel();
    if (ratio === Infinity) exact += output.numel();
    if (ratio < worst.sqnr) Object.assign(worst, { sqnr: ratio, name });
    expect(ratio, `${name}, output ${i}`).toBeGreaterThanOrEqual(least);
  });
}

function compareQparams(name: string, model: fx.GraphModule): void {
  for (const [key, wanted] of withPrefix(`${name}/qparams/`)) {
    const [a, b] = [qparamAt(model, key), wanted].map(numbersOf);
    expect(a.length, `${name}: ${key}`).toBe(b.length);
    a.forEach((x, i) => expect(Math.abs(x - b[i]), `${name}: ${key}`).toBeLessThanOrEqual(1e-5));
  }
}

/** A buffer of the graph, or a property of a quantized module in it. */
function qparamAt(model: fx.GraphModule, path: string): unknown {
  const cut = path.lastIndexOf(".");
  const owner = cut < 0 ? model : model.getSubmodule(path.slice(0, cut));
  return (owner as unknown as Record<string, unknown>)[path.slice(cut + 1)];
}

function numbersOf(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return Array.from((value as Tensor).flatten().toNumbers() as ArrayLike<number>);
}

/** The quantized model must be as close to the float one as PyTorch's. */
function compareWithFloat(name: string, actual: unknown, pytorch: readonly Tensor[], float: readonly Tensor[]): void {
  flatten(actual).forEach((output, i) => {
    const [ours, theirs] = [output, pytorch[i]].map((t) => sqnr(float[i], t));
    expect(ours, `${name}, output ${i} against float`).toBeGreaterThanOrEqual(theirs - 0.5);
  });
}

function compareFlow(flow: Flow): void {
  const name = `${flow.net}/${flow.engine}`;
  const network = networks[flow.net];
  const inputs = inOrder(`${flow.net}/in/`);
  const model = prepared(flow, network);
  expect(comparable(listing(model))).toEqual(comparable(flow.prepared ?? []));
  expect(observersOf(model)).toEqual(flow.observers);
  model(...inputs);
  model.eval();
  const convertCustomConfig = network.convert?.();
  const reference = q.convertToReferenceFx(model, { convertCustomConfig });
  expect(comparable(listing(reference))).toEqual(comparable(flow.reference ?? []));
  const float = inOrder(`${flow.net}/float/`);
  const expectedReference = inOrder(`${name}/reference/`);
  // An integer that comes out one step apart weighs most in a small output.
  compareOutputs(`${name} reference`, reference(...inputs), expectedReference, ENOUGH - 0.1);
  const int8 = q.convertFx(model, { convertCustomConfig });
  const output: unknown = int8(...inputs);
  if (!flow.converted || wrongInPyTorch.has(name)) {
    compareWithFloat(name, output, expectedReference, float);
    return;
  }
  expect(comparable(listing(int8))).toEqual(comparable(flow.converted));
  compareQparams(name, int8);
  const expected = inOrder(`${name}/out/`);
  compareOutputs(name, output, expected);
  compareWithFloat(name, output, expected, float);
}

describe("graph mode gives PyTorch's graphs and integers", () => {
  for (const flow of flows) {
    it(`${flow.net}/${flow.engine}`, () => q.withEngine(flow.engine, () => noGrad(() => compareFlow(flow))));
  }
});

afterAll(() => {
  console.log(
    `graph mode: ${compared} outputs compared, ${exact} in outputs that are equal; worst ${worst.name}: ${worst.sqnr.toFixed(1)} dB`,
  );
});
