/** The import-direction check, on small source trees written for each rule. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { checkLayers } from "../../tools/layers.ts";

const roots: string[] = [];

/** Violations of a tree given as file path -> source text. */
function check(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(path.join(os.tmpdir(), "octet-layers-"));
  roots.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return checkLayers(root, ["fflate", "@scope/package"]);
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

const core = { "core/dtype.ts": "export const float32 = 1; export type DType = number;" };

describe("layers", () => {
  it("accepts imports from the left, from the same folder and by the top file", () => {
    const files = {
      ...core,
      "index.ts": 'export * from "./core/dtype.ts"; export * as nn from "./nn/index.ts";',
      "nn/index.ts": 'import "./linear.ts"; import { float32 } from "../core/dtype.ts"; export { float32 };',
      "nn/linear.ts": 'import { zip } from "fflate"; import x from "@scope/package/part"; export default [zip, x];',
    };
    expect(check(files)).toEqual([]);
  });

  it.each([
    ["a value import", 'import { a } from "../nn/a.ts"; export { a };'],
    ["a type import", 'import type { A } from "../nn/a.ts"; export type B = A;'],
    ["an inline type import", 'import { type A } from "../nn/a.ts"; export type B = A;'],
    ["an import for its side effect", 'import "../nn/a.ts";'],
    ["a re-export", 'export { a } from "../nn/a.ts";'],
    ["a type re-export", 'export type { A } from "../nn/a.ts";'],
    ["a namespace re-export", 'export * as a from "../nn/a.ts";'],
    ["an import() of a value", 'export const a = await import("../nn/a.ts");'],
    ["an import() in a type", 'export type B = import("../nn/a.ts").A;'],
  ])("refuses %s from the right", (_what, text) => {
    const files = { "nn/a.ts": "export const a = 1; export type A = number;", "ops/b.ts": text };
    expect(check(files)).toEqual(["ops/b.ts: imports nn/a.ts: nn/ is to the right of ops/"]);
  });

  it("ignores imports in comments and strings, and module augmentation", () => {
    const text = '// import "../nn/a.ts"\nexport const s = `import "../nn/a.ts"`; declare module "../nn/a.ts" {}';
    expect(check({ "nn/a.ts": "export {};", "ops/b.ts": text })).toEqual([]);
  });

  it("refuses imports between siblings", () => {
    const files = { "data/a.ts": "export const a = 1;", "optim/b.ts": 'export * from "../data/a.ts";' };
    expect(check(files)).toEqual(["optim/b.ts: imports data/a.ts: optim/ and data/ are siblings"]);
  });

  it("refuses an import of the top file, of missing files and of files outside", () => {
    const files = {
      "index.ts": "export {};",
      "nn/a.ts": 'import "../index.ts"; import "./gone.ts"; import "../../other.ts";',
    };
    expect(check(files)).toEqual([
      "nn/a.ts: imports index.ts: only files directly in src/ may",
      "nn/a.ts: imports ./gone.ts, which does not exist",
      "nn/a.ts: imports ../../other.ts, which lies outside src/",
    ]);
  });

  it("refuses folders that it does not know", () => {
    const files = {
      ...core,
      "misc/a.ts": 'export * from "../core/dtype.ts";',
      "cli/b.ts": 'export * from "../misc/a.ts";',
    };
    expect(check(files)).toEqual([
      "cli/b.ts: imports misc/a.ts: misc/ has no place in the layers",
      "misc/a.ts: misc/ has no place in the layers",
    ]);
  });

  it("lets the command line import Node modules", () => {
    expect(check({ "cli/main.ts": 'import fs from "node:fs"; export { fs };' })).toEqual([]);
  });

  it.each(["node:fs", "fs", "fs/promises"])("refuses the Node module %s", (name) => {
    expect(check({ "core/a.ts": `import "${name}";` })).toEqual([
      `core/a.ts: imports ${name}: no Node modules in src/, use process.getBuiltinModule`,
    ]);
  });

  it("accepts the types of a Node module", () => {
    const text =
      'import type fs from "node:fs"; export type F = typeof fs; export type G = typeof import("node:path");';
    expect(check({ "core/a.ts": text })).toEqual([]);
  });

  it("refuses packages that users would not have", () => {
    expect(check({ "core/a.ts": 'import { it } from "vitest"; export { it };' })).toEqual([
      "core/a.ts: imports vitest, which is not a dependency in package.json",
    ]);
  });

  it("reports each import cycle once, as a path", () => {
    const files = {
      "ops/a.ts": 'import { b } from "./b.ts"; export const a = b;',
      "ops/b.ts": 'import { c } from "./c.ts"; export const b = c;',
      "ops/c.ts": 'import type { A } from "./a.ts"; import { d } from "./d.ts"; export const c = d as A;',
      "ops/d.ts": 'import "./d.ts"; export const d = 1;',
      "ops/e.ts": 'import "./a.ts";',
    };
    expect(check(files)).toEqual([
      "import cycle: ops/a.ts -> ops/b.ts -> ops/c.ts -> ops/a.ts",
      "import cycle: ops/d.ts -> ops/d.ts",
    ]);
  });

  it("says which file does not parse", () => {
    expect(() => check({ "core/a.ts": "export const = 1;" })).toThrow(/core\/a\.ts: /);
  });
});
