/** Quantized tensors in safetensors files: exact, plain integers to other readers, small, and nothing in them trusted. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MnistCNN } from "../../examples/mnist.ts";
import {
  float32,
  float64,
  int64,
  nn,
  noGrad,
  qint32,
  qint8,
  quantization as q,
  quantizePerTensor,
  quint2x4,
  quint4x2,
  quint8,
  randn,
  uint8,
} from "../../src/index.ts";
import type { DType } from "../../src/core/dtype.ts";
import type { Quantizer } from "../../src/core/qparams.ts";
import {
  perChannelAffine,
  perChannelAffineFloatQparams,
  perTensorAffine,
  sameQuantizer,
} from "../../src/core/qparams.ts";
import { FileFormatError } from "../../src/core/errors.ts";
import { QUANTIZED } from "../../src/io/safetensors-quantized.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import { fromIntegers } from "../../src/ops/quantize.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

function quantized(dtype: DType, shape: readonly number[], quantizer: Quantizer, seed = 0): Tensor {
  const data = dtype.allocate(shape.reduce((n, s) => n * s, 1));
  const span = dtype.max - dtype.min + 1;
  for (let i = 0; i < data.length; i++) data[i] = dtype.min + (((i + seed) * 2654435761) % span);
  return fromIntegers(data, shape, dtype, quantizer);
}

const perTensor = (scale: number, zeroPoint: number): Quantizer => ({ qscheme: perTensorAffine, scale, zeroPoint });
const perChannel = (scales: number[], zeroPoints: number[], axis = 0): Quantizer => ({
  qscheme: perChannelAffine,
  scales: Float64Array.from(scales),
  zeroPoints: Float64Array.from(zeroPoints),
  axis,
});
const perRow = (scales: number[], zeroPoints: number[]): Quantizer => ({
  qscheme: perChannelAffineFloatQparams,
  scales: Float32Array.from(scales),
  zeroPoints: Float32Array.from(zeroPoints),
  axis: 0,
});

function expectSame(actual: Tensor | undefined, expected: Tensor): void {
  expect(actual?.dtype).toBe(expected.dtype);
  expect(actual!.shape).toEqual(expected.shape);
  expect(actual!.elements()).toEqual(expected.elements());
  expect(sameQuantizer(actual!.quantizer, expected.quantizer)).toBe(true);
  expect(Object.isFrozen(actual!.quantizer)).toBe(true);
}

/** As a reader that does not know the description sees the file. */
function plainReader(bytes: Uint8Array): Map<string, Tensor> {
  const text = new TextDecoder("latin1").decode(bytes);
  const renamed = text.replace(QUANTIZED, "x".repeat(QUANTIZED.length));
  return readSafetensors(Uint8Array.from(renamed, (c) => c.charCodeAt(0))).tensors;
}

