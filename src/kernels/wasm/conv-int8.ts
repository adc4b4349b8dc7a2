/**
 * Int8 convolutions, group by group of each image: the group is widened to 16 bits with a border of zeros (which are real
 * zeros, the zero point being subtracted), then for some hundred pixels at a time windows are packed into panels, multiplied
 * by the packed weight, and the sums finished while they are in the cache. With one input channel per group nothing is packed.
 */
import type { Epilogue } from "../../core/requantize.ts";
import type { ConvGeometry } from "../kernels.ts";
import type { ByteArray, Int8Input, Int8Weights } from "../quantized-kernels.ts";
import { planInt8Conv } from "./conv-int8-plan.ts";
import type { Int8ConvPlan } from "./conv-int8-plan.ts";
import type { WasmEngine } from "./engine.ts";
import { Finisher } from "./epilogue.ts";
import { multiplyInt8 } from "./int8-product.ts";
import { groupBytes, keptWeights, packedWeights, paddedDepth } from "./int8-weights.ts";
import type { WeightLayout } from "./int8-weights.ts";
import { linearInt8 } from "./linear-int8.ts";
import type { Operand } from "./memory.ts";
import { FLIP } from "./quantize.ts";

/** Bytes of packed windows that are worked on at a time, and the limits of pixels that come of it. */
const BLOCK_BYTES = 131072;
const MIN_PIXELS = 32;
const MAX_PIXELS = 256;
/** Output channels whose sums are finished together. */
const BLOCK_CHANNELS = 64;
/** Sums of a direct convolution that are finished together. */
const DIRECT_SUMS = 8192;

/** How much longer rows of pixels may get to be whole vectors: a product computes what is added, a gather is cheap there. */
const MAX_PADDING = 1.15;
/** A direct convolution has little else to do than gather. */
const MAX_PADDING_DIRECT = 2;

/** As {@link QuantizedKernels.convInt8}, for outputs that the epilogue writes. */
export function convInt8(
  engine: WasmEngine,
  geometry: ConvGeometry,
  input: Int8Input,
  weights: Int8Weights,
  epilogue: Epilogue,
  out: ByteArray | Float32Array,
): void {
  if (isLinear(geometry)) {
    linearInt8(engine, geometry.batch, input, weights, epilogue, out);
    return;
  }
  const { memory } = engine;
  const { groups } = geometry;
  const isDirect = geometry.inChannels === groups;
  const layout: WeightLayout = { width: isDirect ? 1 : 4, groups };
  const kept = keptWeights(engine, weights, layout);
  memory.frame(() => {
    const packed = kept ?? packedWeights(engine, weights, layout);
    const plan = planInt8Conv(geometry, isDirect ? MAX_PADDING_DIRECT : MAX_PADDING);
    const groupsAtOnce = isDirect ? groupsOfBlock(plan) : 1;
    const images = new WideImage(engine, plan, input, groupsAtOnce);
    const finisher = new Finisher(engine, epilogue, geometry.outChannels, false, out);
    const output = new OutputImage(engine, plan, out);
    const tables = { corners: memory.table(plan.corners), taps: memory.table(plan.tapOffsets) };
    const prepare = isDirect ? directGroups : productGroups;
    const compute = prepare({ engine, plan, tables, finisher, output }, groupsAtOnce);
    const bytes = groupBytes(weights, layout);
    for (let n = 0; n < geometry.batch; n++) {
      for (let group = 0; group < groups; group += groupsAtOnce) {
        const count = Math.min(groupsAtOnce, groups - group);
        compute(group, count, images.read(n, group, count), packed + group * bytes);
      }
      output.write(n);
    }
  });
}

/** Whether one window is the whole input: a linear layer. */
function isLinear({ groups, inSize, outSize, kernel, padding, dilation }: ConvGeometry): boolean {
  return (
    groups === 1 &&
    [0, 1, 2].every((d) => outSize[d] === 1 && padding[d] === 0 && kernel[d] === inSize[d] && dilation[d] === 1)
  );
}

