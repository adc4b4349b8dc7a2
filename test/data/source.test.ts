/** Streams of inputs: what is selected, in which order, and what is not even read. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../../src/core/dtype.ts";
import type { Choice, DataItem } from "../../src/data/source.ts";
import { DataSource, MemorySource } from "../../src/data/source.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

/** Items whose value is their index, which notes what is read. */
class Counted extends DataSource {
  readonly title = "counted";
  readonly names = ["x"];
  readonly length: number | null;
  readonly read: number[] = [];
  private readonly count: number;

  constructor(count: number, known = true) {
    super();
    this.count = count;
    this.length = known ? count : null;
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    for (let index = 0; index < this.count; index++) {
      const choice = choose(index);
      if (choice === "stop") return;
      if (choice === "skip") continue;
      this.read.push(index);
      const inputs = new Map([["x", Tensor.fromArray(Float32Array.of(index), [1], float32)]]);
      yield { index, where: `counted: sample ${index}`, inputs };
    }
  }
}

async function indicesOf(source: DataSource): Promise<number[]> {
  const indices: number[] = [];
  for await (const { index } of source) indices.push(index);
  return indices;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("DataSource", () => {
  it("begins anew with each iteration", async () => {
    const source = new Counted(3);
    expect(await indicesOf(source)).toEqual([0, 1, 2]);
    expect(await indicesOf(source)).toEqual([0, 1, 2]);
  });

  it("takes the first items, and reads no more", async () => {
    const source = new Counted(1000);
    expect(source.take(3).length).toBe(3);
    expect(await indicesOf(source.take(3))).toEqual([0, 1, 2]);
    expect(source.read).toEqual([0, 1, 2]);
    expect(await indicesOf(new Counted(2).take(3))).toEqual([0, 1]);
  });

  it("splits into shards that are disjoint and complete, and each reads its own only", async () => {
    const source = new Counted(10);
    expect(await indicesOf(source.shard(2, 4))).toEqual([1, 5, 9]);
    expect(source.read).toEqual([1, 5, 9]);
    const all = await Promise.all([1, 2, 3, 4].map((number) => indicesOf(source.shard(number, 4))));
    expect(all.flat().sort((a, b) => a - b)).toEqual(upTo(10));
    expect([1, 2, 3, 4].map((number) => source.shard(number, 4).length)).toEqual([3, 3, 2, 2]);
  });

  it("counts positions in what was selected before", async () => {
    const source = new Counted(20);
    expect(await indicesOf(source.shard(2, 4).take(3).shard(1, 2))).toEqual([1, 9]);
    expect(source.shard(2, 4).take(3).shard(1, 2).length).toBe(2);
  });

  it("holds out a share, the same whether the length is known or not", async () => {
    const share = fc.constantFrom(0.5, 0.25, 0.2, 0.1);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 20, max: 200 }), share, fc.nat(1000), async (count, heldOut, seed) => {
        const parts = new Counted(count).split({ heldOut, seed });
        const [kept, out] = [await indicesOf(parts.calibration), await indicesOf(parts.heldOut)];
        expect([...kept, ...out].sort((a, b) => a - b)).toEqual(upTo(count));
        expect(Math.abs(out.length - count * heldOut)).toBeLessThanOrEqual(1);
        expect(parts.heldOut.length).toBe(out.length);
        const streamed = new Counted(count, false).split({ heldOut, seed });
        expect(streamed.heldOut.length).toBeNull();
        expect(await indicesOf(streamed.heldOut)).toEqual(out);
      }),
    );
  });

  it("holds out one of a few, and does not follow a period of the data", async () => {
    expect(await indicesOf(new Counted(3).split({ heldOut: 0.1 }).heldOut)).toHaveLength(1);
    const heldOut = await indicesOf(new Counted(1000).split({ heldOut: 0.1 }).heldOut);
    expect(new Set(heldOut.map((index) => index % 10)).size).toBe(10);
    expect(await indicesOf(new Counted(1000).split({ heldOut: 0.1, seed: 1 }).heldOut)).not.toEqual(heldOut);
  });

  it("refuses senseless selections", () => {
    const source = new Counted(3);
    expect(() => source.take(0)).toThrow("take: expects a whole number of at least 1, got 0");
    expect(() => source.shard(0, 2)).toThrow("shard: there is no shard 0 of 2; they are numbered from 1 to 2");
    expect(() => source.shard(3, 2)).toThrow(/no shard 3 of 2/);
    expect(() => source.split({ heldOut: 0.6 })).toThrow("split: heldOut is 0.6, not within (0, 0.5]");
  });
});

it("MemorySource gives what is in memory", async () => {
  const inputs = [1, 2].map((value) => new Map([["x", Tensor.fromArray(Float32Array.of(value), [1], float32)]]));
  const source = new MemorySource(inputs, "two");
  expect([source.names, source.length]).toEqual([["x"], 2]);
  const items: DataItem[] = [];
  for await (const item of source.shard(2, 2)) items.push(item);
  expect(items).toEqual([{ index: 1, where: "two: sample 1", inputs: inputs[1] }]);
});
