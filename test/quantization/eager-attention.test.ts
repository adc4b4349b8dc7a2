/** Models with LSTM and MultiheadAttention through eager mode, against PyTorch: trees, keys, observers, integers, SQNR. */
import { describe, expect, it } from "vitest";
import { nn, noGrad, quantization as q } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import { goldenFolder } from "../golden.ts";
import { Tally } from "./golden-file.ts";

const file = loadSafetensors(`${goldenFolder}/quantization/eager-attention.safetensors`);
const golden = (key: string): Tensor => {
  const found = file.tensors.get(key);
  if (!found) throw new Error(`the golden file has no ${key}`);
  return found;
};

interface Flow {
  readonly engine: "qnnpack" | "onednn";
  readonly backend: "qnnpack" | "x86";
  readonly model: keyof typeof MODELS;
  readonly kind: "static" | "split" | "qat";
  readonly inputs: readonly string[];
  /** Printed models. */
  readonly prepared: string;
  readonly converted: string;
  readonly observers: readonly string[];
  readonly prepared_keys: readonly string[];
  readonly converted_keys: readonly string[];
}
const flows = JSON.parse(file.metadata.get("flows") as string) as Flow[];

class Classifier extends nn.Module {
  quant = new q.QuantStub();
  lstm: nn.LSTM;
  fc: nn.Linear;
  dequant = new q.DeQuantStub();

  constructor(options: ConstructorParameters<typeof nn.LSTM>[2] = {}) {
    super();
    this.lstm = new nn.LSTM(6, 8, options);
    this.fc = new nn.Linear(options.bidirectional ? 16 : 8, 3);
  }

  override forward(x: Tensor): Tensor {
    const [y] = this.lstm(this.quant(x));
    return this.dequant(this.fc(y.select(this.lstm.batchFirst ? 1 : 0, -1)));
  }
}

class Block extends nn.Module {
  quant = new q.QuantStub();
  memory_quant = new q.QuantStub();
  attention: nn.MultiheadAttention;
  skip = new nn.quantized.FloatFunctional();
  fc = new nn.Linear(8, 4);
  dequant = new q.DeQuantStub();
  readonly cross: boolean;

  constructor(options: ConstructorParameters<typeof nn.MultiheadAttention>[2] = {}) {
    super();
    this.attention = new nn.MultiheadAttention(8, 2, options);
    this.cross = options.kdim !== undefined;
  }

  override forward(input: Tensor, memoryInput: Tensor, keyPaddingMask: Tensor, attnMask: Tensor): Tensor {
    const [x, memory] = [this.quant(input), this.memory_quant(memoryInput)];
    const keys = this.cross ? memory : x;
    const [y] = this.attention(x, keys, keys, { keyPaddingMask, attnMask, averageAttnWeights: false });
    return this.dequant(this.fc(this.skip.add(x, y)));
  }
}

const MODELS = {
  "lstm-batch-first": () => new Classifier({ batchFirst: true, numLayers: 2, bidirectional: true }),
  "lstm-split": () => new Classifier({ bias: false }),
  "lstm-qat": () => new Classifier(),
  attention: () => new Block(),
  "attention-batch-first": () => new Block({ batchFirst: true }),
  "attention-cross": () => new Block({ kdim: 6, vdim: 6, addBiasKv: true, addZeroAttn: true }),
} satisfies Record<string, () => nn.Module>;

class SplitLSTM extends nn.quantizable.LSTM {
  static override fromFloat(float: nn.Module): nn.quantizable.LSTM {
    return super.fromFloat(float, { splitGates: true });
  }
}
const prepareCustomConfigDict = { floatToObservedCustomModuleClass: new Map([[nn.LSTM, SplitLSTM]]) };
const convertCustomConfigDict = {
  observedToQuantizedCustomModuleClass: new Map([[SplitLSTM, nn.quantized.LSTM]]),
};

function prepare(flow: Flow): nn.Module {
  const model: nn.Module = MODELS[flow.model]();
  const prefix = `${flow.model}/state/`;
  const state = [...file.tensors].filter(([key]) => key.startsWith(prefix));
  model.loadStateDict(new Map(state.map(([key, value]) => [key.slice(prefix.length), value])));
  model.train(flow.kind === "qat");
  model.qconfig = flow.kind === "qat" ? q.getDefaultQatQconfig(flow.backend, 0) : q.getDefaultQconfig(flow.backend);
  if (flow.kind === "qat") return q.prepareQat(model);
  return q.prepare(model, flow.kind === "split" ? { prepareCustomConfigDict } : {});
}

const batch = (flow: Flow, key: string) => flow.inputs.map((input) => golden(`${flow.model}/in/${key}/${input}`));

/** What numbers measured on activations look like is compared on its own. */
function withoutNumbers(printed: string): string {
  return printed.replaceAll(/(min_val|max_val|scale|zero_point)=(tensor\([^)]*\)|[^,)\s]+)/g, "$1=…");
}

