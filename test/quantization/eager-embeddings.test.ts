/** Embeddings through eager mode against PyTorch's tables and look-ups, and what quantized embeddings refuse. */
import { afterAll, describe, expect, it } from "vitest";
import { int64, nn, noGrad, optim, quantization as q, quint4x2, quint8, tensor } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { qint8 } from "../../src/core/dtype.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import { goldenFolder } from "../golden.ts";
import { Tally } from "./golden-file.ts";

const file = loadSafetensors(`${goldenFolder}/quantization/eager-embeddings.safetensors`);
const golden = (key: string): Tensor => {
  const found = file.tensors.get(key);
  if (!found) throw new Error(`the golden file has no ${key}`);
  return found;
};
interface Flow {
  readonly flow: string;
  readonly bits: 8 | 4;
  readonly modules: readonly ("table" | "bags")[];
  readonly printed: string;
  readonly keys: readonly string[];
}
const flows = JSON.parse(file.metadata.get("flows") as string) as Flow[];
const integers = new Tally();
const values = new Tally();
afterAll(() =>
  console.log(`quantized embeddings: integers ${String(integers)}; scales, zero points and look-ups ${String(values)}`),
);

class Net extends nn.Module {
  table = new nn.Embedding(12, 8, { paddingIdx: 2 });
  bags = new nn.EmbeddingBag(10, 6, { mode: "sum", includeLastOffset: true });

  override forward(indices: Tensor, bagIndices: Tensor, offsets: Tensor): { table: Tensor; bags: Tensor } {
    return { table: this.table(indices), bags: this.bags(bagIndices, offsets) };
  }
}

const inputs = (["indices", "bag_indices", "offsets"] as const).map(golden) as [Tensor, Tensor, Tensor];

function network(): Net {
  const net = new Net();
  const state = [...file.tensors].filter(([key]) => key.startsWith("state/"));
  net.loadStateDict(new Map(state.map(([key, value]) => [key.slice("state/".length), value])));
  return net;
}

function closeTo(actual: Tensor, expected: Tensor, tolerance: number): void {
  expect(actual.shape).toEqual(expected.shape);
  expect(actual.sub(expected).abs().max().item()).toBeLessThanOrEqual(tolerance);
}

function statically(bits: 8 | 4): Net {
  const model = network().eval();
  model.qconfig = bits === 8 ? q.floatQparamsWeightOnlyQconfig : q.floatQparamsWeightOnlyQconfig4bit;
  const prepared = q.prepare(model);
  noGrad(() => prepared(...inputs));
  return q.convert(prepared);
}

function trained(bits: 8 | 4, flow: string): Net {
  const model = network().train();
  model.qconfig = bits === 8 ? q.defaultEmbeddingQatQconfig : q.defaultEmbeddingQatQconfig4bit;
  const net = q.prepareQat(model, { mapping: q.getEmbeddingQatModuleMappings() });
  expect(net.table).toBeInstanceOf(nn.qat.Embedding);
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.25 });
  for (let step = 0; step < 2; step++) {
    const { table, bags } = net(...inputs);
    if (step === 0) {
      closeTo(table, golden(`${flow}/table/fake`), 1e-6);
      closeTo(bags, golden(`${flow}/bags/fake`), 1e-6);
    }
    optimizer.zeroGrad();
    table.square().mean().add(bags.square().mean()).backward();
    optimizer.step();
  }
  for (const name of ["table", "bags"] as const) closeTo(net[name].weight, golden(`${flow}/${name}/trained`), 1e-6);
  return q.convert(net.eval(), { mapping: q.getEmbeddingStaticQuantModuleMappings() });
}

function run({ flow, bits }: Flow): Net {
  if (flow.startsWith("static")) return statically(bits);
  if (flow.startsWith("dynamic")) return q.quantizeDynamic(network(), null, { dtype: bits === 8 ? quint8 : quint4x2 });
  return trained(bits, flow);
}

type QuantizedNet = Record<"table" | "bags", nn.Module & { weight(): Tensor }>;

