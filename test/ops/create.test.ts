/** Tensors made from values and by rules: dtypes, shapes and what is refused. */
import { describe, expect, it } from "vitest";
import { bool, float16, float32, float64, int32, int64, int8, uint8, withDefaultDtype } from "../../src/core/dtype.ts";
import * as ops from "../../src/ops/index.ts";

const { arange, empty, eye, fromArray, full, linspace, logspace, ones, tensor, zeros } = ops;

describe("tensor", () => {
  it("makes floats of numbers, whole or not, and bools of booleans", () => {
    expect(tensor([1, 2]).dtype).toBe(float32);
    expect(tensor(3).shape).toEqual([]);
    expect(tensor([true, false]).dtype).toBe(bool);
    expect(tensor([true, 0.5]).dtype).toBe(float32);
    expect(tensor([]).shape).toEqual([0]);
    expect(withDefaultDtype(float64, () => tensor([1])).dtype).toBe(float64);
  });

  it("takes the dtype of typed arrays, bigints and tensors", () => {
    expect(tensor(new Float64Array([1])).dtype).toBe(float64);
    expect(tensor(new Int8Array([-1])).dtype).toBe(int8);
    expect(tensor([new Uint8Array([1, 2]), new Uint8Array([3, 4])]).dtype).toBe(uint8);
    expect(tensor([1n, -5n]).dtype).toBe(int64);
    expect(tensor(BigInt64Array.of(7n)).tolist()).toEqual([7]);
    expect(tensor([tensor([1, 2]), tensor([3, 4])]).tolist()).toEqual([[1, 2], [3, 4]]); // prettier-ignore
  });

  it("converts to the dtype asked for", () => {
    expect(tensor([1.9, -1.9], { dtype: int64 }).tolist()).toEqual([1, -1]);
    expect(tensor([0, 0.1], { dtype: bool }).tolist()).toEqual([false, true]);
    expect(tensor([0.1], { dtype: float16 }).item()).toBeCloseTo(0.09998, 5);
  });

  it("copies", () => {
    const data = new Float32Array([1, 2]);
    const t = tensor(data);
    data[0] = 9;
    expect(t.tolist()).toEqual([1, 2]);
  });

  it("keeps the nesting", () => {
    expect(tensor([[[1], [2]], [[3], [4]]]).shape).toEqual([2, 2, 1]); // prettier-ignore
    expect(tensor([[], []]).shape).toEqual([2, 0]); // prettier-ignore
  });

  it("refuses uneven nesting and bigints past 2^53", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow("tensor: expected sequence of length 2 at dim 1 (got 1)"); // prettier-ignore
    expect(() => tensor([1, [2]])).toThrow("tensor: the nesting is uneven");
    expect(() => tensor([[1], 2])).toThrow("tensor: the nesting is uneven"); // prettier-ignore
    expect(() => tensor([tensor([1]), tensor([1, 2])])).toThrow(
      "tensor: expected a tensor of shape [1] at dim 1 (got [2])",
    );
    expect(() => tensor([2n ** 53n + 1n])).toThrow("tensor: 9007199254740993 does not fit int64 storage");
  });
});

describe("fromArray", () => {
  it("shares the array", () => {
    const data = new Int32Array([1, 2, 3, 4]);
    const t = fromArray(data, [2, 2]);
    data[3] = 9;
    expect([t.dtype, t.tolist()]).toEqual([int32, [[1, 2], [3, 9]]]); // prettier-ignore
    expect(fromArray(new Float64Array([1]), [1], { dtype: int64 }).dtype).toBe(int64);
  });

  it("refuses a shape or dtype that does not fit", () => {
    expect(() => fromArray(new Float32Array(3), [2])).toThrow("tensor: 3 elements do not fill shape [2]");
    expect(() => fromArray(new Float32Array(3), [3], { dtype: int8 })).toThrow(
      "fromArray: int8 elements do not live in a Float32Array",
    );
  });
});

