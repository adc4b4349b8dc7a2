/** Dynamic recurrent modules, float16 linears and reference RNNs: state dicts, printing, errors, engines, mappings. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float16, float32, int32, noGrad, nn, ops, qint8, quantization as q } from "../../src/index.ts";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import type { Module } from "../../src/nn/module.ts";

const dynamic = nn.quantized.dynamic;
const reference = nn.quantized.reference;

/** The only module of a dynamically quantized model around `module`. */
function quantized<M extends Module>(module: Module, dtype = qint8): M {
  return q.quantizeDynamic(new nn.Sequential(module), null, { dtype }).getSubmodule("0") as M;
}

const values = (x: Tensor): number[] => Array.from(x.toNumbers() as ArrayLike<number>);

const makers: readonly [string, () => Module, readonly number[]][] = [
  ["LSTM", () => new nn.LSTM(4, 3, { numLayers: 2, bidirectional: true }), [5, 2, 4]],
  ["GRU", () => new nn.GRU(4, 3), [5, 2, 4]],
  ["LSTMCell", () => new nn.LSTMCell(4, 3), [2, 4]],
  ["GRUCell", () => new nn.GRUCell(4, 3), [2, 4]],
  ["RNNCell", () => new nn.RNNCell(4, 3, { nonlinearity: "relu" }), [2, 4]],
  ["Linear", () => new nn.Linear(4, 3), [2, 4]],
];

const firstOutput = (out: unknown): Tensor => (Array.isArray(out) ? (out[0] as Tensor) : (out as Tensor));

describe.each([qint8, float16])("state of modules with %s weights", (dtype) => {
  it.each(makers)("%s", (_, make, shape) => {
    const x = torch.randn([...shape]);
    const module = quantized<Module>(make(), dtype);
    const other = quantized<Module>(make(), dtype);
    const before = values(firstOutput(module(x)));
    expect(values(firstOutput(other(x)))).not.toEqual(before);
    const copy = module.deepCopy();
    const state = module.stateDict();
    other.loadStateDict(state);
    expect(values(firstOutput(other(x)))).toEqual(before);
    module.loadStateDict(quantized<Module>(make(), dtype).stateDict());
    expect(values(firstOutput(module(x)))).not.toEqual(before);
    expect(values(firstOutput(copy(x)))).toEqual(before);
    const weights = [...state].filter(([key]) => key.endsWith(".0"));
    expect(weights.length).toBeGreaterThan(0);
    for (const [, tensor] of weights) expect(tensor.dtype).toBe(dtype);
  });
});

describe("state dicts", () => {
  it("hold tensors below PyTorch's keys", () => {
    const layer = quantized<Module>(new nn.LSTM(4, 3, { numLayers: 2 }));
    expect([...layer.stateDict().keys()]).toEqual(
      [0, 1].flatMap((i) => ["0.0", "0.1", "1.0", "1.1"].map((end) => `_all_weight_values.${i}.param.${end}`)),
    );
    expect(layer.stateDict().metadata.get("")).toEqual({ version: 2 });
    const cell = quantized<Module>(new nn.GRUCell(4, 3));
    const ends = ["_packed_weight_ih.0", "_packed_weight_ih.1", "_packed_weight_hh.0", "_packed_weight_hh.1"];
    expect([...cell.stateDict().keys()]).toEqual(ends);
  });

  it("of version 1 mean 8-bit activations", () => {
    q.withEngine("x86", () => {
      const layer = new dynamic.GRU(16, 12);
      const x = torch.randn([4, 2, 16]);
      const before = values(layer(x)[0]);
      const state = layer.stateDict();
      layer.loadStateDict(new Map(state));
      expect(values(layer(x)[0])).toEqual(before);
      state.metadata.set("", { version: 1 });
      layer.loadStateDict(state);
      expect(values(layer(x)[0])).not.toEqual(before);
    });
  });

  it("of other sizes, other dtypes or with missing keys are refused", () => {
    const layer = new dynamic.LSTM(4, 3);
    expect(() => layer.loadStateDict(new dynamic.LSTM(5, 3).stateDict())).toThrow(
      "size mismatch for _all_weight_values.0.param.0.0: the state dict has shape [12, 5], the module [12, 4].",
    );
    expect(() => layer.loadStateDict(new dynamic.LSTM(4, 3, { dtype: float16 }).stateDict())).toThrow(
      "dtype mismatch for _all_weight_values.0.param.0.0: float16 cannot be loaded into qint8.",
    );
    expect(() => layer.loadStateDict({})).toThrow('Missing key(s) in state_dict: "_all_weight_values.0.param.0.0"');
  });

  it("of reference modules have PyTorch's buffers", () => {
    const state = new reference.GRU(4, 3).stateDict();
    const buffers = ["ih", "hh"].flatMap((part) =>
      ["scale", "zero_point", "axis"].map((what) => `weight_${part}_l0_${what}`),
    );
    const parameters = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
    expect([...state.keys()]).toEqual([...parameters, ...buffers]);
    expect(buffers.map((key) => state.get(key)?.dtype)).toEqual([float32, int32, int32, float32, int32, int32]);
  });
});