/** Groups of a direct convolution whose sums make a block. */
function groupsOfBlock({ geometry, outPerGroup, paddedPixels }: Int8ConvPlan): number {
  return Math.max(1, Math.min(geometry.groups, Math.floor(DIRECT_SUMS / (outPerGroup * paddedPixels))));
}

/** Some groups of one image at a time as 16-bit numbers less the zero point, in the layout of the plan. */
class WideImage {
  readonly #engine: WasmEngine;
  readonly #plan: Int8ConvPlan;
  readonly #zeroPoint: number;
  readonly #flip: number;
  readonly #input: Operand;
  readonly #buffer: number;
  readonly #address: number;

  constructor(engine: WasmEngine, plan: Int8ConvPlan, { data, zeroPoint }: Int8Input, groupsAtOnce: number) {
    const { memory } = engine;
    const channels = groupsAtOnce * plan.inPerGroup;
    const { inSize } = plan.geometry;
    const isSigned = data instanceof Int8Array;
    this.#engine = engine;
    this.#plan = plan;
    this.#zeroPoint = zeroPoint + (isSigned ? 128 : 0);
    this.#flip = isSigned ? FLIP : 0;
    this.#input = memory.operand(data);
    this.#buffer = memory.allocateFor(this.#input, channels * inSize[0] * inSize[1] * inSize[2]);
    const bytes = 2 * channels * plan.plane;
    this.#address = memory.allocateBytes(bytes);
    memory.bytes.fill(0, this.#address, this.#address + bytes);
  }

  /** Address of `groups` groups of image `n`, from `group` on. */
  read(n: number, group: number, groups: number): number {
    const { geometry, inPerGroup } = this.#plan;
    const plane = geometry.inSize[0] * geometry.inSize[1] * geometry.inSize[2];
    const from = (n * geometry.inChannels + group * inPerGroup) * plane;
    const channels = groups * inPerGroup;
    const source = this.#engine.memory.read(this.#input, from, channels * plane, this.#buffer);
    for (let z = 0; z < geometry.inSize[0]; z++) {
      if (z + geometry.padding[0] < this.#plan.depth) this.#widenSlice(source, channels, z);
    }
    return this.#address;
  }

  /** All channels' slices of depth z. Columns go where the remainder of their stride says. */
  #widenSlice(source: number, channels: number, z: number): void {
    const { geometry, depth, height, phase, row, plane } = this.#plan;
    const [inDepth, inHeight, inWidth] = geometry.inSize;
    const [padDepth, padHeight, padWidth] = geometry.padding;
    const stride = geometry.stride[2];
    const rows = Math.min(inHeight, height - padHeight);
    const width = Math.min(inWidth, plane / (depth * height) - padWidth);
    if (rows <= 0) return;
    // Zeros behind a row fall on the border, or on what is written next; with phases or slices, on what was written before.
    const mayClear = stride === 1 && depth === 1 ? 1 : 0;
    for (let first = 0; first < Math.min(stride, width); first++) {
      const column = first + padWidth;
      const line = ((z + padDepth) * height + padHeight) * row;
      const target = this.#address + 2 * (line + (column % stride) * phase + Math.floor(column / stride));
      this.#engine.code.widenPlanes(
        source + z * inHeight * inWidth + first,
        stride,
        inWidth,
        inDepth * inHeight * inWidth,
        target,
        2 * row,
        2 * plane,
        channels,
        rows,
        Math.ceil((width - first) / stride),
        this.#flip,
        this.#zeroPoint,
        mayClear,
      );
    }
  }
}

/** The output of one image: [channels, padded pixels], then without the padding. */
class OutputImage {
  readonly #engine: WasmEngine;
  readonly #plan: Int8ConvPlan;
  readonly #result: Operand;
  /** Bytes of an element. */
  readonly size: number;
  readonly address: number;
  readonly #compact: number;

