/** Settings by mode and backend, and calibration that is split and merged. */
import { describe, expect, it } from "vitest";
import { flatten, fx, manualSeed, nn, noGrad, quantization as q, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { sqnr } from "./fx/support.ts";

class Net extends nn.Module {
  conv = new nn.Conv2d(3, 8, 3, { padding: 1 });
  relu = new nn.ReLU();
  pool = new nn.AdaptiveAvgPool2d([2, 2]);
  fc1 = new nn.Linear(32, 16);
  fc2 = new nn.Linear(16, 4);

  override forward(x: Tensor): Tensor {
    const y = flatten(this.pool(this.relu(this.conv(x))), 1);
    return this.fc2(this.fc1(y).add(1));
  }
}

manualSeed(5);
const model = fx.symbolicTrace(new Net().eval());
const images = Array.from({ length: 8 }, () => randn([2, 3, 8, 8]));

async function quantized(mode: q.QuantizationMode, backend: q.TargetBackend, skip: readonly string[] = []) {
  const { qconfigMapping, backendConfig } = q.quantizationSettings(model, mode, backend, skip);
  const prepared = q.prepareFx(model, qconfigMapping, [], { backendConfig });
  await q.calibrate(
    prepared,
    images.map((image) => [image]),
  );
  return q.convertFx(prepared, { backendConfig });
}

const detailOf = (int8: fx.GraphModule, node: string) => q.explain(int8).find((row) => row.node === node)?.detail;

describe("quantizationSettings", () => {
  it.each([
    ["static", "x86", "static: QuantizedLinear"],
    ["static", "qnnpack", "static: QuantizedLinear"],
    ["static", "onednn", "static: QuantizedLinear"],
    ["dynamic", "x86", "dynamic: DynamicQuantizedLinear"],
    ["weight-only", "x86", "weight_only: reference form"],
  ] as const)("quantizes a network in mode %s for %s", async (mode, backend, detail) => {
    const int8 = await quantized(mode, backend);
    expect(detailOf(int8, "fc2")).toBe(detail);
    const [expected, actual] = noGrad(() => [model(images[0]), int8(images[0])]) as Tensor[];
    expect(sqnr(expected, actual)).toBeGreaterThan(25);
  });

  it("keeps in float what is to be skipped", async () => {
    const int8 = await quantized("static", "x86", ["fc2", "flatten"]);
    expect(detailOf(int8, "fc2")).toContain("qconfig is null");
    expect(detailOf(int8, "flatten")).toContain("qconfig is null");
    expect(detailOf(int8, "fc1")).toBe("static: QuantizedLinear");
  });

  it("refuses a name that is not there, and what TensorRT cannot do", () => {
    expect(() => q.quantizationSettings(model, "static", "x86", ["fc9"])).toThrow(
      'skip "fc9": the model has no operator',
    );
    expect(() => q.quantizationSettings(model, "dynamic", "tensorrt")).toThrow("statically only");
  });
});

describe("calibration", () => {
  const { qconfigMapping, backendConfig } = q.quantizationSettings(model, "static", "x86");
  const fresh = () => q.prepareFx(model, qconfigMapping, [], { backendConfig });

  it("merges what two halves noted into what the whole gives", async () => {
    const inputs = images.map((image) => [image]);
    const states: q.ObserverStates[] = [];
    for (const shard of [inputs.slice(0, 3), inputs.slice(3)]) {
      const prepared = fresh();
      states.push(q.observerStates(prepared, await q.calibrate(prepared, shard)));
    }
    const merged = fresh();
    const read = JSON.parse(JSON.stringify(states)) as q.ObserverStates[];
    expect(q.mergeObserverStates(merged, read)).toBe(8);
    const whole = fresh();
    let last = 0;
    expect(await q.calibrate(whole, inputs, { onSample: (samples) => (last = samples) })).toBe(8);
    expect(last).toBe(8);
    const [a, b] = noGrad(() => [merged, whole].map((prepared) => q.convertFx(prepared)(images[0]) as Tensor));
    expect(sqnr(a, b)).toBeGreaterThan(35);
  });

  it("refuses states of another model", async () => {
    const states = q.observerStates(fresh(), 0);
    const other = q.prepareFx(fx.symbolicTrace(new nn.Linear(2, 2).eval()), qconfigMapping, []);
    expect(() => q.mergeObserverStates(other, [states])).toThrow("another model");
    expect(() => q.mergeObserverStates(fresh(), [{ ...states, version: 2 as 1 }])).toThrow("version 1");
  });
});