describe("printing", () => {
  it("is PyTorch's", () => {
    const options = { numLayers: 2, batchFirst: true, bidirectional: true, dropout: 0.5 };
    expect(String(new dynamic.LSTM(4, 3, options))).toBe(
      "DynamicQuantizedLSTM(4, 3, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True)",
    );
    expect(String(new dynamic.RNNCell(4, 3, { nonlinearity: "relu" }))).toBe(
      "DynamicQuantizedRNNCell(4, 3, nonlinearity=relu)",
    );
    expect(String(new reference.RNNCell(4, 3, { nonlinearity: "relu" }))).toBe(
      "QuantizedRNNCell(Reference)(4, 3, nonlinearity=relu)",
    );
    expect(String(quantized(new nn.Linear(4, 3), float16))).toBe(
      "DynamicQuantizedLinear(in_features=4, out_features=3, dtype=torch.float16)",
    );
  });
});

describe("float16 weights", () => {
  it("are cut off at the largest float16 and rounded half to even", () => {
    const linear = new nn.Linear(6, 1, { bias: false });
    noGrad(() =>
      linear.weight.copy_(torch.tensor([[1e5, -Infinity, 65519, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25]])),
    );
    const warnings: string[] = [];
    const made = withWarnings(
      (text) => warnings.push(text),
      () => quantized<InstanceType<typeof dynamic.Linear>>(linear, float16),
    );
    expect(values(made.weight())).toEqual([65504, -65504, 65504, 1, 1 + 2 ** -9, 0]);
    expect(warnings).toEqual(["FOUND weight out of range"]);
  });

  it("serve a fused ReLU", () => {
    const packed = ops.quantized.linearPrepackFp16(torch.tensor([[1, 2]]), torch.tensor([-4]));
    const x = torch.tensor([
      [1, 1],
      [2, 2],
    ]);
    expect(values(ops.quantized.linearDynamicFp16(x, packed))).toEqual([-1, 2]);
    expect(values(ops.quantized.linearReluDynamicFp16(x, packed))).toEqual([0, 2]);
    const fused = nn.intrinsic.LinearReLU as unknown as new (...modules: Module[]) => Module;
    const model = new nn.Sequential(new fused(new nn.Linear(2, 1), new nn.ReLU()).eval());
    noGrad(() => {
      (model.getParameter("0.0.weight") as Tensor).copy_(torch.tensor([[1, 2]]));
      (model.getParameter("0.0.bias") as Tensor).copy_(torch.tensor([-4]));
    });
    const half = q.quantizeDynamic(model, new Map([[fused as never, q.float16DynamicQconfig]]));
    expect(half.getSubmodule("0")).toBeInstanceOf(nn.intrinsic.quantized.dynamic.LinearReLU);
    expect(values(half(x) as Tensor)).toEqual([0, 2]);
  });
});

