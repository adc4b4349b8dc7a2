/**
 * `npm run bench:memory [-- --steps 10000]`: trains a small CNN for thousands of steps in one synchronous loop (so that
 * nothing but ordinary garbage collection can free memory) and prints what the process holds. Exits with 1 if the memory
 * at the end is more than a tenth above what it was after the first tenth.
 */
import { parseArgs } from "node:util";
import { manualSeed, nn, optim, randint, randn } from "../src/index.ts";
import type { Tensor } from "../src/index.ts";

const { functional: F } = nn;

class SmallCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(8);
  conv2 = new nn.Conv2d(8, 16, 3, { padding: 1 });
  fc = new nn.Linear(16 * 7 * 7, 10);

  override forward(images: Tensor): Tensor {
    const x = F.maxPool2d(this.bn1(this.conv1(images)).relu(), 2);
    return this.fc(F.maxPool2d(this.conv2(x).relu(), 2).flatten(1));
  }
}

const { values } = parseArgs({ options: { steps: { type: "string", default: "10000" } } });
const steps = Number(values.steps);
if (!Number.isInteger(steps) || steps < 10)
  throw new Error(`--steps must be a whole number of at least 10, got ${values.steps}`);

manualSeed(0);
const model = new SmallCNN();
const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1).padStart(8);
const rows: number[] = [];
console.log("   steps      rss MiB   heap MiB  array buffers MiB");
for (let step = 1; step <= steps; step++) {
  optimizer.zeroGrad();
  F.crossEntropy(model(randn([8, 1, 28, 28])), randint(0, 10, [8])).backward();
  optimizer.step();
  if (step % Math.floor(steps / 10) !== 0) continue;
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  rows.push(rss);
  console.log(
    `${String(step).padStart(8)}     ${mebibytes(rss)}   ${mebibytes(heapUsed)}           ${mebibytes(arrayBuffers)}`,
  );
}
const growth = rows[rows.length - 1] / rows[0] - 1;
console.log(`resident memory changed by ${(100 * growth).toFixed(1)} % between step ${steps / 10} and step ${steps}`);
if (growth > 0.1) process.exitCode = 1;
