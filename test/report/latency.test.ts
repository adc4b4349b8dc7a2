/** Medians of interleaved runs, on a clock that the test moves. */
import { describe, expect, it } from "vitest";
import { measureLatency, median } from "../../src/report/latency.ts";

describe("latency", () => {
  it("the median", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it("runs both in turn, after two warm-up runs, and takes medians", async () => {
    let clock = 0;
    const order: string[] = [];
    const durations = { float: [100, 100, 5, 50, 6], quantized: [100, 100, 1, 2, 30] };
    const run = (which: "float" | "quantized") => async () => {
      order.push(which);
      await Promise.resolve();
      clock += durations[which].shift() ?? Number.NaN;
    };
    const runtime = { name: "test", float: run("float"), quantized: run("quantized") };
    const report = await measureLatency(runtime, [], { runs: 3, now: () => clock });
    expect(report).toEqual({ name: "test", floatMs: 6, quantizedMs: 2, runs: 3 });
    expect(order).toEqual(Array.from({ length: 5 }, () => ["float", "quantized"]).flat());
  });

  it("stops when the time is over, but not before the first pair", async () => {
    let clock = 0;
    const slow = (): void => void (clock += 1000);
    const runtime = { name: "slow", float: slow, quantized: slow };
    const report = await measureLatency(runtime, [], { runs: 15, maxSeconds: 1, now: () => clock });
    expect(report.runs).toBe(1);
  });
});
