/** Progress: silent for two seconds, then a bar or lines, and the way out for Ctrl-C. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { OutputStream } from "../../src/cli/io.ts";
import { timeText, withProgress } from "../../src/cli/progress.ts";
import { Capture } from "./octet.ts";

let now = 0;

beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});

afterEach(() => vi.restoreAllMocks());

/** Ten steps of a second each. */
async function tenSeconds(stderr: Capture, total: number | null, signal = new AbortController().signal): Promise<void> {
  const io = { stdout: stderr as OutputStream, stderr: stderr as OutputStream, env: {}, signal };
  await withProgress(io, { what: "calibrating", unit: "samples", total }, async (progress) => {
    for (let done = 1; done <= 10; done++) {
      now += 1000;
      await progress.report(done);
    }
  });
}

describe("withProgress", () => {
  it("writes a line every five seconds where there is no terminal", async () => {
    const stderr = new Capture();
    await tenSeconds(stderr, 10);
    expect(stderr.text).toBe("calibrating: 3/10 samples, 7 s left\ncalibrating: 8/10 samples, 2 s left\n");
  });

  it("tells the time so far where the end is not known", async () => {
    const stderr = new Capture();
    await tenSeconds(stderr, null);
    expect(stderr.text).toBe("calibrating: 3 samples, 3 s\ncalibrating: 8 samples, 8 s\n");
  });

  it("draws a bar on a terminal and takes it away at the end", async () => {
    const stderr = new Capture(true);
    await tenSeconds(stderr, 10);
    expect(stderr.text).toContain("calibrating [█████████░░░░░░░░░░░░░░░░░░░░░] 3/10 samples, 7 s left");
    expect(stderr.text.endsWith("\u001b[2K")).toBe(true);
    expect(stderr.text).not.toContain("\n");
  });

  it("says nothing of what takes less than two seconds", async () => {
    const stderr = new Capture(true);
    const io = {
      stdout: stderr as OutputStream,
      stderr: stderr as OutputStream,
      env: {},
      signal: new AbortController().signal,
    };
    await withProgress(io, { what: "x", unit: "y", total: 2 }, async (progress) => {
      now += 1900;
      await progress.report(1);
    });
    expect(stderr.text).toBe("");
  });

  it("stops when the user wants to", async () => {
    const interruption = new AbortController();
    interruption.abort();
    await expect(tenSeconds(new Capture(), 10, interruption.signal)).rejects.toThrow(/abort/);
  });
});

it("timeText rounds up to seconds, minutes and hours", () => {
  expect(timeText(1, 1.2, 2)).toBe("2 s left");
  expect(timeText(10, 10, 90)).toBe("1 min 20 s left");
  expect(timeText(1, 60, 121)).toBe("2 h 0 min left");
  expect(timeText(0, 5, 10)).toBe("5 s");
});
