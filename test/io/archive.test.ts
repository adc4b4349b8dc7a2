import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import * as octet from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { FileFormatError, OctetError, fx, io, nn, noGrad, quantization as q, randn } from "../../src/index.ts";
import { archiveNames } from "../../src/io/archive-names.ts";
import { archiveOf, bitsOf, expectSame, partsOf, smallConverted, smallFloat, throughArchive } from "./archive-cases.ts";

class Doubling extends nn.Module {
  factor = 2;
  scale = new nn.Parameter(octet.ones([1]));

  override forward(x: Tensor): Tensor {
    return x.mul(this.scale).mul(this.factor);
  }
}

class WithDoubling extends nn.Module {
  block = new nn.Sequential(new nn.Linear(2, 2), new Doubling());

  override forward(x: Tensor): Tensor {
    return this.block(x);
  }
}

/** A traced model with a leaf that is not Octet's. */
function withDoubling(): fx.GraphModule {
  const tracer = new fx.Tracer();
  const isLeaf = tracer.isLeafModule.bind(tracer);
  tracer.isLeafModule = (module, name) => module instanceof Doubling || isLeaf(module, name);
  const net = new WithDoubling();
  return new fx.GraphModule(net, tracer.trace(net));
}

const triple = fx.wrap((x: Tensor): Tensor => x.mul(3), "triple");

class Forms extends nn.Module {
  first = new nn.Linear(3, 3);
  second: nn.Linear;

  constructor() {
    super();
    this.second = this.first;
    this.registerBuffer("kept", octet.tensor([1, -0, Infinity]));
    this.registerBuffer("passing", octet.tensor([4, 5, NaN]), { persistent: false });
    this.first.bias!.requiresGrad = false;
  }

  override forward(x: Tensor, scale = 0.5): Tensor {
    const y = this.second(this.first(x));
    const [a, b] = octet.split(octet.clamp(y, { min: -Infinity, max: 1 }), [1, 2], 1);
    const kept = (this as unknown as Record<string, Tensor>).kept;
    const passing = (this as unknown as Record<string, Tensor>).passing;
    return octet.cat([a, b], 1).mul(kept).add(passing).mul(scale);
  }
}

describe("writeArchive and readArchive", () => {
  it("give the model back: what it computes, holds and prints", () => {
    const [float, converted] = [smallFloat(), smallConverted()];
    expectSame(throughArchive(float), float, [randn([3, 4])]);
    expectSame(throughArchive(converted), converted, [randn([3, 4])]);
    expect([float, converted].map((model) => io.readArchive(io.writeArchive(model)).kind)).toEqual([
      "float",
      "converted",
    ]);
  });

  it("keep what is shared, parameters, buffers, defaults of inputs, and special numbers", () => {
    const model = fx.symbolicTrace(new Forms());
    model.addModule("second", model.getSubmodule("first"));
    model.registerBuffer("passing", octet.tensor([4, 5, NaN]), { persistent: false });
    const loaded = throughArchive(model);
    expectSame(loaded, model, [randn([2, 3])]);
    const { first, second, kept, passing } = loaded as unknown as Forms & Record<"kept" | "passing", Tensor>;
    expect(second).toBe(first);
    expect(first).toBeInstanceOf(nn.Linear);
    expect(first.weight).toBeInstanceOf(nn.Parameter);
    expect([first.weight.requiresGrad, first.bias?.requiresGrad]).toEqual([true, false]);
    expect([...loaded.namedBuffers()]).toEqual([
      ["kept", kept],
      ["passing", passing],
    ]);
    expect([...loaded.stateDict().keys()]).not.toContain("passing");
    expect(Object.is(kept.toNumbers()[1], -0)).toBe(true);
    loaded(randn([2, 3]))
      .sum()
      .backward();
    expect(first.weight.grad).not.toBeNull();
  });

  it("keep the training mode of every module", () => {
    const model = fx.symbolicTrace(new nn.Sequential(new nn.Linear(2, 2), new nn.Dropout(0.5)));
    model.getSubmodule("0").eval();
    const modes = (module: nn.Module): boolean[] => [...module.modules()].map(({ training }) => training);
    expect(modes(throughArchive(model))).toEqual(modes(model));
  });

  it("keep meta, recipe and metadata", () => {
    const model = smallConverted();
    model.meta.notes = { by: "test", values: new Map([[1, new Set([undefined, null])]]), bytes: Uint8Array.of(1, 2) };
    [...model.graph.nodes][1].meta.cost = -0;
    const recipe = q.getDefaultQconfigMapping("qnnpack").setModuleName("0", q.defaultDynamicQconfig);
    const metadata = { accuracy: 0.91, labels: ["cat", "dog"], means: octet.tensor([0.5, 0.25]), $: "kept" };
    const archive = io.readArchive(io.writeArchive(model, { recipe, metadata }));
    expect(archive.model.meta.notes).toEqual(model.meta.notes);
    expect([...archive.model.graph.nodes][1].meta.cost).toBe(-0);
    expect(q.explain(archive.model)).toEqual(q.explain(model));
    expect(archive.recipe).toBeInstanceOf(q.QConfigMapping);
    expect((archive.recipe as q.QConfigMapping).moduleNameQconfigs.get("0")).toBe(q.defaultDynamicQconfig);
    expect(archive.recipe).toEqual(recipe);
    expect({ ...archive.metadata, means: null }).toEqual({ ...metadata, means: null });
    expect(bitsOf(archive.metadata.means)).toEqual(bitsOf(metadata.means));
    expect(archive.octet).toBe(packageJson.version);
  });

  it("leave hooks out", () => {
    const model = smallFloat();
    model.getSubmodule("0").registerForwardHook(() => octet.zeros([1, 3]));
    const loaded = io.readArchive(io.writeArchive(model)).model;
    expect(loaded.getSubmodule("0").registeredHooks()).toEqual({ pre: [], post: [] });
  });

  it("give models that can be prepared and converted like any other", () => {
    const model = throughArchive(smallFloat()).eval();
    const data = randn([8, 4]);
    const outputs = [model, smallFloat().eval()].map((each) => {
      const prepared = q.prepareFx(each, q.getDefaultQconfigMapping(), [data]);
      noGrad(() => prepared(data));
      return bitsOf(q.convertFx(prepared)(data));
    });
    expect(outputs[0]).toEqual(outputs[1]);
  });
});

