/** Datasets, samplers, loaders, splits and the MNIST reader. */
import { describe, expect, it } from "vitest";
import { arange, data, manualSeed, tensor } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

const pairs = (n: number) => new data.TensorDataset(arange(n), arange(n).mul(10));
const numbers = (t: Tensor) => Array.from(t.elements());

describe("DataLoader", () => {
  it("gives batches in order, the last one incomplete unless dropLast", () => {
    const batches = [...new data.DataLoader(pairs(5), { batchSize: 2 })].map(([x, y]) => [numbers(x), numbers(y)]);
    expect(batches).toEqual([
      [
        [0, 1],
        [0, 10],
      ],
      [
        [2, 3],
        [20, 30],
      ],
      [[4], [40]],
    ]);
    expect(new data.DataLoader(pairs(5), { batchSize: 2, dropLast: true }).length).toBe(2);
  });

  it("shuffles anew each epoch, the same way for the same seed", () => {
    manualSeed(3);
    const loader = new data.DataLoader(pairs(50), { batchSize: 50, shuffle: true });
    const epoch = () => [...loader].flatMap(([x]) => numbers(x));
    const [first, second] = [epoch(), epoch()];
    expect(first).not.toEqual(second);
    expect([...first].sort((a, b) => a - b)).toEqual(numbers(arange(50)));
    manualSeed(3);
    expect(epoch()).toEqual(first);
  });

  it("awaits asynchronous datasets and collates records", async () => {
    const dataset = { length: 3, get: async (i: number) => ({ x: tensor([i, i]), label: i }) };
    const seen = [];
    for await (const batch of new data.DataLoader(dataset, { batchSize: 2 }))
      seen.push([batch.x.shape, numbers(batch.label)]);
    expect(seen).toEqual([
      [
        [2, 2],
        [0, 1],
      ],
      [[1, 2], [2]],
    ]);
    expect(() => [...new data.DataLoader(dataset)]).toThrow("for await");
  });

  it("uses a collateFn and subsets", () => {
    const subset = new data.Subset(pairs(10), [7, 3]);
    const loader = new data.DataLoader(subset, { batchSize: 2, collateFn: (s) => s.map(([x]) => x.item()).join("+") });
    expect([...loader]).toEqual(["7+3"]);
    expect([...new data.DataLoader(subset, { batchSize: 2 })].map(([x]) => numbers(x))).toEqual([[7, 3]]);
  });

  it("refuses a sampler together with shuffle, and a bad batch size", () => {
    const sampler = new data.SequentialSampler(2);
    expect(() => new data.DataLoader(pairs(2), { sampler, shuffle: true })).toThrow("excludes shuffle");
    expect(() => new data.DataLoader(pairs(2), { batchSize: 0 })).toThrow(
      "batchSize should be a positive integer, got 0",
    );
  });
});

describe("randomSplit", () => {
  it("covers every sample once", () => {
    const parts = data.randomSplit(pairs(10), [0.75, 0.25]);
    expect(parts.map((p) => p.length)).toEqual([8, 2]);
    const all = parts.flatMap((p) => p.indices);
    expect([...all].sort((a, b) => a - b)).toEqual(numbers(arange(10)));
    expect(() => data.randomSplit(pairs(10), [3, 3])).toThrow("do not add up to 10");
  });
});

describe("MNIST", () => {
  const images = (n: number, bytes: number[]) =>
    Uint8Array.from([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 1, 0, 0, 0, 2, ...bytes]);
  const labels = (bytes: number[]) => Uint8Array.from([0, 0, 8, 1, 0, 0, 0, bytes.length, ...bytes]);

  it("reads idx files and normalizes pixels", () => {
    const set = new data.MNIST(images(2, [0, 255, 51, 102]), labels([7, 9]), { mean: 0, std: 1 });
    const [x, y] = set.getBatch([1, 0]);
    expect(x.shape).toEqual([2, 1, 1, 2]);
    expect(numbers(x)).toEqual([0.2, 0.4, 0, 1].map(Math.fround));
    expect(numbers(y)).toEqual([9, 7]);
    expect(set.get(0)[1].item()).toBe(7);
  });

  it.each([
    ["truncated images", () => new data.MNIST(images(2, [0, 255, 51]), labels([7, 9])), "need 4 bytes, the file has 3"],
    ["a header alone", () => new data.MNIST(Uint8Array.from([0, 0, 8]), labels([1])), "idx: not a file"],
    ["another rank", () => new data.MNIST(labels([1]), labels([1])), "3 dimensions"],
    ["counts that differ", () => new data.MNIST(images(1, [1, 2]), labels([7, 9])), "1 images but 2 labels"],
    [
      "huge sizes",
      () => new data.MNIST(Uint8Array.from([0, 0, 8, 3, ...Array(12).fill(255)]), labels([1])),
      "the file has 0",
    ],
  ])("refuses %s", (_what, make, message) => {
    expect(make).toThrow(message);
  });
});
