/** State dicts of older PyTorch versions, whose modules kept the same values under other keys. */
import { describe, expect, it } from "vitest";
import { manualSeed, nn, noGrad, quantization as q, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { StateDict } from "../../src/nn/state-dict.ts";

/** A state dict with some keys renamed or dropped (""), and other versions. */
function older(state: StateDict, rename: (key: string) => string, versions: Record<string, number>): StateDict {
  const renamed = [...state].map(([key, tensor]): [string, Tensor] => [rename(key), tensor]);
  const old = new StateDict(renamed.filter(([key]) => key !== ""));
  for (const [path, version] of Object.entries(versions)) old.metadata.set(path, { version });
  return old;
}

const packed = /_packed_params\._packed_params\.([01])$/;
const names = ["weight", "bias"];

/** A small converted model and an input for it. */
function converted(seed: number): nn.Module {
  manualSeed(seed);
  const model = new q.QuantWrapper(new nn.Sequential(new nn.Linear(4, 3), new nn.Linear(3, 2))).eval();
  model.qconfig = q.getDefaultQconfig("qnnpack");
  const prepared = q.prepare(model);
  noGrad(() => prepared(randn([8, 4])));
  return q.convert(prepared);
}

describe("a quantized linear", () => {
  it.each([
    ["1", (key: string) => key.replace(packed, (_, i: string) => names[Number(i)])],
    ["2", (key: string) => key.replace(packed, (_, i: string) => `_packed_params.${names[Number(i)]}`)],
    ["3", (key: string) => key],
  ])("loads version %s", (version, rename) => {
    q.withEngine("qnnpack", () => {
      const [source, target] = [converted(1), converted(2)];
      const state = source.stateDict();
      const old = older(state, rename, { "module.0": Number(version), "module.1": Number(version) });
      if (version !== "3") expect([...old.keys()]).not.toEqual([...state.keys()]);
      const x = randn([5, 4]);
      expect(target(x).elements()).not.toEqual(source(x).elements());
      target.loadStateDict(old);
      expect(target(x).elements()).toEqual(source(x).elements());
      expect([...target.stateDict().keys()]).toEqual([...state.keys()]);
    });
  });

  it("reports what is missing or misshapen under the keys of today", () => {
    const linear = new nn.quantized.Linear(4, 3);
    const { scale, zero_point } = Object.fromEntries(linear.stateDict());
    expect(() => linear.loadStateDict({ scale, zero_point })).toThrow(
      'Missing key(s) in state_dict: "_packed_params._packed_params.0"',
    );
    const weight = new nn.quantized.Linear(5, 3).weight();
    expect(() => linear.loadStateDict({ scale, zero_point, weight })).toThrow(
      "size mismatch for _packed_params._packed_params.0: the state dict has shape [3, 5], the module [3, 4].",
    );
    const conv = new nn.quantized.Conv2d(2, 2, 3);
    const larger = new nn.quantized.Conv2d(2, 2, 5).stateDict();
    expect(() => conv.loadStateDict(larger)).toThrow("size mismatch for weight: the state dict has shape [2, 2, 5, 5]");
  });

  it("does not take an old key where the new one is there too", () => {
    const linear = new nn.quantized.Linear(4, 3);
    const state = new Map(linear.stateDict()).set("weight", randn([3, 4]));
    expect(() => linear.loadStateDict(state)).toThrow('Unexpected key(s) in state_dict: "weight"');
  });
});

describe("a dynamic linear", () => {
  const dynamic = () => q.quantizeDynamic(new nn.Sequential(new nn.Linear(4, 3)));
  const reduces = (model: nn.Module) => (model.getSubmodule("0") as nn.quantized.dynamic.Linear).reduceRange;

  it("has the keys and the version of PyTorch's", () => {
    const state = dynamic().stateDict();
    expect([...state.keys()]).toEqual([
      "0.scale",
      "0.zero_point",
      "0._packed_params._packed_params.0",
      "0._packed_params._packed_params.1",
    ]);
    expect([state.get("0.scale")!.item(), state.get("0.zero_point")!.item()]).toEqual([1, 0]);
    expect([state.metadata.get("0"), state.metadata.get("0._packed_params")]).toEqual([{ version: 4 }, { version: 3 }]);
  });

  it("keeps all 8 bits of activations before version 4", () => {
    const model = dynamic();
    expect(reduces(model)).toBe(true);
    const state = model.stateDict();
    const load = (versions: Record<string, number>) => {
      model.loadStateDict(older(state, (key) => key, versions));
      return reduces(model);
    };
    expect(load({ "": 1, 0: 3 })).toBe(false);
    expect(load({ "": 1, 0: 4 })).toBe(true);
    expect(load({ "": 1 })).toBe(false);
    expect(load({})).toBe(true); // no versions at all, as in a safetensors file
  });

  it("gives other results then, on engines that reduce the range", () => {
    q.withEngine("x86", () => {
      const model = dynamic();
      const x = randn([6, 4]);
      const reduced = model(x);
      model.loadStateDict(older(model.stateDict(), (key) => key, { 0: 3 }));
      const exact = model(x);
      expect(exact.elements()).not.toEqual(reduced.elements());
    });
  });
});

describe("a trained convolution with batch normalization", () => {
  const make = (seed: number) => {
    manualSeed(seed);
    const model = new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.BatchNorm2d(3), new nn.ReLU()).train();
    const fused = q.fuseModulesQat(model, ["0", "1", "2"]);
    fused.qconfig = q.getDefaultQatQconfig("qnnpack");
    const prepared = q.prepareQat(fused);
    noGrad(() => prepared(randn([2, 2, 5, 5])));
    return prepared.eval();
  };
  const old = new Map(
    Object.entries({ weight: "gamma", bias: "beta" }).map(([now, before]) => [`0.bn.${now}`, `0.${before}`]),
  );
  const toVersion1 = (key: string) => old.get(key) ?? key.replace(/^0\.bn\./, "0.");

  it.each([
    ["version 1", toVersion1, { 0: 1 }],
    ["version 1 without a count of batches", (k: string) => (k.endsWith("tracked") ? "" : toVersion1(k)), { 0: 1 }],
    ["version 2 that calls itself 1", (key: string) => key, { 0: 1 }],
    ["version 2", (key: string) => key, { 0: 2, "0.bn": 2 }],
  ])("loads %s", (_what, rename, versions) => {
    const [source, target] = [make(1), make(2)];
    const state = source.stateDict();
    expect(state.metadata.get("0")).toEqual({ version: 2 });
    target.loadStateDict(older(state, rename, versions));
    const x = randn([2, 2, 5, 5]);
    expect(target(x).elements()).toEqual(source(x).elements());
  });
});
