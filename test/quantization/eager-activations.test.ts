/**
 * Activations and normalizations in eager mode against PyTorch (tools/golden/eager_activations.py): a whole network, module
 * by module on the integers that PyTorch's got; how quantized modules print and what their state dicts hold.
 */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import {
  _makePerTensorQuantizedTensor,
  add,
  float32,
  nn,
  noGrad,
  ones,
  quantizePerTensor,
  quint8,
  quantization as q,
  randn,
} from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import type { Engine } from "../../src/core/engine.ts";

const path = new URL("../golden/quantization/eager-activations.safetensors", import.meta.url);
const file = readSafetensors(readFileSync(path));
const golden = (key: string): Tensor => {
  const found = file.tensors.get(key);
  if (!found) throw new Error(`the golden file has no ${key}`);
  return found;
};
const json = (key: string): unknown => JSON.parse(file.metadata.get(key) as string);

let [compared, differing] = [0, 0];
afterAll(() =>
  console.log(`quantized activations and normalizations: ${compared} integers compared, ${differing} differ`),
);

/** How many integers differ, and by how much at most. */
function compareIntegers(actual: Tensor, expected: Tensor): { different: number; largest: number } {
  const [a, b] = [actual.intRepr().elements(), expected.elements()];
  expect(actual.shape).toEqual(expected.shape);
  let [different, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) different++;
    largest = Math.max(largest, Math.abs(a[i] - b[i]));
  }
  compared += a.length;
  differing += different;
  return { different, largest };
}

class Net extends nn.Module {
  quant = new q.QuantStub();
  conv = new nn.Conv2d(3, 8, 3, { padding: 1 });
  hardswish = new nn.Hardswish();
  bn = new nn.BatchNorm2d(8);
  relu = new nn.ReLU();
  bn2 = new nn.BatchNorm2d(8);
  elu = new nn.ELU(0.7);
  group_norm = new nn.GroupNorm(2, 8);
  leaky_relu = new nn.LeakyReLU(0.2);
  instance_norm = new nn.InstanceNorm2d(8, { affine: true });
  prelu = new nn.PReLU({ init: 1.5 });
  relu6 = new nn.ReLU6();
  pool = new nn.AvgPool2d(2);
  dropout = new nn.Dropout();
  layer_norm = new nn.LayerNorm([6]);
  fc = new nn.Linear(8 * 6 * 6, 5);
  sigmoid = new nn.Sigmoid();
  softmax = new nn.Softmax(1);
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    let x = this.hardswish(this.conv(this.quant(input)));
    x = this.relu(this.bn(x));
    x = this.elu(this.bn2(x));
    x = this.leaky_relu(this.group_norm(x));
    x = this.prelu(this.instance_norm(x));
    x = this.dropout(this.pool(this.relu6(x)));
    x = this.fc(this.layer_norm(x).flatten(1));
    return this.dequant(this.softmax(this.sigmoid(x)));
  }
}

function converted(engine: Engine): Net {
  const net = new Net();
  const state = [...file.tensors].filter(([key]) => key.startsWith("state/"));
  net.loadStateDict(new Map(state.map(([key, value]) => [key.slice("state/".length), value])));
  const model = q.fuseModules(net.eval(), ["bn", "relu"]);
  const qconfig = q.getDefaultQconfig(engine === "qnnpack" ? "qnnpack" : "x86");
  model.qconfig = qconfig;
  model.prelu.qconfig = new q.QConfig({ activation: qconfig.activation, weight: q.defaultObserver });
  const prepared = q.prepare(model, { allowList: new Set([...q.getDefaultQconfigPropagationList(), nn.Softmax]) });
  noGrad(() => {
    for (const batch of golden("calibration").split(4)) prepared(batch);
  });
  const mapping = new Map(q.getDefaultStaticQuantModuleMappings()).set(nn.Softmax, nn.quantized.Softmax);
  return q.convert(prepared, { mapping });
}