describe("quantized tensors in safetensors", () => {
  const cases: [string, Tensor][] = [
    ["qint8 per tensor", quantized(qint8, [3, 4], perTensor(0.1, -3))],
    ["quint8 per tensor, a scale of all digits", quantized(quint8, [5], perTensor(1 / 3, 255))],
    ["qint32", quantized(qint32, [2, 2], perTensor(2 ** -40, 2 ** 31 - 1))],
    ["a scalar", quantized(quint8, [], perTensor(1, 0))],
    ["an empty tensor", quantized(qint8, [0, 3], perTensor(1, 0))],
    ["per channel", quantized(qint8, [3, 2], perChannel([0.5, 0.1, 1e-30], [0, 0, 0]))],
    [
      "per channel with zero points along the last axis",
      quantized(quint8, [2, 3], perChannel([1, 2, 3], [0, 7, 9], 1)),
    ],
    ["float qparams", quantized(quint8, [2, 3], perRow([0.1, 0.3], [-1.5, 0]))],
    ["float qparams, negative zeros", quantized(quint8, [2, 3], perRow([0.1, 0.3], [-0, 0]))],
    ["quint4x2, an odd count", quantized(quint4x2, [3, 3], perRow([0.1, 0.2, 0.3], [1, 2, 3]))],
    ["quint2x4", quantized(quint2x4, [3, 3], perTensor(0.5, 1))],
  ];

  it.each(cases)("come back: %s", (_what, tensor) => {
    const bytes = writeSafetensors(new Map([["w", tensor]]), { note: "n" });
    const { tensors, metadata } = readSafetensors(bytes);
    expect([...tensors.keys()]).toEqual(["w"]);
    expect([...metadata]).toEqual([["note", "n"]]);
    expectSame(tensors.get("w"), tensor);
    if (tensor.dtype.bits >= 8) {
      const seen = plainReader(bytes).get("w")!;
      expect(seen.shape).toEqual(tensor.shape);
      expect(seen.dtype.isQuantized).toBe(false);
      expect([...seen.elements()]).toEqual([...tensor.elements()]);
    }
  });

  it("come back whatever their names, in one file, which does not depend on the order", () => {
    const entries: [string, Tensor][] = [
      ...cases.map(([name, tensor], i): [string, Tensor] => [["__proto__", "7", ""][i] ?? name, tensor]),
      ["plain", randn([2, 2])],
    ];
    const bytes = writeSafetensors(new Map(entries));
    expect(writeSafetensors(new Map(entries.toReversed()))).toEqual(bytes);
    const { tensors } = readSafetensors(bytes);
    expect(tensors.size).toBe(entries.length);
    for (const [name, tensor] of entries.slice(0, -1)) expectSame(tensors.get(name), tensor);
  });

  it("store views as they look", () => {
    const tensor = quantized(qint8, [2, 3], perTensor(0.5, 1));
    const view = readSafetensors(writeSafetensors({ w: tensor.transpose(0, 1) })).tensors.get("w")!;
    expectSame(view, fromIntegers(Int8Array.from(tensor.transpose(0, 1).elements()), [3, 2], qint8, tensor.quantizer!));
  });

  it("keep channel scales in float32 only where that is exact, and no zero points that are all zero", () => {
    const names = (quantizer: Quantizer) => {
      const seen = plainReader(writeSafetensors({ w: quantized(qint8, [2, 3], quantizer) }));
      return Object.fromEntries([...seen].map(([name, { dtype }]) => [name, dtype]));
    };
    expect(names(perChannel([0.5, 0.25], [0, 0]))).toMatchObject({ "w.q_scales": float32 });
    expect(names(perChannel([0.5, 0.1], [0, 1]))).toMatchObject({ "w.q_scales": float64, "w.q_zero_points": int64 });
    expect(Object.keys(names(perChannel([0.5, 0.25], [0, 0])))).toEqual(["w.q_scales", "w"]);
  });

  it("are refused where they could not be read back", () => {
    const w = quantized(qint8, [2, 3], perChannel([1, 1], [0, 0]));
    expect(() => writeSafetensors({ w, "w.q_scales": randn([1]) })).toThrow(
      'tensor "w.q_scales" has the name that the qparams of "w" need',
    );
    expect(() => writeSafetensors({ w }, { [QUANTIZED]: "" })).toThrow(
      `the metadata key "${QUANTIZED}" is Octet's own`,
    );
    expect(() => writeSafetensors({ w: quantized(qint8, [1], perTensor(NaN, 0)) })).toThrow("has scale NaN");
  });
});

