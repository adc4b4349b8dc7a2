/** What golden data cannot hold about activations, softmax and dropout: errors, and what happens to the input. */
import { describe, expect, it } from "vitest";
import { manualSeed } from "../../src/core/rng.ts";
import { isGradEnabled } from "../../src/autograd/grad-mode.ts";
import { nn, ones, tensor, zeros } from "../../src/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const F = nn.functional;

describe("errors", () => {
  const x = ones(2, 3);
  const integers = tensor([1, 2]).long();
  it.each([
    ["an integer silu", () => F.silu(integers), "silu: not implemented for int64 tensors"],
    ["an integer softmax", () => F.softmax(integers, 0), "softmax: not implemented for int64 tensors"],
    ["a softmax dimension", () => F.softmax(x, 2), "softmax: Dimension out of range"],
    ["crossed limits", () => F.hardtanh(x, { minVal: 1, maxVal: 0 }), "hardtanh: minVal 1 cannot be greater than maxVal 0"],
    ["an odd glu", () => F.glu(x), "glu: halving dimension must be even, but dimension 1 is size 3"],
    ["a scalar glu", () => F.glu(tensor(1)), "glu: does not support 0-dimensional tensors"],
    ["weights of prelu", () => F.prelu(x, ones(2)), "prelu: weight has 2 elements, but the input of shape [2, 3] has 3 channels"],
    ["a matrix of weights", () => F.prelu(x, ones(1, 3)), "prelu: weight must be a scalar or a vector, got [1, 3]"],
    ["a negative shrink", () => F.softshrink(x, { lambd: -1 }), "softshrink: lambd must be greater or equal to 0"],
    ["alpha 0", () => F.celu(x, { alpha: 0 }), "celu: alpha cannot be 0"],
    ["gelu's approximation", () => F.gelu(x, { approximate: "sigmoid" as "tanh" }), "must be either none or tanh, got sigmoid"],
    ["a probability", () => F.dropout(x, { p: 1.5 }), "dropout: dropout probability has to be between 0 and 1, but got 1.5"],
    ["channels of a vector", () => F.dropout2d(ones(3)), "dropout2d: expects at least 2 dimensions, got [3]"],
    ["a module's probability", () => new nn.Dropout2d(-1), "Dropout2d: dropout probability has to be between 0 and 1, but got -1"],
    ["a module's limits", () => new nn.Hardtanh({ minVal: 2 }), "Hardtanh: maxVal 1 must be greater than minVal 2"],
    ["Softmax2d of a matrix", () => new nn.Softmax2d()(x), "Softmax2d: expected input to be 3D or 4D, got shape [2, 3]"],
    ["an in-place leaf", () => F.relu(ones(2).requiresGrad_(), { inplace: true }), "relu_: a leaf Variable that requires grad"],
  ])("names %s", (_what, call, message) => expect(call).toThrow(message)); // prettier-ignore
});

describe("in place", () => {
  const values = [-3, -0.5, 0.5, 8];
  const options = { inplace: true } as const;
  const functions: [string, (x: Tensor) => Tensor, (x: Tensor) => Tensor][] = [
    ["relu", (x) => F.relu(x), (x) => F.relu(x, options)],
    ["relu6", (x) => F.relu6(x), (x) => F.relu6(x, options)],
    ["leakyRelu", (x) => F.leakyRelu(x), F.leakyRelu_],
    ["elu", (x) => F.elu(x), F.elu_],
    ["threshold", (x) => F.threshold(x, 0, 7), (x) => F.threshold_(x, 0, 7)],
    ["hardswish", (x) => F.hardswish(x), (x) => F.hardswish(x, options)],
  ];

  it.each(functions)("%s overwrites its input and returns it", (_name, op, inPlace) => {
    const x = tensor(values);
    const before = x.storage.version;
    expect(inPlace(x)).toBe(x);
    expect(x).toEqual(op(tensor(values)));
    expect(x.storage.version).toBe(before + 1);
  });

  it.each(functions)("%s works on a strided view", (_name, op, inPlace) => {
    const x = tensor([values, values]);
    inPlace(x.t().narrow(0, 1, 2));
    const expected = tensor([values, values]);
    expected.narrow(1, 1, 2).copy_(op(tensor([values, values]).narrow(1, 1, 2)));
    expect(x).toEqual(expected);
  });

  it("goes through modules", () => {
    const x = tensor(values);
    expect(new nn.ReLU({ inplace: true })(x)).toBe(x);
    expect(x.tolist()).toEqual([0, 0, 0.5, 8]);
  });
});

describe("dropout", () => {
  it("is the identity in evaluation, and where p is 0", () => {
    const x = ones(3);
    expect(F.dropout(x, { training: false })).toBe(x);
    expect(F.dropout(x, { p: 0 })).toBe(x);
    expect(new nn.Dropout().eval()(x)).toBe(x);
    expect(F.alphaDropout(x)).toBe(x); // in PyTorch, these two train only if told to
    expect(F.featureAlphaDropout(ones(1, 1)).tolist()).toEqual([[1]]);
  });

  it("keeps the mean, and drops as often as told", () => {
    manualSeed(1);
    const out = F.dropout(ones(100, 100), { p: 0.2 });
    const dropped = out.eq(0).sum().item();
    expect(dropped).toBeGreaterThan(1800);
    expect(dropped).toBeLessThan(2200);
    expect(out.max().item()).toBeCloseTo(1.25, 6);
    expect(out.mean().item()).toBeCloseTo(1, 1);
  });

  it("drops whole channels", () => {
    manualSeed(1);
    const out = F.dropout2d(ones(8, 16, 3, 3));
    for (const channel of out.reshape(128, 9)) expect(new Set(channel.tolist() as number[]).size).toBe(1);
    expect(out.eq(0).any().item()).toBe(1);
    expect(out.ne(0).any().item()).toBe(1);
  });

  it("keeps mean and variance of normal values with alpha dropout", () => {
    manualSeed(1);
    const x = zeros(20000).normal_();
    const out = F.alphaDropout(x, { p: 0.3, training: true });
    expect(out.mean().item()).toBeCloseTo(0, 1);
    expect(out.std().item()).toBeCloseTo(1, 1);
    expect(isGradEnabled()).toBe(true);
  });

  it("gives back the gradients of what it kept", () => {
    manualSeed(1);
    const x = ones(50).requiresGrad_();
    const out = F.dropout(x);
    out.sum().backward();
    expect(x.grad).toEqual(out.detach());
  });
});
