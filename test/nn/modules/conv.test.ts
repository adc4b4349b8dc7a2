/** Convolution, pooling and padding layers: what is refused, and types. Values: test/ops/golden.test.ts. */
import { describe, expect, expectTypeOf, it } from "vitest";
import * as nn from "../../../src/nn/index.ts";
import { zeros } from "../../../src/ops/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";

describe("refused arguments", () => {
  it.each<[string, () => unknown]>([
    ["Conv2d: inChannels 3 must be divisible by groups 2", () => new nn.Conv2d(3, 4, 3, { groups: 2 })],
    ["Conv2d: outChannels 3 must be divisible by groups 2", () => new nn.Conv2d(4, 3, 3, { groups: 2 })],
    ["Conv2d: outChannels must be a whole number of at least 1, got 0", () => new nn.Conv2d(4, 0, 3)],
    ["Conv2d: kernel size must be one number or 2 numbers, got [1, 2, 3]", () => new nn.Conv2d(1, 1, [1, 2, 3])],
    ["Conv1d: stride must be whole numbers of at least 1, got [0]", () => new nn.Conv1d(1, 1, 3, { stride: 0 })],
    ['Conv1d: padding "same" needs stride 1, got [2]', () => new nn.Conv1d(1, 1, 3, { padding: "same", stride: 2 })],
    [
      'Conv1d: paddingMode "mirror" is not supported',
      () => new nn.Conv1d(1, 1, 3, { paddingMode: "mirror" as "zeros" }),
    ],
    [
      'ConvTranspose1d: paddingMode "reflect" is not supported',
      () => new nn.ConvTranspose1d(1, 1, 3, { paddingMode: "reflect" as "zeros" }),
    ],
    ["conv2d: weight expects 3 input channels, input has 4", () => new nn.Conv2d(3, 8, 3)(zeros(1, 4, 8, 8))],
    [
      "ConvTranspose1d: outputSize [12] is not possible for input [4]: dimension 0 ranges from 9 to 10",
      () => new nn.ConvTranspose1d(1, 1, 3, { stride: 2 })(zeros(1, 1, 4), [12]),
    ],
    [
      "ConvTranspose1d: outputSize must have 1 or 3 elements, got [9, 9]",
      () => new nn.ConvTranspose1d(1, 1, 3, { stride: 2 })(zeros(1, 1, 4), [9, 9]),
    ],
    ["ReflectionPad2d: padding must be one number or 4 numbers, got [1, 2]", () => new nn.ReflectionPad2d([1, 2])],
  ])("%s", (message, call) => {
    expect(call).toThrow(message);
  });
});

describe("types", () => {
  it("of max pooling tell whether there are indices", () => {
    expectTypeOf(new nn.MaxPool2d(2)(zeros(1, 1, 4, 4))).toEqualTypeOf<Tensor>();
    expectTypeOf(new nn.MaxPool2d(2, { stride: 1 }).forward).returns.toEqualTypeOf<Tensor>();
    const withIndices = new nn.MaxPool2d(2, { returnIndices: true });
    expectTypeOf(withIndices(zeros(1, 1, 4, 4))).toEqualTypeOf<[Tensor, Tensor]>();
    expect(withIndices(zeros(1, 1, 4, 4))).toHaveLength(2);
  });

  it("of layers are exact", () => {
    expectTypeOf(new nn.Conv2d(1, 1, 1)(zeros(1, 1, 4, 4))).toEqualTypeOf<Tensor>();
    expectTypeOf<Parameters<nn.ConvTranspose2d["forward"]>>().toEqualTypeOf<
      [input: Tensor, outputSize?: readonly number[] | undefined]
    >();
  });
});
