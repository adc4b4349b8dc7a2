/**
 * Quantizes the MNIST network of mnist.ts in every way that eager mode has, tests each result on the 10,000 test images, and
 * prints a table of what it costs and saves: dynamic, static with 8 bits, and with weights of 4 bits after and during training.
 *
 *     npm run example:quantize-mnist [-- --weights out/mnist-cnn.safetensors] [-- --images 500]
 *
 * Without `--weights` the network is trained first. The exit code is 1 if the table misses what is required of it below.
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Tensor } from "octet";
import {
  data,
  io,
  manualSeed,
  nn,
  noGrad,
  perChannelSymmetric,
  perTensorSymmetric,
  qint8,
  quantization as q,
} from "octet";
import type { Digits } from "./mnist.ts";
import { MnistCNN, accuracy, loadMnist, parseSeed, save, trainEpoch, trainedMnistCNN } from "./mnist.ts";
import type { Report } from "./progress.ts";
import { withProgress } from "./progress.ts";

const { functional: F } = nn;

/**
 * The network prepared for eager mode: stubs where values become integers and floats again, and modules for the ReLUs,
 * so that they can be fused. Neither has parameters, so the state dict stays the float network's.
 */
export class QuantizableMnistCNN extends MnistCNN {
  quant = new q.QuantStub();
  relu1 = new nn.ReLU();
  relu2 = new nn.ReLU();
  relu3 = new nn.ReLU();
  relu4 = new nn.ReLU();
  dequant = new q.DeQuantStub();

  override forward(images: Tensor): Tensor {
    let x = this.quant(images);
    x = F.maxPool2d(this.relu1(this.bn1(this.conv1(x))), 2);
    x = F.maxPool2d(this.relu2(this.bn2(this.conv2(x))), 2);
    x = F.maxPool2d(this.relu3(this.bn3(this.conv3(x))), 2);
    x = this.relu4(this.fc1(x.flatten(1)));
    return this.dequant(this.fc2(x));
  }
}

const FUSED = [...[1, 2, 3].map((i) => [`conv${i}`, `bn${i}`, `relu${i}`]), ["fc1", "relu4"]];

function quantizable(float: MnistCNN): QuantizableMnistCNN {
  const model = new QuantizableMnistCNN();
  model.loadStateDict(float.stateDict());
  return model.eval();
}

/** Weights as integers from −8 to 7: four bits. They are still stored in eight. */
const FOUR_BITS = { dtype: qint8, quantMin: -8, quantMax: 7 };

/** Observers of weights after training, and what rounds them during training. */
export const fourBitWeights = {
  perChannel: q.PerChannelMinMaxObserver.withArgs({ ...FOUR_BITS, qscheme: perChannelSymmetric }),
  perTensor: q.MinMaxObserver.withArgs({ ...FOUR_BITS, qscheme: perTensorSymmetric }),
  perTensorInTraining: q.FakeQuantize.withArgs({
    observer: q.MovingAverageMinMaxObserver,
    ...FOUR_BITS,
    qscheme: perTensorSymmetric,
  }),
};

/** Only linear layers have a dynamic form: their weights are int8, everything else stays float. */
export function dynamic(float: MnistCNN): nn.Module {
  return q.quantizeDynamic(float, new Set([nn.Linear]));
}

/** Post-training static quantization: histograms of the activations over `calibration` choose their grids. */
export function staticInt8(
  float: MnistCNN,
  calibration: Digits,
  report: Report,
  weight?: q.ObserverFactory,
): QuantizableMnistCNN {
  const model = q.fuseModules(quantizable(float), FUSED);
  const { activation, weight: eightBits } = q.getDefaultQconfig("x86");
  model.qconfig = new q.QConfig(activation, weight ?? eightBits);
  const prepared = q.prepare(model);
  const batches = new data.DataLoader(calibration, { batchSize: 100 });
  let batch = 0;
  noGrad(() => {
    for (const [images] of batches) {
      prepared(images);
      report(++batch, batches.length);
    }
  });
  return q.convert(prepared);
}

/** Quantization-aware training from the trained weights, with the rounding that the converted network will do. */
export function trainedWithRounding(
  float: MnistCNN,
  training: Digits,
  report: Report,
  weight: q.ObserverFactory,
): QuantizableMnistCNN {
  const model = q.fuseModulesQat(quantizable(float).train(), FUSED);
  model.qconfig = new q.QConfig(q.getDefaultQatQconfig("x86").activation, weight);
  const prepared = q.prepareQat(model);
  trainEpoch(prepared, training, report, { lr: 1e-3 });
  return q.convert(prepared.eval());
}

export interface Row {
  readonly model: string;
  /** Percent of the test images. */
  readonly accuracy: number;
  /** Bytes of the saved file. */
  readonly bytes: number;
  /** To classify the test images. */
  readonly seconds: number;
}

export interface Sets {
  readonly test: Digits;
  /** Training images that choose the grids of activations. */
  readonly calibration: Digits;
  /** Training images for quantization-aware training. */
  readonly training: Digits;
}

