/** The line that closes a CI run tells what vitest's report tells. */
import { describe, expect, it } from "vitest";
import { countTests } from "../../tools/test-counts.ts";

function file(status: string, ...tests: string[]) {
  return { status, assertionResults: tests.map((test) => ({ status: test })) };
}

describe("countTests", () => {
  it("adds up the tests of all files", () => {
    const report = {
      testResults: [
        file("passed", "passed", "passed", "skipped"),
        file("failed", "failed", "passed", "todo", "pending"),
      ],
    };
    expect(countTests(report)).toEqual({ passed: 3, failed: 1, skipped: 3 });
  });

  it("counts a file that does not load as a failure", () => {
    expect(countTests({ testResults: [file("failed"), file("passed", "passed")] })).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
    });
  });

  it("counts what it does not know as a failure", () => {
    expect(countTests({ testResults: [file("passed", "exploded")] })).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it("counts nothing where nothing ran", () => {
    expect(countTests({ testResults: [] })).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });
});
