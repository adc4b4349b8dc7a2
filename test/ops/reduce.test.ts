/** Reductions and sorting: argument forms, what they refuse, and laws on random values. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, float16, float64, int32, int64 } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";

const { tensor, zeros } = ops;
const x = tensor([[1, 5, 3], [4, 2, 6]]); // prettier-ignore

describe("argument forms", () => {
  it("take dims as a number, a list or in the options", () => {
    expect(x.sum(1).tolist()).toEqual([9, 12]);
    expect(x.sum([0, 1]).tolist()).toBe(21);
    expect(x.sum({ dim: 1, keepdim: true }).tolist()).toEqual([[9], [12]]);
    expect(x.sum([]).tolist()).toBe(21);
    expect(x.mean(null, { keepdim: true }).shape).toEqual([1, 1]);
    expect(x.sort({ descending: true })[0].tolist()).toEqual([[5, 3, 1], [6, 4, 2]]); // prettier-ignore
    expect(x.topk(1, { largest: false, dim: 0 })[0].tolist()).toEqual([[1, 2, 3]]);
  });

  it("give max and min three forms", () => {
    expect(x.max().item()).toBe(6);
    const [values, indices] = x.max(1);
    expect([values.tolist(), indices.tolist()]).toEqual([[5, 6], [1, 2]]); // prettier-ignore
    expect(x.min({ dim: 0, keepdim: true })[1].tolist()).toEqual([[0, 1, 0]]);
    expect(x.max(tensor([[3], [3]])).tolist()).toEqual([[3, 5, 3], [4, 3, 6]]); // prettier-ignore
    expect(x.median().item()).toBe(3);
    expect(x.median(1)[0].tolist()).toEqual([3, 4]);
  });

  it("choose the dtype", () => {
    expect(tensor([1, 2], { dtype: int32 }).sum().dtype).toBe(int64);
    expect(tensor([true, true]).sum().item()).toBe(2);
    expect(tensor([1, 2], { dtype: float16 }).sum().dtype).toBe(float16);
    expect(x.sum({ dtype: float64 }).dtype).toBe(float64);
    expect(tensor([1], { dtype: int32 }).any().dtype).toBe(bool);
    expect(x.argmax().dtype).toBe(int64);
  });

  it("add float16 in float32, and round once", () => {
    const half = ops.full([4096], 1, { dtype: float16 });
    expect(half.sum().item()).toBe(4096);
    expect(half.mean().item()).toBe(1);
  });
});

describe("reductions refuse", () => {
  const empty = zeros(0, 3);
  const cases: [string, () => unknown, string][] = [
    ["an extreme of nothing", () => empty.max(), "max: Expected reduction dim to be specified for input.numel() == 0"],
    ["an extreme along nothing", () => empty.max(0), "max: Expected reduction dim 0 to have non-zero size."],
    ["the largest along nothing", () => empty.amax(0), "amax: Expected reduction dim 0 to have non-zero size."],
    [
      "the place of nothing",
      () => empty.argmin(),
      "argmin: Expected reduction dim to be specified for input.numel() == 0",
    ],
    ["the median along nothing", () => empty.median(0), "median: Expected reduction dim 0 to have non-zero size."],
    ["a mean of integers", () => tensor([1], { dtype: int64 }).mean(), "mean: could not infer output dtype."],
    [
      "a deviation of integers",
      () => tensor([1], { dtype: int64 }).std(),
      "std: std and var only support floating point",
    ],
    [
      "a norm of integers",
      () => tensor([1], { dtype: int64 }).norm(),
      "norm: expected a floating point or complex tensor as input. Got int64",
    ],
    [
      "a dimension out of range",
      () => x.sum(2),
      "sum: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ],
    ["a repeated dimension", () => x.sum([0, -2]), "sum: dim 0 appears multiple times in the list of dims"],
    ["a k too large", () => x.topk(4), "topk: selected index k out of range"],
    ["a k of 0", () => x.kthvalue(0), "kthvalue: selected number k out of range for dimension 1"],
  ];
  for (const [what, run, message] of cases) it(what, () => expect(run).toThrow(message));

  it("but not what has an answer", () => {
    expect(empty.sum().item()).toBe(0);
    expect(empty.prod(0).tolist()).toEqual([1, 1, 1]);
    expect(empty.max(1)[0].shape).toEqual([0]);
    expect(empty.mean().item()).toBeNaN();
    expect(tensor([1]).std().item()).toBeNaN();
  });
});

describe("laws", () => {
  const lists = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(NaN)), { minLength: 1, maxLength: 12 });

  it("sort is a stable permutation with NaN at the end", () => {
    fc.assert(
      fc.property(lists, fc.boolean(), (list, descending) => {
        const [values, indices] = tensor(list).sort(0, { descending });
        const key = (v: number): number => (Number.isNaN(v) ? Infinity : v);
        const order = list.map((_, i) => i).sort((a, b) => (descending ? -1 : 1) * (key(list[a]) - key(list[b]) || 0));
        expect(indices.tolist()).toEqual(order);
        expect(values.tolist()).toEqual(order.map((i) => list[i]));
      }),
    );
  });

  it("topk, kthvalue and median agree with sort", () => {
    fc.assert(
      fc.property(lists, fc.nat(11), (list, at) => {
        const k = (at % list.length) + 1;
        const t = tensor(list);
        const [ascending] = t.sort();
        expect(t.topk(k)[0].tolist()).toEqual(t.sort({ descending: true })[0].narrow(0, 0, k).tolist());
        expect(t.kthvalue(k)[0].tolist()).toEqual(ascending.index(k - 1).tolist());
        const middle = list.some(Number.isNaN) ? NaN : ascending.index((list.length - 1) >> 1).item();
        expect(t.median().item()).toBe(middle);
      }),
    );
  });

  it("unique with inverse rebuilds the tensor, and counts add up", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 })), (list) => {
        const t = tensor(list);
        const [values, inverse, counts] = t.unique({ returnInverse: true, returnCounts: true });
        expect(values.indexSelect(0, inverse).tolist()).toEqual(list);
        expect(counts.sum().item()).toBe(list.length);
        expect(values.tolist()).toEqual([...new Set(list)].sort((a, b) => a - b));
      }),
    );
  });
});