export type Rows = Record<"float" | "dynamic" | "int8" | "perChannel4" | "perTensor4" | "qat4", Row>;

/** Quantizes `float` in each way, saves each network to a file in `folder`, and tests it. */
export function measure(float: MnistCNN, sets: Sets, folder: string): Rows {
  const row = (name: string, file: string, model: nn.Module): Row => {
    const bytes = save(join(folder, `${file}.safetensors`), model);
    const started = performance.now();
    const run = (images: Tensor) => model(images) as Tensor;
    const percent = withProgress(`testing ${name}`, "batches", (report) => accuracy(run, sets.test, report));
    return { model: name, accuracy: percent, bytes, seconds: (performance.now() - started) / 1000 };
  };
  const calibrated = (weight?: q.ObserverFactory) =>
    withProgress("calibrating", "batches", (report) => staticInt8(float, sets.calibration, report, weight));
  const trained = () =>
    withProgress("training with 4-bit weights", "batches", (report) =>
      trainedWithRounding(float, sets.training, report, fourBitWeights.perTensorInTraining),
    );
  return {
    float: row("float32", "mnist-float", float),
    dynamic: row("dynamic int8 (linear layers only)", "mnist-dynamic", dynamic(float)),
    int8: row("static int8", "mnist-int8", calibrated()),
    perChannel4: row(
      "4-bit weights per channel, after training",
      "mnist-4bit-channel",
      calibrated(fourBitWeights.perChannel),
    ),
    perTensor4: row(
      "4-bit weights per tensor, after training",
      "mnist-4bit-tensor",
      calibrated(fourBitWeights.perTensor),
    ),
    qat4: row("4-bit weights per tensor, trained (QAT)", "mnist-4bit-qat", trained()),
  };
}

/** The table in Markdown. */
export function table(rows: Rows): string {
  const { float } = rows;
  const cells = Object.values(rows).map(({ model, accuracy: percent, bytes, seconds }) => [
    model,
    `${percent.toFixed(2)} %`,
    (float.accuracy - percent).toFixed(2),
    bytes.toLocaleString("en-US"),
    (float.bytes / bytes).toFixed(2),
    seconds.toFixed(1),
  ]);
  const head = ["model", "accuracy", "loss in points", "file in bytes", "times smaller", "seconds to test"];
  const widths = head.map((text, i) => Math.max(text.length, ...cells.map((cell) => cell[i].length)));
  const line = (cell: readonly string[]) =>
    `| ${cell.map((text, i) => (i ? text.padStart(widths[i]) : text.padEnd(widths[i]))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`;
  return [line(head), rule, ...cells.map(line)].join("\n");
}

/** What is required of the table and not met, a line each. */
export function shortfalls({ float, int8, perTensor4, qat4 }: Rows): string[] {
  const lost = float.accuracy - int8.accuracy;
  const ratio = float.bytes / int8.bytes;
  const [lost4, regained] = [float.accuracy - perTensor4.accuracy, qat4.accuracy - perTensor4.accuracy];
  return [
    ...(lost <= 0.2 ? [] : [`static int8 loses ${lost.toFixed(2)} points of accuracy; at most 0.2 are allowed`]),
    ...(ratio >= 3.8
      ? []
      : [`the int8 file is ${ratio.toFixed(2)} times smaller than the float one; 3.8 are required`]),
    ...(regained >= lost4 / 2
      ? []
      : [
          `training with 4-bit weights regains ${regained.toFixed(2)} of ${lost4.toFixed(2)} points; half are required`,
        ]),
  ];
}

/** The first `count` samples. */
function first(dataset: Digits, count: number): Digits {
  return new data.Subset(dataset, [...Array(Math.min(count, dataset.length)).keys()]);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      weights: { type: "string" },
      out: { type: "string", default: "out" },
      images: { type: "string", default: "10000" },
      seed: { type: "string", default: "0" },
    },
  });
  const seed = parseSeed(values.seed);
  const images = Number(values.images);
  if (!Number.isSafeInteger(images) || images < 1) throw new Error(`--images must be above 0, got "${values.images}"`);
  const float = values.weights ? loadedMnistCNN(values.weights) : trainedMnistCNN(seed);
  manualSeed(seed);
  const training = loadMnist("train");
  const sets = {
    test: first(loadMnist("t10k"), images),
    calibration: first(training, 1000),
    training: first(training, 20_000),
  };
  const rows = measure(float, sets, resolve(values.out));
  console.log(`\n${table(rows)}\n`);
  console.log(
    `${sets.test.length} test images; the files are in ${resolve(values.out)}; 4-bit weights are stored in bytes`,
  );
  for (const shortfall of shortfalls(rows)) {
    console.error(`quantize-mnist: ${shortfall}`);
    process.exitCode = 1;
  }
}

function loadedMnistCNN(path: string): MnistCNN {
  const model = new MnistCNN();
  model.loadStateDict(io.loadSafetensors(path).tensors);
  return model.eval();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(`quantize-mnist: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  }
}
