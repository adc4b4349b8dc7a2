/** The MNIST table on a handful of images: every way to quantize runs, the files load, and shortfalls are told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MnistCNN, loadMnist, trainEpoch } from "../../examples/mnist.ts";
import type { Rows, Sets } from "../../examples/quantize-mnist.ts";
import {
  fourBitWeights,
  measure,
  shortfalls,
  staticInt8,
  table,
  trainedWithRounding,
} from "../../examples/quantize-mnist.ts";
import { data, io, manualSeed, noGrad } from "../../src/index.ts";
import type { Tensor, nn } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";

const silent = () => {};
let folder: string;
let float: MnistCNN;
let sets: Sets;
let rows: Rows;

function part(split: "train" | "t10k", count: number): data.Subset<[Tensor, Tensor]> {
  return new data.Subset(loadMnist(split), [...Array(count).keys()]);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "octet-mnist-"));
  manualSeed(0);
  float = new MnistCNN();
  trainEpoch(float, part("train", 2560), silent);
  float.eval();
  sets = { test: part("t10k", 100), calibration: part("train", 100), training: part("train", 256) };
  rows = measure(float, sets, folder);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** The integers of the weights of a network's quantized layers. */
function integerWeights(model: nn.Module): number[][] {
  const layers = [...model.modules()].filter((module) => "weight" in module && typeof module.weight === "function");
  return layers.map((layer) => Array.from((layer as unknown as { weight(): Tensor }).weight().intRepr().toNumbers()));
}

describe("quantize-mnist", () => {
  it("quantizes in every way, at a small loss", () => {
    expect(rows.float.accuracy).toBeGreaterThan(90);
    for (const { model, accuracy } of [rows.dynamic, rows.int8]) {
      expect(Math.abs(accuracy - rows.float.accuracy), model).toBeLessThanOrEqual(3);
    }
    for (const { model, accuracy } of [rows.perChannel4, rows.perTensor4, rows.qat4]) {
      expect(accuracy, model).toBeGreaterThan(85);
    }
  });

  it("makes files of a quarter of the size, which load into a network that was never calibrated", () => {
    expect(rows.float.bytes / rows.int8.bytes).toBeGreaterThanOrEqual(3.8);
    expect(rows.float.bytes / rows.dynamic.bytes).toBeGreaterThan(2);
    const calibrated = staticInt8(float, sets.calibration, silent);
    const loaded = withWarnings(silent, () => staticInt8(new MnistCNN(), part("train", 0), silent));
    loaded.loadStateDict(io.loadSafetensors(join(folder, "mnist-int8.safetensors")).tensors);
    const images = noGrad(() => [...new data.DataLoader(sets.test, { batchSize: 20 })][0][0]);
    expect(loaded(images).tolist()).toEqual(calibrated(images).tolist());
  });

  it("keeps weights within four bits where it says so", () => {
    const after = staticInt8(float, sets.calibration, silent, fourBitWeights.perTensor);
    const trained = trainedWithRounding(float, part("train", 64), silent, fourBitWeights.perTensorInTraining);
    for (const model of [after, trained]) {
      const layers = integerWeights(model);
      expect(layers).toHaveLength(5);
      for (const integers of layers) {
        const [least, greatest] = [Math.min(...integers), Math.max(...integers)];
        expect([least, greatest].every((value) => value >= -8 && value <= 7)).toBe(true);
        expect(greatest - least).toBeGreaterThan(8);
      }
    }
  });

  it("prints a table in Markdown", () => {
    const lines = table(rows).split("\n");
    expect(lines).toHaveLength(8);
    expect(lines[0]).toMatch(
      /^\| model +\| accuracy \| loss in points \| file in bytes \| times smaller \| seconds to test \|$/,
    );
    expect(lines[2]).toMatch(/^\| float32 +\| +[\d.]+ % +\| +0\.00 \| +278,9\d\d \| +1\.00 \|/);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  it("tells what misses the requirements", () => {
    const row = (accuracy: number, bytes: number) => ({ model: "", accuracy, bytes, seconds: 1 });
    const good: Rows = {
      float: row(99, 380),
      dynamic: row(99, 200),
      int8: row(98.9, 100),
      perChannel4: row(98.8, 100),
      perTensor4: row(98, 100),
      qat4: row(98.6, 100),
    };
    expect(shortfalls(good)).toEqual([]);
    expect(shortfalls({ ...good, int8: row(98.7, 101), qat4: row(98.4, 100) })).toEqual([
      "static int8 loses 0.30 points of accuracy; at most 0.2 are allowed",
      "the int8 file is 3.76 times smaller than the float one; 3.8 are required",
      "training with 4-bit weights regains 0.40 of 1.00 points; half are required",
    ]);
  });
});
