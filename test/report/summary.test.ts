/** Six lines, and advice that follows from what was measured. */
import { describe, expect, it } from "vitest";
import { adviceFor } from "../../src/report/advice.ts";
import { formatBytes, formatDecibels, formatPercent, formatPoints } from "../../src/report/format.ts";
import { formatSummary, wantsColor } from "../../src/report/index.ts";
import type { Report } from "../../src/report/report.ts";
import { layer, reportWith } from "./networks.ts";

describe("the summary", () => {
  it("has six lines", () => {
    expect(formatSummary(reportWith()).split("\n")).toEqual([
      "size       4.00 MB → 1.00 MB (4.0× smaller)",
      "agreement  top-1 90 % → 85 % (−5.0 points), same answer in 95 % of 200 samples",
      "latency    12.0 ms → 4.00 ms (3.0× faster) on octet (wasm)",
      "worst      fc 12.3 dB · conv 34.0 dB · same exact",
      "in float   1 of 3 operators: sin (the backend has no pattern for this operator)",
      "next       keep fc in float (--skip fc)",
    ]);
  });

  it("fits the width, and shows no control characters of names", () => {
    const name = `\u001b[2J${"long".repeat(50)}\nnext line\u202e`;
    const report = reportWith({
      layers: [layer(name, 3, null)],
      advice: [{ kind: "skip", node: name, text: `keep ${name}` }],
    });
    const lines = formatSummary(report).split("\n");
    expect(lines).toHaveLength(6);
    for (const line of lines) expect([...line].length).toBeLessThanOrEqual(100);
    // eslint-disable-next-line no-control-regex -- that there are none
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(lines[5].endsWith("…")).toBe(true);
  });

  it("has colours only when asked for", () => {
    expect(formatSummary(reportWith())).not.toContain("\u001b");
    expect(formatSummary(reportWith(), { color: true })).toContain("\u001b[33mtop-1 90 %");
    expect(wantsColor({})).toBe(false);
    expect(wantsColor({ isTTY: false })).toBe(false);
  });

  it("prefers the sizes of files, and tells of what became larger or slower", () => {
    const { size } = reportWith();
    const report = reportWith({
      size: { ...size, files: { float: 1000, quantized: 1500 } },
      runtimes: [{ name: "ort", floatMs: 1, quantizedMs: 2, runs: 3 }],
    });
    const [first, , third] = formatSummary(report).split("\n");
    expect(first).toBe("size       1.00 kB → 1.50 kB (1.5× larger)");
    expect(third).toBe("latency    1.00 ms → 2.00 ms (2.0× slower) on ort");
  });
});

describe("numbers as text", () => {
  it("never round to what is not true", () => {
    expect(formatPercent(0.9999)).toBe("99.9 %");
    expect(formatPercent(0.00001)).toBe("0.1 %");
    expect(formatPercent(1)).toBe("100 %");
    expect(formatPoints(-0.0123)).toBe("−1.2 points");
    expect(formatBytes(999)).toBe("999 B");
    expect(formatBytes(999_600)).toBe("1.00 MB");
    expect(formatDecibels("inf")).toBe("exact");
    expect(formatDecibels(-2)).toBe("−2.0 dB");
  });
});

describe("advice", () => {
  const kinds = (changes: Partial<Report>, hasPerTensorWeights = false): string[] =>
    adviceFor({ ...reportWith(changes), hasPerTensorWeights }).map(({ kind }) => kind);

  it("proposes what the numbers speak for", () => {
    expect(kinds({}, true)).toEqual(["calibration", "skip", "per-channel", "histogram", "qat"]);
    const [, skip] = adviceFor({ ...reportWith(), hasPerTensorWeights: false });
    expect(skip).toMatchObject({ node: "fc" });
    expect(skip.text).toContain("--skip fc");
    expect(skip.text).toContain("from 34.0 dB to 12.3 dB");
  });

  it("skips the layers that add the noise, not those that pass it on", () => {
    const layers = [layer("a", 40, null), layer("b", 10, 40), layer("c", 9, 10), layer("d", 12, 20)];
    const found = adviceFor({ ...reportWith({ layers }), hasPerTensorWeights: false });
    expect(found.filter(({ kind }) => kind === "skip").map(({ node }) => node)).toEqual(["b", "d"]);
  });

  it("proposes nothing where the answers survived, and training not after training", () => {
    const [output] = reportWith().outputs;
    const top1 = { agreed: 199, labelled: null };
    expect(kinds({ outputs: [{ ...output, top1 }] })).toEqual(["done", "leftover"]);
    expect(kinds({ outputs: [{ ...output, top1: { ...top1, agreed: 197 } }] })).not.toContain("done");
    expect(kinds({ recipe: { ...reportWith().recipe, mode: "qat" } })).not.toContain("qat");
    expect(kinds({ recipe: { ...reportWith().recipe, mode: "dynamic" } })).toContain("static");
    expect(kinds({ recipe: { ...reportWith().recipe, calibrationSamples: null } })).not.toContain("calibration");
    expect(kinds({ outputs: [{ ...output, nonFinite: { float: 0, quantized: 2 } }] })[0]).toBe("non-finite");
  });
});
