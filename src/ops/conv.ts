/**
 * Convolutions and transposed convolutions over one, two or three spatial dimensions: one family each, made for each rank.
 * A transposed convolution is the gradient of a convolution by its input, so the same three kernels serve both, with the
 * roles of input and output exchanged.
 */
import { saved } from "../autograd/node.ts";
import type { FloatArray } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import type { ConvGeometry } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { reduceSum } from "./broadcast.ts";
import { checkVector, sameFloatDtype } from "./checks.ts";
import type { Op } from "./op.ts";
import { primitive } from "./op.ts";
import type { SpatialInput, SpatialRank, SpatialSize } from "./spatial.ts";
import { spatialInput, spatialSizes, triple } from "./spatial.ts";

export interface ConvOptions {
  /** Default 1. */
  readonly stride?: SpatialSize;
  /** Zeros at both ends of each dimension; "valid" is 0, "same" keeps the input's size (stride 1 only). Default 0. */
  readonly padding?: SpatialSize | "same" | "valid";
  /** Distance between a kernel's taps, default 1. */
  readonly dilation?: SpatialSize;
  /** Channels are split into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

export interface ConvTransposeOptions {
  readonly stride?: SpatialSize;
  /** Takes this much off both ends of the output. Default 0. */
  readonly padding?: SpatialSize;
  /** Makes the output longer at its end; less than the stride or the dilation. Default 0. */
  readonly outputPadding?: SpatialSize;
  readonly groups?: number;
  readonly dilation?: SpatialSize;
}

/** An operator on (input, weight, bias, options). */
export type ConvOp<O> = Op<[input: Tensor, weight: Tensor, bias?: Tensor | null, options?: O], Tensor>;

/** A convolution's geometry together with the shape of its result. */
export interface ConvPlan {
  readonly geometry: ConvGeometry;
  readonly outShape: readonly number[];
}

// ---------------------------------------------------------------- checks

interface WindowSizes {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly kernel: readonly number[];
  readonly groups: number;
}

function windowSizes(
  op: string,
  rank: SpatialRank,
  weight: Tensor,
  { stride = 1, dilation = 1, groups = 1 }: { stride?: SpatialSize; dilation?: SpatialSize; groups?: number },
): WindowSizes {
  if (weight.ndim !== rank + 2) {
    throw new OctetError(`${op}: weight must be a ${rank + 2}-D tensor, got shape ${formatShape(weight.shape)}`);
  }
  if (!Number.isInteger(groups) || groups < 1) {
    throw new OctetError(`${op}: groups must be a whole number of at least 1, got ${groups}`);
  }
  if (weight.shape[0] % groups !== 0 || weight.shape[0] === 0) {
    throw new OctetError(
      `${op}: groups ${groups} does not divide the first dimension of weight ${formatShape(weight.shape)}`,
    );
  }
  const kernel = weight.shape.slice(2);
  if (kernel.includes(0)) throw new OctetError(`${op}: kernel size must be at least 1, got ${formatShape(kernel)}`);
  return {
    stride: spatialSizes(op, "stride", stride, rank, 1),
    dilation: spatialSizes(op, "dilation", dilation, rank, 1),
    kernel,
    groups,
  };
}

function checkChannels(op: string, expected: number, { channels }: SpatialInput): void {
  if (channels !== expected) {
    throw new OctetError(`${op}: weight expects ${expected} input channels, input has ${channels}`);
  }
}

/** Zeros before and after each dimension. */
interface ConvPadding {
  readonly before: readonly number[];
  /** Before and after together. */
  readonly total: readonly number[];
}

/** "same" puts an odd zero at the end. */
function convPadding(op: string, rank: SpatialRank, window: WindowSizes, padding: ConvOptions["padding"]): ConvPadding {
  if (padding === "same") {
    if (window.stride.some((step) => step !== 1)) {
      throw new OctetError(`${op}: padding "same" needs stride 1, got ${formatShape(window.stride)}`);
    }
    const total = window.kernel.map((taps, d) => window.dilation[d] * (taps - 1));
    return { before: total.map((zeros) => Math.floor(zeros / 2)), total };
  }
  if (typeof padding === "string" && padding !== "valid") {
    throw new OctetError(`${op}: padding must be numbers, "same" or "valid", got "${String(padding)}"`);
  }
  const before = spatialSizes(op, "padding", padding === "valid" ? 0 : (padding ?? 0), rank, 0);
  return { before, total: before.map((zeros) => 2 * zeros) };
}

