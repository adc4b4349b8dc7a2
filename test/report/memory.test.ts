/** Samples stream: ten thousand of them leave no more behind than a thousand. In a process of its own, to see its heap. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("needs no memory that grows with the number of samples", () => {
  const script = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const child = spawnSync(process.execPath, ["--expose-gc", "--import", "tsx", script], { encoding: "utf8" });
  expect(child.stderr.replace(/^npm warn.*$/gm, "").trim()).toBe("");
  const { samples, early, late } = JSON.parse(child.stdout) as { samples: number; early: number; late: number };
  expect(samples).toBe(10_000);
  expect(early).toBeGreaterThan(0);
  expect(late).toBeLessThan(1.1 * early);
});
