/** Modules survive bundlers, and pages that forbid code from strings. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";

const SCRIPT = `
  import { nn, ones } from "octet";
  class Net extends nn.Module {
    fc = new nn.Linear(3, 2);
    act = new nn.ReLU();
    forward(x) { return this.act(this.fc(x)); }
  }
  const net = new Net();
  const copy = net.deepCopy();
  console.log(JSON.stringify({
    shape: copy(ones(4, 3)).shape,
    callable: typeof net === "function" && net instanceof Net && net instanceof nn.Module && copy.fc instanceof nn.Linear,
    keys: [...net.stateDict().keys()],
    text: String(net),
  }));
`;

interface Report {
  readonly shape: number[];
  readonly callable: boolean;
  readonly keys: string[];
  readonly text: string;
}

/** Bundles the script and runs it where `eval` and `new Function` throw. */
async function runBundled(options: { minify: boolean; keepNames: boolean }): Promise<Report> {
  const { outputFiles } = await build({
    ...options,
    stdin: { contents: SCRIPT, resolveDir: tmpdir(), loader: "js" },
    alias: { octet: fileURLToPath(new URL("../../src/index.ts", import.meta.url)) },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  const folder = mkdtempSync(join(tmpdir(), "octet-bundle-"));
  try {
    const file = join(folder, "bundle.mjs");
    writeFileSync(file, outputFiles[0].contents);
    return JSON.parse(
      execFileSync(process.execPath, ["--disallow-code-generation-from-strings", file], { encoding: "utf8" }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const expected = { shape: [4, 2], callable: true, keys: ["fc.weight", "fc.bias"] };
const text = "Net(\n  (fc): Linear(in_features=3, out_features=2, bias=True)\n  (act): ReLU()\n)";

describe("bundled modules", () => {
  it("work, and keep their names where the bundler does", async () => {
    expect(await runBundled({ minify: false, keepNames: false })).toEqual({ ...expected, text });
    expect(await runBundled({ minify: true, keepNames: true })).toEqual({ ...expected, text });
  });

  it("work under shortened names", async () => {
    expect(await runBundled({ minify: true, keepNames: false })).toMatchObject(expected);
  });
});
