/** What a tensor is made of: storage, layout, dtype; reading it, and conversion between dtypes. */
import { describe, expect, it } from "vitest";
import { bool, float16, float32, float64, int32, int64, int8, uint8 } from "../../src/core/dtype.ts";
import { arange, tensor, zeros } from "../../src/ops/index.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const counting = (): Tensor => arange(6, { dtype: float32 }).view(2, 3);

describe("a tensor", () => {
  it("has a shape, strides and an offset over its storage", () => {
    const x = counting().slice(1, 1);
    expect([x.shape, x.strides, x.offset, x.numel(), x.ndim, x.dim()]).toEqual([[2, 2], [3, 1], 1, 4, 2, 2]);
    expect([x.size(), x.size(-1), x.stride(0), x.stride()]).toEqual([[2, 2], 2, 3, [3, 1]]);
    expect([x.isContiguous(), x.contiguous().isContiguous(), x.isFloatingPoint()]).toEqual([false, true, true]);
    expect(() => x.size(2)).toThrow("size: Dimension out of range");
    expect(() => Tensor.fromArray(new Float32Array(3), [2], float32)).toThrow("3 elements do not fill shape [2]");
  });

  it("is read as nested lists, numbers or one item", () => {
    expect(counting().t().tolist()).toEqual([[0, 3], [1, 4], [2, 5]]); // prettier-ignore
    expect(tensor([true, false]).tolist()).toEqual([true, false]);
    expect(tensor(0.5, { dtype: float16 }).tolist()).toBe(0.5);
    expect(tensor([[7]]).item()).toBe(7);
    expect(() => counting().item()).toThrow(
      "item: a Tensor with 6 elements cannot be converted to a number (shape [2, 3])",
    );
  });

  it("gives its own storage as elements where it lies contiguous, and a copy as numbers", () => {
    const x = counting();
    expect(x.elements()).toBe(x.storage.data);
    expect(x.select(0, 1).elements().buffer).toBe(x.storage.data.buffer);
    expect(x.t().elements().buffer).not.toBe(x.storage.data.buffer);
    const numbers = x.toNumbers();
    numbers[0] = 9;
    expect(x.tolist()).toEqual([[0, 1, 2], [3, 4, 5]]); // prettier-ignore
    expect(Array.from(tensor([0.5], { dtype: float16 }).toNumbers())).toEqual([0.5]);
  });

  it("shares storage with what is detached from it, and takes over another's through data", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const d = x.detach();
    d.fill_(5);
    expect([x.tolist(), d.requiresGrad]).toEqual([[5, 5], false]);
    x.data = tensor([[7]], { dtype: float64 });
    expect([x.shape, x.dtype, x.requiresGrad]).toEqual([[1, 1], float64, true]);
  });

  it("counts changes in place, whichever view they are made through", () => {
    const x = counting();
    x.add_(1);
    x.select(0, 0).fill_(3);
    x.t().copy_(zeros(3, 2));
    expect(x.storage.version).toBe(3);
  });

  it("iterates over its first dimension", () => {
    expect([...counting()].map((row) => row.tolist())).toEqual([[0, 1, 2], [3, 4, 5]]); // prettier-ignore
    const [a, b] = tensor([1, 2]);
    expect([a.item(), b.item()]).toEqual([1, 2]);
  });

  it("has its transposes as properties", () => {
    expect(zeros(2, 3, 4).T.shape).toEqual([4, 3, 2]);
    expect(zeros(2, 3, 4).mT.shape).toEqual([2, 4, 3]);
  });
});

describe("conversion between dtypes", () => {
  it("drops fractions, wraps integers, and calls everything but zero true", () => {
    expect(tensor([1.9, -1.9, 300]).to(uint8).tolist()).toEqual([1, 255, 44]);
    expect(tensor([300, -129], { dtype: int64 }).to(int8).tolist()).toEqual([44, 127]);
    expect(tensor([0, -0.1, NaN]).bool().tolist()).toEqual([false, true, true]);
    expect(Object.is(tensor([-0.5]).long().item(), 0)).toBe(true);
    expect(tensor([NaN, Infinity, -Infinity]).long().tolist()).toEqual([0, 0, 0]);
    expect(tensor([0.1]).double().item()).toBe(Math.fround(0.1));
    expect(tensor([1e5]).half().item()).toBe(Infinity);
  });

  it("has a method for every dtype, and keeps a tensor that has it already", () => {
    const x = tensor([1]);
    expect(x.float() === x).toBe(true);
    const names = [x.double(), x.half(), x.char(), x.byte(), x.short(), x.int(), x.long(), x.bool()].map(
      (t) => t.dtype.name,
    );
    expect(names).toEqual(["float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"]);
    expect([x.to(int32).dtype, x.to(tensor([true])).dtype, x.typeAs(tensor([1n])).dtype]).toEqual([int32, bool, int64]);
  });

  it("passes gradients between floats", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.double().mul(3).sum().backward();
    expect([x.grad?.dtype, x.grad?.tolist()]).toEqual([float32, [3, 3]]);
  });
});
