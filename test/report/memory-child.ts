/** Measures a tiny model on 10,000 samples and prints the bytes alive after 1,000 and after all. Run with --expose-gc. */
import { manualSeed, nn, quantization as q, randn } from "../../src/index.ts";
import { measure } from "../../src/report/index.ts";
import { calibrated } from "./networks.ts";

const collect = (globalThis as unknown as { gc(): void }).gc;

function bytesAlive(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function main(): Promise<void> {
  manualSeed(0);
  const float = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3)).eval();
  const { quantized } = calibrated(float, q.getDefaultQconfigMapping("x86"), () => randn([1, 4]));
  const alive = { early: 0, late: 0 };
  function* samples() {
    for (let i = 0; i < 10_000; i++) yield { inputs: [randn([1, 4])], label: i % 3 };
  }
  const report = await measure({
    float,
    quantized,
    samples: samples(),
    layerSamples: 10_000,
    latency: { runs: 0 },
    onSample: (count) => {
      if (count === 1000) alive.early = bytesAlive();
      if (count === 10_000) alive.late = bytesAlive();
    },
  });
  console.log(JSON.stringify({ samples: report.samples, ...alive }));
}

await main();
