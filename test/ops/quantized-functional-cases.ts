/**
 * How golden cases of `nn.quantized.functional`, of float operators on quantized tensors, and of the smaller operators of
 * `ops.quantized` are called.
 */
import { int64 } from "../../src/core/dtype.ts";
import * as torch from "../../src/index.ts";
import type { InterpolateOptions } from "../../src/ops/upsample.ts";
import type { SpatialSize } from "../../src/ops/spatial.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { nn, ops } = torch;
const q = ops.quantized;
const F = nn.functional;
const QF = nn.quantized.functional;

type Inputs = Readonly<Record<string, Tensor>>;

/** Every keyword that a case may have. */
interface Kwargs extends Omit<InterpolateOptions, "mode"> {
  readonly mode?: never;
  readonly stride?: SpatialSize;
  readonly padding?: SpatialSize;
  readonly dilation?: SpatialSize;
  readonly groups?: number;
  readonly ceilMode?: boolean;
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number;
  readonly kernelSize: SpatialSize;
  readonly amounts: readonly number[];
  readonly factor: number;
  readonly dim: number;
  readonly c: number;
  readonly size: number | readonly number[];
  readonly scale: number;
  readonly zeroPoint: number;
  readonly alpha?: number;
  readonly negativeSlope?: number;
  readonly inplace?: boolean;
  readonly limit: number;
  readonly min: number;
  readonly max: number;
  readonly minVal?: number;
  readonly maxVal?: number;
  readonly value: number;
  readonly rank: 1 | 2 | 3;
  readonly transposed: boolean;
  readonly what: string;
}

type Call = (inputs: Inputs, kwargs: Kwargs) => Tensor;

/** A tensor of [shape] on the grid of the keywords, for results. */
function target(like: Tensor, shape: readonly number[], { scale, zeroPoint }: Kwargs): Tensor {
  return torch._emptyAffineQuantized(shape, { scale, zeroPoint, dtype: like.dtype });
}

const binaryOut =
  (op: typeof q.addOut): Call =>
  ({ a, b }, kwargs) =>
    op(a, b, target(a, a.shape, kwargs));
const scalarOut =
  (op: typeof q.addScalarOut): Call =>
  ({ x }, kwargs) =>
    op(x, kwargs.c, target(x, x.shape, kwargs));
const catOut =
  (op: typeof q.catOut): Call =>
  ({ a, b }, kwargs) => {
    const shape = a.shape.map((size, d) => (d === kwargs.dim ? size + b.shape[d] : size));
    return op([a, b], kwargs.dim, target(a, shape, kwargs));
  };

const prepacks = {
  false: { 1: q.conv1dPrepack, 2: q.conv2dPrepack, 3: q.conv3dPrepack },
  true: { 1: q.convTranspose1dPrepack, 2: q.convTranspose2dPrepack, 3: q.convTranspose3dPrepack },
};

/** The numbers that an accessor gives for a packed weight. */
const accessor: Call = ({ weight }, { rank, transposed, what, ...options }) => {
  const packed = prepacks[`${transposed}`][rank](weight, null, options);
  const read = q[what as "conv2dStride" | "conv2dGroups" | "conv2dTranspose"];
  const numbers = [read(packed)].flat().map(Number);
  return torch.tensor(numbers, { dtype: int64 });
};

const functionalConv =
  (run: typeof QF.conv1d): Call =>
  ({ x, weight, bias }, options) =>
    run(x, weight, bias ?? null, options);

/** Operators that may write into their input get a copy. */
const copied =
  (run: (x: Tensor, kwargs: Kwargs) => Tensor): Call =>
  ({ x }, kwargs) =>
    run(kwargs.inplace ? x.clone() : x, kwargs);

/** A comparison of two tensors, or of one with the number c. */
const comparison =
  (op: typeof torch.eq): Call =>
  ({ a, b }, { c }) =>
    op(a, b ?? c);

/** Operators that move integers, and copies. */
const moves: Readonly<Record<string, Call>> = {
  flip: ({ x }) => x.flip(0, 2),
  unfold: ({ x }) => x.unfold(2, 4, 2),
  chunk: ({ x }) => x.chunk(2, 2)[1],
  split: ({ x }) => x.split([1, 3], 1)[1],
  expand: ({ x }) => x.narrow(1, 0, 1).expand(-1, 5, -1),
  permute: ({ x }) => x.permute(2, 0, 1),
  sort: ({ x }) => torch.sort(x, 1, { stable: true })[0],
  sortIndices: ({ x }) => torch.sort(x, 1, { stable: true, descending: true })[1],
  topk: ({ x }) => torch.topk(x, 3)[0],
  maxDim: ({ x }) => torch.max(x, 1)[0],
  minDim: ({ x }) => torch.min(x, 2, { keepdim: true })[0],
  min: ({ x }) => torch.min(x),
  dropout: ({ x }) => F.dropout(x, { p: 0.5, training: false }),
  clone: ({ x }) => x.clone(),
  dequantize: ({ x }) => x.dequantize(),
  eq: comparison(torch.eq),
  ne: comparison(torch.ne),
  lt: comparison(torch.lt),
  le: comparison(torch.le),
  gt: comparison(torch.gt),
  ge: comparison(torch.ge),
  embedding: ({ indices, table }) => F.embedding(indices, table),
};

