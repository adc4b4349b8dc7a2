/** Loading ONNX models: names, what is kept of the file, opaque operators, folding, functions, and quantization of the result. */
import { describe, expect, it } from "vitest";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import type { GraphModule } from "../../src/fx/graph-module.ts";
import * as nn from "../../src/nn/index.ts";
import { importModel, load } from "../../src/onnx/import.ts";
import type { OnnxMetadata } from "../../src/onnx/import.ts";
import type { NodeOrigin } from "../../src/onnx/import-settings.ts";
import { makeAttribute, makeGraph, makeModel, makeNode, makeValueInfo } from "../../src/onnx/make.ts";
import type { OnnxGraph, OnnxModel } from "../../src/onnx/model.ts";
import type { OpaqueExecutor } from "../../src/onnx/opaque.ts";
import { OpaqueNode } from "../../src/onnx/opaque.ts";
import { fromTensor } from "../../src/onnx/tensor.ts";
import { writeModel } from "../../src/onnx/write.ts";
import * as quantization from "../../src/quantization/index.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { floats, largestDifference, positives, reals, runImported, runOracle, whole } from "./oracle.ts";

function modelOf(graph: Partial<OnnxGraph>, more: Partial<OnnxModel> = {}): OnnxModel {
  return makeModel({ opsetImports: new Map([["", 17]]), graph: makeGraph(graph), ...more });
}

const node = (
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: ReturnType<typeof makeAttribute>[] = [],
) => makeNode({ opType, inputs, outputs, attributes, name: `/block/${opType}` });

function modulesOf(model: GraphModule): Record<string, string> {
  const calls = [...model.graph.nodes].filter(({ op }) => op === "call_module");
  return Object.fromEntries(calls.map(({ target }) => [target, model.getSubmodule(target as string).getName()]));
}

function targets(model: GraphModule): string[] {
  return [...model.graph.nodes].map(({ op, name }) => (op === "call_module" ? "module" : name));
}

/** Conv, batch norm, ReLU, global pool, flatten, linear: with the names that PyTorch's exporter gives. */
function classifier(): OnnxModel {
  return modelOf({
    nodes: [
      node("Conv", ["image", "features.0.weight"], ["a"], [makeAttribute("pads", "ints", [1, 1, 1, 1])]),
      node("BatchNormalization", ["a", "g", "b", "m", "v"], ["c"]),
      node("Relu", ["c"], ["d"]),
      node("GlobalAveragePool", ["d"], ["e"]),
      node("Shape", ["e"], ["shape"]),
      node("Gather", ["shape", "zero"], ["batch"]),
      node("Unsqueeze", ["batch", "axis"], ["batches"]),
      node("Concat", ["batches", "rest"], ["sizes"], [makeAttribute("axis", "int", 0)]),
      node("Reshape", ["e", "sizes"], ["f"]),
      node("MatMul", ["f", "w"], ["h"]),
      node("Add", ["h", "fc.bias"], ["y"]),
    ],
    initializers: [
      fromTensor("features.0.weight", reals(4, 3, 3, 3)),
      fromTensor("g", positives(4)),
      fromTensor("b", reals(4)),
      fromTensor("m", reals(4)),
      fromTensor("v", positives(4)),
      fromTensor("zero", whole([0], [])),
      fromTensor("axis", whole([0])),
      fromTensor("rest", whole([4])),
      fromTensor("w", reals(4, 5)),
      fromTensor("fc.bias", reals(5)),
    ],
    inputs: [makeValueInfo("image", "float", ["batch", 3, 8, "width"])],
    outputs: [makeValueInfo("y", "float", ["batch", 5])],
  });
}

