/** Convolutions: a law, work that is skipped, and what is refused. Values: golden.test.ts. */
import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { float64, int64 } from "../../src/core/dtype.ts";
import type * as registryModule from "../../src/kernels/registry.ts";
import * as ops from "../../src/ops/index.ts";

const { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, ones, randn, zeros } = ops;

/** Names of the gradient kernels in the order of their calls. */
const calls = vi.hoisted((): string[] => []);

vi.mock("../../src/kernels/registry.ts", async (load) => {
  const registry = await load<typeof registryModule>();
  const kernels: typeof registry.kernels = () => {
    const active = registry.kernels();
    return {
      ...active,
      convGradInput: (...args) => {
        calls.push("convGradInput");
        active.convGradInput(...args);
      },
      convGradWeight: (...args) => {
        calls.push("convGradWeight");
        active.convGradWeight(...args);
      },
    };
  };
  return { ...registry, kernels };
});

describe("a transposed convolution", () => {
  it("is the adjoint of the convolution with the same options", () => {
    const option = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(option, option, option, fc.integer({ min: 0, max: 2 }), (kernel, stride, dilation, padding) => {
        const options = { stride, dilation, padding, groups: 2 };
        const x = randn(2, 4, 11, { dtype: float64 });
        const weight = randn(6, 2, kernel, { dtype: float64 });
        const y = conv1d(x, weight, null, options);
        const g = randn(y.shape, { dtype: float64 });
        const reach = dilation * (kernel - 1) + 1;
        const outputPadding = (11 + 2 * padding - reach) % stride;
        const back = convTranspose1d(g, weight, null, { ...options, outputPadding });
        expect(back.shape).toEqual(x.shape);
        expect(back.mul(x).sum().item()).toBeCloseTo(g.mul(y).sum().item(), 9);
      }),
    );
  });
});

describe("gradients that nobody asked for", () => {
  it.each(["input", "weight"] as const)("are not computed when only the %s needs one", (which) => {
    const input = randn(1, 2, 4, 4, { requiresGrad: which === "input" });
    const weight = randn(3, 2, 3, 3, { requiresGrad: which === "weight" });
    const out = conv2d(input, weight);
    calls.length = 0;
    out.backward(ones(1, 3, 2, 2));
    expect(calls).toEqual([which === "input" ? "convGradInput" : "convGradWeight"]);
  });
});

const x = zeros(1, 4, 8, 8);
const weight = zeros(8, 4, 3, 3);

describe("refused arguments", () => {
  it.each<[string, () => unknown]>([
    ["conv2d: weight expects 3 input channels, input has 4", () => conv2d(x, zeros(8, 3, 3, 3))],
    ["conv2d: weight expects 8 input channels, input has 4", () => conv2d(x, weight, null, { groups: 2 })],
    ["conv2d: expects 3D (unbatched) or 4D (batched) input, got shape [4, 8]", () => conv2d(zeros(4, 8), weight)],
    [
      "conv3d: expects 4D (unbatched) or 5D (batched) input, got shape [8, 8, 8]",
      () => conv3d(zeros(8, 8, 8), zeros(1, 1, 1, 1, 1)),
    ],
    ["conv2d: weight must be a 4-D tensor, got shape [8, 4, 3]", () => conv2d(x, zeros(8, 4, 3))],
    [
      "conv2d: kernel [3, 3] with dilation [4, 4] is larger than the padded input [8, 8]",
      () => conv2d(x, weight, null, { dilation: 4 }),
    ],
    ["conv2d: kernel size must be at least 1, got [0, 3]", () => conv2d(x, zeros(8, 4, 0, 3))],
    [
      "conv2d: padding must be whole numbers of at least 0, got [-1, -1]",
      () => conv2d(x, weight, null, { padding: -1 }),
    ],
    ["conv2d: stride must be whole numbers of at least 1, got [0, 0]", () => conv2d(x, weight, null, { stride: 0 })],
    [
      "conv2d: stride must be whole numbers of at least 1, got [1.5, 1]",
      () => conv2d(x, weight, null, { stride: [1.5, 1] }),
    ],
    [
      "conv2d: stride must be one number or 2 numbers, got [1, 2, 3]",
      () => conv2d(x, weight, null, { stride: [1, 2, 3] }),
    ],
    [
      "conv2d: dilation must be whole numbers of at least 1, got [0, 0]",
      () => conv2d(x, weight, null, { dilation: 0 }),
    ],
    ["conv2d: groups must be a whole number of at least 1, got 0", () => conv2d(x, weight, null, { groups: 0 })],
    [
      "conv2d: groups 3 does not divide the first dimension of weight [8, 4, 3, 3]",
      () => conv2d(x, weight, null, { groups: 3 }),
    ],
    ["conv2d: bias must have shape [8], got [3]", () => conv2d(x, weight, zeros(3))],
    ["conv2d: bias must have shape [8], got [8, 1]", () => conv2d(x, weight, zeros(8, 1))],
    [
      'conv2d: padding "same" needs stride 1, got [2, 2]',
      () => conv2d(x, weight, null, { padding: "same", stride: 2 }),
    ],
    [
      'conv2d: padding must be numbers, "same" or "valid", got "full"',
      () => conv2d(x, weight, null, { padding: "full" as "same" }),
    ],
    ["conv2d: input is float32 but weight is float64", () => conv2d(x, zeros(8, 4, 3, 3, { dtype: float64 }))],
    [
      "conv1d: expects floating-point tensors, got int64",
      () => conv1d(zeros(1, 1, 4, { dtype: int64 }), zeros(1, 1, 2, { dtype: int64 })),
    ],
    [
      "convTranspose1d: weight expects 4 input channels, input has 3",
      () => convTranspose1d(zeros(1, 3, 5), zeros(4, 2, 2)),
    ],
    [
      "convTranspose1d: outputPadding [2] must be smaller than either stride [2] or dilation [1]",
      () => convTranspose1d(zeros(1, 4, 5), zeros(4, 2, 2), null, { stride: 2, outputPadding: 2 }),
    ],
    [
      "convTranspose2d: input [1, 1] with padding [1, 1] gives output [0, 0], which is too small",
      () => convTranspose2d(zeros(1, 4, 1, 1), zeros(4, 2, 2, 2), null, { padding: 1 }),
    ],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});
