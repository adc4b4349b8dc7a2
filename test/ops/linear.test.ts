/** Matrix products: views as factors, results that may be changed in place, and what is refused. Values: golden.test.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, float64 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { addmm, bilinear, bmm, dot, linear, matmul, mm, mv, outer, ones, randn, zeros } = ops;

/** Views of one shape with different layouts: as it is, transposed, with gaps, with an offset, repeated, one row. */
const layouts: Readonly<Record<string, (rows: number, columns: number) => Tensor>> = {
  contiguous: (rows, columns) => randn(rows, columns, { dtype: float64 }),
  transposed: (rows, columns) => randn(columns, rows, { dtype: float64 }).t(),
  gaps: (rows, columns) => randn(rows, 2 * columns, { dtype: float64 }).slice(1, 0, null, 2),
  offset: (rows, columns) => randn(rows + 2, columns, { dtype: float64 }).slice(0, 2),
  window: (rows, columns) => randn(rows, columns + 3, { dtype: float64 }).slice(1, 3),
  repeated: (rows, columns) => randn(1, columns, { dtype: float64 }).expand(rows, columns),
};

describe("factors that are views", () => {
  const layout = fc.constantFrom(...Object.keys(layouts));
  const size = fc.integer({ min: 1, max: 6 });

  it("give the product of their copies", () => {
    fc.assert(
      fc.property(layout, layout, size, size, size, (left, right, m, k, n) => {
        const [a, b] = [layouts[left](m, k), layouts[right](k, n)];
        expect(mm(a, b).allclose(mm(a.clone(), b.clone()), { rtol: 1e-12 })).toBe(true);
        expect(linear(a, b.t()).allclose(mm(a, b), { rtol: 1e-12 })).toBe(true);
      }),
    );
  });

  it("work in stacks, where the batch is stretched or permuted", () => {
    fc.assert(
      fc.property(size, size, size, (m, k, n) => {
        const a = randn(m, 3, k, { dtype: float64 }).permute(1, 0, 2);
        const b = randn(k, n, { dtype: float64 }).expand(3, k, n);
        expect(bmm(a, b).allclose(bmm(a.clone(), b.clone()), { rtol: 1e-12 })).toBe(true);
      }),
    );
  });
});

describe("results", () => {
  it("may be changed in place inside a graph", () => {
    const weight = randn(3, 2, { requiresGrad: true });
    const out = matmul(ones(2, 4, 3), weight).mul_(2);
    out.backward(ones(2, 4, 2));
    expect(weight.grad?.tolist()).toEqual([[16, 16], [16, 16], [16, 16]]); // prettier-ignore
  });

  it("skip gradients that nobody asked for", () => {
    const input = randn(2, 3);
    const weight = randn(4, 3, { requiresGrad: true });
    linear(input, weight).backward(ones(2, 4));
    expect(input.grad).toBeNull();
    expect(weight.grad?.shape).toEqual([4, 3]);
  });
});

describe("refused arguments", () => {
  it.each<[string, () => unknown]>([
    ["mm: shapes [2, 3] and [4, 5] cannot be multiplied", () => mm(zeros(2, 3), zeros(4, 5))],
    ["mm: the first factor must be a 2-D tensor, got shape [2]", () => mm(zeros(2), zeros(2, 2))],
    [
      "mm: the first factor is float32 but the second factor is float64",
      () => mm(ones(2, 2), ones(2, 2, { dtype: float64 })),
    ],
    ["mm: not supported for bool tensors", () => mm(ones(2, 2, { dtype: bool }), ones(2, 2, { dtype: bool }))],
    ["bmm: batch sizes differ: [2, 3, 4] and [3, 4, 5]", () => bmm(zeros(2, 3, 4), zeros(3, 4, 5))],
    ["mv: the vector must be a 1-D tensor, got shape [3, 1]", () => mv(zeros(2, 3), zeros(3, 1))],
    ["dot: expected vectors of equal length, got 2 and 3 elements", () => dot(zeros(2), zeros(3))],
    ["outer: the first factor must be a 1-D tensor, got shape []", () => outer(zeros(), zeros(3))],
    ["matmul: both arguments need to be at least 1D, but they are 0D and 1D", () => matmul(zeros(), zeros(2))],
    ["matmul: shapes [2, 3] and [2] cannot be multiplied", () => matmul(zeros(2, 3), zeros(2))],
    ["matmul: shapes [2] and [3] do not broadcast", () => matmul(zeros(2, 3, 4), zeros(3, 4, 5))],
    [
      "addmm: input of shape [4, 2, 2] does not expand to [2, 2]",
      () => addmm(zeros(4, 2, 2), zeros(2, 2), zeros(2, 2)),
    ],
    ["linear: weight expects 5 input features, input has shape [2, 3]", () => linear(zeros(2, 3), zeros(4, 5))],
    ["linear: weight must be a 2-D tensor, got shape [5]", () => linear(zeros(2, 5), zeros(5))],
    ["linear: bias must have shape [4], got [3]", () => linear(zeros(2, 5), zeros(4, 5), zeros(3))],
    [
      "bilinear: weight [5, 3, 3] does not fit inputs [2, 3] and [2, 4]",
      () => bilinear(zeros(2, 3), zeros(2, 4), zeros(5, 3, 3)),
    ],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});