describe("a classifier", () => {
  it("becomes layers under the names of their weights", () => {
    const model = importModel(classifier());
    model.graph.lint();
    expect(modulesOf(model)).toEqual({ "features.0": "Conv2d", block_MatMul: "Linear" });
    expect(targets(model)).toEqual(["image", "module", "relu", "adaptive_avg_pool2d", "reshape", "module", "output"]);
    expect([...model.namedParameters()].map(([name]) => name)).toContain("features.0.weight");
    expect(model.training).toBe(false);
  });

  it("gives what ONNX Runtime gives, for any batch and width", async () => {
    const model = importModel(classifier());
    const bytes = writeModel(classifier());
    for (const shape of [
      [1, 3, 8, 8],
      [3, 3, 8, 5],
    ]) {
      const x = reals(...shape);
      const [theirs] = await runOracle(bytes, { image: x });
      const [mine] = runImported(model, [x]);
      expect(mine.shape).toEqual(theirs.dims);
      expect(largestDifference(mine.toNumbers(), theirs.data as Float32Array)).toBeLessThan(1e-5);
    }
  });

  it("keeps batch norms apart on request", () => {
    const model = importModel(classifier(), { foldBatchNorms: false });
    expect(Object.values(modulesOf(model))).toEqual(["Conv2d", "BatchNorm2d", "Linear"]);
    const folded = runImported(importModel(classifier()), [reals(1, 3, 8, 8)])[0];
    const apart = runImported(model, [reals(1, 3, 8, 8)])[0];
    expect(largestDifference(folded.toNumbers(), apart.toNumbers())).toBeLessThan(1e-5);
  });

  it("remembers the file", () => {
    const model = importModel(classifier());
    const { inputs, outputs, model: kept } = model.meta.onnx as OnnxMetadata;
    expect(inputs.map(({ name }) => name)).toEqual(["image"]);
    expect(outputs.map(({ name }) => name)).toEqual(["y"]);
    expect(kept.producerName).toBe("octet");
    const origins = [...model.graph.nodes].filter((n) => n.op === "call_module").map((n) => n.meta.onnx as NodeOrigin);
    expect(origins.map(({ nodes }) => nodes.map(({ opType }) => opType))).toEqual([
      ["Conv", "BatchNormalization"],
      ["MatMul", "Add"],
    ]);
    expect(origins.map(({ values }) => values.at(-1))).toEqual(["c", "y"]);
  });

  it("is ready for quantization", () => {
    const model = importModel(classifier());
    const x = reals(2, 3, 8, 8);
    const prepared = quantization.prepareFx(model, quantization.getDefaultQconfigMapping("x86"), [x]);
    noGrad(() => prepared(x));
    const int8 = quantization.convertFx(prepared);
    expect(Object.values(modulesOf(int8))).toEqual(["QuantizedConvReLU2d", "QuantizedLinear"]);
    const [exact, rough] = [runImported(model, [x])[0].toNumbers(), runImported(int8, [x])[0].toNumbers()];
    const scale = Math.max(...Array.from(exact, Math.abs));
    expect(largestDifference(exact, rough) / scale).toBeLessThan(0.05);
  });
});

