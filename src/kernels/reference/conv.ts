/**
 * Convolution and its two gradients, as matrix products over unfolded windows. Per image and group, with K = input
 * channels of the group × kernel volume and P = output positions:
 *
 *     columns [K, P]        the input element that weight k meets at output position p; zero where that lies in the padding
 *     forward               output [O, P] = weight [O, K] · columns
 *     gradient by weight    [O, K] += gradOutput [O, P] · columnsᵀ
 *     gradient by input     columns = weightᵀ · gradOutput, then added back to where each column element came from
 *
 * The columns are made for a block of output rows at a time, so that their size stays bounded.
 */
import type { FloatArray } from "../../core/dtype.ts";
import { numelOf } from "../../core/shape.ts";
import type { ConvGeometry } from "../kernels.ts";
import { multiply } from "./gemm.ts";

/** Elements that a block of columns may have (4 MiB of doubles). */
const BLOCK_ELEMENTS = 512 * 1024;

/** The sizes of one group's matrices. */
interface GroupSizes {
  /** Elements of one group of one image, of the input and of the output. */
  readonly inGroup: number;
  readonly outGroup: number;
  /** Output channels of a group. */
  readonly channels: number;
  /** Input channels of a group × kernel volume: the length of a weight row. */
  readonly taps: number;
  /** Output positions of one channel. */
  readonly positions: number;
}

function groupSizes(g: ConvGeometry): GroupSizes {
  const positions = numelOf(g.outSize);
  const channels = g.outChannels / g.groups;
  const inChannels = g.inChannels / g.groups;
  return {
    inGroup: inChannels * numelOf(g.inSize),
    outGroup: channels * positions,
    channels,
    taps: inChannels * numelOf(g.kernel),
    positions,
  };
}

/** output = conv(input, weight) + bias. */
export function conv<T extends FloatArray>(g: ConvGeometry, input: T, weight: T, bias: T | null, output: T): void {
  const { channels, taps, positions } = groupSizes(g);
  forEachGroup(g, (group, inputOffset, outputOffset, block) => {
    const source = input.subarray(inputOffset);
    const columns = unfold(g, source, block);
    const first = block.firstRow * g.outSize[2];
    const target = { data: output.subarray(outputOffset + first), rowStep: positions, accumulate: false };
    const left = { data: weight.subarray(group * channels * taps), rowStep: taps, columnStep: 1 };
    multiply(channels, block.positions, taps, left, { data: columns, rowStep: block.positions, columnStep: 1 }, target);
  });
  if (!bias) return;
  for (let plane = 0; plane < g.batch * g.outChannels; plane++) {
    const value = bias[plane % g.outChannels];
    const end = (plane + 1) * positions;
    for (let i = plane * positions; i < end; i++) output[i] += value;
  }
}

/** gradInput = the transposed convolution of gradOutput. */
export function convGradInput<T extends FloatArray>(g: ConvGeometry, gradOutput: T, weight: T, gradInput: T): void {
  const { channels, taps, positions } = groupSizes(g);
  gradInput.fill(0);
  forEachGroup(g, (group, inputOffset, outputOffset, block) => {
    const columns = new Float64Array(taps * block.positions);
    const left = { data: weight.subarray(group * channels * taps), rowStep: 1, columnStep: taps };
    const first = block.firstRow * g.outSize[2];
    const right = { data: gradOutput.subarray(outputOffset + first), rowStep: positions, columnStep: 1 };
    const target = { data: columns, rowStep: block.positions, accumulate: false };
    multiply(taps, block.positions, channels, left, right, target);
    foldInto(g, columns, block, gradInput.subarray(inputOffset));
  });
}

/** gradWeight = Σ over images and positions of gradOutput · input. */
export function convGradWeight<T extends FloatArray>(g: ConvGeometry, input: T, gradOutput: T, gradWeight: T): void {
  const { channels, taps, positions } = groupSizes(g);
  gradWeight.fill(0);
  forEachGroup(g, (group, inputOffset, outputOffset, block) => {
    const columns = unfold(g, input.subarray(inputOffset), block);
    const first = block.firstRow * g.outSize[2];
    const left = { data: gradOutput.subarray(outputOffset + first), rowStep: positions, columnStep: 1 };
    const right = { data: columns, rowStep: 1, columnStep: block.positions };
    const target = { data: gradWeight.subarray(group * channels * taps), rowStep: taps, accumulate: true };
    multiply(channels, taps, block.positions, left, right, target);
  });
}

