/** The published package as a user gets it: packed, unpacked into a program's node_modules, type-checked and run there. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "../../tools/bundle.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = path.join(root, "node_modules/typescript/bin/tsc");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
  files: string[];
  bin: { octet: string };
  dependencies?: Record<string, string>;
};

let temporary: string;
let consumer: string;
let packed: string[];

function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Builds the package in a folder of its own, so that the repository's dist/ stays as it is, and packs it. */
async function pack(stage: string): Promise<string> {
  for (const name of ["package.json", ...manifest.files]) {
    if (name !== "dist") cpSync(path.join(root, name), path.join(stage, name));
  }
  run(root, process.execPath, tsc, "-p", "tsconfig.build.json", "--outDir", path.join(stage, "dist"));
  await bundle(path.join(stage, "dist/octet.browser.js"));
  mkdirSync(path.join(stage, "src"));
  writeFileSync(path.join(stage, "src/not-for-users.ts"), "");
  const [{ filename, files }] = JSON.parse(run(stage, "npm", "pack", "--json", "--ignore-scripts")) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = files.map((file) => file.path);
  return path.join(stage, filename);
}

/** A program with the package and its dependencies installed. */
function install(archive: string): void {
  const modules = path.join(consumer, "node_modules");
  mkdirSync(path.join(modules, "octet"), { recursive: true });
  run(consumer, "tar", "-xzf", archive, "-C", path.join(modules, "octet"), "--strip-components=1");
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    symlinkSync(path.join(root, "node_modules", name), path.join(modules, name));
  }
  cpSync(fileURLToPath(new URL("consumer", import.meta.url)), consumer, { recursive: true });
  writeFileSync(path.join(consumer, "readme.ts"), readmeExample());
  writeFileSync(path.join(consumer, "package.json"), '{ "type": "module" }');
}

/** The program that the README shows. */
function readmeExample(): string {
  const [, program] = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(root, "README.md"), "utf8")) ?? [];
  if (!program) throw new Error("README.md shows no TypeScript");
  return program;
}

beforeAll(async () => {
  temporary = mkdtempSync(path.join(os.tmpdir(), "octet-package-"));
  consumer = path.join(temporary, "consumer");
  const stage = path.join(temporary, "stage");
  mkdirSync(stage);
  mkdirSync(consumer);
  install(await pack(stage));
}, 120_000);

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

describe("the packed package", () => {
  it("holds the build and the papers, and nothing else", () => {
    const papers = ["package.json", ...manifest.files.filter((name) => name !== "dist")];
    expect(packed.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file)).toSorted()).toEqual(papers.toSorted());
    expect(packed).toContain("dist/octet.browser.js");
  });

  it("type-checks in a program without Node's types, declarations included", () => {
    // execFileSync throws with tsc's messages if there are any; tsc also writes the program that the next test runs.
    expect(run(consumer, process.execPath, tsc, "-p", ".")).toBe("");
  });

  it.each(["as it is", "bundled, with unused code left out"])("runs %s", async (how) => {
    const program = how === "as it is" ? "out/main.js" : "bundled.mjs";
    if (how !== "as it is") {
      const options = { bundle: true, keepNames: true, format: "esm", platform: "browser" } as const;
      await build({
        ...options,
        entryPoints: [path.join(consumer, "out/main.js")],
        outfile: path.join(consumer, program),
      });
    }
    expect(JSON.parse(run(consumer, process.execPath, program))).toEqual({
      sum: 14,
      y: [
        [3, 6],
        [9, 12],
      ],
      shapes: [
        [2, 2],
        [2, 1],
        [4, 2],
      ],
      printed: [
        "Net(",
        "  (hidden): Linear(in_features=2, out_features=4, bias=True)",
        "  (out): Linear(in_features=4, out_features=1, bias=True)",
        ")",
      ].join("\n"),
    });
  });

  it("installs the octet command", () => {
    const command = path.join(consumer, "node_modules/octet", manifest.bin.octet);
    expect(readFileSync(command, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(run(consumer, process.execPath, command, "--version")).toMatch(/^octet \d+\.\d+\.\d+\nkernels: wasm/);
    expect(run(consumer, process.execPath, command, "inspect", "--help")).toMatch(/^Usage: octet inspect/);
  });

  it("does what the README shows", () => {
    const lines = run(consumer, process.execPath, "out/readme.js").trim().split("\n");
    const losses = lines.map((line) => Number(/^step \d+: loss (\d\.\d{4})$/.exec(line)?.[1]));
    expect(losses).toHaveLength(3);
    expect(losses[0]).toBeGreaterThan(losses[1]);
    expect(losses[1]).toBeGreaterThan(losses[2]);
  });

  it("exports the same names from its one-file build", () => {
    const program = `
      const [a, b] = await Promise.all([import("octet"), import("octet/browser")]);
      const names = (o) => Object.keys(o).flatMap((k) => (typeof o[k] === "object" && o[k] !== null &&
        o[k][Symbol.toStringTag] === "Module" ? Object.keys(o[k]).map((n) => k + "." + n) : [k]));
      console.log(JSON.stringify([names(a).sort(), names(b).sort()]));`;
    writeFileSync(path.join(consumer, "names.mjs"), program);
    const [modules, oneFile] = JSON.parse(run(consumer, process.execPath, "names.mjs")) as [string[], string[]];
    expect(oneFile.length).toBeGreaterThan(100);
    expect(oneFile.filter((name) => name.includes("."))).toEqual([]);
    expect(new Set(modules.map((name) => name.split(".")[0]))).toEqual(new Set(oneFile));
  });
});