describe("constants", () => {
  it("are the same whether they are initializers or nodes, and what is made of them is folded", () => {
    const model = modelOf({
      nodes: [
        node("Constant", [], ["w0"], [makeAttribute("value", "tensor", fromTensor("", reals(5, 4)))]),
        node("Transpose", ["w0"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
      ],
      inputs: [makeValueInfo("x", "float", [null, 4])],
      outputs: [makeValueInfo("y", "float", [null, 5])],
    });
    expect(Object.values(modulesOf(importModel(model)))).toEqual(["Linear"]);
  });

  it("may stand in for inputs", () => {
    const model = modelOf({
      nodes: [node("Add", ["x", "y"], ["z"])],
      inputs: [makeValueInfo("x", "float", [2]), makeValueInfo("y", "float", [])],
      outputs: [makeValueInfo("z", "float", [2])],
    });
    const imported = importModel(model, { fixedInputs: { y: floats([5], []) } });
    expect(runImported(imported, [floats([1, 2])])[0].tolist()).toEqual([6, 7]);
    expect((imported.meta.onnx as OnnxMetadata).inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(() => importModel(model, { fixedInputs: { z: floats([5], []) } })).toThrow(/fixedInputs has "z".*x, y/);
  });

  it("do not let integers look like activations", () => {
    const model = modelOf({
      nodes: [node("Shape", ["x"], ["s"]), node("Add", ["s", "one"], ["y"]), node("Relu", ["x"], ["z"])],
      initializers: [fromTensor("one", whole([1]))],
      inputs: [makeValueInfo("x", "float", ["a", "b"])],
      outputs: [makeValueInfo("y", "int64", [2]), makeValueInfo("z", "float", ["a", "b"])],
    });
    const prepared = quantization.prepareFx(importModel(model), quantization.getDefaultQconfigMapping("x86"), []);
    const [sizes] = runImported(prepared, [reals(2, 3)]);
    expect(sizes.tolist()).toEqual([3, 4]);
  });
});

describe("operators that are not known", () => {
  const opaqueModel = modelOf(
    {
      nodes: [
        makeNode({ opType: "Twice", domain: "my.domain", name: "twice", inputs: ["x", "k"], outputs: ["t", "u"] }),
        node("Relu", ["u"], ["y"]),
      ],
      initializers: [fromTensor("k", floats([2]))],
      inputs: [makeValueInfo("x", "float", [3])],
      outputs: [makeValueInfo("y", "float", [3])],
    },
    {
      opsetImports: new Map([
        ["", 17],
        ["my.domain", 1],
      ]),
    },
  );

  it("stay as they were", () => {
    const model = importModel(opaqueModel);
    const opaque = model.getSubmodule("twice") as OpaqueNode;
    expect(opaque).toBeInstanceOf(OpaqueNode);
    const { record } = opaque;
    expect(record.node).toBe(opaqueModel.graph.nodes[0]);
    expect([record.opset, record.inputNames]).toEqual([1, ["x"]]);
    expect((record.constants.get("k") as Tensor).tolist()).toEqual([2]);
    expect(() => model(floats([1, 2, 3]))).toThrow(
      /my\.domain\.Twice "twice": Octet cannot run this operator.*onnxruntime-node/,
    );
  });

  it("run if something can run them, also in a prepared model", () => {
    const executor: OpaqueExecutor = {
      run: ({ constants }, [x]) => [x, x.mul(constants.get("k") as Tensor)],
    };
    const model = importModel(opaqueModel, { executor });
    expect(runImported(model, [floats([1, -2, 3])])[0].tolist()).toEqual([2, 0, 6]);
    const prepared = quantization.prepareFx(model, quantization.getDefaultQconfigMapping("x86"), []);
    expect(runImported(prepared, [floats([1, -2, 3])])[0].tolist()).toEqual([2, 0, 6]);
  });

  it("say why they are opaque", () => {
    const model = importModel(
      modelOf({
        nodes: [node("Conv", ["x", "w"], ["y"])],
        inputs: [makeValueInfo("x", "float", null), makeValueInfo("w", "float", null)],
        outputs: [makeValueInfo("y", "float", null)],
      }),
    );
    const [opaque] = [...model.modules()].filter((module) => module instanceof OpaqueNode);
    expect(opaque.record.reason).toBe("its weight has no known rank");
  });
});

describe("functions of a model", () => {
  it("are written out, with the attributes of the call", async () => {
    const leaky = {
      name: "Sloped",
      domain: "my.domain",
      overload: "",
      inputs: ["a", "extra"],
      outputs: ["b"],
      attributes: ["slope"],
      attributeDefaults: new Map(),
      nodes: [
        makeNode({
          opType: "LeakyRelu",
          inputs: ["a"],
          outputs: ["b"],
          attributes: [
            {
              name: "alpha",
              type: "reference",
              refAttrName: "slope",
              valueType: "float",
              docString: "",
              unknownFields: [],
            },
          ],
        }),
      ],
      opsetImports: new Map([["", 17]]),
      valueInfo: [],
      docString: "",
      metadataProps: new Map(),
      unknownFields: [],
    };
    const model = modelOf(
      {
        nodes: [
          makeNode({
            opType: "Sloped",
            domain: "my.domain",
            inputs: ["x"],
            outputs: ["y"],
            attributes: [makeAttribute("slope", "float", 0.5)],
          }),
        ],
        inputs: [makeValueInfo("x", "float", [3])],
        outputs: [makeValueInfo("y", "float", [3])],
      },
      {
        opsetImports: new Map([
          ["", 17],
          ["my.domain", 1],
        ]),
        functions: [leaky],
      },
    );
    const x = floats([1, -2, 3]);
    expect(runImported(importModel(model), [x])[0].tolist()).toEqual([1, -1, 3]);
    const [theirs] = await runOracle(writeModel(model), { x });
    expect(Array.from(theirs.data as Float32Array)).toEqual([1, -1, 3]);
  });
});

describe("branches and loops", () => {
  const truth = (name: string) => makeValueInfo(name, "bool", []);
  const real = (name: string) => makeValueInfo(name, "float", null);
  const branch = (op: string) =>
    makeGraph({ name: op, nodes: [node(op, ["x"], [`${op}_y`])], outputs: [real(`${op}_y`)] });

  async function agrees(model: OnnxModel, feeds: Record<string, Tensor>): Promise<GraphModule> {
    const imported = importModel(model);
    imported.graph.lint();
    const names = (imported.meta.onnx as OnnxMetadata).inputs.map(({ name }) => name);
    const mine = runImported(
      imported,
      names.map((name) => feeds[name]),
    );
    const theirs = await runOracle(writeModel(model), feeds);
    expect(mine.map(({ shape }) => shape)).toEqual(theirs.map(({ dims }) => dims));
    mine.forEach((tensor, i) =>
      expect(largestDifference(tensor.toNumbers(), Array.from(theirs[i].data as Float32Array, Number))).toBeLessThan(
        1e-5,
      ),
    );
    return imported;
  }

  const choice = (initializers: OnnxGraph["initializers"]): OnnxModel =>
    modelOf({
      nodes: [
        node(
          "If",
          ["c"],
          ["y"],
          [makeAttribute("then_branch", "graph", branch("Relu")), makeAttribute("else_branch", "graph", branch("Neg"))],
        ),
      ],
      initializers,
      inputs: [...(initializers.length ? [] : [truth("c")]), makeValueInfo("x", "float", [3])],
      outputs: [real("y")],
    });

  it("chooses at run time", async () => {
    for (const c of [0, 1]) {
      await agrees(choice([]), {
        c: Tensor.fromArray(Uint8Array.of(c), [], whole([]).gt(0).dtype),
        x: floats([1, -2, 3]),
      });
    }
  });

  it("imports the branch of a constant in place", async () => {
    const constant = fromTensor("c", Tensor.fromArray(Uint8Array.of(1), [], whole([]).gt(0).dtype));
    expect(targets(await agrees(choice([constant]), { x: floats([1, -2, 3]) }))).toEqual(["x", "relu", "output"]);
  });

  it("loops: carried values, collected values, values from outside", async () => {
    const body = makeGraph({
      name: "body",
      nodes: [
        node("Add", ["sum", "step"], ["next"]),
        node("Mul", ["next", "next"], ["square"]),
        node("Identity", ["go"], ["on"]),
      ],
      inputs: [makeValueInfo("i", "int64", []), truth("go"), real("sum")],
      outputs: [truth("on"), real("next"), real("square")],
    });
    const model = modelOf({
      nodes: [node("Loop", ["count", "", "x"], ["y", "all"], [makeAttribute("body", "graph", body)])],
      inputs: [
        makeValueInfo("count", "int64", []),
        makeValueInfo("x", "float", [2]),
        makeValueInfo("step", "float", [2]),
      ],
      outputs: [real("y"), real("all")],
    });
    await agrees(model, { count: whole([3], []), x: floats([1, 2]), step: floats([0.5, -1]) });
  });

  it("scans", async () => {
    const body = makeGraph({
      name: "body",
      nodes: [node("Add", ["sum", "entry"], ["next"]), node("Identity", ["next"], ["copy"])],
      inputs: [real("sum"), real("entry")],
      outputs: [real("next"), real("copy")],
    });
    const attributes = [makeAttribute("body", "graph", body), makeAttribute("num_scan_inputs", "int", 1)];
    for (const backwards of [0, 1]) {
      const model = modelOf({
        nodes: [
          node(
            "Scan",
            ["x", "list"],
            ["y", "all"],
            [...attributes, makeAttribute("scan_input_directions", "ints", [backwards])],
          ),
        ],
        inputs: [makeValueInfo("x", "float", [2]), makeValueInfo("list", "float", [3, 2])],
        outputs: [real("y"), real("all")],
      });
      await agrees(model, { x: floats([1, 2]), list: reals(3, 2) });
    }
  });
});

describe("what exporters write apart", () => {
  const real = (name: string) => makeValueInfo(name, "float", [2, 3, 4]);
  const scalar = (name: string, value: number) => fromTensor(name, floats([value], []));

  async function imported(graph: Partial<OnnxGraph>): Promise<GraphModule> {
    const nodes = graph.nodes?.map((each, i) => ({ ...each, name: `node ${i}` })); // ONNX Runtime wants them to differ
    const file = modelOf({ ...graph, nodes, inputs: [real("x")], outputs: [real("y")] });
    const model = importModel(file);
    model.graph.lint();
    const x = reals(2, 3, 4);
    const [theirs] = await runOracle(writeModel(file), { x });
    expect(largestDifference(runImported(model, [x])[0].toNumbers(), theirs.data as Float32Array)).toBeLessThan(1e-5);
    return model;
  }

  it("becomes layer normalization", async () => {
    const last = [makeAttribute("axes", "ints", [-1])];
    const model = await imported({
      nodes: [
        node("ReduceMean", ["x"], ["m"], last),
        node("Sub", ["x", "m"], ["c"]),
        node("Pow", ["c", "two"], ["s"]),
        node("ReduceMean", ["s"], ["v"], last),
        node("Add", ["v", "eps"], ["ve"]),
        node("Sqrt", ["ve"], ["d"]),
        node("Div", ["c", "d"], ["n"]),
        node("Mul", ["n", "w"], ["g"]),
        node("Add", ["g", "b"], ["y"]),
      ],
      initializers: [scalar("two", 2), scalar("eps", 1e-3), fromTensor("w", reals(4)), fromTensor("b", positives(4))],
    });
    expect(Object.values(modulesOf(model))).toEqual(["LayerNorm"]);
    expect(targets(model)).toEqual(["x", "module", "output"]);
    const [norm] = [...model.graph.nodes].filter(({ op }) => op === "call_module");
    expect((norm.meta.onnx as NodeOrigin).values).toEqual(["y"]);
    expect((norm.meta.onnx as NodeOrigin).nodes.length).toBe(9);
  });

  it("becomes hard-swish", async () => {
    const model = await imported({
      nodes: [
        node("Add", ["x", "three"], ["a"]),
        node("Clip", ["a", "zero", "six"], ["r"]),
        node("Mul", ["r", "x"], ["p"]),
        node("Div", ["p", "six"], ["y"]),
      ],
      initializers: [scalar("three", 3), scalar("zero", 0), scalar("six", 6)],
    });
    expect(targets(model)).toEqual(["x", "hardswish", "output"]);
  });
});

describe("files", () => {
  it("are read from bytes", () => {
    const model = load(writeModel(classifier()));
    expect(runImported(model, [reals(1, 3, 8, 8)])[0].shape).toEqual([1, 5]);
  });

  it("give the bias to a convolution that is added behind it", () => {
    const model = importModel(
      modelOf({
        nodes: [node("Conv", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])],
        initializers: [fromTensor("w", reals(4, 2, 3)), fromTensor("b", reals(1, 4, 1))],
        inputs: [makeValueInfo("x", "float", [1, 2, null])],
        outputs: [makeValueInfo("y", "float", [1, 4, null])],
      }),
    );
    expect(targets(model)).toEqual(["x", "module", "output"]);
    const [conv] = [...model.modules()].filter((module) => module instanceof nn.Conv1d);
    expect(conv.bias?.tolist()).toEqual(reals(1, 4, 1).reshape([4]).tolist());
  });
});
