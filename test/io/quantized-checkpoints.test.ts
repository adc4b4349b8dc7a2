/** State dicts of quantized models that PyTorch saved: their tensors, the models they fill, and what is refused in them. */
import { afterAll, describe, expect, it } from "vitest";
import { nn, noGrad, qint8, quantization as q, quint4x2, quint8, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { OctetError } from "../../src/core/errors.ts";
import { readCheckpoint, stateDictFrom } from "../../src/io/checkpoint.ts";
import { ScriptObject } from "../../src/io/pickle-values.ts";
import type { PickleValue } from "../../src/io/pickle-values.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { Tally } from "../quantization/golden-file.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused, golden } from "./hostile.ts";
import * as p from "./pickle-writer.ts";

const expected = readSafetensors(golden("quantized.safetensors")).tensors;
const get = (key: string): Tensor => {
  const found = expected.get(key);
  if (!found) throw new Error(`golden data: no tensor ${key}`);
  return found;
};
const integers = new Tally();
const outputs = new Tally();
afterAll(() => console.log(`quantized checkpoints: integers ${String(integers)}; outputs ${String(outputs)}`));

const zipped = ["per-tensor", "per-channel", "dynamic", "embedding8", "embedding4", "lstm", "cell", "functional"];
const files = zipped.concat("per-channel-legacy", "embedding4-legacy");
const stateOf = (file: string) => stateDictFrom(readCheckpoint(golden(`quantized-${file}.pt`)));

describe("quantized tensors that PyTorch saved", () => {
  it.each(files)("%s", (file) => {
    const model = file.replace("-legacy", "");
    const state = stateOf(file);
    const prefix = `${model}/state/`;
    const keys = [...expected.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    expect(keys.length).toBeGreaterThan(0);
    expect([...state].filter(([, tensor]) => tensor.isQuantized).map(([key]) => key)).toEqual(keys);
    for (const key of keys) {
      const tensor = state.get(key)!;
      integers.compare(tensor.intRepr().elements(), get(prefix + key).elements());
      const [scales, zeroPoints] = [get(`${model}/scales/${key}`), get(`${model}/zero_points/${key}`)];
      const { quantizer } = tensor;
      expect(Object.isFrozen(quantizer)).toBe(true);
      if (quantizer && "scale" in quantizer) {
        expect([[quantizer.scale], [quantizer.zeroPoint]]).toEqual([scales.tolist(), zeroPoints.tolist()]);
      } else {
        expect(tensor.qPerChannelScales()).toEqual(scales);
        expect(tensor.qPerChannelZeroPoints()).toEqual(zeroPoints);
        expect(tensor.qPerChannelAxis()).toBe(0);
      }
    }
    expect(integers.differing).toBe(0);
  });

  it("one alone", () => {
    const tensor = stateDictFrom(readCheckpoint(golden("quantized.pt"))).get("q")!;
    expect([tensor.dtype, tensor.qScale(), tensor.qZeroPoint()]).toEqual([quint8, 0.5, 3]);
    expect(tensor.dequantize().tolist()).toEqual([1, 1]);
  });
});

class Cnn extends nn.Module {
  quant = new q.QuantStub();
  conv1 = new nn.Conv2d(2, 4, 3, { padding: 1 });
  relu1 = new nn.ReLU();
  conv2 = new nn.Conv2d(4, 4, 3, { padding: 1, bias: false });
  skip = new nn.quantized.FloatFunctional();
  fc = new nn.Linear(4 * 4 * 4, 3);
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    const x = this.relu1(this.conv1(this.quant(input)));
    return this.dequant(this.fc(this.skip.add(x, this.conv2(x)).flatten(1)));
  }
}

function staticModel(backend: "qnnpack" | "fbgemm"): nn.Module {
  const model = q.fuseModules(new Cnn().eval(), ["conv1", "relu1"]);
  model.qconfig = q.getDefaultQconfig(backend);
  const prepared = q.prepare(model);
  noGrad(() => prepared(randn([2, 2, 4, 4])));
  return q.convert(prepared);
}

const bags = () => new nn.Sequential(new nn.EmbeddingBag(7, 6, { mode: "sum" }));
const models: Readonly<Record<string, () => nn.Module>> = {
  "per-tensor": () => staticModel("qnnpack"),
  "per-channel": () => staticModel("fbgemm"),
  dynamic: () =>
    q.quantizeDynamic(new nn.Sequential(new nn.Linear(5, 4), new nn.ReLU(), new nn.Linear(4, 2, { bias: false }))),
  embedding8: () => q.quantizeDynamic(bags(), null, { dtype: quint8 }),
  embedding4: () => q.quantizeDynamic(bags(), null, { dtype: quint4x2 }),
};