/** PyTorch's keys; what it saves as a tuple stands under two keys here. A LSTM has no tensors of its own. */
function keysHere(keys: readonly string[], here: ReadonlySet<string>): string[] {
  return keys.flatMap((key) => {
    if (key.endsWith("._packed_params.dtype")) return [];
    if (!key.endsWith("._packed_params._packed_params")) return [key];
    return [`${key}.0`, `${key}.1`].filter((part) => part.endsWith(".0") || here.has(part));
  });
}

/** 20 · log10(‖x‖ / ‖x − y‖), in decibels. */
function sqnr(x: Tensor, y: Tensor): number {
  const [signal, noise] = [x, x.sub(y)].map((t) => Math.sqrt(t.square().sum().item()));
  return noise === 0 ? Infinity : 20 * Math.log10(signal / noise);
}

function compareObservers(flow: Flow, prepared: nn.Module): void {
  const rows = golden(`${flow.engine}/${flow.model}/observers`).tolist() as number[][];
  // In training, fake quantization rounds what the next observer sees: a float sum that differs in its last bit can move a
  // value by a whole step, and with it a range.
  const tolerance = flow.kind === "qat" ? 1e-3 : 1e-5;
  flow.observers.forEach((path, i) => {
    const observer = prepared.getSubmodule(path) as nn.Module & { calculateQparams(): [Tensor, Tensor] };
    const [scale, zeroPoint] = observer.calculateQparams().map((value) => value.item());
    expect(Math.abs(scale / rows[i][0] - 1), `${path} scale`).toBeLessThan(tolerance);
    expect(zeroPoint, `${path} zero point`).toBe(rows[i][1]);
  });
}

/** Counts how the integers that leave the LSTM or the attention, and those before the last dequantization, compare. */
function watchInside(flow: Flow, int8: nn.Module, tally: Tally): void {
  const prefix = `${flow.engine}/${flow.model}`;
  const inner = int8.getSubmodule(flow.model.startsWith("lstm") ? "lstm" : "attention");
  inner.registerForwardHook((_module, _args, out) => {
    const results = (out as (Tensor | Tensor[])[]).flat();
    results.forEach((result, i) => {
      const expected = golden(`${prefix}/inner/${i}`);
      // PyTorch ran this one on turned inputs.
      const turned = flow.model === "attention-batch-first" && i === 0;
      tally.compare(result.intRepr().elements(), (turned ? expected.transpose(0, 1) : expected).elements());
    });
  });
  int8.getSubmodule("dequant").registerForwardPreHook((_module, [x]) => {
    tally.compare((x as Tensor).intRepr().elements(), golden(`${prefix}/out`).elements());
  });
}

describe("LSTM and MultiheadAttention in eager mode", () => {
  for (const flow of flows) {
    const { engine } = flow;
    it(`${engine}/${flow.model}`, () => {
      q.withEngine(engine, () => {
        const prepared = prepare(flow);
        noGrad(() => ["calibration0", "calibration1"].forEach((key) => prepared(...batch(flow, key))));
        expect(withoutNumbers(String(prepared))).toBe(withoutNumbers(flow.prepared));
        expect([...prepared.stateDict().keys()].sort()).toEqual([...flow.prepared_keys].sort());
        compareObservers(flow, prepared);

        const int8 = q.convert(prepared.eval(), flow.kind === "split" ? { convertCustomConfigDict } : {});
        expect(withoutNumbers(String(int8))).toBe(withoutNumbers(flow.converted));
        const keys = new Set(int8.stateDict().keys());
        // PyTorch does not save the quantized bias_k and bias_v.
        const own = [...keys].filter((key) => !/bias_[kv]$/.test(key));
        expect(own.sort()).toEqual(keysHere(flow.converted_keys, keys).sort());

        const tally = new Tally();
        watchInside(flow, int8, tally);
        const out = int8(...batch(flow, "test")) as Tensor;
        const [scale, zeroPoint] = golden(`${engine}/${flow.model}/qparams`).tolist() as number[];
        const integers = golden(`${engine}/${flow.model}/out`);
        const expected = integers.float().sub(zeroPoint).mul(scale);
        const toPyTorch = sqnr(expected, out);
        const [ours, theirs] = [out, expected].map((o) => sqnr(golden(`${flow.model}/float`), o));
        console.log(
          `${engine}/${flow.model}: integers: ${tally}; SQNR to PyTorch's int8 ${toPyTorch.toFixed(1)} dB, to float ` +
            `${ours.toFixed(2)} dB (PyTorch ${theirs.toFixed(2)} dB)`,
        );
        expect(tally.differing).toBeLessThanOrEqual(tally.compared * 0.002);
        expect(toPyTorch).toBeGreaterThanOrEqual(40);
        expect(ours).toBeGreaterThanOrEqual(theirs - 0.5);
      });
    });
  }
});
