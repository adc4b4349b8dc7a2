/** Every network that is compared with PyTorch's, with observers, in reference form and in integers, through an archive. */
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor, fx, nn } from "../../src/index.ts";
import { availableKernels, noGrad, quantization as q, withKernels } from "../../src/index.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import { goldenFolder } from "../golden.ts";
import * as cases from "../quantization/fx/networks.ts";
import { bitsOf, expectSame, stateOf, throughArchive } from "./archive-cases.ts";

interface Flow {
  readonly net: string;
  readonly engine: "qnnpack" | "onednn";
  readonly backend: "qnnpack" | "x86";
}

const { tensors, metadata } = loadSafetensors(`${goldenFolder}/quantization/fx-flows.safetensors`);
const flows = JSON.parse(metadata.get("flows") as string) as Flow[];

function withPrefix(prefix: string): [string, Tensor][] {
  const found = [...tensors].filter(([key]) => key.startsWith(prefix));
  return found.map(([key, value]) => [key.slice(prefix.length), value]);
}

function inputsOf(net: string): Tensor[] {
  return withPrefix(`${net}/in/`)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);
}

function prepared({ net, backend }: Flow, inputs: readonly Tensor[]): fx.GraphModule {
  const { make, mapping, prepare, qat = false } = cases.networks[net];
  const model = make();
  model.loadStateDict(new Map(withPrefix(`${net}/state/`)));
  model.train(qat);
  const run = qat ? q.prepareQatFx : q.prepareFx;
  return run(model, (mapping ?? q.getDefaultQconfigMapping)(backend), inputs, { prepareCustomConfig: prepare?.() });
}

/** Classes of the user that some networks keep, or put in place of theirs. */
function classesOf(model: fx.GraphModule): Record<string, new () => nn.Module> {
  const classes = [...model.modules()].map((module) => module.constructor as new () => nn.Module);
  const own = classes.filter(({ name }) => /^(Inner|ObservedCustom|QuantizedCustom)$/.test(name));
  return Object.fromEntries(own.map((Class) => [Class.name, Class]));
}

const totals = { archives: 0, foreign: 0 };

/** Also says that the loaded model does not share anything with the one that was saved. */
function loaded(model: fx.GraphModule): fx.GraphModule {
  const classes = classesOf(model);
  totals.archives++;
  if (Object.keys(classes).length) totals.foreign++;
  const copy = throughArchive(model, { classes });
  const storages = new Set([...model.stateDict().values()].map(({ storage }) => storage));
  expect([...copy.stateDict().values()].some(({ storage }) => storages.has(storage))).toBe(false);
  return copy;
}

function checkFlow(flow: Flow): void {
  const inputs = inputsOf(flow.net);
  const convertCustomConfig = cases.networks[flow.net].convert?.();
  const model = prepared(flow, inputs);
  const fresh = loaded(model);
  model(...inputs);
  const calibrated = loaded(model);
  expectSame(calibrated, model, inputs);
  // The one that was saved before it saw any data observes as the other does.
  for (let runs = 0; runs < 2; runs++) fresh(...inputs);
  expect(stateOf(fresh)).toEqual(stateOf(model));
  for (const each of [model, calibrated]) each.eval();
  for (const convert of [q.convertToReferenceFx, q.convertFx]) {
    const [expected, later] = [model, calibrated].map((each) => convert(each, { convertCustomConfig }));
    const copy = loaded(expected);
    expectSame(copy, expected, inputs);
    expect(bitsOf(later(...inputs))).toEqual(bitsOf(expected(...inputs)));
    expect(q.explain(copy)).toEqual(q.explain(expected));
  }
}

describe.each(availableKernels())("archives of whole networks on the %s kernels", (kernels) => {
  it.each(flows.map((flow) => [`${flow.net}/${flow.engine}`, flow] as const))("%s", (_name, flow) => {
    withKernels(kernels, () => q.withEngine(flow.engine, () => noGrad(() => checkFlow(flow))));
  });
});

afterAll(() => {
  console.log(`archives: ${totals.archives} written and read, ${totals.foreign} with classes of the user`);
});
