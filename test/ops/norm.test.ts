/** Normalizations: what their results look like, and what is refused. Values: golden.test.ts. */
import { describe, expect, it } from "vitest";
import { float16, float64, int64 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { batchNorm, groupNorm, instanceNorm, layerNorm, normalize, ones, randn, rmsNorm, zeros } = ops;

describe("normalized values", () => {
  it.each([
    ["layerNorm", (x: Tensor) => layerNorm(x, [6, 5]), [1, 2]],
    ["instanceNorm", (x: Tensor) => instanceNorm(x), [2]],
    ["batchNorm", (x: Tensor) => batchNorm(x, null, null, null, null, { training: true }), [0, 2]],
  ] as const)("of %s have mean 0 and variance 1", (_name, normalized, dims) => {
    const out = normalized(randn(4, 6, 5, { dtype: float64 }).mul(3).add(100));
    const [variance, mean] = ops.varMean(out, [...dims], { correction: 0 });
    expect(mean.abs().max().item()).toBeLessThan(1e-9);
    expect(variance.sub(1).abs().max().item()).toBeLessThan(1e-4); // eps = 1e-5 against a variance of about 9
  });
});

describe("batchNorm", () => {
  it("tells autograd that the running statistics changed", () => {
    const [mean, variance] = [zeros(3), ones(3)];
    batchNorm(randn(4, 3), mean, variance, null, null, { training: true });
    expect([mean.storage.version, variance.storage.version]).toEqual([1, 1]);
  });

  it("leaves them alone in evaluation", () => {
    const [mean, variance] = [zeros(3), ones(3)];
    batchNorm(randn(4, 3), mean, variance);
    expect([mean.storage.version, variance.storage.version]).toEqual([0, 0]);
  });

  it("computes half precision in single precision", () => {
    const x = randn(4, 3);
    const out = batchNorm(x.to(float16), null, null, null, null, { training: true });
    expect(out.dtype).toBe(float16);
    const expected = batchNorm(x.to(float16).float(), null, null, null, null, { training: true });
    expect(out.float().allclose(expected, { rtol: 2 ** -10, atol: 1e-3 })).toBe(true);
  });
});

describe("refused arguments", () => {
  const x = zeros(2, 3, 4);
  it.each<[string, () => unknown]>([
    ["batchNorm: expects input [N, C, *], got shape [3]", () => batchNorm(zeros(3), null, null)],
    [
      "batchNorm: expected more than 1 value per channel when training, got input of shape [1, 3]",
      () => batchNorm(zeros(1, 3), null, null, null, null, { training: true }),
    ],
    [
      "batchNorm: expected runningMean and runningVar to be given when training is false",
      () => batchNorm(x, null, null),
    ],
    ["batchNorm: runningMean must have shape [3], got [2]", () => batchNorm(x, zeros(2), zeros(2))],
    ["batchNorm: weight must have shape [3], got [4]", () => batchNorm(x, zeros(3), zeros(3), zeros(4))],
    [
      "batchNorm: input is float32 but weight is float64",
      () => batchNorm(x, zeros(3), zeros(3), zeros(3, { dtype: float64 })),
    ],
    [
      "batchNorm: expects floating-point tensors, got int64",
      () => batchNorm(zeros(2, 3, { dtype: int64 }), zeros(3), zeros(3)),
    ],
    ["layerNorm: normalizedShape [3] is not how the input's shape [2, 3, 4] ends", () => layerNorm(x, [3])],
    ["layerNorm: normalizedShape [] is not how", () => layerNorm(x, [])],
    ["layerNorm: weight must have the normalized shape [4], got [3]", () => layerNorm(x, [4], { weight: zeros(3) })],
    ["groupNorm: 3 channels are not divisible into 2 groups", () => groupNorm(x, 2)],
    ["groupNorm: 3 channels are not divisible into 1.5 groups", () => groupNorm(x, 1.5)],
    ["groupNorm: weight must have shape [3], got [1]", () => groupNorm(x, 3, { weight: zeros(1) })],
    ["instanceNorm: expects input [N, C, *], got shape [2, 3]", () => instanceNorm(zeros(2, 3))],
    ["instanceNorm: expected more than 1 spatial element", () => instanceNorm(zeros(2, 3, 1))],
    ["rmsNorm: normalizedShape [5] is not how", () => rmsNorm(x, [5])],
    ["Dimension out of range", () => normalize(x, { dim: 3 })],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});