describe.each([
  ["per-channel qint8", q.perChannelDynamicQconfig],
  ["float16", q.float16DynamicQconfig],
])("conversion from reference modules, %s", (_, qconfig) => {
  it.each(makers)("%s has the weights of direct conversion", (name, make) => {
    const float = make().eval();
    float.qconfig = qconfig;
    const classes = reference as unknown as Record<string, { fromFloat(module: Module, qparams?: never): Module }>;
    const targets = dynamic as unknown as Record<string, { fromReference(module: Module): Module }>;
    const prepared = q.convert(new nn.Sequential(float), {
      mapping: new Map([[float.constructor as never, classes[name] as never]]),
    });
    const made = targets[name].fromReference(prepared.getSubmodule("0"));
    const direct = q.quantizeDynamic(new nn.Sequential(float), new Map([["0", qconfig]]));
    const [a, b] = [made.stateDict(), direct.getSubmodule("0").stateDict()];
    expect([...a.keys()]).toEqual([...b.keys()]);
    for (const [key, tensor] of a) expect(tensor.equal(b.get(key) as Tensor), key).toBe(true);
    expect(String(made)).toBe(String(direct.getSubmodule("0")));
  });
});

describe("errors", () => {
  const x = torch.randn([5, 2, 4]);
  const layer = new dynamic.LSTM(4, 3);
  const cell = new dynamic.LSTMCell(4, 3);
  const zeros = (...shape: number[]) => torch.zeros(shape);

  it("about biases and projections", () => {
    expect(() => quantized(new nn.LSTM(4, 3, { bias: false }))).toThrow("quantized LSTM requires biases");
    expect(() => quantized(new nn.GRU(4, 3, { bias: false }))).toThrow("quantized GRU requires biases");
    expect(() => quantized(new nn.GRUCell(4, 3, { bias: false }))).toThrow("quantized GRUCell requires biases");
    expect(() => new dynamic.LSTM(4, 3, { bias: false })).toThrow("quantized LSTM requires biases");
    expect(() => quantized(new nn.LSTM(4, 3, { projSize: 2 }))).toThrow(
      "quantized LSTM with projections is not supported",
    );
  });

  it("about inputs are PyTorch's", () => {
    expect(() => layer(torch.randn([5, 4]))).toThrow("input must have 3 dimensions, got 2");
    expect(() => layer(torch.randn([5, 2, 6]))).toThrow(
      "input.size(-1) must be equal to input_size. Expected 4, got 6",
    );
    expect(() => layer(x, [zeros(1, 3, 3), zeros(1, 2, 3)])).toThrow(
      "Expected hidden[0] size (1, 2, 3), got [1, 3, 3]",
    );
    expect(() => layer(x, [zeros(1, 2, 3), zeros(1, 3, 3)])).toThrow("Expected hidden[1] size (1, 2, 3)");
    expect(() => new dynamic.GRU(4, 3)(x, zeros(1, 3, 3))).toThrow("Expected hidden size (1, 2, 3), got [1, 3, 3]");
    expect(() => cell(torch.randn([2, 5]))).toThrow("input has inconsistent input_size: got 5, expected 4");
    expect(() => cell(torch.randn([2, 4]), [zeros(3, 3), zeros(2, 3)])).toThrow(
      "Input batch size 2 doesn't match hidden[0] batch size 3",
    );
    expect(() => cell(torch.randn([2, 4]), [zeros(2, 3), zeros(2, 4)])).toThrow(
      "hidden[1] has inconsistent hidden_size: got 4, expected 3",
    );
    expect(() => layer(x.double())).toThrow("float32");
  });

  it("about dtypes and classes are PyTorch's", () => {
    const float = new nn.LSTM(4, 3);
    expect(() => dynamic.LSTM.fromFloat(float)).toThrow("Input float module must have qconfig defined");
    float.qconfig = q.floatQparamsWeightOnlyQconfig;
    expect(() => dynamic.LSTM.fromFloat(float)).toThrow("Unsupported dtype for dynamic RNN quantization: torch.quint8");
    expect(() => dynamic.LSTM.fromFloat(new nn.Linear(4, 3))).toThrow("only works for nn.LSTM and nn.GRU");
    const linear = new nn.Linear(4, 3);
    linear.qconfig = q.floatQparamsWeightOnlyQconfig;
    expect(() => dynamic.Linear.fromFloat(linear)).toThrow("qint8 and float16 got: torch.quint8");
  });

  it("of the operators are PyTorch's", () => {
    const params = [ops.quantized.makeQuantizedCellParams(zeros(12, 4), zeros(12, 3), zeros(12), zeros(12))];
    const hx = [zeros(1, 2, 3), zeros(1, 2, 3)];
    expect(() => torch.quantizedLstm(x, hx.slice(1), params)).toThrow("lstm expects two hidden states");
    expect(() => torch.quantizedLstm(x, hx, params, { hasBiases: false })).toThrow("quantized LSTM requires biases");
    expect(() => torch.quantizedLstm(x, [hx[0], zeros(1, 2, 4)], params)).toThrow("with projections is not supported");
    expect(() => torch.quantizedLstm(x, hx, params, { dtype: float16 })).toThrow("dtype is not supported");
    expect(() => torch.quantizedLstm(x, hx, params, { numLayers: 2 })).toThrow("need as many params, got 1");
    expect(() => torch.quantizedGru(x, hx[0], params)).toThrow("3 rows per hidden unit");
    expect(() => q.withEngine("none", () => ops.quantized.linearPrepackFp16(zeros(2, 2)))).toThrow(
      "Didn't find engine for operation quantized::linear_prepack_fp16 NoQEngine",
    );
  });
});

