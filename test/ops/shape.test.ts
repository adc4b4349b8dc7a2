/** Views share storage, rearrangements do not; what they refuse, and their laws on random shapes. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, float16, float32, int32, int64, uint8 } from "../../src/core/dtype.ts";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import * as ops from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { arange, cat, stack, tensor, zeros } = ops;
const counting = (...shape: number[]): Tensor =>
  arange(
    shape.reduce((n, s) => n * s, 1),
    { dtype: float32 },
  )
    .view(shape)
    .clone();

describe("views share storage", () => {
  const views: Record<string, (x: Tensor) => Tensor> = {
    view: (x) => x.view(3, 2),
    reshape: (x) => x.reshape(6),
    flatten: (x) => x.flatten(),
    transpose: (x) => x.transpose(0, 1),
    T: (x) => x.T,
    mT: (x) => x.mT,
    permute: (x) => x.permute(1, 0),
    unsqueeze: (x) => x.unsqueeze(1),
    squeeze: (x) => x.squeeze(),
    narrow: (x) => x.narrow(1, 1, 2),
    select: (x) => x.select(0, 1),
    slice: (x) => x.slice(1, 0, null, 2),
    index: (x) => x.index(":", 1),
    diagonal: (x) => x.diagonal(),
    expand: (x) => x.expand(2, 2, 3),
    split: (x) => x.split(2, 1)[1],
    chunk: (x) => x.chunk(2)[1],
    unbind: (x) => x.unbind(1)[2],
    asStrided: (x) => x.asStrided([2], [2], 1),
    iteration: (x) => [...x][1],
  };
  for (const [name, make] of Object.entries(views)) {
    it(name, () => {
      const x = counting(2, 3);
      const view = make(x);
      expect(view.storage).toBe(x.storage);
      expect(view.base === x).toBe(true);
      view.fill_(-1);
      expect(x.flatten().tolist()).toContain(-1);
      expect(view.flatten().tolist()).toEqual(new Array(view.numel()).fill(-1));
    });
  }

  it("through several steps, down to the first tensor", () => {
    const x = zeros(2, 3, 4);
    const view = x.select(0, 1).t().narrow(0, 1, 2);
    expect(view.base === x).toBe(true);
    view.fill_(1);
    expect(x.sum().item()).toBe(6);
    expect(x.index(1, 0, "1:3").tolist()).toEqual([1, 1]);
  });

  it("and copies do not", () => {
    const x = counting(2, 3);
    const copies = [
      x.clone(),
      x.t().reshape(6),
      x.t().contiguous(),
      x.flip(0),
      x.repeat(1, 1),
      x.roll(1),
      x.tril(),
      cat([x]),
    ];
    for (const copy of copies) expect(copy.storage).not.toBe(x.storage);
    expect(x.contiguous() === x).toBe(true);
    expect(x.t().contiguous().isContiguous()).toBe(true);
  });
});

describe("views keep laws on random shapes", () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

  it("view and reshape keep the row-major order of any layout", () => {
    fc.assert(
      fc.property(shapes, fc.array(fc.nat(), { minLength: 4, maxLength: 4 }), (shape, keys) => {
        const order = shape.map((_, d) => d).sort((a, b) => keys[a] - keys[b]);
        const x = counting(...shape).permute(order);
        const flat = x.reshape(-1 + (x.numel() === 0 ? 1 : 0));
        expect(Array.from(flat.elements())).toEqual([x.tolist() as unknown[]].flat(5));
        expect(flat.reshape(x.shape).tolist()).toEqual(x.tolist());
      }),
    );
  });

  it("flip is its own inverse, and roll undoes roll", () => {
    fc.assert(
      fc.property(
        shapes.filter((s) => s.length > 0),
        fc.integer({ min: -5, max: 5 }),
        (shape, shift) => {
          const x = counting(...shape);
          expect(x.flip(0).flip(0).tolist()).toEqual(x.tolist());
          expect(x.roll(shift, 0).roll(-shift, 0).tolist()).toEqual(x.tolist());
          expect(x.roll(shift).roll(-shift).tolist()).toEqual(x.tolist());
        },
      ),
    );
  });

  it("split, chunk and unbind are undone by cat and stack", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 8 }), (n, k) => {
        const x = counting(2, n);
        expect(cat(x.split(k, 1), 1).tolist()).toEqual(x.tolist());
        expect(cat(x.chunk(k, 1), 1).tolist()).toEqual(x.tolist());
        expect(stack(x.unbind(1), 1).tolist()).toEqual(x.tolist());
      }),
    );
  });

  it("slices as Python does", () => {
    const bound = fc.option(fc.integer({ min: -7, max: 7 }), { nil: null });
    fc.assert(
      fc.property(fc.nat(5), bound, bound, fc.integer({ min: 1, max: 3 }), (n, start, stop, step) => {
        const list = Array.from({ length: n }, (_, i) => i);
        const wanted = list.slice(start ?? 0, stop ?? n).filter((_, i) => i % step === 0);
        expect(arange(n).slice(0, start, stop, step).tolist()).toEqual(wanted);
        const text = `${start ?? ""}:${stop ?? ""}:${step}`;
        expect(arange(n).index(text).tolist()).toEqual(wanted);
      }),
    );
  });
});

describe("every dtype is moved", () => {
  for (const dtype of [float16, int32, int64, uint8, bool]) {
    it(dtype.name, () => {
      const x = tensor([[1, 0], [0, 1], [1, 1]], { dtype }); // prettier-ignore
      expect(x.t().contiguous().float().tolist()).toEqual([[1, 0, 1], [0, 1, 1]]); // prettier-ignore
      expect(cat([x, x]).dtype).toBe(dtype);
      expect(x.flip(0).float().tolist()).toEqual([[1, 1], [0, 1], [1, 0]]); // prettier-ignore
      expect(x.clone().fill_(1).float().sum().item()).toBe(6);
      expect(x.repeat(2, 1).shape).toEqual([6, 2]);
    });
  }
});

describe("shape operators refuse", () => {
  const x = counting(2, 3);
  const cases: [string, () => unknown, string][] = [
    ["a view over a gap", () => x.t().view(6), "view: view size is not compatible with input tensor's size and stride"],
    ["a view of another size", () => x.view(4), "view: shape '[4]' is invalid for input of size 6"],
    ["two unknown sizes", () => x.view(-1, -1), "view: invalid shape [-1, -1]; at most one size may be -1"],
    [
      "an unknown size of nothing",
      () => zeros(0).reshape(0, -1),
      "reshape: shape '[0, -1]' is invalid for input of size 0",
    ],
    [
      "a dimension out of range",
      () => x.transpose(0, 2),
      "transpose: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ],
    ["a flatten the wrong way round", () => x.flatten(1, 0), "flatten: startDim cannot come after endDim"],
    ["a permutation of other length", () => x.permute(0), "input.dim() = 2 is not equal to len(dims) = 1"],
    ["a repeated dimension", () => x.permute(0, 0), "permute: duplicate dims are not allowed, got [0, 0]"],
    ["a repeated flip", () => x.flip(0, -2), "flip: dim 0 appears multiple times in the list of dims"],
    ["t of three dimensions", () => zeros(1, 1, 1).t(), "t: expects a tensor with <= 2 dimensions, but self is 3D"],
    ["mT of a vector", () => zeros(2).mT, "mT: only supported on matrices or batches of matrices, got a 1-D tensor"],
    [
      "to expand a size",
      () => x.expand(2, 4),
      "expand: the expanded size of the tensor (4) must match the existing size (3) at non-singleton dimension 1",
    ],
    [
      "too few sizes",
      () => x.expand(3),
      "the number of sizes provided (1) must be greater or equal to the number of dimensions in the tensor (2)",
    ],
    ["-1 for a new dimension", () => x.expand(-1, 2, 3), "isn't allowed in a leading, non-existing dimension 0"],
    [
      "an index out of range",
      () => x.select(1, 3),
      "select: index 3 out of range for tensor of size [2, 3] at dimension 1",
    ],
    ["to select from a scalar", () => tensor(1).select(0, 0), "select: cannot be applied to a 0-dim tensor"],
    ["a narrow too long", () => x.narrow(1, 2, 2), "narrow: start (2) + length (2) exceeds dimension size (3)"],
    [
      "a narrow outside",
      () => x.narrow(1, 4, 0),
      "narrow: start out of range (expected to be in range of [-3, 3], but got 4)",
    ],
    ["a step of 0", () => x.slice(0, 0, 1, 0), "slice: step must be greater than zero, got 0"],
    [
      "a window outside",
      () => x.asStrided([3], [3], 0),
      "asStrided: size [3], stride [3] and storage offset 0 are out of bounds for storage of 6 elements",
    ],
    ["a diagonal of one dimension", () => x.diagonal(0, 1, -1), "diagonal: dimensions cannot be identical 1, -1"],
    [
      "split sizes that do not add up",
      () => x.split([1, 1], 1),
      "split: expects split_sizes to sum exactly to 3 (input tensor's size at dimension 1), but got split_sizes=[1, 1]",
    ],
    ["no chunks", () => x.chunk(0), "chunk: expects `chunks` to be greater than 0, got: 0"],
    ["to join nothing", () => cat([]), "cat: expected a non-empty list of Tensors"],
    ["to join scalars", () => cat([tensor(1)]), "cat: zero-dimensional tensor (at position 0) cannot be concatenated"],
    [
      "to join other sizes",
      () => cat([x, zeros(2, 2)]),
      "cat: sizes of tensors must match except in dimension 0. Expected size 3 but got size 2 for tensor number 1 in the list.",
    ],
    ["to join other ranks", () => cat([x, zeros(3)]), "cat: tensors must have same number of dimensions: got 2 and 1"],
    [
      "to stack other sizes",
      () => stack([x, zeros(3)]),
      "stack: expects each tensor to be equal size, but got [2, 3] at entry 0 and [3] at entry 1",
    ],
    [
      "too few repeats",
      () => x.repeat(2),
      "repeat: number of dimensions of repeat dims (1) can not be smaller than number of dimensions of tensor (2)",
    ],
    ["a roll of other length", () => x.roll([1, 2], 0), "roll: shifts and dimensions must align. shifts: 2, dims: 1"],
    ["a triangle of a vector", () => zeros(2).tril(), "tril: input tensor must have at least 2 dimensions, got 1"],
    ["to iterate over a scalar", () => [...tensor(1)], "iteration over a 0-d tensor"],
    [
      "to copy another shape",
      () => zeros(2).copy_(x),
      "copy_: source of shape [2, 3] does not broadcast to self of shape [2]",
    ],
    [
      "to fill with a vector",
      () => zeros(2).fill_(zeros(1)),
      "fill_: only supports a 0-dimensional value tensor, got shape [1]",
    ],
    [
      "to fill past the range",
      () => tensor([1], { dtype: uint8 }).fill_(256),
      "fill_: value 256 cannot be converted to uint8 without overflow",
    ],
  ];
  for (const [what, run, message] of cases) it(what, () => expect(run).toThrow(message));
});

describe("in-place views", () => {
  it("change the tensor's own shape", () => {
    const x = counting(2, 1, 3);
    expect(x.squeeze_(1) === x).toBe(true);
    expect(x.shape).toEqual([2, 3]);
    expect(x.transpose_(0, 1).tolist()).toEqual([[0, 3], [1, 4], [2, 5]]); // prettier-ignore
    expect(x.unsqueeze_(0).shape).toEqual([1, 3, 2]);
  });

  it("carry the gradient, but leave leaves alone", () => {
    const w = counting(2, 3).requiresGrad_();
    expect(() => w.t_()).toThrow("t_: a leaf that requires grad");
    const y = w.mul(2);
    y.t_().mul(counting(3, 2)).sum().backward();
    expect(w.grad?.tolist()).toEqual([[0, 4, 8], [2, 6, 10]]); // prettier-ignore
    noGrad(() => w.t_());
    expect(w.shape).toEqual([3, 2]);
  });
});

describe("copy_", () => {
  it("broadcasts, converts, and counts as a change", () => {
    const x = zeros(2, 2, { dtype: int32 });
    x.copy_(tensor([1.9, -1.9]));
    expect(x.tolist()).toEqual([[1, -1], [1, -1]]); // prettier-ignore
    expect(x.storage.version).toBe(1);
  });

  it("reads before it writes, where both share storage", () => {
    const x = arange(4);
    x.slice(0, 1).copy_(x.slice(0, 0, 3));
    expect(x.tolist()).toEqual([0, 0, 1, 2]);
  });
});
