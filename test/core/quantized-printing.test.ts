/** Printed quantized tensors against the text that PyTorch prints. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dtypeFromName, float32, int64 } from "../../src/core/dtype.ts";
import { Tensor, quantizePerChannel, quantizePerTensor, tensor } from "../../src/index.ts";
import { goldenFolder } from "../golden.ts";

interface PrintingCase {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Values on the grid, so that quantizing them gives the printed tensor back. */
  readonly real: readonly number[];
  readonly scale?: number;
  readonly zeroPoint?: number;
  readonly scales?: readonly number[];
  readonly zeroPoints?: readonly number[];
  readonly axis?: number;
  readonly floatQparams?: boolean;
  readonly text: string;
}

const golden = JSON.parse(readFileSync(`${goldenFolder}/quantized/printing.json`, "utf8")) as {
  readonly cases: readonly PrintingCase[];
};

function quantized(case_: PrintingCase): Tensor {
  const dtype = dtypeFromName(case_.dtype);
  const real = Tensor.fromArray(Float32Array.from(case_.real), case_.shape, float32);
  const { scale, zeroPoint, scales, zeroPoints, axis, floatQparams } = case_;
  if (scale !== undefined && zeroPoint !== undefined) return quantizePerTensor(real, scale, zeroPoint, dtype);
  if (!scales || !zeroPoints || axis === undefined) throw new Error(`case ${case_.name} has no qparams`);
  const points = tensor(zeroPoints, { dtype: floatQparams ? float32 : int64 });
  return quantizePerChannel(real, tensor(scales), points, axis, dtype);
}

describe("toString of a quantized tensor prints what PyTorch prints", () => {
  it.each(golden.cases)("$name", (case_) => {
    expect(String(quantized(case_))).toBe(case_.text);
  });
});
