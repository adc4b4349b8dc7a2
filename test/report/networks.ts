/** Small networks with everything that a report tells of, and a report that was made by hand. */
import type { Tensor } from "../../src/index.ts";
import { flatten, manualSeed, nn, noGrad, quantization as q, randn, relu } from "../../src/index.ts";
import type { GraphModule } from "../../src/fx/graph-module.ts";
import type { Report } from "../../src/report/report.ts";
import { REPORT_FORMAT, REPORT_VERSION } from "../../src/report/report.ts";

/** Fused and folded modules, functions that are renamed when they are lowered, a weight that is read by a function. */
export class Residual extends nn.Module {
  conv1 = new nn.Conv2d(3, 8, 3, { padding: 1, bias: false });
  bn1 = new nn.BatchNorm2d(8);
  relu = new nn.ReLU();
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 1 });
  pool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc = new nn.Linear(8, 6);
  w = new nn.Parameter(randn([5, 6]));
  logSoftmax = new nn.LogSoftmax(1);

  override forward(x: Tensor): Tensor {
    const y = this.relu(this.bn1(this.conv1(x)));
    const sum = relu(this.conv2(y).add(y));
    const pooled = flatten(this.pool(sum.mul(sum)), 1);
    return this.logSoftmax(relu(nn.functional.linear(this.fc(pooled), this.w)));
  }
}

export interface Quantized {
  readonly float: nn.Module;
  readonly prepared: GraphModule;
  readonly quantized: GraphModule;
  readonly sample: () => Tensor;
}

export function quantizedResidual(mapping = q.getDefaultQconfigMapping("x86")): Quantized {
  manualSeed(3);
  const float = new Residual().eval();
  const sample = (): Tensor => randn([2, 3, 8, 8]);
  return { float, ...calibrated(float, mapping, sample), sample };
}

/** A model calibrated on eight samples. */
export function calibrated(
  float: nn.Module,
  mapping: q.QConfigMapping,
  sample: () => Tensor,
): Pick<Quantized, "prepared" | "quantized"> {
  const prepared = q.prepareFx(float, mapping, [sample()]);
  noGrad(() => {
    for (let i = 0; i < 8; i++) prepared(sample());
  });
  return { prepared, quantized: q.convertFx(prepared) };
}

/** A report with one of everything. */
export function reportWith(changes: Partial<Report> = {}): Report {
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    octet: "1.2.3",
    model: "Net",
    samples: 200,
    outputs: [
      {
        name: "output",
        shape: [1, 10],
        rows: 200,
        cosine: { mean: 0.999, min: 0.98 },
        sqnrDb: 21.5,
        maxError: 0.25,
        top1: { agreed: 190, labelled: { rows: 200, float: 180, quantized: 170 } },
        nonFinite: { float: 0, quantized: 0 },
        worst: [{ sample: 7, row: 0, agrees: false, sqnrDb: 3.25 }],
      },
    ],
    runtimes: [{ name: "octet (wasm)", floatMs: 12, quantizedMs: 4, runs: 15 }],
    size: {
      floatBytes: 4_000_000,
      quantizedBytes: 1_000_000,
      files: null,
      ledger: [
        {
          name: "fc.weight",
          shape: [1000, 1000],
          floatDtype: "float32",
          quantizedDtype: "qint8",
          floatBytes: 4_000_000,
          quantizedBytes: 1_000_000,
        },
        {
          name: "fc.bias",
          shape: [1000],
          floatDtype: "float32",
          quantizedDtype: "float32",
          floatBytes: 4000,
          quantizedBytes: 4000,
        },
      ],
    },
    operators: { total: 3, quantized: 2 },
    layers: [
      layer("conv", 34, null),
      layer("fc", 12.34, 34),
      { ...layer("same", "inf", "inf"), detail: "static: torch.flatten" },
    ],
    layerSamples: 8,
    leftovers: [
      {
        node: "sin",
        operator: "torch.sin",
        module: "",
        kind: "float",
        reason: "the backend has no pattern for this operator",
      },
    ],
    observations: [
      {
        node: "conv",
        observer: "HistogramObserver",
        dtype: "quint8",
        min: -1,
        max: 3,
        counts: [1, 2, 3, 4],
        range: { low: -0.5, high: 2.5 },
      },
      {
        node: "fc",
        observer: "MinMaxObserver",
        dtype: "quint8",
        min: 0,
        max: 2,
        counts: [],
        range: { low: 0, high: 2 },
      },
    ],
    recipe: {
      mode: "static",
      backend: "x86",
      calibrationSamples: 32,
      qconfigMapping: "QConfigMapping (…)",
      command: "octet quantize net.onnx",
    },
    advice: [{ kind: "skip", node: "fc", text: "keep fc in float (--skip fc)" }],
    ...changes,
  };
}

export function layer(node: string, sqnrDb: number | "inf" | "nan", inputSqnrDb: number | "inf" | null) {
  return { node, operator: "Linear", module: node, detail: "static: QuantizedLinear", sqnrDb, inputSqnrDb };
}
