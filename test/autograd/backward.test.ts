/** The tape: accumulation, graphs of every form, hooks, in-place changes and what is refused. */
import { describe, expect, it } from "vitest";
import { backward, grad } from "../../src/autograd/backward.ts";
import { enableGrad, isGradEnabled, noGrad } from "../../src/autograd/grad-mode.ts";
import { float16, float32, float64, int64 } from "../../src/core/dtype.ts";
import { add, cat, exp, mul, stack, sum, tensor, zeros } from "../../src/ops/index.ts";
import { primitive } from "../../src/ops/op.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const leaf = (values: number[]): Tensor => tensor(values, { requiresGrad: true });

describe("backward", () => {
  it("fills grad of leaves, and adds to what is there", () => {
    const x = leaf([1, 2, 3]);
    sum(mul(x, x)).backward();
    expect(x.grad?.tolist()).toEqual([2, 4, 6]);
    sum(mul(x, x)).backward();
    expect(x.grad?.tolist()).toEqual([4, 8, 12]);
  });

  it("runs chains and diamonds in the right order", () => {
    const x = leaf([2]);
    const early = x.mul(5); // made first, so its node runs last
    const [u, v] = [x.mul(2), x.mul(3)];
    const s = u.add(v);
    s.mul(1).add(s.mul(2)).add(early).add(u).backward();
    expect(x.grad?.tolist()).toEqual([15 + 5 + 2]);
  });

  it("does not add to a sum that another node still reads", () => {
    const [a, b] = [leaf([1]), leaf([1])];
    const [u, v] = [a.mul(2), b.mul(3)];
    const w = u.mul(7); // older than s: its gradient reaches u after that of s
    const s = u.add(v);
    s.mul(1).add(s.mul(2)).add(w).backward();
    expect([a.grad?.item(), b.grad?.item()]).toEqual([2 * (3 + 7), 3 * 3]);
  });

  it("gives two leaves gradients in storages of their own", () => {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])];
    backward([a.add(b)], [tensor([1, 1])]);
    expect(a.grad?.storage).not.toBe(b.grad?.storage);
    a.grad?.fill_(9);
    expect(b.grad?.tolist()).toEqual([1, 1]);
  });

  it("does not hand out the gradient that it was given", () => {
    const x = leaf([1, 2]);
    const seed = tensor([1, 1]);
    backward([x.view(2)], [seed]);
    x.grad?.fill_(5);
    expect(seed.tolist()).toEqual([1, 1]);
  });

  it("starts from several outputs", () => {
    const x = leaf([1, 2]);
    backward([sum(x), mul(x, x)], [null, tensor([1, 10])]);
    expect(x.grad?.tolist()).toEqual([1 + 2, 1 + 40]);
  });

  it("reaches every output of an operator, and leaves zeros for the unused ones", () => {
    const x = leaf([1, 2, 3]);
    const [first, , last] = x.unbind();
    first.add(last.mul(10)).backward();
    expect(x.grad?.tolist()).toEqual([1, 0, 10]);
  });

  it("converts gradients to the dtype of each input", () => {
    const x = leaf([1, 2]);
    sum(mul(x, tensor([3, 4], { dtype: float64 }))).backward();
    expect(x.grad?.dtype).toBe(float32);
    expect(x.grad?.tolist()).toEqual([3, 4]);
  });

  it("adds float16 gradients in float32", () => {
    const x = tensor([1, 2], { dtype: float16, requiresGrad: true });
    sum(add(mul(x, 0.5), mul(x, 0.25))).backward();
    expect(x.grad?.dtype).toBe(float16);
    expect(x.grad?.tolist()).toEqual([0.75, 0.75]);
    sum(x).backward();
    expect(x.grad?.tolist()).toEqual([1.75, 1.75]);
  });

  it("does not overflow the stack on a deep graph", () => {
    const x = leaf([1]);
    let y: Tensor = x;
    for (let i = 0; i < 20_000; i++) y = y.add(1);
    y.backward();
    expect(x.grad?.item()).toBe(1);
  });
});

