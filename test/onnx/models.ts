/** Models for the tests of src/onnx, and a form of them that can be compared. */
import { float32, int64 } from "../../src/core/dtype.ts";
import type { ByteRange } from "../../src/onnx/bytes.ts";
import { rangeOf, readRange } from "../../src/onnx/bytes.ts";
import { makeAttribute, makeGraph, makeModel, makeNode, makeValueInfo } from "../../src/onnx/make.ts";
import type { OnnxModel, OnnxTensor, OnnxType } from "../../src/onnx/model.ts";
import { fromTensor, rawTensor, stringTensor } from "../../src/onnx/tensor.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

/** The value with ranges of bytes read, maps as lists (their order counts), and without what finds external files. */
export function settled(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (value instanceof Map) return ["map", ...[...value].map(settled)];
  if (Array.isArray(value)) return value.map(settled);
  if ("source" in value) return Uint8Array.from(readRange(value as ByteRange));
  const entries = Object.entries(value).filter(([key]) => key !== "files");
  return Object.fromEntries(entries.map(([key, item]) => [key, settled(item)]));
}

export function floatTensor(name: string, shape: readonly number[]): OnnxTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: count }, (_, i) => (i % 17) - 8.5);
  return fromTensor(name, Tensor.fromArray(data, shape, float32));
}

function intTensor(name: string, values: readonly number[]): OnnxTensor {
  return fromTensor(name, Tensor.fromArray(Float64Array.from(values), [values.length], int64));
}

/** y = x·w + b, which any runtime can run. `columns` sets the size of the weight: [4, columns]. */
export function linearModel(columns = 3): OnnxModel {
  return makeModel({
    opsetImports: new Map([["", 13]]),
    graph: makeGraph({
      nodes: [makeNode({ opType: "Gemm", inputs: ["x", "w", "b"], outputs: ["y"] })],
      initializers: [floatTensor("w", [4, columns]), floatTensor("b", [columns])],
      inputs: [makeValueInfo("x", "float", ["batch", 4])],
      outputs: [makeValueInfo("y", "float", ["batch", columns])],
    }),
  });
}

const tensorType = {
  kind: "tensor" as const,
  elementType: "float" as const,
  shape: [
    { size: 2, denotation: "DATA_BATCH" },
    { size: "n", denotation: "" },
    { size: null, denotation: "" },
  ],
  denotation: "IMAGE",
  unknownFields: [],
} satisfies OnnxType;

function everyAttribute() {
  const sparse = { values: floatTensor("s", [2]), indices: intTensor("", [1, 5]), dims: [3, 3], unknownFields: [] };
  const graph = makeGraph({ name: "inner", nodes: [makeNode({ opType: "Relu", inputs: ["a"], outputs: ["b"] })] });
  return [
    makeAttribute("f", "float", 0),
    makeAttribute("i", "int", -7),
    makeAttribute("big", "int", -(2n ** 63n)),
    makeAttribute("s", "string", "grüß"),
    makeAttribute("bytes", "string", Uint8Array.of(255, 0, 254)),
    makeAttribute("t", "tensor", floatTensor("", [])),
    makeAttribute("g", "graph", graph),
    makeAttribute("sp", "sparseTensor", sparse),
    makeAttribute("tp", "type", { kind: "sequence", elementType: tensorType, denotation: "", unknownFields: [] }),
    makeAttribute("fs", "floats", [0.5, -0, Infinity]),
    makeAttribute("is", "ints", [0, -1, 2 ** 40, 2n ** 63n - 1n]),
    makeAttribute("ss", "strings", ["", "x"]),
    makeAttribute("ts", "tensors", [intTensor("", [3])]),
    makeAttribute("gs", "graphs", [graph, graph]),
    makeAttribute("sps", "sparseTensors", [sparse]),
    makeAttribute("tps", "types", [tensorType]),
    makeAttribute("none", "ints", []),
  ];
}

function everyType(): OnnxType[] {
  const base = { denotation: "", unknownFields: [] };
  return [
    tensorType,
    { ...base, kind: "tensor", elementType: "int64", shape: null },
    { ...base, kind: "tensor", elementType: "bool", shape: [] },
    { ...base, kind: "sparseTensor", elementType: "double", shape: tensorType.shape },
    { ...base, kind: "optional", elementType: tensorType },
    { ...base, kind: "map", keyType: "string", valueType: tensorType },
    { ...base, kind: "opaque", domain: "d", name: "n" },
    { ...base, kind: "unspecified" },
  ];
}

/** A model that makes no sense and has everything that a model can have. */
export function everythingModel(): OnnxModel {
  const props = new Map([
    ["key", "value"],
    ["", ""],
  ]);
  const unknownFields = [
    { number: 99, wireType: 2 as const, payload: rangeOf(Uint8Array.of(1, 2, 3)) },
    { number: 98, wireType: 0 as const, payload: rangeOf(Uint8Array.of(128, 1)) },
  ];
  const node = makeNode({
    opType: "Everything",
    domain: "com.example",
    overload: "o",
    name: "first",
    inputs: ["x", "", "y"],
    outputs: ["z", ""],
    attributes: everyAttribute(),
    docString: "why",
    metadataProps: props,
    unknownFields,
  });
  const reference = { name: "r", docString: "", unknownFields: [], refAttrName: "alpha" };
  const values = everyType().map((type, i) => ({ ...makeValueInfo(`v${i}`, "float", null), type }));
  const graph = makeGraph({
    name: "main",
    nodes: [node, makeNode({ opType: "Identity", inputs: ["z"], outputs: ["out"] })],
    initializers: [
      { ...floatTensor("x", [2, 3]), docString: "weights", metadataProps: props, unknownFields },
      stringTensor("words", [2], ["a", Uint8Array.of(200)]),
      rawTensor("empty", "float16", [0, 7], new Uint8Array(0)),
    ],
    sparseInitializers: [
      { values: floatTensor("sparse", [1]), indices: intTensor("", [4]), dims: [9], unknownFields: [] },
    ],
    inputs: [...values, { ...makeValueInfo("untyped", "float", null), type: null }],
    outputs: [makeValueInfo("out", "float", ["batch", 2])],
    valueInfo: [makeValueInfo("z", "uint4", [])],
    quantizationAnnotations: [
      { tensorName: "x", quantParameterTensorNames: new Map([["SCALE_TENSOR", "s"]]), unknownFields: [] },
    ],
    docString: "a graph",
    metadataProps: props,
    unknownFields,
  });
  const body = {
    name: "Everything",
    domain: "com.example",
    overload: "o",
    inputs: ["a"],
    outputs: ["b"],
    attributes: ["alpha"],
    attributeDefaults: new Map([["beta", makeAttribute("beta", "float", 1.5)]]),
    nodes: [
      makeNode({
        opType: "Elu",
        inputs: ["a"],
        outputs: ["b"],
        attributes: [{ ...reference, type: "reference" as const, valueType: "float" as const }],
      }),
    ],
    opsetImports: new Map([["", 18]]),
    valueInfo: [makeValueInfo("a", "float", null)],
    docString: "",
    metadataProps: props,
    unknownFields: [],
  };
  return makeModel({
    irVersion: 10,
    opsetImports: new Map([
      ["", 18],
      ["com.example", 1],
    ]),
    producerVersion: "1",
    domain: "example",
    modelVersion: 2n ** 60n,
    docString: "all of it",
    metadataProps: props,
    graph,
    functions: [body],
    unknownFields,
  });
}