describe("eager mode gives PyTorch's tables", () => {
  for (const flow of flows) {
    it(flow.flow, () => {
      const net = run(flow);
      const outs = noGrad(() => net(...inputs));
      // PyTorch calls a 4-bit Embedding quint8, see nn.quantized.Embedding.
      const dtype = flow.bits === 8 ? "torch.quint8" : "torch.quint4x2";
      expect(String(net)).toBe(flow.printed.replace("dim=8, dtype=torch.quint8", `dim=8, dtype=${dtype}`));
      expect([...net.stateDict().keys()]).toEqual(flow.keys);
      for (const name of flow.modules) {
        const weight = (net as unknown as QuantizedNet)[name].weight();
        expect(weight.qPerChannelAxis()).toBe(0);
        integers.compare(weight.intRepr().elements(), golden(`${flow.flow}/${name}/ints`).elements());
        values.compare(weight.qPerChannelScales().elements(), golden(`${flow.flow}/${name}/scales`).elements());
        values.compare(
          weight.qPerChannelZeroPoints().elements(),
          golden(`${flow.flow}/${name}/zero_points`).elements(),
        );
        expect(outs[name].shape).toEqual(golden(`${flow.flow}/${name}/out`).shape);
        values.compare(outs[name].elements(), golden(`${flow.flow}/${name}/out`).elements());
      }
      expect(integers.differing).toBe(0);
      expect(values.worst).toBeLessThanOrEqual(1e-6);
    });
  }

  it("reference modules", () => {
    const model = network().eval();
    model.qconfig = q.floatQparamsWeightOnlyQconfig;
    const net = q.convert(q.prepare(model), { isReference: true });
    expect(net.table).toBeInstanceOf(nn.quantized.reference.Embedding);
    expect(String(net.bags)).toBe("QuantizedEmbedding(Reference)(10, 6, mode='sum')");
    const outs = noGrad(() => net(...inputs));
    closeTo(outs.table, golden("reference/table/out"), 1e-6);
    closeTo(outs.bags, golden("reference/bags/out"), 1e-6);
    const lowered = nn.quantized.Embedding.fromReference(net.table as unknown as nn.quantized.reference.Embedding);
    expect([...lowered(inputs[0]).elements()]).toEqual([...golden("static8/table/out").elements()]);
    const bags = nn.quantized.EmbeddingBag.fromReference(net.bags as unknown as nn.quantized.reference.EmbeddingBag);
    expect([...bags(inputs[1], inputs[2]).elements()]).toEqual([...golden("static8/bags/out").elements()]);
  });
});

describe("module mappings", () => {
  it("are PyTorch's: trained embeddings only on request", () => {
    const { Embedding, EmbeddingBag } = nn;
    const pairs = [
      [Embedding, nn.qat.Embedding, nn.quantized.Embedding, nn.quantized.reference.Embedding],
      [EmbeddingBag, nn.qat.EmbeddingBag, nn.quantized.EmbeddingBag, nn.quantized.reference.EmbeddingBag],
    ] as const;
    for (const [float, qat, quantized, reference] of pairs) {
      expect(q.getDefaultStaticQuantModuleMappings().get(float)).toBe(quantized);
      expect(q.getDefaultDynamicQuantModuleMappings().get(float)).toBe(quantized);
      expect(q.getDefaultStaticQuantReferenceModuleMappings().get(float)).toBe(reference);
      expect(q.getDefaultQatModuleMappings().has(float)).toBe(false);
      expect(q.getDefaultStaticQuantModuleMappings().has(qat)).toBe(false);
      expect(q.getEmbeddingQatModuleMappings().get(float)).toBe(qat);
      expect(q.getEmbeddingStaticQuantModuleMappings().get(qat)).toBe(quantized);
      expect(q.getEmbeddingStaticQuantModuleMappings().get(float)).toBe(quantized);
      expect(q.getDefaultQconfigPropagationList().has(float)).toBe(true);
      expect(q.getDefaultQconfigPropagationList().has(qat)).toBe(false);
    }
  });
});