describe("classes and functions that are not Octet's", () => {
  it("are refused by name, with the place, unless they are given", () => {
    const model = withDoubling();
    expect(() => io.writeArchive(model)).toThrow(
      'saveArchive: module "block.1" is of class Doubling, which is not Octet\'s: pass it as classes: { Doubling }',
    );
    const classes = { Doubling };
    expectSame(throughArchive(model, { classes }), model, [randn([3, 2])]);
    expect(() => io.readArchive(io.writeArchive(model, { classes }))).toThrow(
      new FileFormatError('archive: unknown class "own.Doubling": pass it as classes: { Doubling }'),
    );
    expect(() => io.writeArchive(model, { classes: { Doubling: (() => 1) as never } })).toThrow(
      '"Doubling" is no class',
    );
  });

  it("may be functions that the graph calls", () => {
    const model = fx.symbolicTrace((x: Tensor) => triple(x).add(1));
    expect(() => io.writeArchive(model)).toThrow(/node triple.* calls .*, which is not Octet's: pass it as functions/);
    const functions = { triple };
    expectSame(throughArchive(model, { functions }), model, [randn([3])]);
    expect(() => io.readArchive(io.writeArchive(model, { functions }))).toThrow(
      'unknown function "own.triple": pass it as functions',
    );
  });

  it("may be mentioned without an instance: the name stays", () => {
    const model = smallFloat();
    model.meta.type = Doubling;
    const type = io.readArchive(io.writeArchive(model)).model.meta.type as { name: string };
    expect(type).not.toBe(Doubling);
    expect(type.name).toBe("Doubling");
    expect(io.readArchive(io.writeArchive(model), { classes: { Doubling } }).model.meta.type).toBe(Doubling);
  });
});

describe("what cannot be stored", () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const computed = Object.defineProperty({}, "now", { get: () => 1, enumerable: true });
  const cases: readonly [string, unknown, RegExp][] = [
    ["a function", () => 1, /"meta.value" is .*, a function that is not Octet's/],
    ["a symbol", Symbol("s"), /"meta.value" is a symbol/],
    ["a big integer", 1n, /"meta.value" is a bigint/],
    ["a date", new Date(0), /"meta.value" is of class Date/],
    ["a circle", circle, /is nested more than 400 levels deep, or contains itself/],
    ["a computed property", computed, /"meta.value.now" is computed by a function/],
    ["a key that leads to a prototype", JSON.parse('{"__proto__":1}'), /"meta.value" has a property __proto__/],
  ];
  it.each(cases)("%s", (_name, value, message) => {
    const model = smallFloat();
    model.meta.value = value;
    expect(() => io.writeArchive(model)).toThrow(message);
    expect(() => io.writeArchive(model)).toThrow(OctetError);
  });

  it("a module that is no graph module", () => {
    expect(() => io.writeArchive(new nn.Linear(2, 2) as never)).toThrow("get one of a model with fx.symbolicTrace");
  });
});

describe("saveArchive and loadArchive", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "octet-archive-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("replace a file in one step, and name it in errors", () => {
    const [file, other] = ["model.octet", "other.octet"].map((name) => path.join(folder, name));
    const model = smallConverted();
    io.saveArchive(file, smallFloat());
    io.saveArchive(file, model, { metadata: { step: 2 } });
    const archive = io.loadArchive(file);
    expectSame(archive.model, model, [randn([2, 4])]);
    expect(archive.metadata).toEqual({ step: 2 });
    expect(() => io.saveArchive(file, withDoubling())).toThrow(OctetError);
    expect(io.loadArchive(file).metadata).toEqual({ step: 2 });
    expect(readdirSync(folder)).toEqual(["model.octet"]);
    writeFileSync(other, "nothing");
    expect(() => io.loadArchive(other)).toThrow(`${other}: zip: no end-of-directory record`);
  });

  it("store a residual network in integers in a quarter of the float one's bytes, and load it at once", () => {
    const block = (channels: number): nn.Module =>
      new nn.Sequential(
        new nn.Conv2d(channels, channels, 3, { padding: 1 }),
        new nn.ReLU(),
        new nn.Conv2d(channels, channels, 3, { padding: 1 }),
      );
    class Residual extends nn.Module {
      stem = new nn.Conv2d(3, 64, 3, { padding: 1 });
      blocks = new nn.ModuleList(Array.from({ length: 4 }, () => block(64)));
      head = new nn.Linear(64, 10);

      override forward(x: Tensor): Tensor {
        let y = octet.relu(this.stem(x));
        for (const each of this.blocks) y = octet.relu(y.add((each as nn.Sequential)(y)));
        return this.head(y.mean([2, 3]));
      }
    }
    const float = fx.symbolicTrace(new Residual().eval());
    const x = randn([1, 3, 8, 8]);
    const prepared = q.prepareFx(float, q.getDefaultQconfigMapping(), [x]);
    noGrad(() => prepared(x));
    const int8 = q.convertFx(prepared);
    const files = [float, int8].map((model, i) => {
      const file = path.join(folder, `residual-${i}.octet`);
      io.saveArchive(file, model);
      return file;
    });
    const sizes = files.map((file) => statSync(file).size);
    const times = files.map((file) => {
      const start = performance.now();
      io.loadArchive(file);
      return performance.now() - start;
    });
    const told = files.map((_, i) => `${(sizes[i] / 1024).toFixed(0)} KiB in ${times[i].toFixed(0)} ms`);
    console.log(`archive of a residual network: float ${told[0]}, int8 ${told[1]}`);
    expect(sizes[1] / sizes[0]).toBeLessThan(0.27);
    expectSame(io.loadArchive(files[1]).model, int8, [x]);
  });
});