describe("a model converted alike gives PyTorch's outputs with its checkpoint", () => {
  it.each(files.filter((file) => file.replace("-legacy", "") in models))("%s", (file) => {
    const name = file.replace("-legacy", "");
    q.withEngine("qnnpack", () => {
      const model = models[name]();
      const state = stateOf(file);
      // Strict loading refuses a key too many; engine qnnpack saves a bias of zeros where there is none.
      model.loadStateDict(state);
      const out = noGrad(() => model(get(`${name}/in/0`)) as Tensor);
      expect(out.shape).toEqual(get(`${name}/out`).shape);
      outputs.compare(out.elements(), get(`${name}/out`).elements());
      // Integers are equal; what is float (dynamic results, sums of embeddings) may differ in its last bit.
      expect(outputs.worst).toBeLessThanOrEqual(1e-6);
    });
  });

  it.each(["lstm", "cell"])("%s", (file) => {
    const float = new nn.ModuleList([file === "lstm" ? new nn.LSTM(3, 2) : new nn.GRUCell(3, 2)]);
    q.withEngine("qnnpack", () => {
      const model = q.quantizeDynamic(float);
      model.loadStateDict(stateOf(file));
      const out = noGrad(() => model.getSubmodule("0")(get(`${file}/in/0`)) as Tensor | [Tensor, unknown]);
      outputs.compare((Array.isArray(out) ? out[0] : out).elements(), get(`${file}/out`).elements());
      expect(outputs.worst).toBeLessThanOrEqual(1e-6);
    });
  });
});

const none = 0x4e;
const f64 = (value: number): p.Part => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return ["G", bytes];
};

interface QuantizedParts extends p.TensorParts {
  readonly qparams?: p.Part;
}

const affine = (name = "per_tensor_affine") => p.global("torch", name);
const size22 = { size: p.tuple(p.whole(2), p.whole(2)), stride: p.tuple(p.whole(2), p.whole(1)) };

/** A call of _rebuild_qtensor: by default four int8 of storage "1" as [2, 2], per tensor. */
function qtensor(parts: QuantizedParts = {}): p.Part {
  return p.call(
    p.global("torch._utils", "_rebuild_qtensor"),
    parts.storage ?? p.storage("1", p.whole(4), "QInt8Storage"),
    parts.offset ?? p.whole(0),
    parts.size ?? size22.size,
    parts.stride ?? size22.stride,
    parts.qparams ?? p.tuple(affine(), f64(0.5), p.whole(1)),
    0x89,
    p.call(p.global("collections", "OrderedDict")),
  );
}

const vector = (length: number, first = 0): p.Part =>
  p.tensor({ size: p.tuple(p.whole(length)), stride: p.tuple(p.whole(1)), offset: p.whole(first) });
const storages = { 0: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 1: Uint8Array.of(1, 0xfe, 3, 0x80) };
const read = (...parts: readonly p.Part[]): PickleValue => readCheckpoint(p.checkpoint(p.pickle(...parts), storages));
const perChannel = (scales: p.Part, zeroPoints: p.Part, axis: p.Part = p.whole(0)) =>
  p.tuple(affine("per_channel_affine"), scales, zeroPoints, axis);
const packed4 = { storage: p.storage("1", p.whole(4), "QUInt4x2Storage") };
const eight = { size: p.tuple(p.whole(2), p.whole(4)), stride: p.tuple(p.whole(4), p.whole(1)) };

