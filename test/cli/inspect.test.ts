/** `octet inspect` on each format. */
import { readFileSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { float32, float64, int64, io, onnx } from "octet";
import { Tensor } from "../../src/tensor/tensor.ts";
import { floatNet, quantizedNet } from "./models.ts";
import { octet, octetOutput, octetRefusal, temporaryFolder } from "./octet.ts";

const file = temporaryFolder();
const checkpoints = "test/golden/checkpoints";

interface Json {
  readonly format: string;
  readonly facts: Record<string, string>;
  readonly operators: Record<string, number> | null;
  readonly totals: Record<string, number>;
  readonly tensors: { name: string; shape: number[]; dtype: string; bytes: number; quantization: unknown }[];
}

async function inspectJson(path: string): Promise<Json> {
  return JSON.parse(await octetOutput("inspect", path, "--json")) as Json;
}

const zeros = (shape: number[], dtype = float32) => Tensor.zeros(shape, dtype);

beforeAll(() => {
  io.saveArchive(file("float.octet"), floatNet());
  io.saveArchive(file("int8.octet"), quantizedNet(), { recipe: { mode: "static" } });
  io.saveSafetensors(file("w.safetensors"), { b: zeros([3]), a: zeros([2, 3], int64) }, { made: "by hand" });
  io.saveSafetensors(file("int8.safetensors"), quantizedNet().stateDict());
  io.saveNpz(file("x.npz"), { x: zeros([4, 3]), y: zeros([4], float64) });
  io.saveNpy(file("x.npy"), zeros([1000, 3]));
  onnx.saveModel(file("q.onnx"), quantizedOnnx());
});

describe("octet inspect", () => {
  it("shows safetensors as a table", async () => {
    const text = await octetOutput("inspect", file("w.safetensors"));
    expect(text.split("\n").slice(1)).toEqual([
      "",
      "  made  by hand",
      "",
      "tensor  shape   dtype    size",
      "a       [2, 3]  int64    48 B",
      "b       [3]     float32  12 B",
      "",
      "2 tensors, 9 elements, 60 B; none is quantized",
      "",
    ]);
  });

  it("shows the scales of quantized tensors without loading the others", async () => {
    const { tensors, totals } = await inspectJson(file("int8.safetensors"));
    const weight = tensors.find(({ name }) => name === "conv.weight")!;
    const { scales } = quantizedNet().stateDict().get("conv.weight")!.quantizer as unknown as { scales: Float64Array };
    expect(weight).toMatchObject({
      shape: [4, 3, 3, 3],
      dtype: "qint8",
      bytes: 108,
      quantization: { scheme: "per channel", axis: 0, scales: [Math.min(...scales), Math.max(...scales)] },
    });
    expect(totals.quantizedTensors).toBe(2);
    expect(totals.quantizedElements).toBe(108 + 20);
  });

  it("shows the operators of an archive, and what it is", async () => {
    const float = await inspectJson(file("float.octet"));
    expect(float.operators).toEqual({ Conv2d: 1, Linear: 1, mean: 1, relu: 1 });
    expect(float.facts).toMatchObject({ model: "float", recipe: "none" });
    const int8 = await inspectJson(file("int8.octet"));
    expect(int8.facts).toMatchObject({ model: "converted", recipe: "kept" });
    expect(Object.keys(int8.operators!)).toContain("torch.quantize_per_tensor");
    expect(await octetOutput("inspect", file("int8.octet"))).toMatch(
      /conv\.weight .* qint8 .* per channel \(axis 0\), scale 0\.\d+ to 0\.\d+\n/,
    );
  });

  it("shows NumPy's files", async () => {
    expect((await inspectJson(file("x.npz"))).tensors).toEqual([
      { name: "x", shape: [4, 3], dtype: "float32", bytes: 48, quantization: null },
      { name: "y", shape: [4], dtype: "float64", bytes: 32, quantization: null },
    ]);
    expect(await octetOutput("inspect", file("x.npy"))).toContain(
      "1 tensor, 3,000 elements, 12.0 kB; none is quantized",
    );
  });

  it("shows PyTorch's checkpoints, new and old", async () => {
    for (const name of ["cnn.pt", "cnn-legacy.pt"]) {
      const { format, tensors } = await inspectJson(`${checkpoints}/${name}`);
      expect(format).toBe("checkpoint");
      expect(tensors).toHaveLength(10);
      expect(tensors[0]).toMatchObject({ name: "conv1.weight", shape: [8, 3, 3, 3], dtype: "float32", bytes: 864 });
    }
  });

  it("shows ONNX models: operators, also of inner graphs, inputs and outputs, and quantized weights", async () => {
    const { facts, operators, tensors } = await inspectJson(file("q.onnx"));
    expect(operators).toEqual({ DequantizeLinear: 1, MatMul: 1 });
    expect(facts).toMatchObject({ "input x": "float32 [N, 2]", "output y": "float32 [N, 3]", opset: "17" });
    expect(tensors[0]).toEqual({
      name: "w",
      shape: [2, 3],
      dtype: "int8",
      bytes: 6,
      quantization: { scheme: "per channel", axis: 1, scales: [0.25, 1] },
    });
  });

  it.each(["float.octet", "int8.octet", "w.safetensors", "int8.safetensors", "x.npz", "x.npy", "q.onnx", "cnn.pt"])(
    "takes damage to %s for the file's fault",
    async (name) => {
      const whole = readFileSync(name === "cnn.pt" ? `${checkpoints}/${name}` : file(name));
      const damaged = file(`damaged-${name}`);
      const damage = fc.tuple(fc.nat(whole.length - 1), fc.option(fc.integer({ min: 1, max: 255 })));
      await fc.assert(
        fc.asyncProperty(damage, async ([at, change]) => {
          const bytes = change === null ? whole.subarray(0, at) : Uint8Array.from(whole);
          if (change !== null) bytes[at] ^= change;
          writeFileSync(damaged, bytes);
          const { code, stderr } = await octet(["inspect", damaged]);
          expect([0, 2], stderr).toContain(code);
          expect(stderr).toMatch(code === 0 ? /^$/ : /^octet: [^\n]+\n$/);
        }),
        { numRuns: 60 },
      );
    },
  );

  it("refuses other files by name", async () => {
    writeFileSync(file("a.txt"), "some text that is longer than a header");
    expect(await octetRefusal("inspect", file("a.txt"))).toBe(
      `${file("a.txt")} is of no known format: ONNX, safetensors, a PyTorch checkpoint, an Octet archive, .npz or .npy`,
    );
    expect(await octetRefusal("inspect", file("gone"))).toBe(`cannot read "${file("gone")}": no such file or folder`);
    expect(await octetRefusal("inspect", file())).toBe(`cannot read "${file()}": it is not an ordinary file`);
    writeFileSync(file("cut.safetensors"), Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d));
    expect(await octetRefusal("inspect", file("cut.safetensors"))).toMatch(
      /^.*cut\.safetensors: safetensors: the header says 200 bytes/,
    );
    expect(await octetRefusal("inspect", `${checkpoints}/malicious-eval.pt`)).toMatch(/eval/);
  });
});

/** x [N, 2] times an int8 weight with a scale for each column. */
function quantizedOnnx(): onnx.OnnxModel {
  const value = (name: string, size: number) => onnx.makeValueInfo(name, "float", ["N", size]);
  const scale = Tensor.fromArray(Float32Array.of(0.25, 0.5, 1), [3], float32);
  const graph = onnx.makeGraph({
    name: "g",
    nodes: [
      onnx.makeNode({
        opType: "DequantizeLinear",
        inputs: ["w", "s"],
        outputs: ["d"],
        attributes: [onnx.makeAttribute("axis", "int", 1)],
      }),
      onnx.makeNode({ opType: "MatMul", inputs: ["x", "d"], outputs: ["y"] }),
    ],
    initializers: [onnx.rawTensor("w", "int8", [2, 3], new Uint8Array(6)), onnx.fromTensor("s", scale)],
    inputs: [value("x", 2)],
    outputs: [value("y", 3)],
  });
  return onnx.makeModel({ graph, opsetImports: new Map([["", 17]]) });
}
