/** The examples of eager mode run, and compute what they say. Seeds are fixed: their data are random numbers. */
import { beforeEach, describe, expect, it } from "vitest";
import * as backends from "../../examples/quantization/backends.ts";
import * as commonErrors from "../../examples/quantization/common-errors.ts";
import * as customModule from "../../examples/quantization/custom-module.ts";
import * as dynamic from "../../examples/quantization/dynamic.ts";
import * as modelPreparation from "../../examples/quantization/model-preparation.ts";
import * as observersAndQconfigs from "../../examples/quantization/observers-and-qconfigs.ts";
import * as qat from "../../examples/quantization/qat.ts";
import * as quantizedTensors from "../../examples/quantization/quantized-tensors.ts";
import * as saveAndLoad from "../../examples/quantization/save-and-load.ts";
import * as staticQuantization from "../../examples/quantization/static.ts";
import { backends as torchBackends, manualSeed } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";

beforeEach(() => manualSeed(0));

function largestDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.sub(b).abs().max().item();
}

/** The printed module without its numbers of scales and zero points. */
function structure(module: unknown): string {
  return String(module).replaceAll(/(scale|zero_point)=(tensor\(\[)?[\d.e-]+(\]\))?/g, "$1=…");
}

describe("the examples of eager mode", () => {
  it("dynamic: int8 weights, float activations", () => {
    const { modelInt8, res, float } = dynamic.main();
    expect(String(modelInt8)).toBe(
      "M(\n  (fc): DynamicQuantizedLinear(in_features=4, out_features=4, dtype=torch.qint8, qscheme=torch.per_tensor_affine)\n)",
    );
    expect(res.shape).toEqual([4, 4, 4, 4]);
    expect(largestDifference(res, float)).toBeLessThan(0.03);
    expect(largestDifference(res, float)).toBeGreaterThan(0);
  });

  it("static: observers after prepare, quantized modules after convert", () => {
    const { modelFp32Prepared, modelInt8, res, float } = staticQuantization.main();
    expect(String(modelFp32Prepared).match(/HistogramObserver/g)).toHaveLength(2);
    expect(structure(modelInt8)).toBe(
      [
        "M(",
        "  (quant): Quantize(scale=…, zero_point=…, dtype=torch.quint8)",
        "  (conv): QuantizedConvReLU2d(1, 1, kernel_size=(1, 1), stride=(1, 1), scale=…, zero_point=…)",
        "  (relu): Identity()",
        "  (dequant): DeQuantize()",
        ")",
      ].join("\n"),
    );
    expect(res.isQuantized).toBe(false);
    const { scale } = modelInt8.conv as unknown as { scale: number };
    expect(largestDifference(res, float)).toBeLessThan(6 * scale);
  });

  it("qat: training sees the rounding that the int8 network does", () => {
    const { folded, learning, target } = qat.main();
    expect(String(folded.modelFp32Prepared)).toContain("(conv): ConvReLU2d(\n    1, 1, kernel_size=(1, 1)");
    expect(String(learning.modelFp32Prepared)).toContain("(conv): ConvBnReLU2d(\n    1, 1, kernel_size=(1, 1)");
    for (const { modelInt8, res, simulated } of [folded, learning]) {
      expect(structure(modelInt8)).toContain(
        "(conv): QuantizedConvReLU2d(1, 1, kernel_size=(1, 1), stride=(1, 1), scale=…",
      );
      const { scale } = modelInt8.conv as unknown as { scale: number };
      // Qparams of activations go on moving in training, and the two sum in another order: a step at most.
      expect(largestDifference(res, simulated)).toBeLessThan(1.01 * scale);
    }
    expect(largestDifference(folded.res, target)).toBeLessThan(0.01);
    expect(learning.losses.at(-1)).toBeLessThan(learning.losses[0]);
  });

  it("model preparation: stubs, FloatFunctional, and a qconfig for each part", () => {
    const { problems, int8, res, float } = modelPreparation.main();
    expect(problems.prepared).toEqual([]);
    expect(problems.float.map(({ module, advice }) => [module, advice])).toEqual([
      ["conv1", "place a QuantStub before it"],
      ["", "call add of a nn.quantized.FloatFunctional instead"],
      ["", "place a DeQuantStub behind what it returns"],
    ]);
    const printed = [...int8.namedChildren()].map(([name, module]) => `${name}: ${module.getName()}`);
    expect(printed).toEqual([
      "quant: Quantize",
      "conv1: QuantizedConvReLU2d",
      "bn1: Identity",
      "relu1: Identity",
      "skip: QFunctional",
      "join: QFunctional",
      "conv2: QuantizedConv2d",
      "linear1: Linear",
      "dequant: DeQuantize",
    ]);
    expect(largestDifference(res, float)).toBeLessThan(0.03);
  });

  it("custom module: the user's classes take part in prepare and convert", () => {
    const { mp, mq, res, float } = customModule.main();
    expect(String(mp)).toMatch(/^Sequential\(\n {2}\(0\): ObservedCustomModule\(\n {4}\(linear\): Linear\(/);
    expect(String(mp)).toContain("(activation_post_process): MinMaxObserver(");
    expect(String(mq)).toMatch(
      /^Sequential\(\n {2}\(0\): StaticQuantCustomModule\(\n {4}\(linear\): QuantizedLinear\(/,
    );
    expect(res.isQuantized).toBe(true);
    expect(largestDifference(res.dequantize(), float)).toBeLessThan(0.06);
  });

  it("quantized tensors: what they carry, and the way back", () => {
    const { perTensor, dynamic, attributes, back, relu } = quantizedTensors.main();
    expect(String(perTensor)).toContain("quantization_scheme=torch.per_tensor_affine, scale=0.5, zero_point=128)");
    expect(attributes).toMatchObject({
      scheme: "torch.per_tensor_affine",
      dtype: "quint8",
      scale: 0.5,
      zeroPoint: 128,
      integers: [
        [126, 128, 130],
        [132, 208, 0],
      ],
      channelScheme: "torch.per_channel_affine",
      channelAxis: 0,
    });
    expect(Array.from(attributes.channelZeroPoints)).toEqual([0, 0]);
    const saturated = [
      [-1, 0, 1],
      [2, 40, -64],
    ];
    expect(back.perTensor.tolist()).toEqual(saturated);
    expect(relu.dequantize().tolist()).toEqual(saturated.map((row) => row.map((value) => Math.max(value, 0))));
    const exact = [
      [-1, 0, 1],
      [2, 40, -80],
    ];
    expect(back.half.tolist()).toEqual(exact);
    for (const [i, row] of (back.perChannel.tolist() as number[][]).entries()) {
      row.forEach((value, j) => expect(Math.abs(value - exact[i][j])).toBeLessThan(attributes.channelScales[i] / 2));
    }
    expect(dynamic.qScale()).toBeCloseTo(120 / 255, 6);
    expect((back.dynamic.tolist() as number[][])[0][1]).toBe(0);
  });

  it("observers and qconfigs: ranges, rounding and fewer bits", () => {
    const { scale, zeroPoint, rounded, sevenBits, weights7, weights4 } = observersAndQconfigs.main();
    expect([scale, zeroPoint]).toEqual([Math.fround(3 / 255), 85]);
    expect(largestDifference(rounded, rounded.div(scale).round().mul(scale))).toBeLessThan(1e-6);
    expect(sevenBits).toContain("quantMin: -64, quantMax: 63");
    const range = (weights: Tensor) => [Math.min(...weights.toNumbers()), Math.max(...weights.toNumbers())];
    // A symmetric scale maps the larger magnitude to half the range, between the last two integers.
    expect(Math.max(...range(weights7).map(Math.abs))).toBeGreaterThanOrEqual(63);
    expect(Math.min(...range(weights7))).toBeGreaterThanOrEqual(-64);
    expect(Math.max(...range(weights4).map(Math.abs))).toBeGreaterThanOrEqual(7);
    expect(Math.min(...range(weights4))).toBeGreaterThanOrEqual(-8);
    expect(Math.max(...range(weights4))).toBeLessThanOrEqual(7);
  });

  it("backends: qconfig and engine of one kind", () => {
    const before = torchBackends.quantized.engine;
    const { x86, qnnpack } = backends.main();
    expect([x86.engine, qnnpack.engine, torchBackends.quantized.engine]).toEqual(["x86", "qnnpack", before]);
    expect(x86.qconfig).toMatch(/HistogramObserver.*reduceRange: true.*PerChannelMinMaxObserver/);
    expect(qnnpack.qconfig).toMatch(/HistogramObserver.*reduceRange: false.*weight=MinMaxObserver/);
    expect(x86.qatQconfig).toMatch(/quantMax: 255, reduceRange: true.*MovingAveragePerChannelMinMaxObserver/);
    expect(qnnpack.qatQconfig).toMatch(/quantMax: 255, reduceRange: false.*observer: MovingAverageMinMaxObserver/);
  });

  it("save and load: the loaded model gives the same outputs", () => {
    const warnings: string[] = [];
    const { keys, original, loaded } = withWarnings((message) => warnings.push(message), saveAndLoad.main);
    expect(warnings).toContainEqual(expect.stringContaining("must run observer before calling calculateQparams"));
    expect(keys).toEqual([
      "quant.scale",
      "quant.zero_point",
      "linear.scale",
      "linear.zero_point",
      "linear._packed_params._packed_params.0",
      "linear._packed_params._packed_params.1",
    ]);
    expect(loaded.tolist()).toEqual(original.tolist());
    expect(original.max().item()).toBeGreaterThan(0);
  });

  it("common errors: their texts, and that the stubs mend them", () => {
    const { floatIntoQuantized, withQuantStub, quantizedIntoFloat, withDeQuantStub } = commonErrors.main();
    expect(floatIntoQuantized).toBe(
      "Could not run 'quantized::conv2d.new' with arguments from the 'CPU' backend, in module \"conv\" (QuantizedConv2d): " +
        "its input is a float tensor; place a QuantStub before it",
    );
    expect(quantizedIntoFloat).toBe(
      "Could not run 'aten::conv2d' with arguments from the 'QuantizedCPU' backend, in module \"conv2\" (Conv2d): " +
        "this operator has no quantized form; dequantize its input, or place a DeQuantStub before it",
    );
    expect((withQuantStub as Tensor).isQuantized).toBe(true);
    expect((withDeQuantStub as Tensor).isQuantized).toBe(false);
    expect((withDeQuantStub as Tensor).shape).toEqual([1, 1, 4, 4]);
  });
});