  constructor(engine: WasmEngine, plan: Int8ConvPlan, out: ByteArray | Float32Array) {
    const { memory } = engine;
    const { outChannels } = plan.geometry;
    this.#engine = engine;
    this.#plan = plan;
    this.#result = memory.operand(out);
    this.size = out.BYTES_PER_ELEMENT;
    this.address = memory.allocateBytes(outChannels * plan.paddedPixels * this.size);
    const isPadded = plan.paddedRow !== plan.outRow;
    this.#compact = memory.allocateBytes(isPadded ? outChannels * plan.pixels * this.size : 0);
  }

  write(n: number): void {
    const { paddedRow, outRow, outRows, pixels, geometry } = this.#plan;
    const count = geometry.outChannels * pixels;
    const { size, address } = this;
    if (paddedRow === outRow) {
      this.#engine.memory.write(this.#result, n * count, count, address);
      return;
    }
    const rows = geometry.outChannels * outRows;
    this.#engine.code.compactRows(address, paddedRow * size, this.#compact, outRow * size, rows);
    this.#engine.memory.write(this.#result, n * count, count, this.#compact);
  }
}

interface Work {
  readonly engine: WasmEngine;
  readonly plan: Int8ConvPlan;
  readonly tables: { readonly corners: number; readonly taps: number };
  readonly finisher: Finisher;
  readonly output: OutputImage;
}

/** Computes `count` groups of an image's output, from `group` on, from their image and their packed weights. */
type GroupKernel = (group: number, count: number, image: number, weights: number) => void;

/** One group at a time. */
function productGroups({ engine, plan, tables, finisher, output }: Work): GroupKernel {
  const { memory, code } = engine;
  const { outPerGroup, taps, paddedPixels } = plan;
  const padded = paddedDepth(taps);
  const blockPixels = Math.min(MAX_PIXELS, Math.max(MIN_PIXELS, Math.floor(BLOCK_BYTES / (16 * padded)) * 8));
  const pixelsAtOnce = Math.min(blockPixels, paddedPixels);
  const panels = memory.allocateBytes(2 * padded * pixelsAtOnce);
  const sums = memory.allocate(pixelsAtOnce * Math.min(outPerGroup, BLOCK_CHANNELS));
  const outRow = paddedPixels * output.size;
  return (group, _, image, weights) => {
    for (let x = 0; x < paddedPixels; x += pixelsAtOnce) {
      const columns = Math.min(pixelsAtOnce, paddedPixels - x);
      code.packWindows(image, tables.corners + 4 * x, columns / 8, tables.taps, padded / 2, panels);
      for (let c = 0; c < outPerGroup; c += BLOCK_CHANNELS) {
        const rows = Math.min(BLOCK_CHANNELS, outPerGroup - c);
        const a = weights + 2 * c * padded;
        multiplyInt8(code, { m: rows, n: columns, depth: padded, a, b: panels, c: sums });
        const channel = group * outPerGroup + c;
        const out = output.address + channel * outRow + x * output.size;
        finisher.run({ sums, sumsRow: 4 * columns, out, outRow, rows, columns, channel });
      }
    }
  };
}

/** Groups of one input channel: each output channel by itself. */
function directGroups({ engine, plan, tables, finisher, output }: Work, groupsAtOnce: number): GroupKernel {
  const { memory, code } = engine;
  const { outPerGroup, taps, plane, paddedPixels } = plan;
  const rowBytes = 2 * paddedDepth(taps);
  const pairs = Math.ceil(taps / 2);
  const sumsRow = 4 * paddedPixels;
  const sums = memory.allocate(groupsAtOnce * outPerGroup * paddedPixels);
  const outRow = paddedPixels * output.size;
  return (group, count, image, weights) => {
    const rows = count * outPerGroup;
    for (let i = 0; i < rows; i++) {
      const channelImage = image + 2 * plane * Math.floor(i / outPerGroup);
      const channelWeights = weights + i * rowBytes;
      const to = sums + i * sumsRow;
      code.directInt8(channelImage, tables.corners, paddedPixels / 8, tables.taps, pairs, channelWeights, to);
    }
    const channel = group * outPerGroup;
    const out = output.address + channel * outRow;
    finisher.run({ sums, sumsRow, out, outRow, rows, columns: paddedPixels, channel });
  };
}
