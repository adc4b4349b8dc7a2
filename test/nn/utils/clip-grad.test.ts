import { describe, expect, it } from "vitest";
import { float16, float32, float64 } from "../../../src/core/dtype.ts";
import { clipGradNorm_, clipGradValue_ } from "../../../src/nn/utils/clip-grad.ts";
import { tensor, transpose } from "../../../src/ops/index.ts";
import type { DType } from "../../../src/core/dtype.ts";
import { Tensor } from "../../../src/tensor/tensor.ts";

function withGrad(gradient: number[], dtype: DType = float64): Tensor {
  const parameter = Tensor.zeros([gradient.length], dtype).requiresGrad_();
  parameter.grad = tensor(gradient, { dtype });
  return parameter;
}

describe("clipGradNorm_", () => {
  it("scales all gradients by one factor and gives the norm from before", () => {
    const parameters = [withGrad([3, 0]), withGrad([-4]), Tensor.zeros([2], float64)];
    expect(clipGradNorm_(parameters, 1).item()).toBe(5);
    expect((parameters[0].grad as Tensor).tolist()).toEqual([3 / (5 + 1e-6), 0]);
    expect((parameters[1].grad as Tensor).tolist()).toEqual([-4 / (5 + 1e-6)]);
    expect(parameters[2].grad).toBeNull();
  });

  it("leaves small gradients alone", () => {
    const parameter = withGrad([0.3, -0.4]);
    clipGradNorm_(parameter, 1);
    expect(parameter.grad?.tolist()).toEqual([0.3, -0.4]);
  });

  it("takes other norms", () => {
    expect(clipGradNorm_([withGrad([1, -2]), withGrad([3])], 100, { normType: 1 }).item()).toBe(6);
    expect(clipGradNorm_([withGrad([1, -5]), withGrad([3])], 100, { normType: Infinity }).item()).toBe(5);
    expect(clipGradNorm_([], 1).item()).toBe(0);
  });

  it("refuses a norm that is not finite, if asked to", () => {
    expect(() => clipGradNorm_(withGrad([NaN]), 1, { errorIfNonfinite: true })).toThrow(
      "clipGradNorm_: the total norm of order 2 is NaN",
    );
    expect(clipGradNorm_(withGrad([Infinity]), 1).item()).toBe(Infinity);
    expect(clipGradNorm_([withGrad([1]), withGrad([NaN, 7])], 1, { normType: Infinity }).item()).toBeNaN();
  });

  it("clips float16 gradients", () => {
    const half = withGrad([3, 4], float16);
    clipGradNorm_(half, 2.5);
    expect(half.grad?.tolist()).toEqual([1.5, 2]);
  });
});

describe("clipGradValue_", () => {
  it("limits each element", () => {
    const parameters = [withGrad([3, -0.5]), withGrad([-4])];
    clipGradValue_(parameters, 1);
    expect(parameters.map((parameter) => parameter.grad?.tolist())).toEqual([[1, -0.5], [-1]]);
  });

  it("writes into gradients that are views", () => {
    const parameter = Tensor.zeros([2, 2], float32).requiresGrad_();
    parameter.grad = transpose(tensor([[3, 4], [-5, 0]]), 0, 1); // prettier-ignore
    clipGradValue_(parameter, 3.5);
    expect(parameter.grad.tolist()).toEqual([[3, -3.5], [3.5, 0]]); // prettier-ignore
  });
});