/** LSTM and GRU step by step, written with the linear and float operators. */
function stepByStep(
  mode: "lstm" | "gru",
  x: Tensor,
  h0: Tensor,
  linear: (x: Tensor, part: "ih" | "hh") => Tensor,
): Tensor {
  const inputs = linear(x, "ih");
  let h = h0;
  let c = torch.zerosLike(h0);
  const outputs: Tensor[] = [];
  for (let t = 0; t < x.shape[0]; t++) {
    const [g, r] = [inputs.select(0, t), linear(h, "hh")];
    if (mode === "lstm") {
      const [i, f, n, o] = g.add(r).chunk(4, 1);
      c = f.sigmoid().mul(c).add(i.sigmoid().mul(n.tanh()));
      h = o.sigmoid().mul(c.tanh());
    } else {
      const [[gr, gz, gn], [rr, rz, rn]] = [g.chunk(3, 1), r.chunk(3, 1)];
      const n = gn.add(rn.mul(gr.add(rr).sigmoid())).tanh();
      h = h.sub(n).mul(gz.add(rz).sigmoid()).add(n);
    }
    outputs.push(h);
  }
  return torch.stack(outputs, 0);
}

describe("quantizedLstm and quantizedGru", () => {
  it.each(["x86", "qnnpack"] as const)(
    "are dynamic linears and float gates, with 7-bit activations, on %s",
    (engine) => {
      fc.assert(
        fc.property(
          fc.constantFrom("lstm" as const, "gru" as const),
          fc.record({ time: fc.nat(4), batch: fc.integer({ min: 1, max: 3 }), seed: fc.nat(1000) }),
          fc.record({ inputs: fc.integer({ min: 1, max: 9 }), hidden: fc.integer({ min: 1, max: 9 }) }),
          (mode, { time, batch, seed }, { inputs, hidden }) =>
            q.withEngine(engine, () => {
              torch.manualSeed(seed);
              const rows = (mode === "lstm" ? 4 : 3) * hidden;
              const pack = (depth: number) => {
                const weight = torch.quantizePerTensor(torch.randn([rows, depth]), 0.02, 0, qint8);
                return ops.quantized.linearPrepack(weight, torch.randn([rows]));
              };
              const [ih, hh] = [pack(inputs), pack(hidden)];
              const [x, h0] = [torch.randn([time + 1, batch, inputs]), torch.randn([batch, hidden])];
              const params = [ops.quantized.makeQuantizedCellParamsDynamic(ih, hh, null, null, true)];
              const states = h0.unsqueeze(0);
              const [found] =
                mode === "lstm"
                  ? torch.quantizedLstm(x, [states, torch.zerosLike(states)], params)
                  : torch.quantizedGru(x, states, params);
              const linear = (at: Tensor, part: "ih" | "hh") =>
                ops.quantized.linearDynamic(at, part === "ih" ? ih : hh, true);
              const expected = stepByStep(mode, x, h0, linear);
              // A float that differs in its last bit may move one integer of the next step's state by one.
              const steps = values(found.sub(expected).abs());
              expect(steps.filter((difference) => difference > 1e-5).length).toBeLessThanOrEqual(steps.length * 0.01);
            }),
        ),
        { numRuns: 60 },
      );
    },
  );

  it("modules and cells ask for 7-bit activations", () => {
    q.withEngine("x86", () => {
      const [x, zeros] = [torch.randn([4, 2, 16]), torch.zeros([1, 2, 12])];
      const layer = quantized<InstanceType<typeof dynamic.GRU>>(new nn.GRU(16, 12));
      const [weights, biases] = [layer.getWeight(), layer.getBias()];
      const [ih, hh] = ["ih", "hh"].map((part) =>
        ops.quantized.linearPrepack(weights[`weight_${part}_l0`], biases[`bias_${part}_l0`]),
      );
      const run = (reduceRange: boolean) => {
        const params = ops.quantized.makeQuantizedCellParamsDynamic(ih, hh, null, null, reduceRange);
        return values(torch.quantizedGru(x, zeros, [params])[0]);
      };
      expect(run(true)).not.toEqual(run(false));
      expect(values(layer(x)[0])).toEqual(run(true));
      const cell = new dynamic.GRUCell(16, 12);
      cell.setWeightBias({
        weight: { weight_ih: weights.weight_ih_l0, weight_hh: weights.weight_hh_l0 },
        bias: { bias_ih: biases.bias_ih_l0, bias_hh: biases.bias_hh_l0 },
      });
      const first = torch.quantizedGru(x.slice(0, 0, 1), zeros, [
        ops.quantized.makeQuantizedCellParamsDynamic(ih, hh, null, null, true),
      ]);
      expect(values(cell(x.select(0, 0)))).toEqual(values(first[1]));
    });
  });

  it("drop outputs between layers in training only", () => {
    const layer = quantized<InstanceType<typeof dynamic.GRU>>(new nn.GRU(4, 8, { numLayers: 2, dropout: 0.5 }));
    const x = torch.randn([5, 2, 4]);
    const first = values(layer(x)[0]);
    expect(values(layer(x)[0])).toEqual(first);
    expect(values(layer.train()(x)[0])).not.toEqual(first);
  });

  it("makeQuantizedCellParams quantizes float weights by their range", () => {
    torch.manualSeed(1);
    const float = new nn.LSTM(16, 12).eval();
    const [wIh, wHh, bIh, bHh] = float.flatWeights();
    const params = ops.quantized.makeQuantizedCellParams(wIh, wHh, bIh, bHh);
    const x = torch.randn([6, 3, 16]);
    const zeros = torch.zeros([1, 3, 12]);
    const [found] = torch.quantizedLstm(x, [zeros, zeros], [params]);
    const [expected] = noGrad(() => float(x));
    const [signal, noise] = [expected, expected.sub(found)].map((t) => t.square().sum().item());
    expect(10 * Math.log10(signal / noise)).toBeGreaterThan(30);
    expect(params.ih.weight.dtype).toBe(qint8);
  });
});

