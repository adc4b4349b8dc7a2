/** Whole measurements of small models, against numbers computed here in another way. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/index.ts";
import {
  manualSeed,
  nn,
  noGrad,
  perTensorSymmetric,
  qint8,
  quantization as q,
  randn,
  tensor,
} from "../../src/index.ts";
import { fuseFx } from "../../src/quantization/fx/quantize-fx.ts";
import { measure } from "../../src/report/index.ts";
import { bytesOf } from "../../src/report/ledger.ts";
import { calibrated, quantizedResidual } from "./networks.ts";

const latency = { runs: 0 };

/** 10 log10 by tensors' own arithmetic. */
function sqnr(expected: Tensor, actual: Tensor): number {
  const real = actual.isQuantized ? actual.dequantize() : actual;
  return 10 * Math.log10(expected.square().sum().item() / expected.sub(real).square().sum().item());
}

describe("measure", () => {
  it("compares every quantized operator, whatever lowering called it", async () => {
    const { float, prepared, quantized, sample } = quantizedResidual();
    const report = await measure({ float, quantized, prepared, samples: [{ inputs: [sample()] }], latency });
    expect(report.layers.map(({ node, detail }) => [node, detail])).toEqual([
      ["conv1", "static: QuantizedConvReLU2d"],
      ["conv2", "static: QuantizedConv2d"],
      ["add", "static: torch.ops.quantized.add_relu"],
      ["mul", "static: torch.ops.quantized.mul"],
      ["pool", "static: AdaptiveAvgPool2d"],
      ["flatten", "static: torch.flatten"],
      ["fc", "static: QuantizedLinear"],
      ["linear", "static: torch.ops.quantized.linear_relu"],
    ]);
    for (const { sqnrDb } of report.layers) expect(sqnrDb).toBeGreaterThan(12);
    expect(report.leftovers).toEqual([
      {
        node: "log_softmax",
        operator: "LogSoftmax",
        module: "logSoftmax",
        kind: "float",
        reason: "the backend has no pattern for this operator",
      },
    ]);
    expect(report.operators).toEqual({ total: 9, quantized: 8 });
  });

  it("measures layers by the values that modules give", async () => {
    const { float, quantized, sample } = quantizedResidual();
    const samples = [sample(), sample(), sample()];
    const report = await measure({
      float,
      quantized,
      samples: samples.map((x) => ({ inputs: [x] })),
      latency,
      layerSamples: 2,
    });
    const fused = fuseFx(float);
    const watched = (model: nn.Module, path: string): Tensor => {
      const seen: Tensor[] = [];
      const hook = model
        .getSubmodule(path)
        .registerForwardHook((_module, _inputs, output) => void seen.push(output as Tensor));
      noGrad(() => samples.slice(0, 2).forEach((x) => void model(x)));
      hook.remove();
      return stacked(seen);
    };
    const byNode = new Map(report.layers.map((layer) => [layer.node, layer]));
    for (const path of ["conv1", "conv2", "pool", "fc"]) {
      expect(byNode.get(path)?.sqnrDb, path).toBeCloseTo(sqnr(watched(fused, path), watched(quantized, path)), 4);
    }
    expect(report.layerSamples).toBe(2);
    expect(report.samples).toBe(3);
    expect(byNode.get("conv1")?.inputSqnrDb).toBeNull();
    expect(byNode.get("conv2")?.inputSqnrDb).toBe(byNode.get("conv1")?.sqnrDb);
    const lower = Math.min(byNode.get("conv1")?.sqnrDb as number, byNode.get("conv2")?.sqnrDb as number);
    expect(byNode.get("add")?.inputSqnrDb).toBe(lower);
    expect(byNode.get("mul")?.inputSqnrDb).toBe(byNode.get("add")?.sqnrDb);
  });

  it("measures the reference form as what it becomes", async () => {
    const { float, prepared, quantized, sample } = quantizedResidual();
    const samples = [{ inputs: [sample()] }];
    const reference = q.convertToReferenceFx(prepared);
    const lowered = await measure({ float, quantized, samples, latency });
    const report = await measure({ float, quantized: reference, samples, latency });
    // The ReLUs of "add" and "linear" are operators of their own there.
    const byNode = new Map(report.layers.map(({ node, sqnrDb }) => [node, sqnrDb]));
    for (const node of ["conv1", "conv2"]) {
      expect(byNode.get(node), node).toBeCloseTo(
        lowered.layers.find((layer) => layer.node === node)?.sqnrDb as number,
        1,
      );
    }
    expect([...byNode.keys()]).toEqual(
      expect.arrayContaining([...lowered.layers.map(({ node }) => node), "relu_1", "relu_2"]),
    );
    expect(report.leftovers.filter(({ kind }) => kind === "reference").map(({ node }) => node)).toContain("conv1");
  });

  it("counts bytes tensor by tensor", async () => {
    const { float, quantized, sample } = quantizedResidual();
    const { size } = await measure({ float, quantized, samples: [{ inputs: [sample()] }], latency });
    const rows = new Map(size.ledger.map((row) => [row.name, row]));
    const channelQparams = (channels: number) => channels * (8 + 8);
    expect(rows.get("conv1.weight")).toEqual({
      name: "conv1.weight",
      shape: [8, 3, 3, 3],
      floatDtype: "float32",
      quantizedDtype: "qint8",
      floatBytes: 4 * 216,
      quantizedBytes: 216 + channelQparams(8),
    });
    expect(rows.get("fc.weight")).toMatchObject({ floatBytes: 4 * 48, quantizedBytes: 48 + channelQparams(6) });
    expect(rows.get("fc.bias")).toMatchObject({ floatBytes: 24, quantizedBytes: 24 });
    // Read by a function: its packed form is an attribute of the graph.
    expect(rows.get("w")).toMatchObject({ floatBytes: 4 * 30, quantizedBytes: 30 + channelQparams(5) });
    expect(rows.get("bn1.weight")).toMatchObject({ floatBytes: 32, quantizedBytes: 0, quantizedDtype: null });
    const total = (state: Iterable<[string, Tensor]>): number => [...state].reduce((sum, [, t]) => sum + bytesOf(t), 0);
    expect(size.floatBytes).toBe(total(float.stateDict()));
    expect(size.quantizedBytes).toBe(total(quantized.stateDict()));
    expect(size.ledger.reduce((sum, row) => sum + row.quantizedBytes, 0)).toBe(size.quantizedBytes);
  });

  it("tells ranges as the observers chose them", async () => {
    manualSeed(1);
    const float = new nn.Sequential(new nn.Linear(2, 2)).eval();
    const mapping = new q.QConfigMapping().setGlobal(
      new q.QConfig(q.MinMaxObserver, q.MinMaxObserver.withArgs({ dtype: qint8, qscheme: perTensorSymmetric })),
    );
    const { prepared, quantized } = calibrated(float, mapping, () => tensor([[-1, 3]]));
    const report = await measure({ float, quantized, prepared, samples: [{ inputs: [tensor([[-1, 3]])] }], latency });
    const [input] = report.observations;
    expect(input).toMatchObject({
      observer: "MinMaxObserver",
      dtype: "quint8",
      min: -1,
      max: 3,
      counts: [],
    });
    // scale 4 / 255, zero point 64
    expect(input.range.low).toBeCloseTo((-64 * 4) / 255, 6);
    expect(input.range.high).toBeCloseTo(((255 - 64) * 4) / 255, 6);
    expect(report.observations).toHaveLength(2);
    expect(report.recipe.qconfigMapping).toContain("MinMaxObserver");
    expect(report.recipe).toMatchObject({ mode: "static", backend: "x86", calibrationSamples: null });
  });

  it("adds up the bins of histograms", async () => {
    const { float, prepared, quantized, sample } = quantizedResidual();
    const { observations } = await measure({ float, quantized, prepared, samples: [{ inputs: [sample()] }], latency });
    expect(observations.map(({ node }) => node)).toContain("conv2");
    for (const { node, counts, min, max, range } of observations) {
      expect(counts, node).toHaveLength(64);
      expect(min).toBeLessThan(max);
      expect(range.low).toBeLessThan(range.high);
    }
    // Eight batches of 2 · 3 · 8 · 8 numbers; moving a histogram keeps its sum to float32.
    expect(observations[0].counts.reduce((a, b) => a + b)).toBeCloseTo(8 * 384, -1);
  });

  it("names outputs, and gives labels to the first that can have them", async () => {
    class Two extends nn.Module {
      fc = new nn.Linear(4, 3);
      override forward(x: Tensor): { features: Tensor; logits: Tensor } {
        const logits = this.fc(x);
        return { features: logits.unsqueeze(0).relu(), logits };
      }
    }
    manualSeed(2);
    const float = new Two().eval();
    const { quantized } = calibrated(float, q.getDefaultQconfigMapping("x86"), () => randn([3, 4]));
    const samples = [{ inputs: [randn([3, 4])], label: tensor([0, 1, 2]) }];
    const report = await measure({ float, quantized, samples, latency });
    expect(report.outputs.map(({ name }) => name)).toEqual(["output.features", "output.logits"]);
    expect(report.outputs[0].top1).toBeNull();
    expect(report.outputs[1].top1?.labelled?.rows).toBe(3);
    const named = await measure({ float, quantized, samples, latency, outputs: ["a", "b"] });
    expect(named.outputs.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("times Octet and what else is given, on the first sample", async () => {
    const { float, quantized, sample } = quantizedResidual();
    const seen: unknown[] = [];
    const runtimes = [{ name: "other", float: (x: unknown) => seen.push(x), quantized: async () => {} }];
    const samples = [{ inputs: [sample()] }, { inputs: [sample()] }];
    const report = await measure({ float, quantized, samples, runtimes, latency: { runs: 2 } });
    expect(report.runtimes.map(({ name, runs }) => [name, runs])).toEqual([
      [expect.stringMatching(/^octet \(/), 2],
      ["other", 2],
    ]);
    for (const { floatMs, quantizedMs } of report.runtimes.slice(0, 1)) {
      expect(floatMs).toBeGreaterThan(0);
      expect(quantizedMs).toBeGreaterThan(0);
    }
    expect(new Set(seen)).toEqual(new Set([samples[0].inputs]));
  });

  it("takes samples as they come, and says how many came", async () => {
    const { float, quantized, sample } = quantizedResidual();
    async function* stream() {
      for (let i = 0; i < 3; i++) yield { inputs: [await Promise.resolve(sample())] };
    }
    const counts: number[] = [];
    const report = await measure({ float, quantized, samples: stream(), latency, onSample: (n) => counts.push(n) });
    expect(counts).toEqual([1, 2, 3]);
    expect(report.samples).toBe(3);
  });

  it("is plain data", async () => {
    const { float, prepared, quantized, sample } = quantizedResidual();
    const report = await measure({
      float,
      quantized,
      prepared,
      samples: [{ inputs: [sample()] }],
      latency: { runs: 1 },
    });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it("refuses what cannot be measured", async () => {
    const { float, quantized, sample } = quantizedResidual();
    await expect(measure({ float, quantized, samples: [], latency })).rejects.toThrow("measure: there was no sample");
    const bare = new nn.Sequential(new nn.Conv2d(3, 4, 1)).eval();
    const made = calibrated(bare, q.getDefaultQconfigMapping("x86"), sample);
    await expect(
      measure({ float: bare, quantized: made.quantized, samples: [{ inputs: [sample()], label: 1 }], latency }),
    ).rejects.toThrow("no output has shape [N, C]");
    await expect(measure({ float: float.train(), quantized, samples: [], latency })).rejects.toThrow("training mode");
  });
});

/** One long vector of all values. */
function stacked(tensors: readonly Tensor[]): Tensor {
  return tensor(
    tensors.flatMap((t) => [
      ...((t.isQuantized ? t.dequantize() : t).toNumbers() as ArrayLike<number> & Iterable<number>),
    ]),
  );
}
