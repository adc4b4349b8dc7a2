/** State dicts of converted graph modules: packed weights among the attributes, and a fresh model that loads them. */
import { describe, expect, it } from "vitest";
import type { NetworkCase } from "./networks.ts";
import { networks } from "./networks.ts";
import type { Tensor, fx } from "../../../src/index.ts";
import * as octet from "../../../src/index.ts";
import { io, manualSeed, nn, noGrad, quantization as q, randint, randn } from "../../../src/index.ts";
import { bitsOf, stateOf } from "../../io/archive-cases.ts";
import { goldenFolder } from "../../golden.ts";

const image = () => [randn([2, 3, 8, 8])];

const inputs: Readonly<Record<string, () => Tensor[]>> = {
  residual: image,
  functional: image,
  depthwise: image,
  "add-relu": image,
  "conv-bn-relu-2d": image,
  transposed: image,
  "qat-residual": image,
  embedding: () => [randint(0, 20, [3, 4])],
  "dynamic-linear": () => [randn([4, 6])],
  "float16-dynamic": () => [randn([4, 6])],
  "lstm-dynamic": () => [randn([2, 5, 6])],
};

/** New weights every time, so that all values have to come from the state dict. */
function prepared({ make, mapping, qat = false }: NetworkCase, example: readonly Tensor[]): fx.GraphModule {
  const model = make().train(qat);
  for (const parameter of model.parameters()) parameter.data = randn([...parameter.shape]);
  const run = qat ? q.prepareQatFx : q.prepareFx;
  return run(model, (mapping ?? q.getDefaultQconfigMapping)("x86"), example);
}

function packedKeys(model: fx.GraphModule): string[] {
  return [...model.stateDict().keys()].filter((key) => key.startsWith("_packed_weight_"));
}

describe.each(["onednn", "qnnpack"] as const)("engine %s", (engine) => {
  it.each(Object.keys(inputs))("a fresh %s takes the state of a calibrated one", (name) => {
    q.withEngine(engine, () =>
      noGrad(() => {
        manualSeed(3);
        const x = inputs[name]();
        const calibrated = prepared(networks[name], x);
        calibrated(...x);
        const model = q.convertFx(calibrated.eval());
        const fresh = q.convertFx(prepared(networks[name], x).eval(), { allowUncalibrated: true });
        expect(bitsOf(fresh(...x))).not.toEqual(bitsOf(model(...x)));
        const file = io.readSafetensors(io.writeSafetensors(model.stateDict())).tensors;
        expect(fresh.loadStateDict(file)).toEqual({ missingKeys: [], unexpectedKeys: [] });
        expect(bitsOf(fresh(...x))).toEqual(bitsOf(model(...x)));
        expect(stateOf(fresh)).toEqual(stateOf(model));
      }),
    );
  });
});

describe("packed weights among the attributes of a graph module", () => {
  function converted(): fx.GraphModule {
    const [x] = image();
    const model = prepared(networks.functional, [x]);
    noGrad(() => model(x));
    return q.convertFx(model.eval());
  }

  it("stand as weight and bias, and the float ones are gone", () => {
    const model = converted();
    expect(packedKeys(model)).toEqual([
      "_packed_weight_0.0",
      "_packed_weight_0.1",
      "_packed_weight_1.0",
      "_packed_weight_1.1",
    ]);
    const state = model.stateDict();
    expect(state.get("_packed_weight_0.0")?.dtype.name).toBe("qint8");
    expect(state.get("_packed_weight_0.1")?.dtype.name).toBe("float32");
    expect([...model.namedParameters()]).toEqual([]);
    expect([...state.keys()].filter((key) => key.includes("activation_post_process"))).toEqual([]);
  });

  it("are told when they are missing or do not fit", () => {
    const [model, state] = [converted(), converted().stateDict()];
    const without = new Map([...state].filter(([key]) => key !== "_packed_weight_0.0"));
    expect(() => model.loadStateDict(without)).toThrow('Missing key(s) in state_dict: "_packed_weight_0.0".');
    const wrong = (tensor: Tensor) => new Map([...state, ["_packed_weight_0.0", tensor]]);
    expect(() => model.loadStateDict(wrong(randn([1, 2])))).toThrow("size mismatch for _packed_weight_0.0");
    const { shape } = state.get("_packed_weight_0.0") as Tensor;
    expect(() => model.loadStateDict(wrong(randn([...shape])))).toThrow(
      "dtype mismatch for _packed_weight_0.0: float32 cannot be loaded into qint8.",
    );
    const bias = new Map([...state, ["_packed_weight_0.1", randn([99])]]);
    expect(() => model.loadStateDict(bias)).toThrow(
      "_packed_weight_0.0 cannot be packed: quantized::conv2d_prepack: bias",
    );
  });

  it("keep the engine for which they were packed", () => {
    const [model, other] = ["qnnpack", "onednn"].map((engine) => q.withEngine(engine as q.Engine, converted));
    model.loadStateDict(other.stateDict());
    const engineOf = (each: fx.GraphModule) =>
      (each as unknown as Record<string, { engine: string }>)._packed_weight_0.engine;
    expect([model, other].map(engineOf)).toEqual(["qnnpack", "onednn"]);
  });
});

it("a converted model keeps no observers that several nodes shared", () => {
  const [x] = image();
  const model = prepared(networks.residual, [x]);
  noGrad(() => model(x));
  const names = [...q.convertFx(model.eval()).namedModules()].map(([path]) => path);
  expect(names.filter((name) => name.includes("activation_post_process"))).toEqual([]);
});

class Functional extends nn.Module {
  w = new nn.Parameter(octet.zeros([2, 2, 1, 1]));
  b = new nn.Parameter(octet.zeros([2]));
  l = new nn.Parameter(octet.zeros([3, 2]));

  override forward(x: Tensor): Tensor {
    const y = nn.functional.conv2d(x, this.w, this.b, { stride: 1, padding: 0, dilation: 1, groups: 1 });
    return nn.functional.linear(y.flatten(1), this.l);
  }
}

it("a checkpoint of PyTorch's graph mode loads with all its keys, and gives PyTorch's outputs", () => {
  const folder = `${goldenFolder}/checkpoints`;
  const golden = io.loadSafetensors(`${folder}/quantized.safetensors`).tensors;
  const [x, expected] = ["functional/in/0", "functional/out"].map((key) => golden.get(key) as Tensor);
  q.withEngine("qnnpack", () => {
    const float = q.prepareFx(new Functional().eval(), q.getDefaultQconfigMapping("qnnpack"), [x]);
    const model = q.convertFx(float, { allowUncalibrated: true });
    model.loadStateDict(io.stateDictFrom(io.loadCheckpoint(`${folder}/quantized-functional.pt`)));
    expect(bitsOf(noGrad(() => model(x)))).toEqual(bitsOf(expected));
  });
});