describe("backward refuses", () => {
  it("a second run over the same graph, unless it was retained", () => {
    const x = leaf([1, 2]);
    const y = sum(exp(x));
    y.backward(null, { retainGraph: true });
    y.backward();
    expect(() => y.backward()).toThrow("trying to backward through the graph a second time");
  });

  it("outputs that do not require a gradient, and several elements without a gradient", () => {
    expect(() => tensor([1]).backward()).toThrow("element 0 of tensors does not require grad");
    const x = leaf([1, 2]);
    expect(() => backward([sum(x), tensor([1])])).toThrow("element 1 of tensors does not require grad");
    expect(() => x.mul(2).backward()).toThrow("grad can be implicitly created only for scalar outputs");
    expect(() => x.mul(2).backward(tensor([1, 2, 3]))).toThrow("gradient has shape [3], the output has [2]");
  });

  it("a saved value that was changed in place", () => {
    const x = leaf([1, 2]);
    const y = exp(x);
    y.add_(1);
    expect(() => sum(y).backward()).toThrow("modified by an in-place operation (shape [2], version 1, expected 0)");
  });

  it("a gradient rule that returns another shape", () => {
    const wrong = primitive(
      "wrong",
      (x: Tensor) => x.detach().clone(),
      () => () => [zeros(3)],
    );
    const x = leaf([1, 2]);
    expect(() => sum(wrong(x)).backward()).toThrow("the gradient rule of wrong returned shape [3] for tensor 0");
  });
});

describe("grad", () => {
  it("returns gradients of leaves and of results, and touches no grad field", () => {
    const x = leaf([1, 2]);
    const y = mul(x, x);
    const [gx, gy] = grad(sum(mul(y, 3)), [x, y]);
    expect([gx?.tolist(), gy?.tolist()]).toEqual([[6, 12], [3, 3]]); // prettier-ignore
    expect(x.grad).toBeNull();
  });

  it("names an input that plays no part, or gives null for it", () => {
    const [x, y] = [leaf([1]), leaf([2])];
    expect(() => grad(mul(x, 2), [x, y])).toThrow("grad: input 1 was not used in the graph");
    expect(grad(mul(x, 2), [x, y], { allowUnused: true })[1]).toBeNull();
    expect(() => grad(mul(x, 2), tensor([1]))).toThrow("grad: one of the inputs does not require grad");
  });
});

describe("hooks", () => {
  it("see the whole gradient of a leaf once, and may replace it", () => {
    const x = leaf([1, 2]);
    const seen: unknown[] = [];
    const remove = x.registerHook((g) => {
      seen.push(g.tolist());
      return g.mul(10);
    });
    sum(mul(x, x)).backward();
    expect(seen).toEqual([[2, 4]]);
    expect(x.grad?.tolist()).toEqual([20, 40]);
    remove();
    sum(x).backward();
    expect(x.grad?.tolist()).toEqual([21, 41]);
  });

  it("run on results in the order of registration", () => {
    const x = leaf([1]);
    const y = x.mul(2);
    y.registerHook((g) => g.add(1));
    y.registerHook((g) => g.mul(10));
    y.mul(3).backward();
    expect(x.grad?.item()).toBe((3 + 1) * 10 * 2);
  });

  it("keep the gradient of a result on request, once", () => {
    const x = leaf([1, 2]);
    const y = mul(x, 2);
    y.retainGrad();
    y.retainGrad();
    sum(mul(y, 5)).backward();
    expect(y.grad?.tolist()).toEqual([5, 5]);
    expect(() => tensor([1]).retainGrad()).toThrow("retainGrad");
    expect(() => tensor([1]).registerHook(() => {})).toThrow("registerHook: the tensor does not require a gradient");
  });
});

