/**
 * Prints `N passed, N failed, N skipped` from the report of vitest's JSON reporter, and exits 1 if a test failed or none
 * ran: `tsx tools/test-counts.ts report.json`. A file that could not be loaded counts as one failed test.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What is read of vitest's report. */
export interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts single tests; skipped are those marked as skipped or as still to be written. */
export function countTests(report: Report): Counts {
  const statuses = report.testResults.flatMap((file) => {
    const own = file.assertionResults.map((test) => test.status);
    return file.status === "failed" && !own.includes("failed") ? [...own, "failed"] : own;
  });
  const count = (...wanted: string[]) => statuses.filter((status) => wanted.includes(status)).length;
  const [passed, skipped] = [count("passed"), count("skipped", "pending", "todo", "disabled")];
  return { passed, failed: statuses.length - passed - skipped, skipped };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed, skipped } = countTests(JSON.parse(readFileSync(process.argv[2], "utf8")) as Report);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}