describe("backend configs in archives", () => {
  const own = Object.entries(q).filter(([name]) => /^get\w+BackendConfig$/.test(name)) as [
    string,
    () => q.BackendConfig,
  ][];
  const stored = (recipe: q.BackendConfig): unknown => io.readArchive(io.writeArchive(smallFloat(), { recipe })).recipe;
  it.each(own)("%s", (_name, make) => {
    expect(own.length).toBe(8);
    const loaded = stored(make());
    expect(loaded).toBeInstanceOf(q.BackendConfig);
    expect((loaded as q.BackendConfig).toDict()).toEqual(make().toDict());
  });

  it("one of the user's, as far as it holds no functions", () => {
    const pattern = () => new q.BackendPatternConfig([nn.Linear, nn.ReLU]).addDtypeConfig(q.defaultOpQuint8DtypeConfig);
    const config = new q.BackendConfig("mine").setBackendPatternConfig(pattern());
    expect((stored(config) as q.BackendConfig).toDict()).toEqual(config.toDict());
    config.setBackendPatternConfig(pattern().setFuserMethod((_isQat, linear: nn.Linear) => linear));
    expect(() => stored(config)).toThrow(/"recipe.configs.0.fuser_method" is .*, a function that is not Octet's/);
  });
});

describe("names in archives", () => {
  const names = archiveNames();
  it("are derived from the namespaces, and lead back to what they name", () => {
    const known = [
      [names.classes, "nn.quantized.Conv2d", nn.quantized.Conv2d],
      [names.classes, "nn.intrinsic.quantized.ConvReLU2d", nn.intrinsic.quantized.ConvReLU2d],
      [names.classes, "quantization.HistogramObserver", q.HistogramObserver],
      [names.operators, "relu", octet.relu],
      [names.operators, "ops.quantized.addRelu", octet.ops.quantized.addRelu],
      [names.operators, "fx.operators.getitem", fx.operators.getitem],
      [names.constants, "quint8", octet.quint8],
    ] as const;
    for (const [table, name, value] of known) {
      expect(table.get(name)).toBe(value);
      expect(table.nameOf(value)).toBe(name);
    }
  });

  it("name no plain function as an operator", () => {
    for (const name of ["manualSeed", "setKernels", "tensor", "quantization.prepareFx", "io.saveArchive"]) {
      expect(names.operators.get(name)).toBeUndefined();
    }
  });
});

describe("modules of every kind", () => {
  const made: readonly (readonly [string, () => nn.Module])[] = [
    ["nn.Bilinear", () => new nn.Bilinear(2, 3, 4)],
    ["nn.LSTM", () => new nn.LSTM(3, 4)],
    ["nn.GRUCell", () => new nn.GRUCell(3, 4)],
    ["nn.MultiheadAttention", () => new nn.MultiheadAttention(4, 2)],
    ["nn.TransformerEncoderLayer", () => new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8 })],
    ["nn.ParameterList", () => new nn.ParameterList([octet.ones([2])])],
    ["nn.ModuleDict", () => new nn.ModuleDict({ a: new nn.ReLU() })],
    ["nn.BatchNorm2d", () => new nn.BatchNorm2d(3)],
    ["nn.EmbeddingBag", () => new nn.EmbeddingBag(4, 3)],
    ["nn.quantized.Conv2d", () => new nn.quantized.Conv2d(3, 4, 3)],
    ["nn.quantized.ConvTranspose1d", () => new nn.quantized.ConvTranspose1d(3, 4, 3)],
    ["nn.quantized.Linear", () => new nn.quantized.Linear(3, 4)],
    ["nn.quantized.Embedding", () => new nn.quantized.Embedding(4, 3)],
    ["nn.quantized.LayerNorm", () => new nn.quantized.LayerNorm([3], octet.ones([3]), octet.zeros([3]), 1, 0)],
    ["nn.quantized.dynamic.Linear", () => new nn.quantized.dynamic.Linear(3, 4)],
    ["nn.quantized.dynamic.LSTM", () => new nn.quantized.dynamic.LSTM(3, 4)],
    ["nn.quantized.dynamic.GRUCell", () => new nn.quantized.dynamic.GRUCell(3, 4)],
    ["nn.quantized.FloatFunctional", () => new nn.quantized.FloatFunctional()],
    ["nn.quantized.QFunctional", () => new nn.quantized.QFunctional()],
    ["nn.quantizable.LSTM", () => new nn.quantizable.LSTM(3, 4)],
    ["nn.quantizable.MultiheadAttention", () => new nn.quantizable.MultiheadAttention(4, 2)],
    ["quantization.QuantStub", () => new q.QuantStub()],
    ["quantization.FakeQuantize", () => new q.FakeQuantize()],
    ["quantization.RecordingObserver", () => new q.RecordingObserver()],
  ];
  it.each(made)("%s", (_name, make) => {
    const model = smallFloat();
    const module = make();
    model.addModule("extra", module);
    const loaded = throughArchive(model).getSubmodule("extra");
    expect(loaded.constructor).toBe(module.constructor);
    expect(String(loaded)).toBe(String(module));
    expect([...loaded.stateDict()].map(([key, tensor]) => [key, bitsOf(tensor)])).toEqual(
      [...module.stateDict()].map(([key, tensor]) => [key, bitsOf(tensor)]),
    );
  });
});