describe("quantized tensors in a pickle", () => {
  it("are read as views of their storage", () => {
    const tensor = read(qtensor({ stride: p.tuple(p.whole(1), p.whole(2)) })) as Tensor;
    expect([tensor.dtype, tensor.strides, [...tensor.elements()]]).toEqual([qint8, [1, 2], [1, 3, -2, -128]]);
    expect([String(tensor.qscheme()), tensor.qScale(), tensor.qZeroPoint()]).toEqual([
      "torch.per_tensor_affine",
      0.5,
      1,
    ]);
  });

  it("take float zero points for the scheme of embeddings, whatever name PyTorch wrote", () => {
    const tensor = read(qtensor({ qparams: perChannel(vector(2), vector(2, 2)) })) as Tensor;
    expect(String(tensor.qscheme())).toBe("torch.per_channel_affine_float_qparams");
    expect([tensor.qPerChannelScales().tolist(), tensor.qPerChannelZeroPoints().tolist()]).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it("take the lists of numbers of old versions", () => {
    const lists = perChannel(p.list(f64(0.1), f64(0.2)), p.list(p.whole(0), p.whole(1)));
    const tensor = read(qtensor({ qparams: lists })) as Tensor;
    expect(String(tensor.qscheme())).toBe("torch.per_channel_affine");
    expect([tensor.qPerChannelScales().tolist(), tensor.qPerChannelZeroPoints().tolist()]).toEqual([
      [0.1, 0.2],
      [0, 1],
    ]);
  });

  it("unpack values of four bits", () => {
    const tensor = read(qtensor({ ...packed4, ...eight })) as Tensor;
    expect([tensor.dtype, [...tensor.elements()]]).toEqual([quint4x2, [1, 0, 14, 15, 3, 0, 0, 8]]);
  });

  it.each<[string, QuantizedParts, RegExp]>([
    ["a plain storage", { storage: p.storage("0", p.whole(4)) }, /quantized tensor has no quantized storage/],
    ["no storage", { storage: none }, /quantized tensor has no quantized storage/],
    ["a size past the end", { size: p.tuple(p.whole(3), p.whole(2)) }, /need 6 elements, it has 4/],
    ["a negative offset", { offset: p.whole(-1) }, /has offset -1/],
    ["qparams that are no tuple", { qparams: none }, /quantization scheme undefined/],
    [
      "a scheme of observers",
      { qparams: p.tuple(affine("per_tensor_symmetric"), f64(1), p.whole(0)) },
      /per_tensor_symm/,
    ],
    ["a scheme that is text", { qparams: p.tuple(p.text("x"), f64(1), p.whole(0)) }, /scheme "x"/],
    ["a scale that is text", { qparams: p.tuple(affine(), p.text("1"), p.whole(0)) }, /a scale that is no number/],
    ["a zero point beyond int8", { qparams: p.tuple(affine(), f64(1), p.whole(128)) }, /no whole number of qint8's/],
    ["a fractional zero point", { qparams: p.tuple(affine(), f64(1), f64(0.5)) }, /no whole number of qint8's range/],
    ["scales that are missing", { qparams: p.tuple(affine("per_channel_affine")) }, /no vector of scales/],
    ["scales that are text", { qparams: perChannel(p.list(p.text("1")), vector(2)) }, /no vector of scales/],
    ["scales of rank 2", { qparams: perChannel(p.tensor(), vector(2)) }, /no vector of scales/],
    [
      "quantized scales",
      { qparams: perChannel(qtensor({ size: p.tuple(p.whole(2)), stride: p.tuple(p.whole(1)) }), vector(2)) },
      /no vector of scales/,
    ],
    ["too few scales", { qparams: perChannel(vector(1), vector(2)) }, /1 scales and 2 zero points for 2 channels/],
    ["an axis beyond the rank", { qparams: perChannel(vector(2), vector(2), p.whole(2)) }, /has no axis 2/],
    ["a negative axis", { qparams: perChannel(vector(2), vector(2), p.whole(-1)) }, /has no axis -1/],
    ["no axis", { qparams: perChannel(vector(2), vector(2), none) }, /has no axis null/],
    [
      "fractional zero points",
      { qparams: perChannel(vector(2), p.list(f64(0.5), f64(1))) },
      /zero point that is no whole/,
    ],
    [
      "four-bit values past the end",
      { ...packed4, size: p.tuple(p.whole(9)), stride: p.tuple(p.whole(1)) },
      /need 5 elements, it has 4/,
    ],
    ["a view of four-bit values", { ...packed4, ...size22, offset: p.whole(1) }, /is a view: size \[2, 2\], offset 1/],
    [
      "transposed four-bit values",
      { ...packed4, size: size22.size, stride: p.tuple(p.whole(1), p.whole(2)) },
      /is a view/,
    ],
    [
      "an enormous size of four-bit values",
      { ...packed4, size: p.tuple(p.long(2n ** 52n)), stride: p.tuple(p.whole(1)) },
      /no valid size/,
    ],
    [
      "a size of four-bit values that is text",
      { ...packed4, size: p.tuple(p.text("2")), stride: p.tuple(p.whole(1)) },
      /no valid size/,
    ],
  ])("are refused with %s", (_what, parts, message) => {
    expectRefused(() => read(qtensor(parts)), message);
  });

  it("cannot be made from plain calls, nor plain tensors from quantized storages", () => {
    const storage = p.storage("1", p.whole(4), "QInt8Storage");
    expectRefused(() => read(p.tensor({ storage })), /over storage "1" has no plain dtype/);
    const parameter = p.call(p.global("torch._utils", "_rebuild_parameter"), qtensor(), 0x89, none);
    expectRefused(() => read(parameter), /a parameter is a quantized tensor/);
  });

  it("cannot have their qparams copied again and again", () => {
    const expanded = p.tensor({ size: p.tuple(p.long(2n ** 31n)), stride: p.tuple(p.whole(0)) });
    expectRefused(() => read(qtensor({ qparams: perChannel(expanded, vector(2)) })), /copies its tensors more often/);
  });

  it("or are refused, whatever bytes are changed", () => {
    for (const file of ["quantized-embedding4.pt", "quantized-embedding4-legacy.pt", "quantized-cell.pt"]) {
      expectDamageSurvived(golden(file), readState, 300);
    }
    expectTruncationsRefused(golden("quantized-embedding4-legacy.pt"), readCheckpoint);
  });
});

/** The state dict in a checkpoint; none if the damage left a checkpoint without one. */
function readState(bytes: Uint8Array): void {
  const value = readCheckpoint(bytes);
  try {
    stateDictFrom(value);
  } catch (error) {
    if (!(error instanceof OctetError)) throw error;
  }
}

const LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase";
const scriptObject = (state: p.Part, className: string): p.Part => [
  p.global("torch", "ScriptObject"),
  ")",
  0x81,
  p.tuple(state, p.text(className)),
  "b",
];

describe("packed weights in a pickle", () => {
  it("are values, and weight and bias in a state dict", () => {
    const value = read(p.dict([p.text("w"), scriptObject(p.tuple(qtensor(), none), LINEAR)]));
    expect((value as Map<string, PickleValue>).get("w")).toBeInstanceOf(ScriptObject);
    expect([...stateDictFrom(value).keys()]).toEqual(["w.0"]);
  });

  it.each<[string, p.Part, RegExp]>([
    [
      "another class",
      scriptObject(none, "__torch__.Evil"),
      /refuses the TorchScript class "__torch__\.Evil": only packed/,
    ],
    ["no class", [p.global("torch", "ScriptObject"), ")", 0x81, none, "b"], /has no class name/],
    [
      "a class that is no text",
      [p.global("torch", "ScriptObject"), ")", 0x81, p.tuple(none, none), "b"],
      /no class name/,
    ],
  ])("are refused with %s", (_what, part, message) => {
    expectRefused(() => read(part), message);
  });

  it.each<[string, p.Part, string, RegExp]>([
    ["a linear without a weight", p.tuple(none, none), LINEAR, /packed weight "w" is malformed/],
    ["a cell without weights", p.tuple(p.text("x")), "__torch__.torch.classes.rnn.CellParamsBase", /"w" are malformed/],
    [
      "a cell in a cell",
      p.tuple(none, none, none, none, p.list(scriptObject(none, "__torch__.torch.classes.rnn.CellParamsBase"))),
      "__torch__.torch.classes.rnn.CellParamsBase",
      /"w" are malformed/,
    ],
    [
      "a convolution of another version",
      p.tuple(p.text("3"), p.list(), p.list()),
      "__torch__.torch.classes.quantized.Conv2dPackedParamsBase",
      /"w" is of version "3", only 2 is supported/,
    ],
  ])("make no state dict of %s", (_what, state, className, message) => {
    const value = read(p.dict([p.text("w"), scriptObject(state, className)]));
    expectRefused(() => stateDictFrom(value), message);
  });

  it("are found only where quantized modules put them", () => {
    const value = read(p.dict([p.text("pair"), p.tuple(p.tensor(), p.tensor())]));
    expect(() => stateDictFrom(value)).toThrow("no entry of the checkpoint is a dict of tensors");
    const withoutBias = read(p.dict([p.text("fc.weight"), p.tensor()], [p.text("fc.bias"), none]));
    expect([...stateDictFrom(withoutBias).keys()]).toEqual(["fc.weight"]);
    const dtypes = read(p.dict([p.text("dtype"), p.global("torch", "qint8")]));
    expect(() => stateDictFrom(dtypes)).toThrow("no entry of the checkpoint is a dict of tensors");
  });
});