describe("grad mode", () => {
  it("records nothing inside noGrad, and again inside enableGrad", () => {
    const x = leaf([1]);
    noGrad(() => {
      expect(x.mul(2).requiresGrad).toBe(false);
      expect(enableGrad(() => x.mul(2).requiresGrad)).toBe(true);
    });
    expect(x.mul(2).requiresGrad).toBe(true);
  });

  it("is restored when the body throws", () => {
    expect(() =>
      noGrad(() => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(isGradEnabled()).toBe(true);
  });

  it("stays off until an asynchronous body has finished", async () => {
    const x = leaf([1]);
    const result = noGrad(async () => {
      await Promise.resolve();
      return x.mul(2).requiresGrad;
    });
    expect(isGradEnabled()).toBe(false);
    expect(await result).toBe(false);
    expect(isGradEnabled()).toBe(true);
    await expect(noGrad(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(isGradEnabled()).toBe(true);
  });

  it("lets a leaf be changed in place only where nothing is recorded", () => {
    const x = leaf([1, 2]);
    expect(() => x.add_(1)).toThrow("add_: a leaf Variable that requires grad is being used in an in-place operation");
    expect(() => x.fill_(1)).toThrow("copy_: a leaf Variable that requires grad");
    noGrad(() => x.add_(1));
    expect(x.tolist()).toEqual([2, 3]);
    expect(x.requiresGrad && x.isLeaf).toBe(true);
  });
});

describe("in-place operators on results", () => {
  it("move the tensor to its new place in the graph", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.add_(x);
    sum(y).backward();
    expect(y.tolist()).toEqual([3, 6]);
    expect(x.grad?.tolist()).toEqual([3, 3]);
  });

  it("cut off what they overwrite", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.copy_(tensor([7, 8]));
    sum(y.mul(3)).backward();
    expect(x.grad?.tolist()).toEqual([0, 0]);
  });

  it("let a tensor without a gradient enter the graph", () => {
    const w = leaf([1, 2]);
    const z = zeros(2);
    z.add_(w);
    sum(z.mul(4)).backward();
    expect(w.grad?.tolist()).toEqual([4, 4]);
  });

  it("refuse a view of a tensor in a graph, and later uses of views made before", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const view = y.select(0, 0);
    expect(() => view.mul_(2)).toThrow("mul_: in-place change of a view of a tensor in an autograd graph");
    expect(() => x.view(2).mul_(2)).toThrow("mul_: in-place change of a view");
    expect(() => noGrad(() => x.view(2)).mul_(2)).toThrow("mul_: in-place change of a view");
    y.mul_(3);
    expect(() => view.mul(2)).toThrow("a view of shape [] is used after its base was changed in place");
    sum(y.select(0, 0)).backward();
    expect(x.grad?.tolist()).toEqual([6, 0]);
  });

  it("refuse another shape or a lower dtype category", () => {
    expect(() => zeros(2).add_(zeros(3, 2))).toThrow("output with shape [2] doesn't match the broadcast shape [3,2]");
    expect(() => tensor([1], { dtype: int64 }).add_(1.5)).toThrow("can't be cast to the desired output type int64");
  });
});

describe("requiresGrad", () => {
  it("is for floats only, and results pass it on", () => {
    expect(() => tensor([1], { dtype: int64, requiresGrad: true })).toThrow(/float/);
    const x = leaf([1, 2]);
    expect(x.add(1).requiresGrad).toBe(true);
    expect(x.detach().requiresGrad).toBe(false);
    expect(x.gt(1).requiresGrad).toBe(false);
    expect(x.argmax().requiresGrad).toBe(false);
    expect(x.long().requiresGrad).toBe(false);
  });

  it("reaches tensors in lists", () => {
    const [x, y] = [leaf([1, 2]), tensor([3])];
    sum(cat([x, y, x]).mul(tensor([1, 2, 3, 4, 5]))).backward();
    expect(x.grad?.tolist()).toEqual([1 + 4, 2 + 5]);
    expect(stack([x, x]).requiresGrad).toBe(true);
  });

  it("goes away with detach_, except in views", () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    expect(() => y.view(2).detach_()).toThrow("detach_: can't detach views in-place");
    expect(y.detach_().requiresGrad).toBe(false);
    expect(y.isLeaf).toBe(true);
    expect(Tensor.zeros([1], float32).detach_().requiresGrad).toBe(false);
  });
});