const functional: Readonly<Record<string, Call>> = {
  avgPool2d: ({ x }, { kernelSize, ...options }) => QF.avgPool2d(x, kernelSize, options),
  avgPool3d: ({ x }, { kernelSize, ...options }) => QF.avgPool3d(x, kernelSize, options),
  adaptiveAvgPool2d: ({ x }, { size }) => QF.adaptiveAvgPool2d(x, size),
  adaptiveAvgPool3d: ({ x }, { size }) => QF.adaptiveAvgPool3d(x, size),
  maxPool1d: ({ x }, { kernelSize, ...options }) => QF.maxPool1d(x, kernelSize, options),
  maxPool2d: ({ x }, { kernelSize, ...options }) => QF.maxPool2d(x, kernelSize, options),
  interpolate: ({ x }, options) => QF.interpolate(x, options),
  upsample: ({ x }, options) => QF.upsample(x, options),
  upsampleBilinear: ({ x }, options) => QF.upsampleBilinear(x, options),
  upsampleNearest: ({ x }, options) => QF.upsampleNearest(x, options),
  celu: ({ x }, { scale, zeroPoint, alpha }) => QF.celu(x, scale, zeroPoint, { alpha }),
  elu: ({ x }, { scale, zeroPoint, alpha }) => QF.elu(x, scale, zeroPoint, { alpha }),
  leakyRelu: copied((x, options) => QF.leakyRelu(x, options)),
  hardtanh: copied((x, options) => QF.hardtanh(x, options)),
  hardswish: ({ x }, { scale, zeroPoint }) => QF.hardswish(x, scale, zeroPoint),
  threshold: ({ x }, { limit, value }) => QF.threshold(x, limit, value),
  hardsigmoid: copied((x, options) => QF.hardsigmoid(x, options)),
  clamp: ({ x }, { min, max }) => QF.clamp(x, min, max),
  linear: ({ x, weight, bias }, options) => QF.linear(x, weight, bias ?? null, options),
  conv1d: functionalConv(QF.conv1d),
  conv2d: functionalConv(QF.conv2d),
  conv3d: functionalConv(QF.conv3d),
};

export const functionalCalls: Readonly<Record<string, Call | undefined>> = {
  ...Object.fromEntries(Object.entries(functional).map(([name, call]) => [`functional.${name}`, call])),
  ...moves,
  interpolate: ({ x }, options) => F.interpolate(x, options),
  pad: ({ x }, { amounts, ...options }) => F.pad(x, amounts, options),
  pixelShuffle: ({ x }, { factor }) => F.pixelShuffle(x, factor),
  pixelUnshuffle: ({ x }, { factor }) => F.pixelUnshuffle(x, factor),
  channelShuffle: ({ x }, { factor }) => F.channelShuffle(x, factor),
  floatCat: ({ a, b }, { dim }) => torch.cat([a, b], dim),
  stack: ({ a, b }, { dim }) => torch.stack([a, b], dim),
  floatPrelu: ({ x, weight }) => F.prelu(x, weight),
  index: ({ x, indices }) => torch.index(x, ":", indices),
  maskedFill: ({ x }, { c }) => x.maskedFill(x.gt(0.5), c),
  repeat: ({ x }) => x.repeat(2, 1, 3),
  argsort: ({ x }) => torch.argsort(x, -1, { stable: true }),
  addOut: binaryOut(q.addOut),
  addReluOut: binaryOut(q.addReluOut),
  mulOut: binaryOut(q.mulOut),
  mulReluOut: binaryOut(q.mulReluOut),
  addScalarOut: scalarOut(q.addScalarOut),
  addScalarReluOut: scalarOut(q.addScalarReluOut),
  mulScalarOut: scalarOut(q.mulScalarOut),
  mulScalarReluOut: scalarOut(q.mulScalarReluOut),
  catOut: catOut(q.catOut),
  catReluOut: catOut(q.catReluOut),
  maxPool1d: ({ x }, { kernelSize, ...options }) => q.maxPool1d(x, kernelSize, options),
  maxPool2d: ({ x }, { kernelSize, ...options }) => q.maxPool2d(x, kernelSize, options),
  accessor,
  linearWithInputQDqQweightDqOutputFp32: ({ x, weight, bias }, { scale, zeroPoint }) =>
    q.linearWithInputQDqQweightDqOutputFp32(x, scale, zeroPoint, q.linearPrepack(weight, bias)),
  linearWithInputQDqQweightDqReluOutputFp32: ({ x, weight, bias }, { scale, zeroPoint }) =>
    q.linearWithInputQDqQweightDqReluOutputFp32(x, scale, zeroPoint, q.linearPrepack(weight, bias)),
};