describe("quantized embeddings", () => {
  const weight = () => statically(4).table as unknown as nn.quantized.Embedding;

  it("take over a table of either width with its dtype, and a state dict's", () => {
    const module = new nn.quantized.Embedding(12, 8);
    expect(module.dtype).toBe(quint8);
    module.setWeight(weight().weight());
    expect(module.dtype).toBe(quint4x2);
    const loaded = new nn.quantized.Embedding(12, 8);
    loaded.loadStateDict(module.stateDict());
    expect(loaded.dtype).toBe(quint4x2);
    expect([...loaded(inputs[0]).elements()]).toEqual([...golden("static4/table/out").elements()]);
    expect(() => new nn.quantized.Embedding(12, 4).loadStateDict(module.stateDict())).toThrow(
      "size mismatch for _packed_params._packed_weight: the state dict has shape [12, 8], the module [12, 4].",
    );
    expect(() => loaded.loadStateDict({})).toThrow('Missing key(s) in state_dict: "_packed_params._packed_weight"');
  });

  it("average bags where the float module does", () => {
    const float = new nn.EmbeddingBag(10, 6);
    float.qconfig = q.floatQparamsWeightOnlyQconfig;
    const bags = nn.quantized.EmbeddingBag.fromFloat(float);
    const offsets = tensor([0, 4, 4, 9], { dtype: int64 });
    const dequantized = nn.EmbeddingBag.fromPretrained(bags.weight().dequantize());
    closeTo(bags(inputs[1], offsets), dequantized(inputs[1], offsets), 1e-5);
    const square = inputs[1].narrow(0, 0, 16).reshape(4, 4);
    closeTo(bags(square), dequantized(square), 1e-5);
  });

  it("leave out pruned rows only when told that the table is pruned", () => {
    const bags = new nn.quantized.EmbeddingBag(12, 8, {}, weight().weight());
    const [indices, offsets] = [[0, 1, 2], [0]].map((list) => tensor(list, { dtype: int64 }));
    const mapping = tensor([0, -1, 1], { dtype: int64 });
    const all = bags(indices, offsets, null, mapping);
    closeTo(all, weight()(indices).sum(0, { keepdim: true }), 1e-6);
    bags.prunedWeights = true;
    const kept = tensor([0, 1], { dtype: int64 });
    closeTo(bags(indices, offsets, null, mapping), weight()(kept).sum(0, { keepdim: true }), 1e-6);
  });

  const float = (qconfig: q.QConfig | null | undefined, options = {}) =>
    Object.assign(new nn.EmbeddingBag(4, 4, { mode: "sum", ...options }), qconfig === undefined ? {} : { qconfig });
  const { fromFloat } = { fromFloat: (module: nn.Module) => nn.quantized.EmbeddingBag.fromFloat(module) };
  it.each([
    ["no qconfig", () => fromFloat(float(undefined)), "EmbeddingBag input float module must have qconfig defined"],
    [
      "weights without float qparams",
      () => fromFloat(float(q.defaultQconfig)),
      "EmbeddingBag quantization is only supported with float_qparams_weight_only_qconfig",
    ],
    ["a padding row", () => fromFloat(float(null, { paddingIdx: 1 })), "paddingIdx is not supported, got 1"],
    ["the largest of a bag", () => fromFloat(float(null, { mode: "max" })), 'mode "max" is not supported'],
    [
      "sample weights of a mean",
      () => new nn.quantized.EmbeddingBag(2, 2, { mode: "mean" })(inputs[0], null, tensor([1])),
      'perSampleWeights need mode "sum"',
    ],
    ["another dtype", () => new nn.quantized.Embedding(2, 2, { dtype: qint8 }), "Got dtype: torch.qint8"],
    [
      "a table of another shape",
      () => new nn.quantized.Embedding(2, 2).setWeight(weight().weight()),
      "weight must have shape [2, 2], got [12, 8]",
    ],
    [
      "training with integer zero points",
      () => new nn.qat.Embedding(2, 2, { qconfig: q.defaultQatQconfig }),
      "Embedding weights requires a qscheme of torch.per_channel_affine_float_qparams",
    ],
    ["training without a qconfig", () => nn.qat.EmbeddingBag.fromFloat(float(null)), "must have a valid qconfig"],
  ])("refuse %s", (_what, attempt, message) => {
    expect(attempt).toThrow(message);
  });

  it("go back to float after training", () => {
    const table = new nn.qat.EmbeddingBag(4, 3, { mode: "max", qconfig: q.defaultEmbeddingQatQconfig });
    const back = table.eval().toFloat();
    expect(back.weight).toBe(table.weight);
    expect([back.mode, back.training]).toEqual(["max", false]);
    const one = new nn.qat.Embedding(4, 3, { paddingIdx: 1, qconfig: q.defaultEmbeddingQatQconfig }).toFloat();
    expect([String(one), one.training]).toEqual(["Embedding(4, 3, padding_idx=1)", true]);
  });
});