// ---------------------------------------------------------------- geometry

/** Everything the kernels have to know, from arguments that are checked here. */
export function planConv(
  op: string,
  rank: SpatialRank,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null | undefined,
  options: ConvOptions = {},
): ConvPlan {
  const window = windowSizes(op, rank, weight, options);
  const source = spatialInput(op, input, rank);
  const { kernel, stride, dilation, groups } = window;
  const outChannels = weight.shape[0];
  checkChannels(op, weight.shape[1] * groups, source);
  checkVector(op, "bias", bias, outChannels);
  const padding = convPadding(op, rank, window, options.padding);
  const outSize = source.size.map((size, d) => {
    const reach = dilation[d] * (kernel[d] - 1) + 1;
    const padded = size + padding.total[d];
    if (reach > padded) {
      throw new OctetError(
        `${op}: kernel ${formatShape(kernel)} with dilation ${formatShape(dilation)} is larger than the padded input ` +
          formatShape(source.size.map((s, i) => s + padding.total[i])),
      );
    }
    return Math.floor((padded - reach) / stride[d]) + 1;
  });
  const geometry: ConvGeometry = {
    batch: source.batch,
    inChannels: source.channels,
    outChannels,
    groups,
    inSize: triple(source.size, 1),
    outSize: triple(outSize, 1),
    kernel: triple(kernel, 1),
    stride: triple(stride, 1),
    padding: triple(padding.before, 0),
    dilation: triple(dilation, 1),
  };
  return { geometry, outShape: [...source.lead.slice(0, -1), outChannels, ...outSize] };
}

/** As {@link planConv}; the geometry is that of the convolution whose gradient is asked for: its input is our output. */
export function planConvTranspose(
  op: string,
  rank: SpatialRank,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null | undefined,
  options: ConvTransposeOptions = {},
): ConvPlan {
  const window = windowSizes(op, rank, weight, options);
  const source = spatialInput(op, input, rank);
  const { kernel, stride, dilation, groups } = window;
  checkChannels(op, weight.shape[0], source);
  const outChannels = weight.shape[1] * groups;
  checkVector(op, "bias", bias, outChannels);
  const padding = spatialSizes(op, "padding", options.padding ?? 0, rank, 0);
  const extra = spatialSizes(op, "outputPadding", options.outputPadding ?? 0, rank, 0);
  if (extra.some((length, d) => length >= stride[d] && length >= dilation[d])) {
    throw new OctetError(
      `${op}: outputPadding ${formatShape(extra)} must be smaller than either stride ${formatShape(stride)} or ` +
        `dilation ${formatShape(dilation)}`,
    );
  }
  const outSize = source.size.map(
    (size, d) => (size - 1) * stride[d] - 2 * padding[d] + dilation[d] * (kernel[d] - 1) + extra[d] + 1,
  );
  if (outSize.some((size) => size < 1)) {
    throw new OctetError(
      `${op}: input ${formatShape(source.size)} with padding ${formatShape(padding)} gives output ${formatShape(outSize)}, ` +
        "which is too small",
    );
  }
  const geometry: ConvGeometry = {
    batch: source.batch,
    inChannels: outChannels,
    outChannels: source.channels,
    groups,
    inSize: triple(outSize, 1),
    outSize: triple(source.size, 1),
    kernel: triple(kernel, 1),
    stride: triple(stride, 1),
    padding: triple(padding, 0),
    dilation: triple(dilation, 1),
  };
  return { geometry, outShape: [...source.lead.slice(0, -1), outChannels, ...outSize] };
}

// ---------------------------------------------------------------- the two families

/** Applies a kernel to two tensors in their compute dtype; `fill` writes the output. */
function evaluate(
  x: Tensor,
  y: Tensor,
  shape: readonly number[],
  fill: (x: FloatArray, y: FloatArray, out: FloatArray) => void,
): Tensor {
  const dtype = computeDtype(x.dtype);
  const out = dtype.allocate(numelOf(shape)) as FloatArray;
  if (out.length > 0) fill(floatElements(x, dtype), floatElements(y, dtype), out);
  return tensorFromComputed(out, shape, x.dtype);
}