it("an archive's graph can be read by people", () => {
  const { graph } = partsOf(io.writeArchive(smallFloat()));
  expect(graph.model.graph.map(({ name }: { name: string }) => name)).toEqual(["input_1", "_0", "_1", "_2", "output"]);
  expect(graph.model.properties["0"]).toMatchObject({ $: "module", class: "nn.Linear", training: true });
  expect(graph.model.properties["0"].properties.weight).toEqual({
    $: "parameter",
    key: "0.weight",
    requiresGrad: true,
  });
  expect(io.readArchive(archiveOf(graph, partsOf(io.writeArchive(smallFloat())).tensors)).kind).toBe("float");
});

it("the example of docs/archive.md runs as it is written", () => {
  const net = new nn.Sequential(new nn.Conv2d(3, 8, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(288, 10)).eval();
  const x = randn([1, 3, 8, 8]);
  const mapping = q.getDefaultQconfigMapping();
  const prepared = q.prepareFx(fx.symbolicTrace(net), mapping, [x]);
  noGrad(() => prepared(x));
  const int8 = q.convertFx(prepared);
  const { model, kind, recipe, metadata } = io.readArchive(
    io.writeArchive(int8, { recipe: mapping, metadata: { accuracy: 0.93 } }),
  );
  expect(bitsOf(model(x))).toEqual(bitsOf(int8(x)));
  expect([kind, metadata]).toEqual(["converted", { accuracy: 0.93 }]);
  expect(recipe).toEqual(mapping);
});
