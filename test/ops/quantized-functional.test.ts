/** What golden data cannot say about `nn.quantized.functional` and about quantized tensors in float operators: refusals, and what happens in place. */
import { describe, expect, it } from "vitest";
import { float16, int64, qint8, quint8 } from "../../src/core/dtype.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { nn, ops, rand, randn, zeros } = torch;
const q = ops.quantized;
const F = nn.functional;
const QF = nn.quantized.functional;

function quantized(...shape: readonly number[]): Tensor {
  return torch.quantizePerTensor(rand([...shape]), 0.01, 7, quint8);
}

function weight(...shape: readonly number[]): Tensor {
  return torch.quantizePerTensor(randn([...shape]), 0.02, 0, qint8);
}

/** Runs a call that must fail, and gives its message. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

describe("nn.quantized.functional", () => {
  const x = zeros(1, 2, 4, 4);
  const volume = zeros(1, 2, 4, 4, 4);
  const calls: readonly [string, () => unknown][] = [
    ["avg_pool2d", () => QF.avgPool2d(x, 2)],
    ["avg_pool3d", () => QF.avgPool3d(volume, 2)],
    ["functional.adaptive_avg_pool2d", () => QF.adaptiveAvgPool2d(x, 2)],
    ["functional.adaptive_avg_pool3d", () => QF.adaptiveAvgPool3d(volume, 2)],
    ["interpolate", () => QF.interpolate(x, { scaleFactor: 2 })],
    ["celu", () => QF.celu(x, 1, 0)],
    ["hardtanh", () => QF.hardtanh(x)],
    ["hardswish", () => QF.hardswish(x, 1, 0)],
    ["threshold", () => QF.threshold(x, 0, 1)],
    ["elu", () => QF.elu(x, 1, 0)],
    ["hardsigmoid", () => QF.hardsigmoid(x)],
    ["clamp", () => QF.clamp(x, 0, 1)],
  ];

  it.each(calls)("%s refuses a float tensor in PyTorch's words", (name, call) => {
    expect(refusal(call)).toBe(`Input to 'quantized.${name}' must be quantized!`);
  });

  it("refuses what its convolutions cannot take, in PyTorch's words", () => {
    const image = quantized(1, 2, 4, 4);
    const kernel = weight(3, 2, 2, 2);
    expect(refusal(() => QF.conv2d(image, kernel, null, { paddingMode: "reflect" }))).toBe(
      "Only zero-padding is supported!",
    );
    expect(refusal(() => QF.conv2d(weight(1, 2, 4, 4), kernel, null))).toBe(
      "Only torch.quint8 is supported for activation tensor!",
    );
    expect(refusal(() => QF.conv2d(image, quantized(3, 2, 2, 2), null))).toBe(
      "Only torch.qint8 is supported for weight tensor!",
    );
    expect(refusal(() => QF.conv1d(image, weight(3, 2, 2), null))).toBe("Input shape must be `(N, C, L)`!");
    expect(refusal(() => QF.conv2d(quantized(2, 4, 4), kernel, null))).toBe("Input shape must be `(N, C, H, W)`!");
    expect(refusal(() => QF.conv3d(image, weight(3, 2, 2, 2, 2), null))).toBe("Input shape must be `(N, C, D, H, W)`!");
  });

  it("refuses indices of maxima, and a new grid in place", () => {
    expect(refusal(() => QF.maxPool2d(quantized(1, 2, 4, 4), 2, { returnIndices: true }))).toBe(
      "return_indices is not yet implemented!",
    );
    expect(refusal(() => QF.maxPool1d(quantized(1, 2, 4), 2, { returnIndices: true }))).toBe(
      "return_indices is not yet implemented!",
    );
    expect(refusal(() => QF.leakyRelu(quantized(4), { inplace: true, scale: 1, zeroPoint: 0 }))).toBe(
      "Cannot rescale with `inplace`",
    );
  });

  it("overwrites its input in place, qparams included", () => {
    const y = quantized(2, 8);
    const expected = QF.hardsigmoid(y.clone());
    expect(QF.hardsigmoid(y, { inplace: true })).toBe(y);
    expect([y.qScale(), y.qZeroPoint()]).toEqual([1 / 256, 0]);
    expect(y.intRepr().tolist()).toEqual(expected.intRepr().tolist());
    const z = quantized(2, 8);
    expect(QF.leakyRelu(z, { inplace: true })).toBe(z);
    expect(QF.hardtanh(z, { minVal: 0.2, maxVal: 0.3, inplace: true })).toBe(z);
    expect(z.intRepr().min().item()).toBeGreaterThanOrEqual(27);
  });

  it("warns of what is deprecated", () => {
    const seen: string[] = [];
    withWarnings(
      (message) => seen.push(message),
      () => {
        QF.upsample(quantized(1, 1, 2, 2), { scaleFactor: 2 });
        QF.upsampleNearest(quantized(1, 1, 2, 2), { scaleFactor: 2 });
        QF.upsampleBilinear(quantized(1, 1, 2, 2), { scaleFactor: 2 });
      },
    );
    expect(seen.map((message) => message.split(" ")[0])).toEqual([
      "nn.quantized.functional.upsample",
      "nn.quantized.functional.upsampleNearest",
      "nn.quantized.functional.upsampleBilinear",
    ]);
  });
});

describe("a float tensor given to a quantized operator", () => {
  const x = zeros(2, 4);
  const image = zeros(1, 2, 4, 4);
  const families: readonly [string, () => unknown][] = [
    ["linear", () => q.linear(x, q.linearPrepack(weight(3, 4)), 1, 0)],
    ["linear_relu", () => q.linearRelu(x, q.linearPrepack(weight(3, 4)), 1, 0)],
    ["linear_prepack", () => q.linearPrepack(x)],
    ["conv1d", () => q.conv1d(zeros(1, 2, 4), q.conv1dPrepack(weight(3, 2, 2)), 1, 0)],
    ["conv2d.new", () => q.conv2d(image, q.conv2dPrepack(weight(3, 2, 2, 2)), 1, 0)],
    ["conv2d_relu.new", () => q.conv2dRelu(image, q.conv2dPrepack(weight(3, 2, 2, 2)), 1, 0)],
    ["conv3d.new", () => q.conv3d(zeros(1, 2, 4, 4, 4), q.conv3dPrepack(weight(3, 2, 2, 2, 2)), 1, 0)],
    ["conv_transpose2d", () => q.convTranspose2d(image, q.convTranspose2dPrepack(weight(2, 3, 2, 2)), 1, 0)],
    ["conv2d_prepack", () => q.conv2dPrepack(zeros(3, 2, 2, 2))],
    ["add", () => q.add(x, x, 1, 0)],
    ["mul_relu", () => q.mulRelu(x, x, 1, 0)],
    ["add_scalar", () => q.addScalar(x, 1)],
    ["add_out", () => q.addOut(quantized(2, 4), quantized(2, 4), x)],
    ["matmul", () => q.matmul(x, x, 1, 0)],
    ["cat", () => q.cat([x, x], 0)],
    ["sigmoid", () => q.sigmoid(x, 1, 0)],
    ["hardswish", () => q.hardswish(x, 1, 0)],
    ["relu6", () => q.relu6(x)],
    ["prelu", () => q.prelu(x, x, 1, 0)],
    ["softmax", () => q.softmax(x, 1, 1, 0)],
    ["dropout", () => q.dropout(x, 1, 0)],
    ["threshold", () => q.threshold(x, 0, 1)],
    ["max_pool1d", () => q.maxPool1d(zeros(1, 2, 4), 2)],
    ["max_pool2d", () => q.maxPool2d(image, 2)],
  ];

  it.each(families)("%s", (name, call) => {
    expect(refusal(call)).toContain(`Could not run 'quantized::${name}' with arguments from the 'CPU' backend`);
  });
});

describe("a quantized tensor given to a float operator", () => {
  const x = quantized(2, 4);
  const image = quantized(1, 2, 4, 4);
  const families: readonly [string, () => unknown][] = [
    ["linear", () => F.linear(x, randn(3, 4), randn(3))],
    ["mm", () => torch.mm(x, x.t())],
    ["bmm", () => torch.bmm(quantized(1, 2, 2), quantized(1, 2, 2))],
    ["conv1d", () => F.conv1d(quantized(1, 2, 4), randn(3, 2, 2))],
    ["conv2d", () => F.conv2d(image, randn(3, 2, 2, 2), randn(3))],
    ["conv3d", () => F.conv3d(quantized(1, 2, 3, 3, 3), randn(3, 2, 2, 2, 2))],
    ["conv_transpose2d", () => F.convTranspose2d(image, randn(2, 3, 2, 2))],
    ["batch_norm", () => F.batchNorm(image, zeros(2), zeros(2))],
    ["layer_norm", () => F.layerNorm(x, [4])],
    ["add", () => torch.add(x, x)],
    ["mul", () => torch.mul(x, 2)],
    ["sum", () => x.sum()],
    ["softmax", () => F.softmax(x, 1)],
    ["elu", () => F.elu(x)],
    ["hardswish", () => F.hardswish(x)],
    ["upsample_bicubic2d", () => F.interpolate(image, { scaleFactor: 2, mode: "bicubic" })],
    ["upsample_linear1d", () => F.interpolate(quantized(1, 2, 4), { scaleFactor: 2, mode: "linear" })],
    ["upsample_trilinear3d", () => F.interpolate(quantized(1, 2, 2, 2, 2), { scaleFactor: 2, mode: "trilinear" })],
  ];

  it.each(families)("%s", (name, call) => {
    expect(refusal(call)).toContain(`Could not run 'aten::${name}' with arguments from the 'QuantizedCPU' backend`);
  });

  it.each([
    ["linear_dynamic", () => q.linearDynamic(quantized(2, 4), q.linearPrepack(weight(3, 4)))],
    ["conv2d_dynamic", () => q.conv2dDynamic(quantized(1, 2, 4, 4), q.conv2dPrepack(weight(3, 2, 2, 2)))],
    [
      "linear_with_input_q_dq_qweight_dq_output_fp32",
      () => q.linearWithInputQDqQweightDqOutputFp32(quantized(2, 4), 1, 0, q.linearPrepack(weight(3, 4))),
    ],
  ])("%s, which quantizes by itself", (name, call) => {
    expect(refusal(call)).toContain(
      `Could not run 'quantized::${name}' with arguments from the 'QuantizedCPU' backend`,
    );
  });

  it("prelu wants a weight that is quantized too", () => {
    expect(refusal(() => F.prelu(x, rand(1)))).toBe("prelu: Type promoting not supported. Got quint8 and float32");
  });
});

describe("moving integers", () => {
  const x = quantized(1, 2, 3, 4);

  it("repeats elements as the float operators do, where PyTorch has no quantized form", () => {
    const integers = x.intRepr().to(torch.float32);
    const cases: readonly ((t: Tensor) => Tensor)[] = [
      (t) => F.pad(t, [1, 2, 2, 1], { mode: "replicate" }),
      (t) => F.pad(t, [1, 2, 2, 1], { mode: "circular" }),
      (t) => F.pad(t.unsqueeze(0), [1, 0, 1, 1, 1, 0], { mode: "reflect" }),
      (t) => F.interpolate(t.select(0, 0), { scaleFactor: 2.5 }),
      (t) => F.channelShuffle(t.select(0, 0).unsqueeze(0).select(1, 0), 3),
    ];
    for (const move of cases) {
      const moved = move(x);
      expect(moved.dtype).toBe(quint8);
      expect(moved.intRepr().tolist()).toEqual(move(integers).tolist());
    }
  });

  it("pads with the zero point", () => {
    expect(F.pad(quantized(2), [1, 1]).intRepr().select(0, 0).item()).toBe(7);
  });
});

describe("packed convolution weights", () => {
  const packed = q.conv2dPrepack(weight(4, 1, 3, 3), zeros(4), { stride: [2, 1], padding: 1, groups: 2 });

  it("tell what they were packed with", () => {
    expect(q.conv2dUnpackSizes(packed)).toEqual([[4, 1, 3, 3], [4], [2, 1], [1, 1], [1, 1], 2]);
    expect(q.conv2dTranspose(packed)).toBe(false);
    expect(q.conv2dOutputPadding(packed)).toEqual([0, 0]);
    expect(q.conv2dPadding(q.conv2dPrepack(weight(4, 1, 3, 3), null, { padding: "valid" }))).toEqual([0, 0]);
    expect(q.convTranspose3dTranspose(q.convTranspose3dPrepack(weight(1, 2, 1, 1, 1)))).toBe(true);
  });

  it("refuse accessors of another rank, and padding that has no numbers", () => {
    expect(refusal(() => q.conv3dStride(packed))).toBe(
      "quantized.conv3dStride: the weight is packed for a 2d convolution",
    );
    const same = q.conv2dPrepack(weight(4, 1, 3, 3), null, { padding: "same" });
    expect(refusal(() => q.conv2dPadding(same))).toBe(
      'quantized.conv2dPadding: padding "same" depends on the kernel and has no numbers',
    );
  });
});

describe("operators that write into a given tensor", () => {
  it("return it, and keep its grid or take the result's", () => {
    const [a, b] = [quantized(2, 3), quantized(2, 3)];
    const out = torch._emptyAffineQuantized([2, 3], { scale: 0.05, zeroPoint: 3, dtype: quint8 });
    expect(q.addOut(a, b, out)).toBe(out);
    expect([out.qScale(), out.qZeroPoint()]).toEqual([0.05, 3]);
    expect(out.intRepr().tolist()).toEqual(q.add(a, b, 0.05, 3).intRepr().tolist());
    expect(q.addScalarOut(a, 0.02, out)).toBe(out);
    expect([out.qScale(), out.qZeroPoint()]).toEqual([0.01, 5]);
    expect(q.mulOut(a, 2, a)).toBe(a);
    expect(a.qScale()).toBe(0.02);
  });

  it("refuse one of another shape or dtype", () => {
    const out = torch._emptyAffineQuantized([3], { scale: 1, zeroPoint: 0, dtype: quint8 });
    expect(refusal(() => q.addOut(quantized(2), quantized(2), out))).toContain("out must be quint8 of shape [2]");
    expect(refusal(() => q.mulScalarOut(weight(3), 2, out))).toContain("out must be qint8 of shape [3]");
    expect(refusal(() => q.catOut([quantized(2), quantized(2)], 0, out))).toContain("out must be quint8 of shape [4]");
  });
});

it("sorts by integers", () => {
  const x = quantized(3, 5);
  const order = torch.argsort(x, -1, { stable: true });
  expect(order.dtype).toBe(int64);
  expect(order.tolist()).toEqual(torch.argsort(x.dequantize(), -1, { stable: true }).tolist());
});

it("refuses other float dtypes where it quantizes by itself", () => {
  expect(refusal(() => q.linearDynamic(zeros([2, 4], { dtype: float16 }), q.linearPrepack(weight(3, 4))))).toBe(
    "quantized::linear_dynamic: input must be a float32 tensor, got float16",
  );
});
