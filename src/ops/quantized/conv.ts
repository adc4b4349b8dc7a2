/**
 * Quantized convolutions, static and dynamic, plain and transposed (`torch.ops.quantized.conv*`): one family for each rank.
 *
 * A transposed convolution runs as a plain one: the input is spread out by the stride with its zero point in the gaps, and
 * the weight is flipped and its channels exchanged once, when it is packed.
 */
import { float32 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { isPerTensor, perTensorQuantizer } from "../../core/qparams.ts";
import { dequantizeValue } from "../../core/quantize.ts";
import type { Epilogue } from "../../core/requantize.ts";
import { contiguousStrides, numelOf, sameShape } from "../../core/shape.ts";
import type { ConvGeometry } from "../../kernels/geometry.ts";
import type { ByteArray, Int8Input } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import { copyStrided } from "../../tensor/strided.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ConvOptions, ConvTransposeOptions } from "../conv.ts";
import { planConv, planConvTranspose } from "../conv.ts";
import { fromIntegers, quantizePerTensor, quantizerOf } from "../quantize.ts";
import type { SpatialRank } from "../spatial.ts";
import { quantizeDynamically } from "./linear.ts";
import type { PackedParams } from "./packed-params.ts";
import { dynamicEpilogue, int8Input, packParams, staticEpilogue } from "./packed-params.ts";

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
  bias: Tensor | null = null,
  options: ConvOptions = {},
): ConvPackedParams {
  const operation = `conv${rank}d_prepack`;
  checkWeight(`quantized::${operation}`, rank, weight, options.groups);
  const packed = packParams(operation, weight, bias);
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
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): ConvPackedParams {
  const operation = `conv_transpose${rank}d_prepack`;
  const op = `quantized::${operation}`;
  checkWeight(op, rank, weight, options.groups);
  if (weight.quantizer && !isPerTensor(weight.quantizer)) {
    throw new OctetError(
      `${op}: per-channel weights are not supported for transposed convolutions; use a per-tensor weight observer`,
    );
  }
  const plain = weight.isQuantized ? plainWeight(weight, options.groups ?? 1) : weight;
  return Object.freeze({ ...packParams(operation, plain, bias), rank, transposed: true, original: weight, options });
}

function checkWeight(op: string, rank: SpatialRank, weight: Tensor, groups: number = 1): void {
  if (weight.ndim !== rank + 2) {
    throw new OctetError(`${op}: weight must have ${rank + 2} dimensions, got ${formatShape(weight.shape)}`);
  }
  if (weight.shape[0] % groups !== 0) {
    throw new OctetError(
      `${op}: groups ${groups} does not divide the first dimension of weight ${formatShape(weight.shape)}`,
    );
  }
}

/** The weight and bias that were packed. */
export function convUnpack(packed: ConvPackedParams): [weight: Tensor, bias: Tensor | null] {
  return [packed.original, packed.bias];
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

/** The name of a static convolution in PyTorch's errors: in two and three dimensions it is an overload. */
function overloadOf(packed: ConvPackedParams, suffix: string): string {
  return nameOf(packed, suffix) + (packed.transposed || packed.rank === 1 ? "" : ".new");
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

/** Runs a float32 convolution of quantized operands, adds a quantized tensor of the output's shape, and rounds. */
function runConvAdd(
  x: Tensor,
  addend: Tensor,
  packed: ConvPackedParams,
  scale: number,
  zeroPoint: number,
  fused: Fused,
): Tensor {
  const op = nameOf(packed, fused.relu ? "_add_relu" : "_add");
  const input = int8Input(op, x);
  const { zeroPoint: addendZero, scale: addendScale, data: integers } = int8Input(op, addend);
  const epilogue = dynamicEpilogue(input.scale, packed, false);
  const { data, shape } = convolve(op, x, input, packed, epilogue, (n) => new Float32Array(n));
  if (!sameShape(shape, addend.shape)) {
    throw new OctetError(
      `quantized::${op}: the tensor to add must have shape ${formatShape(shape)}, got ${formatShape(addend.shape)}`,
    );
  }
  for (let i = 0; i < data.length; i++) {
    const sum = data[i] + dequantizeValue(integers[i], addendScale, addendZero);
    data[i] = fused.relu ? Math.max(sum, 0) : sum;
  }
  return quantizePerTensor(Tensor.fromArray(data, shape, float32), scale, zeroPoint, x.dtype);
}

function runConv(x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number, fused: Fused): Tensor {
  const op = nameOf(packed, fused.relu ? "_relu" : "");
  const input = int8Input(overloadOf(packed, fused.relu ? "_relu" : ""), x);
  const output = { scale, zeroPoint, qmin: x.dtype.min, qmax: x.dtype.max };
  const epilogue = staticEpilogue(input.scale, packed, output, fused);
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

/** {@link conv} plus a quantized tensor of the result's shape, rounded once. (PyTorch has it for engine onednn only.) */
export function convAdd(x: Tensor, addend: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number): Tensor {
  return runConvAdd(x, addend, packed, scale, zeroPoint, {});
}

/** {@link convAdd} followed by ReLU. */
export function convAddRelu(
  x: Tensor,
  addend: Tensor,
  packed: ConvPackedParams,
  scale: number,
  zeroPoint: number,
): Tensor {
  return runConvAdd(x, addend, packed, scale, zeroPoint, { relu: true });
}

/**
 * The convolution of a float input quantized by its own range, in float32. (PyTorch's rounds the result to the grid of the
 * input, and so cuts it off at the input's range; this one does not.)
 */
export function convDynamic(x: Tensor, packed: ConvPackedParams, reduceRange = false): Tensor {
  const op = nameOf(packed, "_dynamic");
  const input = quantizeDynamically(op, x, reduceRange && packed.engine !== "qnnpack");
  const epilogue = dynamicEpilogue(input.scale, packed, false);
  const { data, shape } = convolve(op, x, input, packed, epilogue, (n) => new Float32Array(n));
  return Tensor.fromArray(data, shape, float32);
}
