/** gradcheck accepts right rules and names what is wrong with the others. */
import { describe, expect, it } from "vitest";
import { gradcheck } from "../../src/autograd/gradcheck.ts";
import { float64 } from "../../src/core/dtype.ts";
import { mul, tensor } from "../../src/ops/index.ts";
import { primitive } from "../../src/ops/op.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const f64 = (values: number[], requiresGrad = true): Tensor => tensor(values, { dtype: float64, requiresGrad });

describe("gradcheck", () => {
  it("accepts right gradients, of several outputs and inputs", () => {
    const fn = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b).exp(), a.sum(), b.gt(0)];
    expect(gradcheck(fn, [f64([0.5, -1]), f64([2, 0.25])])).toBe(true);
  });

  it("leaves the inputs as they were", () => {
    const x = f64([0.1, 0.2]);
    gradcheck((a: Tensor) => a.mul(a), [x]);
    expect(x.tolist()).toEqual([0.1, 0.2]);
    expect(x.grad).toBeNull();
  });

  it("moves the elements of a strided input", () => {
    const x = f64([1, 2, 3, 4, 5, 6]).detach().view(2, 3).t().requiresGrad_();
    expect(gradcheck((a: Tensor) => a.pow(3), [x])).toBe(true);
  });

  it("names output, input, elements and both values of a wrong gradient", () => {
    const doubled = primitive(
      "doubled",
      (x: Tensor) => mul(x, 2),
      () => (g) => [mul(g, 3)],
    );
    const check = (): boolean =>
      gradcheck((a: Tensor, b: Tensor) => doubled(b).add(a), [f64([1, 2]), f64([3, 4])], { name: "doubled" });
    expect(check).toThrow(
      /^doubled: output 0, input 1: the derivative of element \[0\] by element \[0\] is (2|1\.999|2\.000)\d*/,
    );
    expect(check).toThrow("but backward gives 3");
  });

  it("finds a gradient that is missing altogether", () => {
    const detached = (x: Tensor): Tensor => x.mul(x.detach());
    expect(() => gradcheck(detached, [f64([2])])).toThrow("but backward gives 2");
  });

  it("asks for float64 inputs that require a gradient and do not overlap", () => {
    const square = (x: Tensor): Tensor => x.mul(x);
    expect(() => gradcheck(square, [tensor([1], { requiresGrad: true })])).toThrow("input 0 is float32");
    expect(() => gradcheck(square, [f64([1], false)])).toThrow("expects at least one input to require a gradient");
    const expanded = f64([1], false).expand(3).detach().requiresGrad_();
    expect(() => gradcheck(square, [expanded])).toThrow("overlapping elements");
  });
});
