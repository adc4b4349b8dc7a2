/** report.json: exact, and checked when it is read. */
import { describe, expect, it } from "vitest";
import { readReport, writeReport } from "../../src/report/index.ts";
import { reportWith } from "./networks.ts";

describe("report.json", () => {
  it("gives back what was written", () => {
    const report = reportWith({ model: 'a "name" [\n 1, 2\n]' });
    const text = writeReport(report);
    expect(readReport(text)).toEqual(report);
    expect(JSON.parse(text)).toEqual(report);
    expect(text).toContain('"counts": [1, 2, 3, 4]');
  });

  it("names the field that is wrong", () => {
    const broken = (change: (report: Record<string, never>) => void): string => {
      const report = JSON.parse(writeReport(reportWith())) as Record<string, never>;
      change(report);
      return JSON.stringify(report);
    };
    const cases: readonly (readonly [string, string])[] = [
      ["{", "report: not valid JSON"],
      ["null", 'report: "format" is not "octet-report"'],
      [broken((r) => Object.assign(r, { version: 2 })), "report: version 2, but this Octet reads version 1"],
      [broken((r) => Object.assign(r, { samples: -1 })), "report.samples: expected a count"],
      [broken((r) => Object.assign(r["outputs"][0], { sqnrDb: "loud" })), 'report.outputs[0].sqnrDb: expected "inf"'],
      [broken((r) => Object.assign(r, { layers: {} })), "report.layers: expected a list"],
      [broken((r) => Object.assign(r["recipe"], { mode: null })), "report.recipe.mode: expected a string"],
      [
        broken((r) => Object.assign(r["observations"][1], { range: [] })),
        "report.observations[1].range: expected an object",
      ],
      [broken((r) => Object.assign(r["advice"][0], { kind: "pray" })), 'report.advice[0].kind: expected "skip"'],
    ];
    for (const [text, message] of cases) expect(() => readReport(text), message).toThrow(message);
  });

  it("leaves out fields that it does not know", () => {
    const report = { ...reportWith(), more: 1 };
    expect(readReport(JSON.stringify(report))).toEqual(reportWith());
  });
});
