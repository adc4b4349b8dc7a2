/** Quantized tensors as tensors: views, copies, comparisons and reductions. Expected values were measured on PyTorch 2.6. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/index.ts";
import {
  arange,
  cat,
  emptyLike,
  equal,
  float32,
  float64,
  fullLike,
  int64,
  max,
  nn,
  onesLike,
  perChannelAffine,
  perTensorAffine,
  qint32,
  qint8,
  quantizePerChannel,
  quantizePerTensor,
  quint8,
  tensor,
  zerosLike,
} from "../../src/index.ts";
import { prelu } from "../../src/ops/quantized/activation.ts";
import { deepCopy } from "../../src/nn/deep-copy.ts";

const x = arange(24, { dtype: float32 }).reshape(2, 3, 4).sub(10);
const q = quantizePerTensor(x, 0.5, 30, quint8);
const scales = tensor([0.1, 0.2, 0.5]);
const c = quantizePerChannel(x, scales, tensor([1, 2, 3], { dtype: int64 }), 1, quint8);

const ints = (t: Tensor): number[] => Array.from(t.intRepr().elements());
const channels = (t: Tensor) => [
  t.qPerChannelAxis(),
  Array.from(t.qPerChannelScales().elements(), Math.fround),
  t.shape,
];
const f = Math.fround;

describe("a quantized tensor", () => {
  it("tells its qparams, and refuses those of the other scheme", () => {
    expect([q.qScale(), q.qZeroPoint(), q.qscheme(), q.isQuantized]).toEqual([0.5, 30, perTensorAffine, true]);
    expect(channels(c)).toEqual([1, [f(0.1), f(0.2), 0.5], [2, 3, 4]]);
    expect(c.qscheme()).toBe(perChannelAffine);
    expect(() => c.qScale()).toThrow("kPerTensorAffine");
    expect(() => q.qPerChannelScales()).toThrow("kPerChannelAffine");
    expect(() => x.qScale()).toThrow("expected a quantized tensor");
  });

  it("gives its only element as a real number, but no list", () => {
    expect(q.index(0, 0, 0).item()).toBe(-10);
    expect(c.index(1, 1, 0).item()).toBe(c.dequantize().index(1, 1, 0).item());
    expect(c.select(1, 2).unsqueeze(0).index(0, 1, 3).item()).toBe(13);
    expect(() => q.tolist()).toThrow("invalid type");
  });

  it("has no arithmetic, and says so in PyTorch's words", () => {
    for (const run of [
      () => q.add(q),
      () => q.mul(2),
      () => q.neg(),
      () => q.sum(),
      () => q.abs(),
      () => q.clone().add_(1),
      () => q.argmax(),
      () => q.float(),
    ]) {
      expect(run).toThrow(/Could not run 'aten::\w+' with arguments from the 'QuantizedCPU' backend/);
    }
    expect(() => q.clone().bernoulli_(0.5)).toThrow("a quantized tensor cannot be filled at random");
  });
});

describe("views of a quantized tensor", () => {
  it.each<[string, (t: Tensor) => Tensor, (t: Tensor) => Tensor]>([
    ["view", (t) => t.view(6, 4), (t) => t.view(6, 4)],
    ["reshape", (t) => t.reshape(24), (t) => t.reshape(24)],
    ["flatten", (t) => t.flatten(1), (t) => t.flatten(1)],
    ["permute", (t) => t.permute(2, 0, 1), (t) => t.permute(2, 0, 1)],
    ["transpose", (t) => t.transpose(0, 1), (t) => t.transpose(0, 1)],
    ["mT", (t) => t.mT, (t) => t.mT],
    ["select", (t) => t.select(1, -1), (t) => t.select(1, -1)],
    ["slice", (t) => t.slice(2, 1, null, 2), (t) => t.slice(2, 1, null, 2)],
    ["narrow", (t) => t.narrow(1, 1, 2), (t) => t.narrow(1, 1, 2)],
    ["expand", (t) => t.unsqueeze(0).expand(2, -1, -1, -1), (t) => t.unsqueeze(0).expand(2, -1, -1, -1)],
    ["asStrided", (t) => t.asStrided([2, 2], [1, 2], 3), (t) => t.asStrided([2, 2], [1, 2], 3)],
    ["unfold", (t) => t.unfold(2, 2, 1), (t) => t.unfold(2, 2, 1)],
    ["diagonal", (t) => t.diagonal(), (t) => t.diagonal()],
    ["squeeze", (t) => t.narrow(0, 1, 1).squeeze(), (t) => t.narrow(0, 1, 1).squeeze()],
    ["unbind", (t) => t.unbind(1)[2], (t) => t.unbind(1)[2]],
    ["split", (t) => t.split([1, 2], 1)[1], (t) => t.split([1, 2], 1)[1]],
    ["chunk", (t) => t.chunk(2)[1], (t) => t.chunk(2)[1]],
    ["index", (t) => t.index(1, null, "1:", "::2"), (t) => t.index(1, null, "1:", "::2")],
    ["detach", (t) => t.detach(), (t) => t.detach()],
  ])("%s keeps values and qparams and shares storage", (_name, of, real) => {
    const view = of(q);
    expect(view.storage).toBe(q.storage);
    expect([view.dtype, view.qScale(), view.qZeroPoint()]).toEqual([quint8, 0.5, 30]);
    expect(view.shape).toEqual(real(x).shape);
    expect(equal(view.dequantize(), real(q.dequantize()))).toBe(true);
  });

  it.each<[string, (t: Tensor) => Tensor]>([
    ["flip", (t) => t.flip(0, 2)],
    ["indexSelect", (t) => t.indexSelect(1, tensor([2, 0], { dtype: int64 }))],
    ["index with a list", (t) => t.index([1, 0], ":", [0, 2])],
    ["index with a mask", (t) => t.index(x.gt(3))],
    ["contiguous", (t) => t.transpose(0, 2).contiguous()],
    ["repeat", (t) => t.repeat(1, 2, 1)],
    ["clone", (t) => t.clone()],
  ])("%s copies, with the qparams", (_name, of) => {
    const copy = of(q);
    expect(copy.storage).not.toBe(q.storage);
    expect([copy.dtype, copy.qScale(), copy.qZeroPoint()]).toEqual([quint8, 0.5, 30]);
    expect(equal(copy.dequantize(), of(q.dequantize()))).toBe(true);
  });

  it("moves the channel axis and picks channels", () => {
    const real = c.dequantize();
    const all = [f(0.1), f(0.2), 0.5];
    for (const [of, expected] of [
      [(t) => t.permute(2, 0, 1), [2, all, [4, 2, 3]]],
      [(t) => t.transpose(0, 1), [0, all, [3, 2, 4]]],
      [(t) => t.unsqueeze(0), [2, all, [1, 2, 3, 4]]],
      [(t) => t.squeeze(), [1, all, [2, 3, 4]]],
      [(t) => t.select(0, 0), [0, all, [3, 4]]],
      [(t) => t.slice(1, 1), [1, [f(0.2), 0.5], [2, 2, 4]]],
      [(t) => t.slice(0, 1), [1, all, [1, 3, 4]]],
      [(t) => t.split([1, 2], 1)[1], [1, [f(0.2), 0.5], [2, 2, 4]]],
      [(t) => t.unbind(2)[3], [1, all, [2, 3]]],
      [(t) => t.view(2, 3, 2, 2), [1, all, [2, 3, 2, 2]]],
      [(t) => t.unsqueeze(1).squeeze(1), [1, all, [2, 3, 4]]],
      [(t) => t.transpose(0, 2).contiguous(), [1, all, [4, 3, 2]]],
    ] as [(t: Tensor) => Tensor, unknown][]) {
      expect(channels(of(c))).toEqual(expected);
      expect(equal(of(c).dequantize(), of(real))).toBe(true);
    }
    const one = c.select(1, 1);
    expect([one.qscheme(), one.qScale(), one.qZeroPoint(), one.shape]).toEqual([perTensorAffine, f(0.2), 2, [2, 4]]);
    expect(equal(one.dequantize(), real.select(1, 1))).toBe(true);
  });

  it("refuses what per-channel qparams do not allow", () => {
    expect(() => c.unsqueeze(0).expand(2, 2, 3, 4)).toThrow("only on uniformly quantized tensor");
    expect(() => c.flip(0)).toThrow("only on uniformly quantized tensor");
    expect(() => c.indexSelect(0, tensor([1], { dtype: int64 }))).toThrow("uniformly");
    expect(() => c.view(6, 4)).toThrow("quantized per channel along axis 1");
    expect(() => c.sort()).toThrow("kPerTensorAffine");
    expect(() => c.mean(0)).toThrow("kPerTensorAffine");
    expect(() => c.max()).toThrow("kPerTensorAffine");
    expect(() => c.clone().resize_(3, 3)).toThrow("Can only resize quantized tensors with per-tensor schemes!");
  });

  it("changes its own shape in place", () => {
    const own = c.clone();
    own.transpose_(0, 1).unsqueeze_(0);
    expect(channels(own)).toEqual([1, [f(0.1), f(0.2), 0.5], [1, 3, 2, 4]]);
    expect(q.clone().resize_(3, 3).shape).toEqual([3, 3]);
    expect(ints(q.clone().resize_(2))).toEqual([10, 12]);
    expect(ints(q.narrow(0, 0, 1).clone().resize_(13)).at(-1)).toBe(0);
  });
});

describe("writing into a quantized tensor", () => {
  const r = quantizePerTensor(x, 0.25, 3, quint8);

  it("rounds real values to its own grid", () => {
    const target = q.clone();
    target.copy_(x.mul(1.1));
    expect(equal(target, quantizePerTensor(x.mul(1.1), 0.5, 30, quint8))).toBe(true);
    expect(new Set(ints(q.clone().fill_(3.3)))).toEqual(new Set([37]));
    expect(new Set(ints(q.clone().fill_(1e9)))).toEqual(new Set([255]));
    expect(ints(c.clone().copy_(x)).slice(8, 12)).toEqual([0, 1, 3, 5]);
    expect(
      equal(
        c.clone().fill_(1),
        quantizePerChannel(x.mul(0).add(1), scales, tensor([1, 2, 3], { dtype: int64 }), 1, quint8),
      ),
    ).toBe(true);
  });

  it("takes the qparams of a quantized source, except into a view", () => {
    const whole = q.clone().copy_(r);
    expect([whole.qScale(), whole.qZeroPoint()]).toEqual([0.25, 3]);
    expect(equal(whole, r)).toBe(true);
    const part = q.clone();
    part.select(0, 0).copy_(r.select(0, 1));
    expect(part.qScale()).toBe(0.5);
    expect(equal(part.select(0, 0).dequantize(), r.select(0, 1).dequantize())).toBe(true);
  });

  it("refuses other dtypes, schemes and directions", () => {
    expect(() => x.clone().copy_(q)).toThrow("Copying from quantized Tensor to non-quantized Tensor is not allowed");
    expect(() => q.clone().copy_(x.to(float64))).toThrow("only works with kFloat");
    expect(() => q.clone().copy_(quantizePerTensor(x, 0.25, 3, qint8))).toThrow("dtypes must be the same");
    expect(() => q.clone().copy_(c)).toThrow("same qscheme");
  });

  it("is assigned by index", () => {
    expect(ints(q.clone().setIndex([0], x.select(0, 1))).slice(0, 4)).toEqual([34, 36, 38, 40]);
    expect(ints(q.clone().setIndex([[0]], x.slice(0, 1))).slice(0, 4)).toEqual([34, 36, 38, 40]);
    expect(ints(q.clone().setIndex([0, 0, 0], 1000))[0]).toBe(255);
    expect(ints(c.clone().setIndex([0], x.select(0, 1))).slice(0, 4)).toEqual([21, 31, 41, 51]);
    expect(() => c.clone().setIndex([[0]], x.slice(0, 1))).toThrow("only supported for per tensor quantized tensors");
    const put = q.indexPut([[0]], x.slice(0, 1));
    expect([ints(put)[0], put.qScale(), ints(q)[0]]).toEqual([34, 0.5, 10]);
    expect(() => q.indexPut([[0]], x.slice(0, 1), { accumulate: true })).toThrow("accumulate");
  });

  it("is filled by a mask", () => {
    const filled = q.maskedFill(x.lt(0), 2);
    expect(equal(filled, quantizePerTensor(x.maskedFill(x.lt(0), 2), 0.5, 30, quint8))).toBe(true);
    expect(equal(q.clone().maskedFill_(x.lt(0), tensor(2)), filled)).toBe(true);
    expect(() => c.maskedFill(x.lt(0), 2)).toThrow("kPerTensorAffine");
  });
});

describe("comparing and reducing quantized tensors", () => {
  it("compares real values", () => {
    expect(q.eq(x).all().item()).toBe(1);
    expect(x.eq(q).all().item()).toBe(1);
    expect(q.lt(2).sum().item()).toBe(12);
    expect(
      q
        .ge(quantizePerTensor(x, 0.25, 50, quint8))
        .all()
        .item(),
    ).toBe(1);
    expect([q.equal(q.clone()), equal(q, quantizePerTensor(x, 0.25, 50, quint8)), equal(q, x)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("finds extremes and sorts by the integers", () => {
    const [values, indices] = q.max(2);
    expect([ints(values), values.qScale(), Array.from(indices.elements())]).toEqual([
      [16, 24, 32, 40, 48, 56],
      0.5,
      [3, 3, 3, 3, 3, 3],
    ]);
    expect([q.max().item(), max(q).shape, q.min().item()]).toEqual([13, [], -10]);
    const [sorted, order] = q.select(0, 0).sort({ dim: 0, descending: true });
    expect([ints(sorted).slice(0, 4), order.elements()[0]]).toEqual([[26, 28, 30, 32], 2]);
    expect(ints(q.topk(2)[0])).toEqual([16, 14, 24, 22, 32, 30, 40, 38, 48, 46, 56, 54]);
  });

  it("takes means on its own grid", () => {
    expect(ints(q.mean(2))).toEqual([13, 21, 29, 37, 45, 53]);
    expect([ints(q.mean()), q.mean().shape]).toEqual([[33], []]);
    expect(ints(q.mean(0, { keepdim: true }))).toEqual(
      ints(quantizePerTensor(x.mean(0, { keepdim: true }), 0.5, 30, quint8)),
    );
    expect(ints(q.std(2))).toEqual(ints(quantizePerTensor(x.std(2), 0.5, 30, quint8)));
  });
});

describe("copies that keep the quantizer", () => {
  it("makes tensors like it", () => {
    expect(channels(emptyLike(c))).toEqual(channels(c));
    expect(equal(onesLike(q), quantizePerTensor(x.mul(0).add(1), 0.5, 30, quint8))).toBe(true);
    expect([ints(zerosLike(q))[0], ints(fullLike(q, 2))[0]]).toEqual([30, 34]);
  });

  it("is copied with the module that holds it, and loaded from its state", () => {
    class Holder extends nn.Module {
      constructor(held: Tensor) {
        super();
        this.registerBuffer("held", held);
      }
      declare held: Tensor;
      override forward(): Tensor {
        return this.held;
      }
    }
    const one = new Holder(c.clone());
    const copy = deepCopy(one);
    expect(copy.held.storage).not.toBe(one.held.storage);
    expect(equal(copy.held, c)).toBe(true);
    const other = new Holder(quantizePerChannel(x, scales.mul(2), tensor([1, 2, 3], { dtype: int64 }), 1, quint8));
    other.loadStateDict(one.stateDict());
    expect(equal(other.held, c)).toBe(true);
    expect(() => other.loadStateDict(new Map([["held", x.to(int64)]]))).toThrow();
  });

  it("cat is not given a per-channel tensor silently", () => {
    expect(() => cat([c, c])).toThrow();
  });
});

describe("functions of quantized tensors", () => {
  it("overwrite their input where PyTorch does", () => {
    const own = q.clone();
    expect(own.relu_()).toBe(own);
    expect(equal(own, q.relu())).toBe(true);
    expect(ints(own.select(0, 0)).slice(0, 4)).toEqual([30, 30, 30, 30]);
    expect(() => nn.functional.threshold(q, 0.5, 0, { inplace: true })).toThrow("Could not run 'aten::threshold_'");
    expect(() => q.clone().select(0, 0).sigmoid_()).toThrow("cannot take other qparams than its base");
  });

  it("run on qint32 without a table", () => {
    const wide = quantizePerTensor(x, 0.5, 3, qint32);
    expect(ints(wide.relu()).slice(0, 12)).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5]);
    expect([wide.sigmoid().qScale(), wide.tanh().qScale(), wide.tanh().qZeroPoint()]).toEqual([2 ** -32, 2 ** -31, 0]);
  });

  it("are refused without a quantized form, per channel, and with results that PyTorch does not give", () => {
    for (const run of [() => nn.functional.elu(q), () => nn.functional.softmax(q, 1), () => nn.functional.silu(q)]) {
      expect(run).toThrow(/Could not run 'aten::\w+'/);
    }
    expect(() => q.clone().mul_(q)).toThrow("Could not run 'aten::mul'");
    expect(() => q.clone().add_(1)).toThrow("Could not run 'aten::add'");
    expect(() => c.relu()).toThrow("kPerTensorAffine");
    expect(() => nn.functional.maxPool2d(c, 2)).toThrow("kPerTensorAffine");
    expect(() => nn.functional.avgPool2d(c, 2)).toThrow("kPerTensorAffine");
    expect(() => nn.functional.maxPool2d(q, 2, { returnIndices: true })).toThrow("returnIndices");
    expect(() => q.clamp({ min: x })).toThrow("clamp.Tensor");
  });

  it("prelu leaves positive values as they are, whatever the weight's grid", () => {
    const weight = quantizePerTensor(tensor([0.25]), 0.25 / 255, 0, quint8);
    const y = prelu(q, weight, 0.5, 30);
    expect(Array.from(y.dequantize().elements().slice(12))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(y.index(0, 0, 0).item()).toBe(-2.5);
  });
});
