/**
 * Quantized convolutions, static and dynamic, plain and transposed (`torch.ops.quantized.conv*`): one family for each rank.
 *
 * A transposed convolution runs as a plain one: the input is spread out by the stride with its zero point in the gaps, and
 * the weight is flipped and its channels exchanged once, when it is packed.
 */
import { engineFor } from "../../core/engine.ts";
import { float32 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { isPerTensor, perTensorQuantizer } from "../../core/qparams.ts";
import type { Epilogue } from "../../core/requantize.ts";
import { contiguousStrides, numelOf } from "../../core/shape.ts";
import type { ConvGeometry } from "../../kernels/geometry.ts";
import type { ByteArray, Int8Input } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import { copyStrided } from "../../tensor/strided.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ConvOptions, ConvTransposeOptions } from "../conv.ts";
import { planConv, planConvTranspose } from "../conv.ts";
import { fromIntegers, quantizerOf } from "../quantize.ts";
import type { SpatialRank } from "../spatial.ts";
import { biasArithmetic, quantizeDynamically } from "./linear.ts";
import type { PackedParams } from "./packed-params.ts";
import { int8Input, packParams, staticEpilogue } from "./packed-params.ts";

/** A packed convolution weight and how to slide it. */
export interface ConvPackedParams extends PackedParams {
  readonly rank: SpatialRank;
  readonly transposed: boolean;
  /** The weight as given; `weight` is the one that a plain convolution uses. */
  readonly original: Tensor;
  readonly options: ConvOptions & ConvTransposeOptions;
}

/** Packs a weight [out, in / groups, …kernel] for the convolution of its rank. */
export function convPrepack(
  rank: SpatialRank,
  weight: Tensor,
  bias: Tensor | null,
  options: ConvOptions = {},
): ConvPackedParams {
  const packed = packParams(`quantized::conv${rank}d_prepack`, weight, bias);
  return Object.freeze({
    ...packed,
    rank,
    transposed: false,
    original: weight,
    options: options as ConvPackedParams["options"],
  });
}

/** Packs a weight [in, out / groups, …kernel] for the transposed convolution of its rank; per-tensor qparams only. */
export function convTransposePrepack(
  rank: SpatialRank,
  weight: Tensor,
  bias: Tensor | null,
  options: ConvTransposeOptions = {},
): ConvPackedParams {
  const op = `quantized::conv_transpose${rank}d_prepack`;
  if (!isPerTensor(quantizerOf(weight))) {
    throw new OctetError(
      `${op}: per-channel weights are not supported for transposed convolutions; use a per-tensor weight observer`,
    );
  }
  const packed = packParams(op, plainWeight(weight, options.groups ?? 1), bias);
  return Object.freeze({ ...packed, rank, transposed: true, original: weight, options });
}

/** [in, out / groups, …kernel] → [out, in / groups, …flipped kernel], per group. */
function plainWeight(weight: Tensor, groups: number): Tensor {
  const [inChannels, outPerGroup, ...kernel] = weight.shape;
  const inPerGroup = inChannels / groups;
  const taps = numelOf(kernel);
  const source = weight.elements();
  const data = weight.dtype.allocate(source.length);
  for (let i = 0; i < inChannels; i++) {
    const group = Math.floor(i / inPerGroup);
    for (let o = 0; o < outPerGroup; o++) {
      const from = (i * outPerGroup + o) * taps;
      const to = ((group * outPerGroup + o) * inPerGroup + (i % inPerGroup)) * taps;
      for (let t = 0; t < taps; t++) data[to + taps - 1 - t] = source[from + t];
    }
  }
  const shape = [outPerGroup * groups, inPerGroup, ...kernel];
  return fromIntegers(data, shape, weight.dtype, quantizerOf(weight));
}

interface Fused {
  readonly relu?: boolean;
}

function nameOf(packed: ConvPackedParams, suffix: string): string {
  return `${packed.transposed ? "conv_transpose" : "conv"}${packed.rank}d${suffix}`;
}

/** Slides a packed weight over integers of x's shape and returns the finished values. */
function convolve(
  op: string,
  x: Tensor,
  input: Int8Input,
  packed: ConvPackedParams,
  epilogue: Epilogue,
  allocate: (n: number) => ByteArray | Float32Array,
): { data: ByteArray | Float32Array; shape: readonly number[] } {
  const { rank, options } = packed;
  if (!packed.transposed) {
    const { geometry, outShape } = planConv(op, rank, x, packed.weight, null, options);
    const data = allocate(numelOf(outShape));
    kernels().convInt8(geometry, input, packed.int8, epilogue, data);
    return { data, shape: outShape };
  }
  const { geometry, outShape } = planConvTranspose(op, rank, x, packed.original, null, options);
  const data = allocate(numelOf(outShape));
  const spread = spreadOut(geometry, input);
  kernels().convInt8(spread.geometry, spread.input, packed.int8, epilogue, data);
  return { data, shape: outShape };
}

type Triple = readonly [number, number, number];

const eachDimension = (f: (d: number) => number): Triple => [f(0), f(1), f(2)];

/** The plain convolution that computes a transposed one, whose geometry (as a gradient) is `g`. */
function spreadOut(g: ConvGeometry, input: Int8Input): { geometry: ConvGeometry; input: Int8Input } {
  const source = g.outSize; // what the gradient calls output is our input
  const size = eachDimension((d) => (source[d] - 1) * g.stride[d] + 1);
  const planes = g.batch * g.outChannels;
  const data = (
    input.data instanceof Int8Array ? new Int8Array(planes * numelOf(size)) : new Uint8Array(planes * numelOf(size))
  ).fill(input.zeroPoint);
  const [, h, w] = size;
  const spreadStrides = [numelOf(size), h * w * g.stride[0], w * g.stride[1], g.stride[2]];
  const shape = [planes, ...source];
  copyStrided(shape, input.data, contiguousStrides(shape), 0, data, spreadStrides, 0);
  const geometry: ConvGeometry = {
    batch: g.batch,
    inChannels: g.outChannels,
    outChannels: g.inChannels,
    groups: g.groups,
    inSize: size,
    outSize: g.inSize,
    kernel: g.kernel,
    stride: [1, 1, 1],
    padding: eachDimension((d) => g.dilation[d] * (g.kernel[d] - 1) - g.padding[d]),
    dilation: g.dilation,
  };
  return { geometry, input: { data, zeroPoint: input.zeroPoint } };
}

function runConv(x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number, fused: Fused): Tensor {
  const op = nameOf(packed, fused.relu ? "_relu" : "");
  const input = int8Input(op, x);
  const output = { scale, zeroPoint, qmin: x.dtype.min, qmax: x.dtype.max };
  const epilogue = staticEpilogue(biasArithmetic("conv"), input.scale, packed, output, fused);
  const { data, shape } = convolve(op, x, input, packed, epilogue, (n) => x.dtype.allocate(n) as ByteArray);
  return fromIntegers(data, shape, x.dtype, perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, x.dtype));
}

/** The convolution of a quantized input, rounded to the grid of (scale, zeroPoint) in x's dtype. */
export function conv(x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number): Tensor {
  return runConv(x, packed, scale, zeroPoint, {});
}

/** {@link conv} followed by ReLU. */
export function convRelu(x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number): Tensor {
  return runConv(x, packed, scale, zeroPoint, { relu: true });
}

/** The convolution of a float input quantized by its own range, in float32. */
export function convDynamic(x: Tensor, packed: ConvPackedParams, reduceRange = false): Tensor {
  const engine = engineFor("conv_dynamic");
  const op = nameOf(packed, "_dynamic");
  const input = quantizeDynamically(op, x, reduceRange && engine !== "qnnpack");
  const scales = packed.scales.map((s) => Math.fround(input.scale * s));
  const bias = packed.bias ? (packed.bias.elements() as Float32Array) : null;
  const epilogue: Epilogue = { kind: "dequantize", scales, bias, fused: engine !== "qnnpack", relu: false };
  const { data, shape } = convolve(op, x, input, packed, epilogue, (n) => new Float32Array(n));
  return Tensor.fromArray(data, shape, float32);
}
