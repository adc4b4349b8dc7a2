/**
 * The one-file build in a real browser: headless Chromium trains a small network and gets what Node gets. The page forbids
 * `eval` and inline scripts, as a careful site does. Skipped, with a message, where no Chromium is installed (CHROMIUM may
 * name one).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { transform } from "esbuild";
import type { Browser } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as octet from "../../src/index.ts";
import { bundle } from "../../tools/bundle.ts";
import { train } from "./scenario.ts";

const executablePath = findChromium();
if (!executablePath)
  console.warn("browser test skipped: no Chromium found (install chromium, or name one in CHROMIUM)");

function findChromium(): string | undefined {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const candidates = process.env.CHROMIUM ? [process.env.CHROMIUM] : names;
  return candidates
    .map((name) => spawnSync("sh", ["-c", 'command -v "$0"', name], { encoding: "utf8" }).stdout.trim())
    .find((found) => found !== "");
}

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Page address -> its content security policy. */
const policies: Readonly<Record<string, string>> = {
  "/": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'",
  "/without-wasm": "default-src 'none'; script-src 'self'",
};

const html = "<!doctype html><meta charset=utf-8><title>Octet</title>";

const main = `
import * as octet from "/octet.js";
import { train } from "/scenario.js";
export async function run() {
  const kernels = await octet.loadKernels();
  return { kernels, names: Object.keys(octet).sort(), result: train(octet) };
}`;

describe.skipIf(!executablePath)("the browser build", () => {
  let folder: string;
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "octet-browser-"));
    const bundled = path.join(folder, "octet.js");
    await bundle(bundled);
    const scenario = await transform(readFileSync(new URL("scenario.ts", import.meta.url), "utf8"), { loader: "ts" });
    server = await serve({
      "/": ["text/html", html],
      "/without-wasm": ["text/html", html],
      "/main.js": ["text/javascript", main],
      "/octet.js": ["text/javascript", readFileSync(bundled, "utf8")],
      "/scenario.js": ["text/javascript", scenario.code],
    });
    browser = await chromium.launch({ executablePath, args: flags });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the scenario on a page of the server. */
  async function trainOn(address: string) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${address}`);
    return (await page.evaluate('import("/main.js").then((m) => m.run())')) as {
      kernels: string;
      names: string[];
      result: ReturnType<typeof train>;
    };
  }

  it("trains a network to the same numbers as in Node, on the wasm kernels", async () => {
    const { kernels, names, result } = await trainOn("/");
    expect(kernels).toBe("wasm");
    expect(names).toEqual(Object.keys(octet).toSorted());

    const here = train(octet);
    expect(here.losses.at(-1)).toBeLessThan(here.losses[0]);
    expectClose(result.losses, here.losses);
    expectClose(result.outputs, here.outputs);
    // Names of classes survive the minifier.
    expect(result.printed).toBe(here.printed);
    expect(result.error).toBe(here.error);
    expect(result.error).toMatch(/^OctetError: add: /);
  });

  it("falls back to the reference kernels where the page forbids WebAssembly", async () => {
    const { kernels, result } = await trainOn("/without-wasm");
    expect(kernels).toBe("reference");
    expectClose(result.losses, train(octet).losses);
  });
});

/** Engines may differ in the last bits of `Math.tanh` and in which multiply-add they use. */
function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-5 * (1 + Math.abs(expected[i]))));
}

function serve(files: Readonly<Record<string, readonly [type: string, body: string]>>): Promise<Server> {
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    const [type, body] = files[url] ?? ["text/plain", null];
    const policy = policies[url] ?? policies["/"];
    response.writeHead(body === null ? 404 : 200, { "Content-Type": type, "Content-Security-Policy": policy });
    response.end(body ?? "not found");
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
