/**
 * The report's page in headless Chromium, opened as the file that it is: nothing goes wrong, tables sort, and the picked
 * layer is drawn. Skipped, with a message, where no Chromium is installed (CHROMIUM may name one).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reportHtml } from "../../src/report/index.ts";
import type { Report } from "../../src/report/index.ts";
import { reportWith } from "../report/networks.ts";

const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : ["chromium", "chromium-browser", "google-chrome"];
const executablePath = names
  .map((name) => spawnSync("sh", ["-c", 'command -v "$0"', name], { encoding: "utf8" }).stdout.trim())
  .find((found) => found !== "");
if (!executablePath)
  console.warn("report page test skipped: no Chromium found (install chromium, or name one in CHROMIUM)");

const evil = `</script><script>document.title = "owned"</script><b id=injected>`;

describe.skipIf(!executablePath)("the report's page", () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "octet-report-"));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(report: Report, width = 1200): Promise<{ page: Page; complaints: string[] }> {
    const file = path.join(folder, "report.html");
    writeFileSync(file, reportHtml(report));
    const page = await browser.newPage({ viewport: { width, height: 800 } });
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    return { page, complaints };
  }

  const column = (page: Page, table: string, index: number): Promise<string[]> =>
    page.locator(`#${table} tbody tr td:nth-child(${index})`).allTextContents();

  it("sorts tables, both ways", async () => {
    const { page, complaints } = await open(reportWith());
    expect(await column(page, "ledger-table", 1)).toEqual(["fc.weight", "fc.bias"]);
    await page.click("#ledger-table th:nth-child(1) button");
    expect(await column(page, "ledger-table", 1)).toEqual(["fc.bias", "fc.weight"]);
    await page.click("#layer-table th:nth-child(3) button");
    expect(await column(page, "layer-table", 2)).toEqual(["same", "conv", "fc"]);
    await page.click("#layer-table th:nth-child(3) button");
    expect(await column(page, "layer-table", 2)).toEqual(["fc", "conv", "same"]);
    expect(await page.getAttribute("#layer-table th:nth-child(3)", "aria-sort")).toBe("ascending");
    expect(complaints).toEqual([]);
  });

  it("draws the layer that is picked", async () => {
    const { page, complaints } = await open(reportWith());
    expect(await page.inputValue("#layer")).toBe("fc"); // the lowest
    expect(await page.textContent("#panel")).toContain("MinMaxObserver saw values from 0 to 2");
    expect(await page.locator("#panel svg").count()).toBe(0);
    await page.selectOption("#layer", "conv");
    expect(await page.textContent("#panel")).toContain(
      "HistogramObserver saw values from -1 to 3 and chose -0.5 to 2.5",
    );
    expect(await page.locator("#panel svg .bin").count()).toBe(4);
    await page.click('.dot[data-node="same"]');
    expect(await page.inputValue("#layer")).toBe("same");
    expect(await page.textContent("#panel")).toContain("No observer of its own");
    expect(complaints).toEqual([]);
  });

  it("shows hostile names as text", async () => {
    const [layer] = reportWith().layers;
    const observation = { ...reportWith().observations[0], node: evil };
    const report = reportWith({ model: evil, layers: [{ ...layer, node: evil }], observations: [observation] });
    const { page, complaints } = await open(report);
    expect(await page.textContent("h1")).toBe(`${evil}: quantization report`);
    expect(await page.title()).toContain(evil);
    expect(await page.locator("#injected").count()).toBe(0);
    expect(await page.inputValue("#layer")).toBe(evil);
    expect(await page.locator("#panel svg .bin").count()).toBe(4);
    expect(complaints).toEqual([]);
  });

  it("fits a phone", async () => {
    const { page } = await open(reportWith(), 360);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  });
});
