/** `octet run`: results equal those of the model called by hand, for every kind of data; and what it refuses. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import sharp from "sharp";
import type { Tensor } from "octet";
import { float32, float64, int64, io, noGrad, randn } from "octet";
import { inputsToMetadata } from "../../src/cli/models.ts";
import { Tensor as TensorClass } from "../../src/tensor/tensor.ts";
import { floatNet, netInput, quantizedNet } from "./models.ts";
import { octet, octetRefusal, temporaryFolder } from "./octet.ts";

const file = temporaryFolder();
const net = floatNet();
const x = randn([6, 3, 8, 8]);
/** An archive that knows the shape of its input, and one that does not. */
const [described, bare] = [file("described.octet"), file("bare.octet")];

beforeAll(() => {
  io.saveArchive(described, net, { metadata: { inputs: inputsToMetadata([netInput]) } });
  io.saveArchive(bare, net);
  io.saveNpz(file("x.npz"), { x });
  io.saveNpz(file("packed.npz"), { x }, { compressed: true });
  io.saveNpz(file("unnamed.npz"), { arr_0: x });
  io.saveNpy(file("x.npy"), x);
  io.saveSafetensors(file("x.safetensors"), { x });
  writeFileSync(
    file("x.jsonl"),
    jsonLines((row) => nested(row)),
  );
  writeFileSync(
    file("flat.jsonl"),
    jsonLines((row) => ({ shape: [1, ...row.shape], data: [...row.elements()] })),
  );
  writeFileSync(
    file("x.mjs"),
    moduleText("export default function* () { for (const data of rows) yield { x: { data, dims: [1, 3, 8, 8] } }; }"),
  );
  writeFileSync(
    file("stream.mjs"),
    moduleText(
      "export default async function* () { for (const data of rows) yield { x: { data, shape: [3, 8, 8] } }; }",
    ),
  );
});

function rowsOf(tensor: Tensor): Tensor[] {
  const size = tensor.numel() / tensor.shape[0];
  return Array.from({ length: tensor.shape[0] }, (_, i) =>
    TensorClass.fromArray(tensor.elements().slice(i * size, (i + 1) * size), tensor.shape.slice(1), tensor.dtype),
  );
}

function nested(tensor: Tensor): unknown {
  return tensor.ndim === 0 ? tensor.item() : rowsOf(tensor).map(nested);
}

function jsonLines(write: (row: Tensor) => unknown): string {
  return rowsOf(x)
    .map((row) => `${JSON.stringify({ x: write(row) })}\n`)
    .join("\n");
}

function moduleText(exported: string): string {
  const rows = rowsOf(x).map((row) => [...row.elements()]);
  return `const rows = ${JSON.stringify(rows)}.map((row) => new Float32Array(row));\n${exported}\n`;
}

