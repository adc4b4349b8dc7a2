/** Fitting data to the inputs of a model, and batches. */
import { describe, expect, it } from "vitest";
import type { DType } from "../../src/core/dtype.ts";
import { float16, float32, float64, int32, int64, uint8 } from "../../src/core/dtype.ts";
import type { InputSpec } from "../../src/data/model-inputs.ts";
import { batches, fitToModel, fixedBatchSize, formatInput } from "../../src/data/model-inputs.ts";
import { MemorySource } from "../../src/data/source.ts";
import { to } from "../../src/ops/conversions.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

function filled(shape: number[], dtype: DType = float32, value = 1): Tensor {
  const length = shape.reduce((n, size) => n * size, 1);
  return to(Tensor.fromArray(new Float64Array(length).fill(value), shape, float64), dtype);
}

function spec(name: string, dtype: DType | null, shape: InputSpec["shape"]): InputSpec {
  return { name, dtype, shape };
}

/** What one item becomes. */
async function fit(inputs: Record<string, Tensor>, specs: InputSpec[]): Promise<Map<string, Tensor>> {
  const { source } = fitToModel(new MemorySource([new Map(Object.entries(inputs))]), specs);
  for await (const item of source) return new Map(item.inputs);
  throw new Error("no item");
}

async function fitOne(given: Tensor, wanted: InputSpec): Promise<[string, readonly number[]]> {
  const fitted = (await fit({ x: given }, [wanted])).get("x")!;
  return [fitted.dtype.name, fitted.shape];
}

describe("fitToModel", () => {
  it("puts inputs in the model's order, by name or by NumPy's numbers", async () => {
    const [a, b] = [filled([1, 2]), filled([1, 3])];
    const specs = [spec("b", null, [1, 3]), spec("a", null, [1, 2])];
    expect([...(await fit({ a, b }, specs)).keys()]).toEqual(["b", "a"]);
    const numbered = await fit({ arr_0: b, arr_1: a }, specs);
    expect(numbered.get("b")!.shape).toEqual([1, 3]);
    expect((await fit({ "": a }, [spec("a", null, null)])).get("a")!.shape).toEqual([1, 2]);
  });

  it("tells which inputs the model does not have", () => {
    const source = new MemorySource([
      new Map([
        ["x", filled([1])],
        ["y", filled([1])],
      ]),
    ]);
    expect(fitToModel(source, [spec("x", null, null)]).unused).toEqual(["y"]);
    expect(() => fitToModel(source, [spec("z", float32, ["N", 4])])).toThrow(
      "data: the inputs are x, y, but the model expects z float32[N, 4]; rename them in the data",
    );
  });

  it("adds and leaves out a batch axis of size 1", async () => {
    expect(await fitOne(filled([3, 4]), spec("x", null, ["N", 3, 4]))).toEqual(["float32", [1, 3, 4]]);
    expect(await fitOne(filled([1, 3, 4]), spec("x", null, [3, 4]))).toEqual(["float32", [3, 4]]);
    expect(await fitOne(filled([1], int64), spec("x", int64, []))).toEqual(["int64", []]);
    expect(await fitOne(filled([7, 3, 4]), spec("x", null, [null, 3, 4]))).toEqual(["float32", [7, 3, 4]]);
    await expect(fitOne(filled([2, 3]), spec("x", null, ["N", 4]))).rejects.toThrow(
      'data: sample 0: input "x" has shape [2, 3], but the model expects x [N, 4]',
    );
  });

  it("converts what loses nothing but digits", async () => {
    for (const dtype of [float64, float16, uint8, int64]) {
      expect(await fitOne(filled([1], dtype, 3), spec("x", float32, null))).toEqual(["float32", [1]]);
    }
    expect(await fitOne(filled([1], float64, 3), spec("x", int64, null))).toEqual(["int64", [1]]);
    expect(await fitOne(filled([1], float64), spec("x", null, null))).toEqual(["float32", [1]]);
    expect(await fitOne(filled([1], int32), spec("x", null, null))).toEqual(["int32", [1]]);
    await expect(fitOne(filled([1], float64, 2.5), spec("x", int64, null))).rejects.toThrow(
      'data: sample 0: input "x" holds 2.5, but the model expects int64',
    );
    await expect(fitOne(filled([1], int64, 300), spec("x", uint8, null))).rejects.toThrow(/holds 300.*uint8/);
  });

  it.each([Number.NaN, Infinity])("refuses %d", async (value) => {
    await expect(fitOne(filled([], float32, value), spec("x", null, null))).rejects.toThrow(
      `data: sample 0: input "x" holds ${value} (the only element)`,
    );
  });
});

describe("batches", () => {
  const source = (shapes: number[][]) => new MemorySource(shapes.map((shape) => new Map([["x", filled(shape)]])));

  async function shapesOf(shapes: number[][], size: number): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { indices, inputs } of batches(source(shapes), size))
      found.push([indices, inputs.get("x")!.shape]);
    return found;
  }

  it("joins along the first axis", async () => {
    const five = Array.from({ length: 5 }, () => [1, 2]);
    expect(await shapesOf(five, 2)).toEqual([
      [
        [0, 1],
        [2, 2],
      ],
      [
        [2, 3],
        [2, 2],
      ],
      [[4], [1, 2]],
    ]);
    expect(await shapesOf(five, 1)).toHaveLength(5);
  });

  it("keeps what cannot be joined by itself", async () => {
    expect(
      await shapesOf(
        [
          [1, 2],
          [1, 3],
          [1, 3],
        ],
        4,
      ),
    ).toEqual([
      [[0], [1, 2]],
      [
        [1, 2],
        [2, 3],
      ],
    ]);
    expect(await shapesOf([[], []], 4)).toEqual([
      [[0], []],
      [[1], []],
    ]);
  });

  it("names the samples", async () => {
    const places: string[] = [];
    for await (const { where } of batches(source([[1], [1], [1]]), 2)) places.push(where);
    expect(places).toEqual(["data: sample 0 to 1", "data: sample 2"]);
  });
});

it("formatInput and fixedBatchSize read what a model says", () => {
  expect(formatInput(spec("x", float32, ["N", 3, null]))).toBe("x float32[N, 3, ?]");
  expect(formatInput(spec("x", null, null))).toBe("x");
  expect(fixedBatchSize([spec("x", null, [8, 2]), spec("y", null, ["N", 2])])).toBe(8);
  expect(fixedBatchSize([spec("x", null, ["N", 2]), spec("y", null, null)])).toBeNull();
});