describe("filled tensors", () => {
  it("take sizes one by one or as a list, and options last", () => {
    expect(zeros(2, 3).shape).toEqual([2, 3]);
    expect(zeros([2, 3], { dtype: int8 }).dtype).toBe(int8);
    expect(ones(2, { dtype: float16 }).tolist()).toEqual([1, 1]);
    expect(zeros().shape).toEqual([]);
    expect(zeros([]).shape).toEqual([]);
    expect(empty(2, { requiresGrad: true }).requiresGrad).toBe(true);
    expect(full([2], 2.5).tolist()).toEqual([2.5, 2.5]);
    expect(full([2], true).dtype).toBe(bool);
    expect(eye(2, 3).tolist()).toEqual([[1, 0, 0], [0, 1, 0]]); // prettier-ignore
    expect(eye(2, { dtype: int64 }).dtype).toBe(int64);
  });

  it("refuse bad sizes", () => {
    expect(() => zeros(-1, 2)).toThrow("zeros: sizes must be whole numbers of at least 0, got [-1, 2]");
    expect(() => ones(1.5)).toThrow("ones: sizes must be whole numbers of at least 0, got [1.5]");
    expect(() => full([NaN], 1)).toThrow("full: sizes must be whole numbers of at least 0, got [NaN]");
    expect(() => zeros(2 ** 20, 2 ** 20)).toThrow("zeros: [1048576, 1048576] has too many elements");
    expect(() => full([2], 300, { dtype: uint8 })).toThrow(
      "full: value 300 cannot be converted to uint8 without overflow",
    );
    expect(() => zeros(1, { dtype: int64, requiresGrad: true })).toThrow(/float/);
  });

  it("follow another tensor", () => {
    const x = zeros(2, 3, { dtype: float64 });
    expect([ops.onesLike(x).dtype, ops.onesLike(x).shape]).toEqual([float64, [2, 3]]);
    expect(ops.zerosLike(x, { dtype: int64 }).dtype).toBe(int64);
    expect(ops.fullLike(x, 2).sum().item()).toBe(12);
    expect(ops.emptyLike(x).shape).toEqual([2, 3]);
    expect(ops.randLike(x).dtype).toBe(float64);
    expect(ops.randnLike(x).shape).toEqual([2, 3]);
    expect(x.newZeros(4).dtype).toBe(float64);
    expect(x.newOnes([1, 2], { dtype: int32 }).tolist()).toEqual([[1, 1]]);
    expect(x.newFull([1], 7).tolist()).toEqual([7]);
    expect(x.newEmpty(0).shape).toEqual([0]);
    expect(x.newTensor([1, 2]).dtype).toBe(float64);
  });
});

describe("sequences", () => {
  it("arange is int64 for whole numbers, as in PyTorch", () => {
    expect([arange(3).dtype, arange(3).tolist()]).toEqual([int64, [0, 1, 2]]);
    expect(arange(1, 2, 0.25).tolist()).toEqual([1, 1.25, 1.5, 1.75]);
    expect(arange(1, 2, 0.25).dtype).toBe(float32);
    expect(arange(5, 0, -2).tolist()).toEqual([5, 3, 1]);
    expect(arange(2, 5, { dtype: float32 }).tolist()).toEqual([2, 3, 4]);
    expect(arange(0).shape).toEqual([0]);
    expect(() => arange(0, 1, 0)).toThrow("arange: step must be nonzero");
    expect(() => arange(1, 0)).toThrow("arange: upper bound and lower bound inconsistent with step sign: 1 -> 0 by 1");
    expect(() => arange(NaN)).toThrow("arange: unsupported range: 0 -> NaN by 1");
  });

  it("linspace reaches both ends and is symmetric", () => {
    expect(linspace(0, 1, 5).tolist()).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(linspace(3, 9, 1).tolist()).toEqual([3]);
    expect(linspace(0, 1, 0).shape).toEqual([0]);
    const t = linspace(-1, 1, 10);
    expect(t.add(t.flip(0)).tolist()).toEqual(new Array(10).fill(0));
    expect(logspace(0, 3, 4).tolist()).toEqual([1, 10, 100, 1000]);
    expect(logspace(0, 3, 4, { base: 2 }).tolist()).toEqual([1, 2, 4, 8]);
  });
});