describe.each(["qnnpack", "onednn"] as const)("a converted network, engine %s", (engine) => {
  const int8 = q.withEngine(engine, () => converted(engine));

  it("has PyTorch's qparams", () => {
    for (const [key, expected] of file.tensors) {
      if (!key.startsWith(`${engine}/qparams/`)) continue;
      const module = int8.getSubmodule(key.split("/")[2]) as unknown as Record<"scale" | "zero_point", number | Tensor>;
      const [scale, zeroPoint] = [module.scale, module.zero_point].map((x) => (typeof x === "number" ? x : x.item()));
      const [expectedScale, expectedZeroPoint] = Array.from(expected.elements());
      expect(Math.abs(scale / expectedScale - 1), `${key} scale`).toBeLessThan(1e-5);
      expect(zeroPoint, `${key} zero point`).toBe(expectedZeroPoint);
    }
  });

  it("prints as PyTorch's", () => {
    const withoutScales = (text: string) => text.replaceAll(/scale=(tensor\(\[)?[\d.e-]+/g, "scale=…");
    const expected = (json("printed") as Record<string, string>)[engine]
      // PyTorch takes `affine` for the momentum there.
      .replace("momentum=True, affine=False", "momentum=0.1, affine=True");
    expect(withoutScales(String(int8))).toBe(withoutScales(expected));
  });

  const modules = [...file.tensors.keys()].flatMap((key) => {
    const [, of, name] = new RegExp(`^${engine}/(out|float)/(\\w+)$`).exec(key) ?? [];
    return name ? [{ of, name }] : [];
  });

  it("is compared in all its modules", () => {
    expect(modules.length).toBe([...int8.children()].length);
  });

  it.each(modules)("$name gives PyTorch's $of", ({ of, name }) => {
    const expected = golden(`${engine}/${of}/${name}`);
    const given = file.tensors.get(`${engine}/in/${name}`);
    const module = int8.getSubmodule(name) as nn.Module;
    const run = (x: Tensor) => q.withEngine(engine, () => module(x) as Tensor);
    if (!given)
      return void expect(compareIntegers(run(golden("test")), expected)).toEqual({ different: 0, largest: 0 });
    const [scale, zeroPoint] = Array.from(golden(`${engine}/in/${name}/qparams`).elements());
    const out = run(_makePerTensorQuantizedTensor(given, scale, zeroPoint));
    if (of === "float") expect(out.sub(expected).abs().max().item()).toBeLessThan(1e-6);
    else expect(compareIntegers(out, expected)).toEqual({ different: 0, largest: 0 });
  });

  it("loads its state into another one", () => {
    const x = golden("test");
    const run = (net: Net) => q.withEngine(engine, () => net(x).tolist());
    const other = q.withEngine(engine, () => converted(engine));
    for (const module of other.children()) {
      const onGrid = module as unknown as { scale?: unknown };
      if (typeof onGrid.scale === "number") onGrid.scale = 77;
    }
    expect(run(other)).not.toEqual(run(int8));
    other.loadStateDict(int8.stateDict());
    expect(run(other)).toEqual(run(int8));
  });
});

// ---------------------------------------------------------------- modules by themselves

describe("quantized modules print and save as PyTorch's", () => {
  const two = () => [new nn.Parameter(ones([4])), new nn.Parameter(ones([4]))] as const;
  const nq = nn.quantized;
  const fused = nn.intrinsic.quantized;
  const made: Readonly<Record<string, () => nn.Module>> = {
    ReLU6: () => new nq.ReLU6(),
    "ReLU6 inplace": () => new nq.ReLU6({ inplace: true }),
    Hardswish: () => new nq.Hardswish(0.1, 3),
    ELU: () => new nq.ELU(0.1, 3, 0.7),
    LeakyReLU: () => new nq.LeakyReLU(0.1, 3, 0.2),
    "LeakyReLU inplace": () => new nq.LeakyReLU(0.1, 3, 0.2, { inplace: true }),
    Sigmoid: () => new nq.Sigmoid(0.1, 3),
    Softmax: () => new nq.Softmax(1, { scale: 0.1, zeroPoint: 3 }),
    "Softmax of no dim": () => new nq.Softmax(),
    PReLU: () => new nq.PReLU(0.1, 3, 2),
    Dropout: () => new nq.Dropout(0.3),
    BatchNorm2d: () => new nq.BatchNorm2d(3),
    BatchNorm3d: () => new nq.BatchNorm3d(3, { eps: 1e-3 }),
    BNReLU2d: () => new fused.BNReLU2d(3),
    BNReLU3d: () => new fused.BNReLU3d(3),
    LayerNorm: () => new nq.LayerNorm([4], ...two(), 0.1, 3),
    "LayerNorm plain": () => new nq.LayerNorm([4, 5], null, null, 0.1, 3, { elementwiseAffine: false }),
    GroupNorm: () => new nq.GroupNorm(2, 4, ...two(), 0.1, 3),
    "GroupNorm plain": () => new nq.GroupNorm(2, 4, null, null, 0.1, 3, { affine: false }),
    InstanceNorm1d: () => new nq.InstanceNorm1d(4, null, null, 0.1, 3),
    InstanceNorm2d: () => new nq.InstanceNorm2d(4, ...two(), 0.1, 3, { affine: true }),
    InstanceNorm3d: () => new nq.InstanceNorm3d(4, null, null, 0.1, 3, { eps: 1e-3 }),
    ConvAdd2d: () => new fused.ConvAdd2d(2, 3, 3),
    ConvAddReLU2d: () => new fused.ConvAddReLU2d(2, 3, 3, { padding: 1 }),
    LinearLeakyReLU: () => new fused.LinearLeakyReLU(2, 3, 0.2),
    LinearTanh: () => new fused.LinearTanh(2, 3),
  };
  const expected = json("modules") as Record<string, { printed: string; state: string[] }>;
  const grid = ["scale", "zero_point"];
  /** What PyTorch keeps in attributes that its state dicts leave out, and Octet saves. */
  const savedToo: Readonly<Record<string, string[]>> = {
    ELU: grid,
    Sigmoid: grid,
    Softmax: grid,
    "Softmax of no dim": grid,
    PReLU: ["weight", ...grid],
  };

  it("all of them", () => expect(Object.keys(made).sort()).toEqual(Object.keys(expected).sort()));

  it.each(Object.keys(made))("%s", (name) => {
    const module = made[name]();
    // The dtype of the packed weight is the weight's own, and a tuple's items have numbers.
    const keys = expected[name].state.filter((key) => !key.endsWith("_params.dtype"));
    const flat = keys.flatMap((key) => (key.endsWith("_packed_params") ? [`${key}.0`, `${key}.1`] : [key]));
    const saved = [...module.stateDict().keys()];
    expect(String(module)).toBe(expected[name].printed);
    expect(saved.toSorted()).toEqual([...flat, ...(savedToo[name] ?? [])].toSorted());
    // A state dict of PyTorch's.
    const state = [...module.stateDict()].filter(([key]) => !savedToo[name]?.includes(key));
    expect(() => module.loadStateDict(new Map(state))).not.toThrow();
  });
});

describe("convolutions with a tensor added", () => {
  it.each(["ConvAdd2d", "ConvAddReLU2d"] as const)("%s", (name) => {
    q.withEngine("onednn", () => {
      const of = (key: string) => golden(`add/${name}/${key}`);
      const conv = new nn.Conv2d(4, 6, 3, { padding: 1 });
      conv.loadStateDict(new Map(["weight", "bias"].map((key) => [key, of(key)])));
      const sum = (a: Tensor, b: Tensor) => add(a, b);
      const fused =
        name === "ConvAdd2d"
          ? new nn.intrinsic.ConvAdd2d(conv, sum)
          : new nn.intrinsic.ConvAddReLU2d(conv, sum, new nn.ReLU());
      fused.qconfig = q.getDefaultQconfig("x86");
      const prepared = q.prepare(new nn.ModuleList([fused]).eval());
      noGrad(() => (prepared.get(0) as typeof fused)(of("x"), of("addend")));
      const int8 = q.convert(prepared).get(0) as InstanceType<typeof nn.intrinsic.quantized.ConvAdd2d>;
      expect(int8).toBeInstanceOf(nn.intrinsic.quantized[name]);
      const [scale, zeroPoint] = Array.from(of("qparams").elements());
      expect(Math.abs(int8.scale / scale - 1)).toBeLessThan(1e-5);
      expect(int8.zero_point).toBe(zeroPoint);
      const out = int8(
        _makePerTensorQuantizedTensor(of("qx"), 0.05, 60),
        _makePerTensorQuantizedTensor(of("qaddend"), 0.04, 100),
      );
      expect(compareIntegers(out, of("out"))).toEqual({ different: 0, largest: 0 });
      expect(() => int8(_makePerTensorQuantizedTensor(of("qx"), 0.05, 60))).toThrow("takes two inputs");
    });
  });
});

describe("conversion", () => {
  const swapped = (module: nn.Module, x: Tensor): nn.Module => {
    const model = new nn.Sequential(new q.QuantStub(), module).eval();
    model.qconfig = q.getDefaultQconfig("qnnpack");
    const prepared = q.prepare(model);
    noGrad(() => prepared(x));
    return q.convert(prepared).get(1);
  };

  const image = [2, 4, 5, 5];
  const bnRelu = () => new nn.intrinsic.BNReLU2d(new nn.BatchNorm2d(4), new nn.ReLU()).eval();
  it.each<[name: string, float: () => nn.Module, size: number[]]>([
    ["Hardswish", () => new nn.Hardswish(), image],
    ["ELU", () => new nn.ELU(0.5), image],
    ["LeakyReLU", () => new nn.LeakyReLU(0.3), image],
    ["PReLU", () => new nn.PReLU({ numParameters: 4 }), image],
    ["Dropout", () => new nn.Dropout(0.3), image],
    ["BatchNorm2d", () => new nn.BatchNorm2d(4, { eps: 1e-3 }), image],
    ["BatchNorm3d", () => new nn.BatchNorm3d(4), [...image, 2]],
    ["BNReLU2d", bnRelu, image],
    ["LayerNorm", () => new nn.LayerNorm(5), image],
    ["InstanceNorm1d", () => new nn.InstanceNorm1d(4, { affine: true }), [2, 4, 5]],
    ["InstanceNorm2d", () => new nn.InstanceNorm2d(4), image],
    ["InstanceNorm3d", () => new nn.InstanceNorm3d(4, { eps: 1e-3 }), [...image, 2]],
  ])("makes the same %s of a float module and qparams", (name, make, size) => {
    const float = make().eval();
    float.qconfig = new q.QConfig({ activation: q.defaultObserver, weight: q.defaultObserver });
    const int8 = swapped(float, randn(size));
    const Class = int8.constructor as unknown as {
      fromReference(module: nn.Module, scale: number, zeroPoint: number): nn.Module;
    };
    const { scale = 1, zero_point: zeroPoint = 0 } = int8 as { scale?: number; zero_point?: number };
    const made = Class.fromReference(float, scale, zeroPoint);
    expect(String(made)).toMatch(new RegExp(`^Quantized${name}\\(`));
    expect(String(made)).toBe(String(int8));
    expect(made).toBeInstanceOf(int8.constructor);
    const x = quantizePerTensor(randn(size), 0.03, 120, quint8);
    expect((made(x) as Tensor).dequantize().tolist()).toEqual((int8(x) as Tensor).dequantize().tolist());
  });

  it("warns of a slope that is not quint8, and of running statistics of instances", () => {
    const warnings: string[] = [];
    withWarnings(
      (message) => void warnings.push(message),
      () => {
        swapped(new nn.PReLU(), randn([2, 3]));
        swapped(new nn.InstanceNorm1d(3, { trackRunningStats: true }), randn([2, 3, 5]));
      },
    );
    expect(warnings).toEqual([
      "PReLU's weight observer should have dtype quint8 but got torch.qint8",
      "InstanceNorm1d: quantized, it normalizes by each input's own statistics and not by the running ones",
    ]);
  });

  it("keeps the batch norm of a trained convolution inside it", () => {
    const model = new nn.Sequential(new q.QuantStub(), new nn.Conv2d(1, 2, 1), new nn.BatchNorm2d(2));
    const fused = q.fuseModulesQat(model, ["1", "2"]);
    fused.qconfig = q.getDefaultQatQconfig("qnnpack");
    const prepared = q.prepareQat(fused.train());
    noGrad(() => prepared(randn([2, 1, 4, 4])));
    expect(String(q.convert(prepared.eval()))).toMatch(/\(1\): QuantizedConv2d\(/);
  });

  it("makes no module of a float input", () => {
    const int8 = swapped(new nn.LayerNorm([4]), randn([2, 4]));
    expect(() => int8(ones([2, 4], { dtype: float32 }))).toThrow("Could not run 'quantized::layer_norm'");
  });
});
