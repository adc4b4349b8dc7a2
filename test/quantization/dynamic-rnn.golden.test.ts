/**
 * Dynamic and reference recurrent modules, and dynamic linears, against PyTorch: integers of weights exactly, outputs to
 * 1e-5, a small language model by SQNR; on every kernel set. The data is described in tools/golden/dynamic_rnn.py.
 */
import { afterAll, describe, expect, it } from "vitest";
import { nn, noGrad, quantization as q } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import type { Module } from "../../src/nn/module.ts";
import { PackedSequence, packPaddedSequence, padPackedSequence } from "../../src/nn/utils/rnn.ts";
import { camelCaseKeys, goldenFolder } from "../golden.ts";
import { Tally } from "./golden-file.ts";

interface Case {
  readonly name: string;
  readonly module: "LSTM" | "GRU" | "LSTMCell" | "GRUCell" | "RNNCell" | "Linear";
  readonly args: readonly [number, number];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly form: "dynamic" | "reference";
  readonly dtype: "qint8" | "float16";
  readonly per_channel: boolean;
  readonly states: 0 | 1 | 2;
  readonly lengths: readonly number[] | null;
  readonly printed: string | null;
}

const { tensors, metadata } = loadSafetensors(`${goldenFolder}/quantization/dynamic-rnn.safetensors`);
const cases = JSON.parse(metadata.get("cases") as string) as Case[];

function golden(key: string): Tensor {
  const found = tensors.get(key);
  if (!found) throw new Error(`the golden file has no ${key}`);
  return found;
}

/** All tensors below a folder, by the rest of their path. */
function under(folder: string): Map<string, Tensor> {
  const found = [...tensors].filter(([key]) => key.startsWith(`${folder}/`));
  return new Map(found.map(([key, tensor]) => [key.slice(folder.length + 1), tensor]));
}

const integers = new Tally();
const scales = new Tally();
let worst = { difference: 0, case: "" };
let outputs = 0;
let [signal, noise] = [0, 0];

afterAll(() => {
  const decibels = 10 * Math.log10(signal / noise);
  console.log(
    `dynamic-rnn, ${cases.length} cases: weights ${integers.toString()}; scales ${scales.toString()}; ` +
      `${outputs} outputs compared, largest difference ${worst.difference.toExponential(1)} (${worst.case}), ` +
      `SQNR of all ${decibels.toFixed(1)} dB`,
  );
});

function floatModule(test: Case): Module {
  const [first, second] = test.args;
  const made = new nn[test.module](first, second, camelCaseKeys(test.kwargs));
  made.loadStateDict(under(`${test.name}/state`));
  return made.eval();
}

function qconfigOf(test: Case): q.QConfig {
  if (test.dtype === "float16") return q.float16DynamicQconfig;
  return test.per_channel ? q.perChannelDynamicQconfig : q.defaultDynamicQconfig;
}

function convert(test: Case): Module {
  const float = floatModule(test);
  if (test.form === "dynamic") {
    const spec = new Map([[float.constructor as never, qconfigOf(test)]]);
    return q.quantizeDynamic(new nn.Sequential(float), spec).getSubmodule("0");
  }
  float.qconfig = qconfigOf(test);
  const classes = nn.quantized.reference as unknown as Record<string, { fromFloat(module: Module): Module }>;
  return classes[test.module].fromFloat(float);
}

/** The converted module's weights by name: quantized, or floats of float16 precision. */
function weightsOf(test: Case, module: Module): Record<string, Tensor> {
  const made = module as unknown as Record<string, () => unknown>;
  if (test.form === "dynamic") {
    return (test.module === "Linear" ? { weight: made.weight() } : made.getWeight()) as Record<string, Tensor>;
  }
  if (!test.module.endsWith("Cell")) return made.getQuantizedWeightBiasDict() as Record<string, Tensor>;
  return {
    weight_ih: made.getQuantizedWeightIh() as Tensor,
    weight_hh: made.getQuantizedWeightHh() as Tensor,
  };
}

function compareWeights(test: Case, module: Module): void {
  const weights = weightsOf(test, module);
  for (const [key, expected] of under(`${test.name}/weight`)) {
    const weight = weights[key];
    if (!weight.isQuantized) {
      integers.compare(weight.toNumbers(), expected.toNumbers());
      continue;
    }
    integers.compare(weight.intRepr().elements(), expected.elements());
    const own = test.per_channel ? weight.qPerChannelScales().toNumbers() : [weight.qScale()];
    scales.compare(own, golden(`${test.name}/scale/${key}`).toNumbers());
  }
}

/** The outputs one after the other; a packed sequence padded. */
function flatten(out: unknown, batchFirst: boolean): Tensor[] {
  if (out instanceof PackedSequence) return [padPackedSequence(out, { batchFirst })[0]];
  return Array.isArray(out) ? out.flatMap((part) => flatten(part, batchFirst)) : [out as Tensor];
}

