/** Subscripts and index operators: laws against plain arrays, and what they refuse. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, float32, int32, int64 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { arange, index, tensor, zeros } = ops;
const long = (values: number[] | number[][]): Tensor => tensor(values, { dtype: int64 });

describe("setIndex writes what index reads", () => {
  const subscript = fc.oneof(
    fc.integer({ min: -2, max: 1 }),
    fc.constantFrom(":", "1:", "::2", ":1"),
    fc.constant<ops.Index>(null),
    fc.array(fc.integer({ min: -2, max: 1 }), { minLength: 1, maxLength: 3 }),
    fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }).map((mask): ops.Index => tensor(mask, { dtype: bool })),
  );

  it("on random subscripts of a 2 × 2 × 2 tensor", () => {
    fc.assert(
      fc.property(fc.array(subscript, { maxLength: 3 }), (subscripts) => {
        const indices = subscripts as ops.Index[];
        if (shapesClash(indices)) return;
        const x = arange(8, { dtype: float32 }).view(2, 2, 2);
        const positions = new Set(
          index(x, ...indices)
            .flatten()
            .tolist() as number[],
        );
        x.setIndex(indices, -1);
        const wanted = Array.from({ length: 8 }, (_, i) => (positions.has(i) ? -1 : i));
        expect(x.flatten().tolist()).toEqual(wanted);
      }),
    );
  });

  /** Index tensors of different lengths, none of them 1, cannot be used together. */
  function shapesClash(indices: readonly ops.Index[]): boolean {
    const lengths = indices.flatMap((item) =>
      Array.isArray(item) ? [item.length] : item instanceof Object && "sum" in item ? [item.sum().item()] : [],
    );
    return new Set(lengths.filter((n) => n !== 1)).size > 1;
  }
});

describe("setIndex", () => {
  it("writes through to the base of a view, converts, and broadcasts", () => {
    const x = zeros(2, 3, { dtype: int32 });
    x.t().setIndex([":", 1], tensor([1.5, 2.5, 3.5]));
    expect(x.tolist()).toEqual([[0, 0, 0], [1, 2, 3]]); // prettier-ignore
    x.t().setIndex([[0, 2]], 9);
    expect(x.tolist()).toEqual([[9, 0, 9], [9, 2, 9]]); // prettier-ignore
  });

  it("reads before it writes, where the value shares storage", () => {
    const x = arange(4);
    x.setIndex(["1:"], x.index(":3"));
    expect(x.tolist()).toEqual([0, 0, 1, 2]);
    const y = arange(4);
    y.setIndex([[1, 2, 3]], y.index(":3"));
    expect(y.tolist()).toEqual([0, 0, 1, 2]);
  });

  it("lets gradients through to what stays and to the value", () => {
    const [x, v] = [tensor([1, 2, 3], { requiresGrad: true }), tensor([5], { requiresGrad: true })];
    const y = x.mul(1);
    y.setIndex([1], v);
    y.mul(tensor([1, 10, 100]))
      .sum()
      .backward();
    expect([x.grad?.tolist(), v.grad?.tolist()]).toEqual([[1, 0, 100], [10]]);
  });
});

describe("index operators refuse", () => {
  const x = arange(6, { dtype: float32 }).view(2, 3);
  const cases: [string, () => unknown, string][] = [
    [
      "a number out of range",
      () => index(x, 2),
      "select: index 2 out of range for tensor of size [2, 3] at dimension 0",
    ],
    [
      "a tensor out of range",
      () => index(x, ":", [0, 3]),
      "index: index 3 is out of bounds for dimension 1 with size 3",
    ],
    ["a tensor too negative", () => index(x, [-3]), "index: index -3 is out of bounds for dimension 0 with size 2"],
    ["too many", () => index(x, 0, 0, 0), "index: too many indices for tensor of dimension 2"],
    ["two ellipses", () => index(x, "...", "..."), "index: an index can only have a single ellipsis ('...')"],
    ["other text", () => index(x, "a:b"), 'index: "a:b" is not a slice'],
    [
      "a mask of another shape",
      () => index(x, tensor([true, false, true])),
      "index: the shape of the mask [3] at index 0 does not match the shape of the indexed tensor [2, 3] at index 0",
    ],
    ["tensors that do not broadcast", () => index(x, [0, 1], [0, 1, 2]), "index: shapes [2] and [3] do not broadcast"],
    ["a float index", () => index(x, tensor([0])), "index: expected dtype int32/int64 for index, got float32"],
    ["a value of another shape", () => x.clone().setIndex([0], zeros(2)), "copy_"],
    ["a value of another shape for a tensor", () => x.clone().setIndex([[0]], zeros(2)), "setIndex"],
    [
      "indexSelect out of range",
      () => x.indexSelect(1, long([3])),
      "indexSelect: index 3 is out of bounds for dimension 1 with size 3",
    ],
    [
      "indexSelect by a matrix",
      () => x.indexSelect(1, long([[0]])),
      "indexSelect: index is supposed to be a vector, got [1, 1]",
    ],
    [
      "indexAdd of another shape",
      () => x.indexAdd(0, long([0]), zeros(2, 3)),
      "indexAdd: source must have shape [1, 3] for 1 indices, got [2, 3]",
    ],
    [
      "gather of another rank",
      () => x.gather(0, long([0])),
      "gather: index of shape [1] must have as many dimensions as self of shape [2, 3]",
    ],
    [
      "gather out of range",
      () => x.gather(1, long([[-1]])),
      "gather: index -1 is out of bounds for dimension 1 with size 3",
    ],
    [
      "scatter from a smaller source",
      () => x.scatter(1, long([[0, 1]]), zeros(1, 1)),
      "scatter: index [1, 2] must not be larger than src [1, 1]",
    ],
    [
      "scatter of another dtype",
      () => x.scatter(1, long([[0]]), long([[1]])),
      "scatter: expected self.dtype to be equal to src.dtype, got float32 and int64",
    ],
    ["take out of range", () => x.take(long([6])), "take: index 6 is out of bounds for dimension 0 with size 6"],
    [
      "a mask that is no mask",
      () => x.maskedFill(long([1]), 0),
      "maskedFill: only supports boolean masks, but got mask with dtype int64",
    ],
    [
      "a fraction past an integer's range",
      () => long([1]).maskedFill(tensor([true]), Infinity),
      "maskedFill: value Infinity cannot be converted to int64 without overflow",
    ],
    [
      "a class out of range",
      () => ops.oneHot(long([3]), 3),
      "oneHot: index 3 is out of bounds for dimension 1 with size 3",
    ],
    [
      "classes of nothing",
      () => ops.oneHot(long([])),
      "oneHot: cannot infer the number of classes from an empty tensor",
    ],
    ["negative repeats", () => x.repeatInterleave(-1, 0), "repeatInterleave: repeats must be whole, not negative"],
  ];
  for (const [what, run, message] of cases) it(what, () => expect(run).toThrow(message));
});

describe("searchsorted", () => {
  it("counts the entries below, or not above, each value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 9 })),
        fc.array(fc.integer({ min: -1, max: 10 })),
        (list, values) => {
          const sorted = [...list].sort((a, b) => a - b);
          const [s, v] = [tensor(sorted), tensor(values)];
          expect(ops.searchsorted(s, v).tolist()).toEqual(values.map((x) => sorted.filter((y) => y < x).length));
          const right = ops.searchsorted(s, v, { right: true });
          expect(right.tolist()).toEqual(values.map((x) => sorted.filter((y) => y <= x).length));
        },
      ),
    );
  });
});