/** The gradient of a bias: a sum over everything but the channels. */
function biasGradient(gradient: Tensor, rank: SpatialRank): Tensor {
  const channelDim = gradient.ndim - rank - 1;
  const others = gradient.shape.flatMap((_, d) => (d === channelDim ? [] : [d]));
  return reduceSum(gradient, others).alias([gradient.shape[channelDim]], [1], 0);
}

function convFamily(rank: SpatialRank): ConvOp<ConvOptions> {
  const name = `conv${rank}d`;
  return primitive(
    name,
    (input: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvOptions): Tensor => {
      const dtype = sameFloatDtype(name, { input, weight, bias });
      const { geometry, outShape } = planConv(name, rank, input, weight, bias, options);
      const offsets = bias ? floatElements(bias, computeDtype(dtype)) : null;
      return evaluate(input, weight, outShape, (x, w, out) => kernels().conv(geometry, x, w, offsets, out));
    },
    (_out, input, weight, bias, options) => {
      const { geometry } = planConv(name, rank, input, weight, bias, options);
      const [x, w] = [saved(input), saved(weight)];
      const [xShape, wShape] = [input.shape, weight.shape];
      return (g, [needInput, needWeight, needBias]) => [
        needInput ? evaluate(g, w(), xShape, (dy, k, dx) => kernels().convGradInput(geometry, dy, k, dx)) : null,
        needWeight
          ? evaluate(x(), g, wShape, (data, dy, dw) => kernels().convGradWeight(geometry, data, dy, dw))
          : null,
        needBias ? biasGradient(g, rank) : null,
      ];
    },
  );
}

function convTransposeFamily(rank: SpatialRank): ConvOp<ConvTransposeOptions> {
  const name = `convTranspose${rank}d`;
  return primitive(
    name,
    (input: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvTransposeOptions): Tensor => {
      const dtype = sameFloatDtype(name, { input, weight, bias });
      const { geometry, outShape } = planConvTranspose(name, rank, input, weight, bias, options);
      const offsets = bias ? floatElements(bias, computeDtype(dtype)) : null;
      return evaluate(input, weight, outShape, (x, w, out) => {
        kernels().convGradInput(geometry, x, w, out);
        if (offsets) addToChannels(out, offsets, numelOf(geometry.inSize));
      });
    },
    (_out, input, weight, bias, options) => {
      const { geometry } = planConvTranspose(name, rank, input, weight, bias, options);
      const [x, w] = [saved(input), saved(weight)];
      const [xShape, wShape] = [input.shape, weight.shape];
      return (g, [needInput, needWeight, needBias]) => [
        needInput ? evaluate(g, w(), xShape, (dy, k, dx) => kernels().conv(geometry, dy, k, null, dx)) : null,
        needWeight
          ? evaluate(g, x(), wShape, (dy, data, dw) => kernels().convGradWeight(geometry, dy, data, dw))
          : null,
        needBias ? biasGradient(g, rank) : null,
      ];
    },
  );
}

/** Adds bias[c] to every element of channel c of an output with `plane` elements a channel. */
function addToChannels(out: FloatArray, bias: FloatArray, plane: number): void {
  for (let start = 0, channel = 0; start < out.length; start += plane, channel++) {
    const value = bias[channel % bias.length];
    for (let i = start; i < start + plane; i++) out[i] += value;
  }
}

/** Convolution (cross-correlation) over one dimension: input [N, C, L] or [C, L], weight [O, C / groups, K]. */
export const conv1d = convFamily(1);
/** Convolution over two dimensions: input [N, C, H, W] or [C, H, W], weight [O, C / groups, KH, KW]. */
export const conv2d = convFamily(2);
/** Convolution over three dimensions: input [N, C, D, H, W] or [C, D, H, W], weight [O, C / groups, KD, KH, KW]. */
export const conv3d = convFamily(3);
/** Transposed convolution: input [N, C, L] or [C, L], weight [C, O / groups, K]. */
export const convTranspose1d = convTransposeFamily(1);
/** Transposed convolution: input [N, C, H, W] or [C, H, W], weight [C, O / groups, KH, KW]. */
export const convTranspose2d = convTransposeFamily(2);
/** Transposed convolution: input [N, C, D, H, W] or [C, D, H, W], weight [C, O / groups, KD, KH, KW]. */
export const convTranspose3d = convTransposeFamily(3);