describe("mappings and propagation", () => {
  type Pairs = Readonly<Record<string, string>>;
  const file = new URL("../golden/reference/defaults.json", import.meta.url);
  const { module_mappings: mappings } = JSON.parse(readFileSync(file, "utf8")) as {
    module_mappings: Record<string, Pairs> & { qconfig_propagation_list: string[] };
  };
  const isRecurrent = (path: string) => path.startsWith("torch.nn.modules.rnn.");
  const classOf = (path: string, namespace: object) =>
    (namespace as Record<string, unknown>)[path.slice(path.lastIndexOf(".") + 1)];

  it.each([
    ["DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS", q.getDefaultDynamicQuantModuleMappings(), dynamic],
    ["DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS", q.getDefaultStaticQuantReferenceModuleMappings(), reference],
  ] as const)("%s", (name, mapping, namespace) => {
    const expected = Object.entries(mappings[name]).filter(([key]) => isRecurrent(key));
    expect(expected.length).toBeGreaterThanOrEqual(4);
    for (const [key, value] of expected) {
      expect(mapping.get(classOf(key, nn) as never), key).toBe(classOf(value, namespace));
    }
    const known = [...mapping.keys()].filter((type) =>
      [nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell].includes(type as never),
    );
    expect(known.length).toBe(expected.length);
  });

  it("propagation list", () => {
    const listed = mappings.qconfig_propagation_list.filter(isRecurrent);
    expect(listed.length).toBe(5);
    for (const key of listed) expect(q.getDefaultQconfigPropagationList().has(classOf(key, nn) as never)).toBe(true);
  });
});