/** A run of output rows (a row is one output width; depth and height are counted together). */
interface RowBlock {
  readonly firstRow: number;
  readonly endRow: number;
  readonly positions: number;
}

/** Calls `body` for each image, group and block of output rows, with where the group's input and output start. */
function forEachGroup(
  g: ConvGeometry,
  body: (group: number, inputOffset: number, outputOffset: number, block: RowBlock) => void,
): void {
  const { inGroup, outGroup, taps } = groupSizes(g);
  const [depth, height, width] = g.outSize;
  const rowCount = depth * height;
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_ELEMENTS / Math.max(1, taps * width)));
  for (let part = 0; part < g.batch * g.groups; part++) {
    for (let firstRow = 0; firstRow < rowCount; firstRow += rowsPerBlock) {
      const endRow = Math.min(rowCount, firstRow + rowsPerBlock);
      const block = { firstRow, endRow, positions: (endRow - firstRow) * width };
      body(part % g.groups, part * inGroup, part * outGroup, block);
    }
  }
}

/** The columns of a block of output rows, from one group's input. */
function unfold(g: ConvGeometry, input: FloatArray, block: RowBlock): Float64Array {
  const columns = new Float64Array(groupSizes(g).taps * block.positions);
  const step = g.stride[2];
  forEachRun(g, block, (column, source, length) => {
    for (let i = 0; i < length; i++) columns[column + i] = input[source + i * step];
  });
  return columns;
}

/** Adds each column element to the input element it stands for. */
function foldInto(g: ConvGeometry, columns: Float64Array, block: RowBlock, gradInput: FloatArray): void {
  const step = g.stride[2];
  forEachRun(g, block, (column, target, length) => {
    for (let i = 0; i < length; i++) gradInput[target + i * step] += columns[column + i];
  });
}

/**
 * Calls `run` for each stretch of a column row that reads real input: `length` elements from columns[column] on, which
 * stand for every stride-th input element from input[source] on. What it skips lies in the padding.
 */
function forEachRun(
  g: ConvGeometry,
  block: RowBlock,
  run: (column: number, source: number, length: number) => void,
): void {
  const [depth, height, width] = g.inSize;
  const [, outHeight, outWidth] = g.outSize;
  const [kernelDepth, kernelHeight, kernelWidth] = g.kernel;
  const taps = groupSizes(g).taps;
  for (let tap = 0; tap < taps; tap++) {
    const kw = tap % kernelWidth;
    const kh = Math.floor(tap / kernelWidth) % kernelHeight;
    const kd = Math.floor(tap / (kernelWidth * kernelHeight)) % kernelDepth;
    const channel = Math.floor(tap / (kernelWidth * kernelHeight * kernelDepth));
    const left = kw * g.dilation[2] - g.padding[2];
    const [first, end] = insideRange(left, g.stride[2], width, outWidth);
    if (first >= end) continue;
    for (let row = block.firstRow; row < block.endRow; row++) {
      const d = Math.floor(row / outHeight) * g.stride[0] - g.padding[0] + kd * g.dilation[0];
      const h = (row % outHeight) * g.stride[1] - g.padding[1] + kh * g.dilation[1];
      if (d < 0 || d >= depth || h < 0 || h >= height) continue;
      const column = tap * block.positions + (row - block.firstRow) * outWidth + first;
      run(column, ((channel * depth + d) * height + h) * width + left + first * g.stride[2], end - first);
    }
  }
}

/** The output positions [first, end) whose input position `start + position · stride` lies in [0, size). */
function insideRange(start: number, stride: number, size: number, outSize: number): [number, number] {
  const first = Math.max(0, Math.ceil(-start / stride));
  const end = Math.min(outSize, Math.ceil((size - start) / stride));
  return [first, end];
}
