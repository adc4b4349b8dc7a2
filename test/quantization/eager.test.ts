/** Eager mode: what it refuses, what it leaves alone, and what moves along; whole flows are in eager-flows.test.ts. */
import { describe, expect, it } from "vitest";
import { float32, nn, noGrad, quantization as q, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

class Small extends nn.Module {
  quant = new q.QuantStub();
  fc = new nn.Linear(4, 3);
  act = new nn.ReLU();
  dequant = new q.DeQuantStub();

  override forward(x: Tensor): Tensor {
    return this.dequant(this.act(this.fc(this.quant(x))));
  }
}

function calibrated(model: Small = new Small()): Small {
  model.qconfig ??= q.getDefaultQconfig("qnnpack");
  const prepared = q.prepare(q.fuseModules(model.eval(), ["fc", "act"]));
  noGrad(() => prepared(randn([8, 4])));
  return prepared;
}

describe("fuseModules", () => {
  it("replaces the first module, leaves Identities, and moves hooks before and after the run", () => {
    const model = new Small().eval();
    const seen: string[] = [];
    model.fc.registerForwardPreHook(() => void seen.push("before"));
    model.act.registerForwardHook(() => void seen.push("after"));
    const fused = q.fuseModules(model, ["fc", "act"]);
    expect(String(fused.fc)).toMatch(/^LinearReLU\(/);
    expect(fused.act).toBeInstanceOf(nn.Identity);
    expect(model.fc).toBeInstanceOf(nn.Linear);
    fused(randn([2, 4]));
    expect(seen).toEqual(["before", "after"]);
  });

  it("folds a batch norm into the convolution before it", () => {
    const model = new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.BatchNorm2d(3));
    noGrad(() => model(randn([4, 2, 6, 6])));
    model.eval();
    const x = randn([1, 2, 6, 6]);
    const fused = q.fuseModules(model, ["0", "1"]);
    expect(String(fused)).toContain("(1): Identity()");
    expect(fused(x).sub(model(x)).abs().max().item()).toBeLessThan(1e-5);
  });

  const convBn = (training: boolean) =>
    new nn.Sequential(new nn.Conv1d(1, 1, 1), new nn.BatchNorm1d(1)).train(training);
  it.each([
    [
      "an unknown pattern",
      () => q.fuseModules(new nn.Sequential(new nn.Linear(1, 1), new nn.Sigmoid()), ["0", "1"]),
      "did not find fuser method for: (Linear, Sigmoid)",
    ],
    ["a batch norm in training mode", () => q.fuseModules(convBn(true), ["0", "1"]), "Fusion only for eval!"],
    [
      "modules in different modes",
      () => {
        const model = convBn(false);
        model.getSubmodule("1").train();
        return q.fuseModules(model, ["0", "1"]);
      },
      "Conv and BN both must be in the same mode (train or eval).",
    ],
    ["a name that is not there", () => q.fuseModules(convBn(false), ["0", "bn"]), 'no submodule "bn"'],
  ])("refuses %s", (_what, fuse, message) => {
    expect(fuse).toThrow(message);
  });
});

describe("prepare", () => {
  it("refuses a model in which nothing has a qconfig", () => {
    expect(() => q.prepare(new Small())).toThrow("None of the submodule got qconfig applied");
  });

  it("leaves out modules whose qconfig is null", () => {
    const model = new Small();
    model.qconfig = q.getDefaultQconfig("qnnpack");
    model.fc.qconfig = null;
    const prepared = q.prepare(model.eval());
    const observed = [...prepared.namedModules()].flatMap(([path]) =>
      path.endsWith("activation_post_process") ? [path] : [],
    );
    expect(observed).toEqual(["quant.activation_post_process"]);
  });

  it("observes a deep copy with the copy's own observers", () => {
    const prepared = calibrated();
    const copy = prepared.deepCopy();
    const range = (m: Small) => Number((m.stateDict().get("fc.activation_post_process.max_val") as Tensor).item());
    const before = range(prepared);
    noGrad(() => copy(randn([8, 4]).mul(100)));
    expect(range(prepared)).toBe(before);
    expect(range(copy)).toBeGreaterThan(before);
  });

  it("refuses prepareQat in evaluation mode", () => {
    const model = new Small().eval();
    model.qconfig = q.getDefaultQatQconfig("qnnpack");
    expect(() => q.prepareQat(model)).toThrow("prepare_qat only works on models in training mode");
  });
});

describe("convert", () => {
  it("drops observers and qconfigs, and keeps hooks", () => {
    const prepared = calibrated();
    const seen: boolean[] = [];
    prepared.fc.registerForwardHook((_m, _args, out) => void seen.push((out as Tensor).isQuantized));
    const int8 = q.convert(prepared);
    int8(randn([2, 4]));
    expect(seen).toEqual([true]);
    for (const [path, module] of int8.namedModules()) {
      expect(module.qconfig, path).toBeUndefined();
      expect(path).not.toContain("activation_post_process");
    }
    expect([...int8.stateDict().keys()]).toEqual([
      "quant.scale",
      "quant.zero_point",
      "fc.scale",
      "fc.zero_point",
      "fc._packed_params._packed_params.0",
      "fc._packed_params._packed_params.1",
    ]);
  });

  it("gives a model whose state another one can load", () => {
    const [first, second] = [q.convert(calibrated()), q.convert(calibrated())];
    const x = randn([3, 4]);
    expect(second(x).tolist()).not.toEqual(first(x).tolist());
    second.loadStateDict(first.stateDict());
    expect(second(x).tolist()).toEqual(first(x).tolist());
  });

  it("makes reference modules that compute in floats on rounded weights", () => {
    const prepared = calibrated();
    const reference = q.convert(prepared, { isReference: true });
    expect(String(reference.quant)).toMatch(/^Quantize\(/);
    const plain = new Small();
    plain.qconfig = q.getDefaultQconfig("qnnpack");
    const unfused = q.prepare(plain.eval());
    noGrad(() => unfused(randn([8, 4])));
    const { fc } = q.convert(unfused, { isReference: true }) as unknown as { fc: nn.quantized.reference.Linear };
    expect(fc).toBeInstanceOf(nn.quantized.reference.Linear);
    const x = randn([2, 4]);
    const rounded = fc.getQuantizedWeight().dequantize();
    expect(
      fc(x)
        .sub(nn.functional.linear(x, rounded, fc.bias))
        .abs()
        .max()
        .item(),
    ).toBe(0);
  });
});

describe("quantizeDynamic", () => {
  it("quantizes the default classes, or those that are named", () => {
    const model = new nn.Sequential(new nn.Linear(4, 4), new nn.Linear(4, 2));
    expect(q.quantizeDynamic(model).getSubmodule("1")).toBeInstanceOf(nn.quantized.dynamic.Linear);
    const one = q.quantizeDynamic(model, new Set(["0"]));
    expect(one.getSubmodule("0")).toBeInstanceOf(nn.quantized.dynamic.Linear);
    expect(one.getSubmodule("1")).not.toBeInstanceOf(nn.quantized.dynamic.Linear);
  });

  it("refuses dtypes it has no defaults for", () => {
    const model = new nn.Sequential(new nn.Linear(1, 1));
    expect(() => q.quantizeDynamic(model, null, { dtype: float32 })).toThrow(
      "Don't know how to quantize with default settings for torch.float32. Provide full qconfig please",
    );
    expect(() => q.quantizeDynamic(model, new Set([nn.Linear]), { dtype: float32 })).toThrow(
      "Unknown dtype specified for quantize_dynamic",
    );
  });
});

it("wraps leaf modules in stubs", () => {
  const model = new nn.Sequential(new nn.Linear(2, 2));
  (model.getSubmodule("0") as nn.Linear).qconfig = q.getDefaultQconfig("qnnpack");
  expect(String(q.addQuantDequant(model))).toContain("(0): QuantWrapper(");
});