async function outputsOf(model: string, ...args: string[]): Promise<{ outputs: Map<string, Tensor>; stderr: string }> {
  const { code, stderr } = await octet(["run", model, "--out", file("out.npz"), ...args]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return { outputs: io.loadNpz(file("out.npz")), stderr };
}

function expected(model: (x: Tensor) => Tensor = net, count = 6): Float32Array {
  const rows = rowsOf(x).slice(0, count);
  return Float32Array.from(noGrad(() => rows.flatMap((row) => [...model(row.unsqueeze(0)).elements()])));
}

describe("octet run", () => {
  it.each([
    "x.npz",
    "packed.npz",
    "unnamed.npz",
    "x.npy",
    "x.safetensors",
    "x.jsonl",
    "flat.jsonl",
    "x.mjs",
    "stream.mjs",
  ])("computes what the model does, with data from %s", async (data) => {
    const { outputs } = await outputsOf(described, "--data", file(data));
    expect([...outputs.keys()]).toEqual(["output"]);
    expect(outputs.get("output")!.shape).toEqual([6, 5]);
    expect(outputs.get("output")!.elements()).toEqual(expected());
  });

  it("runs quantized models and writes their outputs as floats", async () => {
    const int8 = quantizedNet();
    io.saveArchive(file("int8.octet"), int8);
    const { outputs } = await outputsOf(file("int8.octet"), "--data", file("x.npz"));
    expect(outputs.get("output")!.elements()).toEqual(expected(int8));
  });

  it("stops at the limit, and joins samples into batches", async () => {
    const { outputs } = await outputsOf(bare, "--data", file("x.npz"), "--limit", "5", "--batch-size", "2");
    const got = outputs.get("output")!;
    expect(got.shape).toEqual([5, 5]);
    const want = expected(net, 5);
    got.elements().forEach((value, i) => expect(value).toBeCloseTo(want[i], 5));
  });

  it("converts other dtypes, and says which arrays it leaves out", async () => {
    io.saveNpz(file("double.npz"), { x: x.double(), y: TensorClass.zeros([6], int64) });
    const { outputs, stderr } = await outputsOf(described, "--data", file("double.npz"));
    expect(outputs.get("output")!.elements()).toEqual(expected());
    expect(stderr).toBe(`octet: ${file("double.npz")}: the model has no input y; ignored\n`);
  });

  it("sums up the outputs", async () => {
    const { stdout } = await octet(["run", bare, "--data", file("x.npz"), "--out", file("out.npz")]);
    expect(stdout).toMatch(/^output  shape   dtype +min +max +mean\noutput  \[6, 5\]  float32 /);
    expect(stdout).toMatch(/\n6 samples in [\d.e-]+ s, [\d.]+ ms each\nwrote .*out\.npz\n$/);
  });
});

describe("octet run with images", () => {
  const folder = file("photos");

  beforeAll(async () => {
    mkdirSync(path.join(folder, "inner"), { recursive: true });
    const image = (r: number, g: number, b: number) =>
      sharp({ create: { width: 20, height: 10, channels: 3, background: { r, g, b } } });
    await image(255, 0, 51).png().toFile(path.join(folder, "b.png"));
    await image(0, 255, 102).png().toFile(path.join(folder, "a.PNG"));
    await image(255, 255, 255).jpeg({ quality: 100 }).toFile(path.join(folder, "inner/c.jpg"));
    writeFileSync(path.join(folder, "notes.txt"), "no image");
  });

  it("scales and normalizes their pixels, in the order of their names", async () => {
    const { outputs } = await outputsOf(described, "--data", folder, "--mean", "0.5", "--std", "0.25,0.5,1");
    const colors = [
      [0, 1, 0.4],
      [1, 0, 0.2],
      [1, 1, 1],
    ];
    const want = colors.flatMap((color) => {
      const pixels = color.flatMap((value, c) => new Array<number>(64).fill((value - 0.5) / [0.25, 0.5, 1][c]));
      return [...noGrad(() => net(TensorClass.fromArray(Float32Array.from(pixels), [1, 3, 8, 8], float32))).elements()];
    });
    const got = outputs.get("output")!.elements();
    expect(got).toHaveLength(15);
    want.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  });

  it("needs a size where the model does not tell it", async () => {
    expect(await octetRefusal("run", bare, "--data", folder)).toBe(
      `${folder}: --size WxH is needed: the model does not say how large its images are`,
    );
    const { outputs } = await outputsOf(bare, "--data", folder, "--size", "6x4");
    expect(outputs.get("output")!.shape).toEqual([3, 5]);
  });

  it("names what it cannot read", async () => {
    mkdirSync(file("broken"));
    const broken = file("broken", "x.png");
    writeFileSync(broken, readFileSync(path.join(folder, "b.png")).subarray(0, 60));
    expect(await octetRefusal("run", described, "--data", file("broken"))).toMatch(
      `${broken} cannot be read as an image: `,
    );
    mkdirSync(file("empty"));
    expect(await octetRefusal("run", described, "--data", file("empty"))).toBe(
      `${file("empty")} has no images (.png, .jpg, .jpeg)`,
    );
  });

  it.each([
    [["--std", "0"], "--std must be above 0, got 0"],
    [["--mean", "1,2"], "--mean has 2 numbers, but the images have 3 channels"],
    [
      ["--size", "9x9"],
      'a.PNG (sample 0): input "x" has shape [1, 3, 9, 9], but the model expects x float32[N, 3, 8, 8]',
    ],
  ])("refuses %j", async (args, message) => {
    expect(await octetRefusal("run", described, "--data", folder, ...args)).toContain(message);
  });
});

describe("octet run refuses", () => {
  const refusal = (data: string, ...args: string[]) => octetRefusal("run", described, "--data", data, ...args);

  it("files that are no models, and outputs that cannot be written, before it works", async () => {
    expect(await octetRefusal("run", file("x.safetensors"), "--data", file("x.npz"))).toMatch(
      /holds weights but no model/,
    );
    expect(await octetRefusal("run", file("gone"), "--data", file("x.npz"))).toMatch(/no such file/);
    expect(await refusal(file("x.npz"), "--out", file("o.txt"))).toBe(`--out "${file("o.txt")}" is no .npz file`);
    expect(await refusal(file("x.npz"), "--out", file("no/o.npz"))).toMatch(/there is no folder/);
    expect(await refusal(file("x.npz"), "--size", "8x8")).toMatch(/^--size is for a folder of images/);
    expect(await refusal(file("gone.npz"))).toBe(`cannot read "${file("gone.npz")}": no such file or folder`);
    expect(await refusal(described)).toMatch(/data is read from \.npz, \.npy/);
  });

  it("inputs of other names or shapes, with what the model expects", async () => {
    io.saveNpz(file("names.npz"), { image: x, mask: x });
    expect(await refusal(file("names.npz"))).toBe(
      `${file("names.npz")}: the inputs are image, mask, but the model expects x float32[N, 3, 8, 8]; rename them in the data`,
    );
    io.saveNpz(file("shape.npz"), { x: randn([2, 8, 8, 3]) });
    expect(await refusal(file("shape.npz"))).toBe(
      `${file("shape.npz")}: sample 0: input "x" has shape [1, 8, 8, 3], but the model expects x float32[N, 3, 8, 8]`,
    );
    io.saveNpz(file("lengths.npz"), { x, y: randn([5]) });
    expect(await refusal(file("lengths.npz"))).toMatch(/different numbers of samples .*: x \[6, 3, 8, 8\], y \[5\]$/);
    io.saveNpz(file("none.npz"), { x: randn([0, 3, 8, 8]) });
    expect(await refusal(file("none.npz"))).toMatch(/holds no samples/);
  });

  it.each([Number.NaN, -Infinity])("%d among the data, with the sample", async (value) => {
    const broken = x.elements().slice();
    broken[4 * 192 + 7] = value;
    io.saveNpz(file("nan.npz"), { x: TensorClass.fromArray(broken, x.shape, float32) });
    expect(await refusal(file("nan.npz"))).toBe(
      `${file("nan.npz")}: sample 4: input "x" holds ${value} (element 7 of shape [1, 3, 8, 8])`,
    );
  });

  it.each([
    ["[1, 2]", 'line 2 holds an array of 2, not an object such as {"input": [[1, 2]]}'],
    ["{nonsense", "line 2 is not valid JSON"],
    ['{"x": [[1, 2], [3]]}', 'line 2: input "x" is not regular: axis 1 has 2 elements, then 1 elements'],
    ['{"x": [1, "2"]}', 'line 2: input "x" holds "2" at element 1, not a number'],
    [
      '{"x": {"shape": [2, 2], "data": [1, 2, 3]}}',
      'line 2: input "x" has 3 elements in "data", but "shape" [2, 2] has 4',
    ],
    ['{"z": [1]}', "line 2: the inputs are z, but the model expects x float32[N, 3, 8, 8]; rename them in the data"],
  ])("the line %s", async (line, message) => {
    writeFileSync(file("bad.jsonl"), `${jsonLines(nested).split("\n")[0]}\n${line}\n`);
    expect(await refusal(file("bad.jsonl"))).toBe(`${file("bad.jsonl")}: ${message}`);
  });

  it("files of lines without a sample", async () => {
    writeFileSync(file("blank.jsonl"), "\n\n");
    expect(await refusal(file("blank.jsonl"))).toBe(`${file("blank.jsonl")} has no line with a sample`);
  });

  it.each([
    ["export const a = 1;", "has no default export that yields inputs"],
    ["export default () => 5;", "the default export returns 5, not an iterable"],
    ["export default function* () {}", "yields no inputs"],
    ["export default [5];", "sample 0 is 5, not an object from input names to tensors"],
    ["export default [{ x: 'a' }];", 'sample 0: input "x" is "a", not a tensor or nested array'],
    [
      "export default [{ x: { data: new Float32Array(3), dims: [2] } }];",
      'input "x" has 3 elements, but shape [2] has 2',
    ],
    ["export default function* () { throw new Error('no disk'); }", "sample 0: the module failed: no disk"],
    ["throw new Error('no net');", "the module failed: no net"],
  ])("the module %s", async (text, message) => {
    const module = file(`bad-${text.length}-${message.length}.mjs`);
    writeFileSync(module, text);
    expect(await refusal(module)).toContain(message);
  });

  it("to leave anything behind when it fails in the middle", async () => {
    const shapes = [8, 9].map((size) => `{ x: { data: new Float32Array(${3 * size * 8}), dims: [1, 3, 8, ${size}] } }`);
    writeFileSync(file("half.mjs"), `export default [${shapes.join(", ")}];`);
    expect(await refusal(file("half.mjs"), "--out", file("half.npz"))).toMatch(/sample 1: input "x" has shape/);
    expect(existsSync(file("half.npz"))).toBe(false);
    expect(readdirSync(file()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

it("stops between samples when the user wants to", async () => {
  const interruption = new AbortController();
  writeFileSync(
    file("endless.mjs"),
    moduleText("export default function* () { for (;;) yield { x: { data: rows[0], dims: [1, 3, 8, 8] } }; }"),
  );
  const running = octet(["run", bare, "--data", file("endless.mjs"), "--out", file("never.npz")], {
    signal: interruption.signal,
  });
  setTimeout(() => interruption.abort(), 300);
  const { code, stdout, stderr } = await running;
  expect({ code, stdout, stderr }).toEqual({
    code: 130,
    stdout: "",
    stderr: "octet: interrupted; nothing was written\n",
  });
  expect(existsSync(file("never.npz"))).toBe(false);
});

it("keeps float64 data that a model without a description gets as float32", async () => {
  io.saveNpy(file("double.npy"), x.to(float64));
  const { outputs } = await outputsOf(bare, "--data", file("double.npy"));
  expect(outputs.get("output")!.elements()).toEqual(expected());
});
