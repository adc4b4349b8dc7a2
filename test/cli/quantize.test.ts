/** `octet quantize`, `calibrate` and `compare` on a small ONNX model, in this process. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.ts";
import { exportModel } from "../../src/onnx/export.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { flatten, fx, io, manualSeed, nn, noGrad, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { readReport } from "../../src/report/index.ts";

class Net extends nn.Module {
  conv = new nn.Conv2d(3, 8, 3, { padding: 1 });
  relu = new nn.ReLU();
  pool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc = new nn.Linear(8, 10);

  override forward(x: Tensor): Tensor {
    return this.fc(flatten(this.pool(this.relu(this.conv(x))), 1));
  }
}

let folder: string;
const file = (...names: string[]): string => path.join(folder, ...names);

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "octet-quantize-"));
  manualSeed(3);
  const net = fx.symbolicTrace(new Net().eval());
  const example = randn([1, 3, 8, 8]);
  writeFileSync(
    file("net.onnx"),
    writeModel(exportModel(net, { exampleInputs: [example], dynamicAxes: { x: { 0: "N" } } })),
  );
  const x = randn([40, 3, 8, 8]);
  io.saveNpz(file("net.npz"), new Map([["x", x]]));
  const answers = noGrad(() => net(x) as Tensor).argmax(1);
  writeFileSync(file("labels.json"), JSON.stringify(Array.from(answers.toNumbers() as ArrayLike<number>)));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function octet(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) streams[name].on("data", (chunk) => (text[name] += String(chunk)));
  const code = await main(argv, { ...streams, env: {}, signal: new AbortController().signal });
  return { code, out: text.stdout, err: text.stderr };
}

describe("octet quantize", () => {
  it("writes the int8 model, the report and the recipe, and prints six lines", async () => {
    const labels = ["--labels", file("labels.json")];
    const { code, out, err } = await octet(
      "quantize",
      file("net.onnx"),
      "--data",
      file("net.npz"),
      ...labels,
      "--out",
      file("a"),
    );
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(
      out
        .split("\n")
        .slice(0, 6)
        .map((line) => line.split(/\s{2,}/)[0]),
    ).toEqual(["size", "agreement", "latency", "worst", "in float", "next"]);
    expect(readdirSync(file("a")).toSorted()).toEqual(["net.int8.onnx", "recipe.json", "report.html", "report.json"]);
    const report = readReport(readFileSync(file("a", "report.json"), "utf8"));
    expect(report.samples).toBe(8);
    expect(report.recipe).toMatchObject({ mode: "static", backend: "x86", calibrationSamples: 32 });
    expect(report.outputs[0].top1?.labelled?.rows).toBe(8);
    expect(readModel(file("a", "net.int8.onnx")).metadataProps.get("octet.recipe")).toContain('"mode":"static"');
    const again = await octet("quantize", file("net.onnx"), "--data", file("net.npz"), ...labels, "--out", file("b"));
    expect(again.code).toBe(0);
    expect(readFileSync(file("b", "net.int8.onnx"))).toEqual(readFileSync(file("a", "net.int8.onnx")));
  });

  it("does only what needs no data where there is none, and says so", async () => {
    const { code, err } = await octet("quantize", file("net.onnx"), "--out", file("dynamic"));
    expect(code).toBe(0);
    expect(err).toContain("without --data nothing is calibrated or measured: quantizing in mode dynamic");
    expect(readdirSync(file("dynamic")).toSorted()).toEqual(["net.int8.onnx", "recipe.json"]);
    const refused = await octet("quantize", file("net.onnx"), "--mode", "static", "--out", file("no"));
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("--mode static needs --data or --states");
    expect(existsSync(file("no"))).toBe(false);
  });

  it("exits with 1 below the asked agreement, after writing the report", async () => {
    const argv = [
      "quantize",
      file("net.onnx"),
      "--data",
      file("net.npz"),
      "--out",
      file("strict"),
      "--min-agreement",
      "1",
    ];
    const { code, err } = await octet(...argv, "--skip", "conv");
    const { outputs } = readReport(readFileSync(file("strict", "report.json"), "utf8"));
    const share = outputs[0].top1!.agreed / outputs[0].rows;
    expect(code).toBe(share < 1 ? 1 : 0);
    if (share < 1) expect(err).toContain("below the 1 that --min-agreement asks for");
    expect((await octet(...argv.slice(0, -1), "0")).code).toBe(0);
  });

  it("merges what calibrations of parts have noted", async () => {
    const states = [1, 2].map((part) => file(`states-${part}.json`));
    for (const [i, out] of states.entries()) {
      const shard = ["--shard", `${i + 1}/2`, "--out", out];
      const { code, out: said } = await octet("calibrate", file("net.onnx"), "--data", file("net.npz"), ...shard);
      expect(code).toBe(0);
      expect(said).toContain("calibrated on 16 samples");
    }
    const data = ["--data", file("net.npz"), "--states", ...states];
    const { code, err } = await octet("quantize", file("net.onnx"), ...data, "--out", file("merged"));
    expect(err).toBe("");
    expect(code).toBe(0);
    const { recipe, samples } = readReport(readFileSync(file("merged", "report.json"), "utf8"));
    expect(recipe.calibrationSamples).toBe(32);
    expect(samples).toBe(8);
    const wrong = await octet("quantize", file("net.onnx"), "--states", file("labels.json"), "--out", file("wrong"));
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain("holds no observer states");
  });

  it("goes on where a calibration was stopped", async () => {
    const stop = new AbortController();
    const silent = new PassThrough().resume();
    const argv = ["quantize", file("net.onnx"), "--data", file("net.npz"), "--out", file("stopped")];
    stop.abort(new Error("stopped"));
    const code = await main(argv, { stdout: silent, stderr: silent, env: {}, signal: stop.signal });
    // So small a job may be through before it looks at the signal; either way nothing half is left.
    if (code !== 0) expect(existsSync(file("stopped", "net.int8.onnx"))).toBe(false);
    expect((await octet(...argv)).code).toBe(0);
    expect(readdirSync(file("stopped"))).not.toContain("calibration.part.json");
  });

  it.each([
    ["a missing model", ["quantize", "nowhere.onnx"], 'cannot read "nowhere.onnx"'],
    ["an unknown backend", ["quantize", "x.onnx", "--backend", "gpu"], "Allowed choices are x86"],
    ["labels without data", ["quantize", "NET", "--labels", "l.json"], "--labels needs --data"],
    ["an agreement without data", ["quantize", "NET", "--min-agreement", "0.9"], "--min-agreement needs --data"],
    ["an unknown node to skip", ["quantize", "NET", "--skip", "conv9"], 'skip "conv9"'],
  ])("refuses %s in one line, with exit code 2", async (_, argv, message) => {
    const { code, err } = await octet(...argv.map((word) => (word === "NET" ? file("net.onnx") : word)));
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err.trimEnd().split("\n").length).toBe(1);
  });
});

describe("octet compare", () => {
  it("compares the outputs of two models", async () => {
    await octet("quantize", file("net.onnx"), "--data", file("net.npz"), "--out", file("c"));
    const models = [file("net.onnx"), file("c", "net.int8.onnx")];
    const { code, out } = await octet("compare", ...models, "--data", file("net.npz"));
    expect(code).toBe(0);
    expect(out).toContain("same answer in");
    const json = await octet("compare", ...models, "--data", file("net.npz"), "--json", "--limit", "5");
    expect(readReport(json.out).samples).toBe(5);
  });
});