describe("a description in the metadata that is wrong", () => {
  const plain = new Map<string, Tensor>([
    ["w", Tensor.fromArray(Uint8Array.of(1, 2, 3, 4, 5, 6), [2, 3], uint8)],
    ["f", randn([2])],
    ["w.q_scales", Tensor.fromArray(Float32Array.of(1, 2), [2], float32)],
    ["w.q_zero_points", Tensor.fromArray(Float32Array.of(1, 2), [2], float32)],
    ["p", Tensor.fromArray(Uint8Array.of(0x21, 0x43), [2], uint8)],
  ]);
  /** A file of `plain` whose metadata holds this description: written under a key of the same length, then renamed. */
  const file = (description: unknown): Uint8Array => {
    const text = typeof description === "string" ? description : JSON.stringify(description);
    const key = "y".repeat(QUANTIZED.length);
    const bytes = writeSafetensors(plain, { [key]: text });
    const at = Buffer.from(bytes).indexOf(key);
    bytes.set(new TextEncoder().encode(QUANTIZED), at);
    return bytes;
  };
  const w = { dtype: "quint8", qscheme: "per_tensor_affine", scale: 1, zero_point: 0 };
  const rows = { dtype: "quint8", qscheme: "per_channel_affine_float_qparams", axis: 0 };
  const p = { ...w, dtype: "quint4x2", shape: [2, 2] };

  it("reads where it is right", () => {
    const { tensors } = readSafetensors(file({ w: rows, p }));
    expect([...tensors.get("w")!.elements()]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...tensors.get("p")!.elements()]).toEqual([1, 2, 3, 4]);
    expect([...tensors.keys()].toSorted()).toEqual(["f", "p", "w"]);
  });

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /not valid JSON/],
    ["a name twice", '{"w":1,"w":2}', /key "w" twice/],
    ["a list", [], /is not an object/],
    ["a tensor that is absent", { x: w }, /describes tensor "x", which is not there/],
    ["a tensor that is null", { w: null }, /tensor "w" by something else than an object/],
    ["a dtype that is not quantized", { w: { ...w, dtype: "float32" } }, /quantized dtype "float32"/],
    ["a dtype from the prototype", { w: { ...w, dtype: "toString" } }, /quantized dtype "toString"/],
    ["a dtype that is an object", { w: { ...w, dtype: {} } }, /quantized dtype \{\}/],
    ["another integer type", { w: { ...w, dtype: "qint8" } }, /of dtype qint8 is stored as U8, not as I8/],
    ["floats", { f: w }, /of dtype quint8 is stored as F32, not as U8/],
    ["a scheme of observers", { w: { ...w, qscheme: "per_tensor_symmetric" } }, /qscheme "per_tensor_symmetric"/],
    ["no scheme", { w: { dtype: "quint8" } }, /qscheme undefined/],
    ["a scale that is text", { w: { ...w, scale: "1" } }, /scale that is no number/],
    ["a zero point beyond the dtype", { w: { ...w, zero_point: 256 } }, /no whole number of quint8's range/],
    ["a fractional zero point", { w: { ...w, zero_point: 0.5 } }, /no whole number of quint8's range/],
    ["an axis beyond the rank", { w: { ...rows, axis: 2 } }, /of shape \[2, 3\] has no axis 2/],
    ["a negative axis", { w: { ...rows, axis: -1 } }, /has no axis -1/],
    ["an axis that is text", { w: { ...rows, axis: "0" } }, /has no axis "0"/],
    ["another number of channels", { w: { ...rows, axis: 1 } }, /2 scales and 2 zero points for 3 channels of axis 1/],
    ["no scales", { p: { ...p, qscheme: "per_channel_affine", axis: 0 } }, /lacks the tensor of its scales/],
    ["float zero points of integers", { w: { ...rows, qscheme: "per_channel_affine" } }, /"w\.q_zero_points" holds no/],
    ["packed values without a shape", { p: { ...p, shape: undefined } }, /of dtype quint4x2 has no valid shape/],
    ["an enormous packed shape", { p: { ...p, shape: [2 ** 40, 2 ** 40] } }, /no valid shape/],
    ["a packed shape that is too large", { p: { ...p, shape: [2, 3] } }, /is not stored in \[2\] bytes/],
    ["a packed shape that is too small", { p: { ...p, shape: [2] } }, /is not stored in \[2\] bytes/],
    ["packed values that are not flat", { w: { ...p, shape: [12] } }, /is not stored in \[2, 3\] bytes/],
  ])("refuses %s", (_what, description, message) => {
    expect(() => readSafetensors(file(description))).toThrow(FileFormatError);
    expect(() => readSafetensors(file(description))).toThrow(message);
  });

  it("reads or refuses any description", () => {
    const valid = JSON.stringify({ w: rows, p });
    const change = fc.tuple(fc.nat(valid.length - 1), fc.constantFrom(...'{}[]",:0129.-exwpq'));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const text = [...valid];
        for (const [at, character] of changes) text[at] = character;
        try {
          readSafetensors(file(text.join("")));
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
          expect((error as Error).message).not.toContain("\n");
        }
      }),
    );
  });
});