function run(test: Case, module: Module): Tensor[] {
  const x = golden(`${test.name}/in/x`);
  const batchFirst = test.kwargs.batch_first === true;
  const input = test.lengths ? packPaddedSequence(x, test.lengths, { batchFirst, enforceSorted: false }) : x;
  const states = Array.from({ length: test.states }, (_, i) => golden(`${test.name}/in/h${i}`));
  const hx = states.length > 1 ? states : states[0];
  return flatten(
    noGrad(() => (hx ? module(input, hx) : module(input))),
    batchFirst,
  );
}

function compareOutputs(test: Case, module: Module): void {
  const expected = under(`${test.name}/out`);
  const found = run(test, module);
  expect(found.length).toBe(expected.size);
  found.forEach((out, i) => {
    const wanted = golden(`${test.name}/out/${i}`);
    expect(out.shape).toEqual(wanted.shape);
    const [a, b] = [out.toNumbers(), wanted.toNumbers()];
    a.forEach((value: number, j: number) => {
      const difference = Math.abs(value - b[j]) / Math.max(1, Math.abs(b[j]));
      if (difference > worst.difference) worst = { difference, case: test.name };
      expect(difference, `${test.name}, output ${i}, element ${j}`).toBeLessThanOrEqual(1e-5);
      signal += b[j] ** 2;
      noise += (value - b[j]) ** 2;
    });
    outputs += a.length;
  });
}

/** 20 · log10(‖x‖ / ‖x − y‖), in decibels. */
function sqnr(x: Tensor, y: Tensor): number {
  const [whole, rest] = [x, x.sub(y)].map((t) => Math.sqrt(t.square().sum().item()));
  return 20 * Math.log10(whole / rest);
}

class LanguageModel extends nn.Module {
  lstm = new nn.LSTM(24, 64);
  decoder = new nn.Linear(64, 24);

  override forward(x: Tensor): Tensor {
    return this.decoder(this.lstm(x)[0]);
  }
}

function languageModel(): LanguageModel {
  const model = new LanguageModel();
  model.loadStateDict(under("flow/state"));
  return model.eval();
}

describe.each(availableKernels())("kernels %s", (kernels) => {
  const quietly = <T>(body: () => T): T =>
    withKernels(kernels, () => q.withEngine("qnnpack", () => withWarnings(() => {}, body)));

  it.each(cases.map((test) => [test.name, test] as const))("%s", (_name, test) => {
    quietly(() => {
      const module = convert(test);
      if (test.printed) expect(String(module)).toBe(test.printed);
      const before = integers.differing + scales.differing;
      compareWeights(test, module);
      expect(integers.differing + scales.differing, "weights or scales that differ").toBe(before);
      compareOutputs(test, module);
    });
  });

  it.each([
    ["int8", null],
    ["per_channel", q.perChannelDynamicQconfig],
  ] as const)("language model, %s", (key, qconfig) => {
    quietly(() => {
      const spec = qconfig && new Map<never, q.QConfig>([[nn.LSTM, qconfig] as never, [nn.Linear, qconfig] as never]);
      const int8 = q.quantizeDynamic(languageModel(), spec);
      if (!qconfig) expect(String(int8)).toBe(metadata.get("printed"));
      const [x, float, theirs] = [golden("flow/x"), golden("flow/float"), golden(`flow/${key}`)];
      const ours = int8(x);
      const [toPyTorch, toFloat, theirsToFloat] = [sqnr(theirs, ours), sqnr(float, ours), sqnr(float, theirs)];
      console.log(
        `language model, ${key}: SQNR to PyTorch's int8 ${toPyTorch.toFixed(1)} dB, to float ${toFloat.toFixed(2)} dB ` +
          `(PyTorch ${theirsToFloat.toFixed(2)} dB)`,
      );
      expect(toPyTorch).toBeGreaterThanOrEqual(40);
      expect(toFloat).toBeGreaterThanOrEqual(theirsToFloat - 0.5);
    });
  });

  it("a Linear trained for dynamic quantization is observed anew at conversion", () => {
    quietly(() => {
      const linear = new nn.Linear(6, 4);
      linear.qconfig = q.defaultDynamicQatQconfig;
      const trained = nn.qat.dynamic.Linear.fromFloat(linear);
      for (const key of ["before", "after"]) {
        noGrad(() => trained.weight.copy_(golden(`trained/${key}`)));
        trained(golden("trained/before").flatten().slice(0, 0, 18).reshape(3, 6));
      }
      const made = nn.quantized.dynamic.Linear.fromFloat(trained.eval());
      expect(Array.from(made.weight().intRepr().elements())).toEqual(
        Array.from(golden("trained/weight/weight").elements()),
      );
      expect(made.weight().qScale()).toBe(golden("trained/scale/weight").item());
    });
  });
});
