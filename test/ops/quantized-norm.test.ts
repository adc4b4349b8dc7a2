/** What the quantized normalizations refuse, and inputs without elements; numbers are in quantized-golden.test.ts. */
import { describe, expect, it } from "vitest";
import { nn, ones, ops, quantizePerTensor, quantizedBatchNorm, quint8, randn, zeros } from "../../src/index.ts";

const { batchNorm, batchNorm2d, batchNorm1dRelu, groupNorm, instanceNorm, layerNorm } = ops.quantized;
const input = (...shape: number[]) => quantizePerTensor(randn(shape), 0.05, 100, quint8);
const [three, six] = [ones([3]), ones([6])];
const x = input(2, 6, 4, 4);

describe("quantized normalizations refuse", () => {
  it.each<[what: string, run: () => unknown, message: string]>([
    [
      "float inputs",
      () => layerNorm(randn([2, 4]), [4], null, null, 1e-5, 0.1, 3),
      "Could not run 'quantized::layer_norm'",
    ],
    ["other ranks", () => batchNorm2d(input(2, 6, 4), six, six, six, six, 1e-5, 0.1, 3), "the input tensor of rank 4"],
    [
      "too many dimensions",
      () => batchNorm(input(1, 6, 1, 1, 1, 1), six, six, six, six, 1e-5, 0.1, 3),
      "rank 2 or 3 or 4 or 5",
    ],
    ["a missing weight", () => batchNorm2d(x, null, six, six, six, 1e-5, 0.1, 3), "Weight must be provided"],
    ["a missing bias", () => batchNorm1dRelu(input(2, 6), six, null, six, six, 1e-5, 0.1, 3), "Bias must be provided"],
    [
      "another number of channels",
      () => batchNorm2d(x, six, six, three, six, 1e-5, 0.1, 3),
      "mean must have the 6 values",
    ],
    ["another shape", () => layerNorm(x, [5], null, null, 1e-5, 0.1, 3), "Given normalized_shape=[5]"],
    [
      "a weight of another shape",
      () => layerNorm(x, [4], six, null, 1e-5, 0.1, 3),
      "Expected weight to be of same shape",
    ],
    ["uneven groups", () => groupNorm(x, 4, null, null, 1e-5, 0.1, 3), "Expected channels to be divisible by groups"],
    [
      "a weight per group",
      () => groupNorm(x, 3, three, null, 1e-5, 0.1, 3),
      "weight must have one value per channel, 6",
    ],
    ["no positions", () => instanceNorm(input(2, 6), null, null, 1e-5, 0.1, 3), "at least 3 dimensions"],
    ["float operators on integers", () => nn.functional.layerNorm(x, [4]), "Could not run 'aten::"],
  ])("%s", (_what, run, message) => {
    expect(run).toThrow(message);
  });
});

it("quantizedBatchNorm is the operator of two to five dimensions", () => {
  const args = [x, six, six, zeros([6]), six, 1e-5, 0.1, 3] as const;
  expect(
    quantizedBatchNorm(...args)
      .dequantize()
      .tolist(),
  ).toEqual(
    batchNorm(...args)
      .dequantize()
      .tolist(),
  );
});

it("quantized normalizations take empty inputs", () => {
  const empty = quantizePerTensor(zeros([0, 6, 2]), 0.05, 100, quint8);
  expect(batchNorm(empty, six, six, six, six, 1e-5, 0.1, 3).shape).toEqual([0, 6, 2]);
  expect(groupNorm(empty, 2, six, six, 1e-5, 0.1, 3).shape).toEqual([0, 6, 2]);
  expect(layerNorm(empty, [2], null, null, 1e-5, 0.1, 3).shape).toEqual([0, 6, 2]);
});