describe("an int8 model", () => {
  const fusions = ["1", "2", "3"].map((i) => [`conv${i}`, `bn${i}`]);

  /** The MNIST network between stubs. */
  class QuantizableCNN extends MnistCNN {
    quant = new q.QuantStub();
    dequant = new q.DeQuantStub();

    override forward(images: Tensor): Tensor {
      return this.dequant(super.forward(this.quant(images)));
    }
  }

  function converted(backend: "qnnpack" | "fbgemm"): nn.Module {
    const fused = q.fuseModules(new QuantizableCNN().eval(), fusions);
    fused.qconfig = q.getDefaultQconfig(backend);
    const prepared = q.prepare(fused);
    noGrad(() => prepared(randn([2, 1, 28, 28])));
    return q.convert(prepared);
  }

  /** Bytes of a file and of the tensors in it. */
  function sizes(state: ReadonlyMap<string, Tensor>): { file: number; data: number } {
    const bytes = writeSafetensors(state);
    return { file: bytes.length, data: bytes.length - 8 - new DataView(bytes.buffer).getUint32(0, true) };
  }

  // A thirtieth of the int8 file is names: the header of its tensors.
  it.each([
    ["qnnpack", 3.85],
    ["fbgemm", 3.8],
  ] as const)("takes a quarter of the float one's bytes, names and all (%s)", (backend, ofTheFile) => {
    const [float, int8] = [new MnistCNN(), converted(backend)].map((model) => sizes(model.stateDict()));
    console.log(
      `MNIST network, ${backend}: ${float.file} → ${int8.file} bytes, ${(float.file / int8.file).toFixed(2)} times smaller; ` +
        `its tensors alone ${(float.data / int8.data).toFixed(2)} times`,
    );
    expect(float.data / int8.data).toBeGreaterThanOrEqual(3.8);
    expect(float.file / int8.file).toBeGreaterThanOrEqual(ofTheFile);
  });

  it("takes a quarter of the float one's bytes, names and all, once it is of some size", () => {
    const float = new nn.Linear(256, 256);
    const weight = quantized(qint8, [256, 256], perChannel(Array(256).fill(0.5), Array(256).fill(0)));
    const int8 = { weight, bias: float.bias as Tensor };
    const [before, after] = [float.stateDict(), new Map(Object.entries(int8))].map((state) => sizes(state).file);
    expect(before / after).toBeGreaterThanOrEqual(3.8);
  });

  it("gives the same outputs after it was saved and loaded", () => {
    const int8 = converted("qnnpack");
    const other = converted("qnnpack");
    const x = randn([2, 1, 28, 28]);
    const outs = noGrad(() => int8(x) as Tensor);
    other.loadStateDict(readSafetensors(writeSafetensors(int8.stateDict())).tensors);
    expect((other(x) as Tensor).elements()).toEqual(outs.elements());
  });

  it("keeps a 4-bit table at 4 bits", () => {
    const table = new nn.quantized.Embedding(1000, 64, { dtype: quint4x2 });
    const bytes = writeSafetensors(table.stateDict());
    expect(bytes.length).toBeLessThan(1000 * (32 + 4) + 1000);
    const loaded = new nn.quantized.Embedding(1000, 64);
    loaded.loadStateDict(readSafetensors(bytes).tensors);
    expectSame(loaded.weight(), table.weight());
  });

  it("takes what quantizePerTensor gives", () => {
    const tensor = quantizePerTensor(randn([4, 4]), 0.05, 3, quint8);
    expectSame(readSafetensors(writeSafetensors({ tensor })).tensors.get("tensor"), tensor);
  });
});
