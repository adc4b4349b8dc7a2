/**
 * Convolution in float32, image by image (a single image is staged, computed and copied out while it is in the cache):
 *
 *     for each group, for each block of output pixels:
 *       for each block of taps:  pack windows[taps, pixels] into panels;  output += weight · panels
 *
 * Only a block of windows ever exists (256 KiB). With one output channel per group (depthwise) nothing is packed.
 */
import type { ConvGeometry } from "../kernels.ts";
import { affineTable, BLOCK_COLUMNS, BLOCK_STEPS, FROM_ZERO, multiplyPanels, roundUp } from "./blocks.ts";
import type { Start } from "./blocks.ts";
import { addBorder, planConv } from "./conv-plan.ts";
import type { ConvPlan } from "./conv-plan.ts";
import type { WasmEngine } from "./engine.ts";
import { EDGE_ADDRESS } from "./memory.ts";
import type { Operand } from "./memory.ts";

/** As {@link Kernels.conv}, for float32. */
export function conv(
  engine: WasmEngine,
  geometry: ConvGeometry,
  input: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  output: Float32Array,
): void {
  const plan = planConv(geometry);
  const layout = { row: plan.taps, channel: plan.taps / plan.inPerGroup };
  convolve(engine, plan, input, { array: weight, ...layout }, bias, output);
}

/** gradInput as a convolution of gradOutput: `geometry` is {@link transposedGeometry}'s. */
export function convTransposed(
  engine: WasmEngine,
  geometry: ConvGeometry,
  gradOutput: Float32Array,
  weight: Float32Array,
  gradInput: Float32Array,
): void {
  const plan = planConv(geometry, true);
  const kernelVolume = plan.taps / plan.inPerGroup;
  const layout = { row: kernelVolume, channel: kernelVolume * plan.outPerGroup };
  convolve(engine, plan, gradOutput, { array: weight, ...layout }, null, gradInput);
}

/** A weight, and how many floats apart a group's output channels (rows) and input channels lie in it. */
interface Weight {
  readonly array: Float32Array;
  readonly row: number;
  readonly channel: number;
}

function convolve(
  engine: WasmEngine,
  plan: ConvPlan,
  input: Float32Array,
  weight: Weight,
  bias: Float32Array | null,
  output: Float32Array,
): void {
  const { memory } = engine;
  const { geometry, pixels } = plan;
  memory.frame(() => {
    const operands = { input: memory.operand(input), output: memory.operand(output) };
    const images = new ImageReader(engine, plan, operands.input, 1);
    const tables = { corners: memory.table(plan.corners), taps: memory.table(plan.tapOffsets) };
    const prepare = plan.outPerGroup === 1 ? directGroups : productGroups;
    const computeGroup = prepare(engine, plan, weight, bias, tables);
    const outCount = geometry.outChannels * pixels;
    const outBuffer = memory.allocateFor(operands.output, outCount);
    for (let n = 0; n < geometry.batch; n++) {
      const image = images.read(n, 1);
      const out = memory.target(operands.output, n * outCount, outBuffer);
      for (let group = 0; group < geometry.groups; group++) {
        const groupImage = image + 4 * group * plan.inPerGroup * plan.plane;
        computeGroup(group, groupImage, out + 4 * group * plan.outPerGroup * pixels);
      }
      memory.finish(operands.output, n * outCount, outCount, outBuffer);
    }
  });
}

/** Computes a group's output channels at `out` from its input channels at `image`. */
type GroupKernel = (group: number, image: number, out: number) => void;

interface Tables {
  readonly corners: number;
  readonly taps: number;
}

/** Stages images of a batch, with the border that the plan asks for. */
export class ImageReader {
  readonly #engine: WasmEngine;
  readonly #plan: ConvPlan;
  readonly #input: Operand;
  readonly #buffer: number;
  readonly #bordered: number;

  constructor(engine: WasmEngine, plan: ConvPlan, input: Operand, atOnce: number) {
    const { memory } = engine;
    const { inChannels } = plan.geometry;
    this.#engine = engine;
    this.#plan = plan;
    this.#input = input;
    this.#buffer = memory.allocateFor(input, atOnce * inChannels * plan.inPlane);
    const borderedCount = plan.bordered ? atOnce * inChannels * plan.plane : 0;
    this.#bordered = memory.allocate(borderedCount);
    memory.floats.fill(0, this.#bordered / 4, this.#bordered / 4 + borderedCount);
  }

  /** Address of `count` images from image `n` on. */
  read(n: number, count: number): number {
    const { geometry, inPlane, bordered } = this.#plan;
    const imageCount = geometry.inChannels * inPlane;
    const staged = this.#engine.memory.read(this.#input, n * imageCount, count * imageCount, this.#buffer);
    if (!bordered) return staged;
    addBorder(this.#engine.code, this.#plan, staged, this.#bordered, count * geometry.inChannels);
    return this.#bordered;
  }
}

/** Groups of one output channel each, whose weights lie side by side in the order of the taps. */
function directGroups(
  engine: WasmEngine,
  plan: ConvPlan,
  weight: Weight,
  bias: Float32Array | null,
  tables: Tables,
): GroupKernel {
  const { memory, code } = engine;
  const { taps, pixels } = plan;
  const weights = memory.copy(weight.array);
  const biases = bias ? memory.copy(bias) : null;
  return (group, image, out) => {
    const start = biases === null ? FROM_ZERO.address : biases + 4 * group;
    code.directConv(
      image,
      tables.corners,
      pixels,
      tables.taps,
      taps,
      weights + 4 * group * taps,
      start,
      out,
      EDGE_ADDRESS,
    );
  };
}

function productGroups(
  engine: WasmEngine,
  plan: ConvPlan,
  weight: Weight,
  bias: Float32Array | null,
  tables: Tables,
): GroupKernel {
  const { memory, code } = engine;
  const { taps, pixels, outPerGroup } = plan;
  const weights = new PackedWeights(engine, plan, weight);
  const biasRows = bias ? memory.copy(repeatEach(bias, 8)) : null;
  const panels = memory.allocate(Math.min(taps, BLOCK_STEPS) * roundUp(Math.min(pixels, BLOCK_COLUMNS), 8));
  return (group, image, out) => {
    const first: Start =
      biasRows === null ? FROM_ZERO : { address: biasRows + 32 * group * outPerGroup, row: 32, panel: 0 };
    for (let x = 0; x < pixels; x += BLOCK_COLUMNS) {
      const columns = Math.min(BLOCK_COLUMNS, pixels - x);
      const target = { address: out + 4 * x, row: 4 * pixels, panel: 32 };
      for (let t = 0; t < taps; t += BLOCK_STEPS) {
        const steps = Math.min(BLOCK_STEPS, taps - t);
        code.pack8(image, tables.corners + 4 * x, columns, tables.taps + 4 * t, steps, panels);
        const start = t === 0 ? first : target;
        multiplyPanels(engine, [outPerGroup, columns, steps], weights.block(group, t), panels, start, target);
      }
    }
  };
}

/** The weight, packed once per call: for each group and block of taps, panels of 4 output channels. */
class PackedWeights {
  readonly #base: number;
  readonly #paddedRows: number;
  readonly #taps: number;

  constructor(engine: WasmEngine, plan: ConvPlan, weight: Weight) {
    const { memory, code } = engine;
    const { taps, outPerGroup } = plan;
    const { groups } = plan.geometry;
    this.#paddedRows = roundUp(outPerGroup, 4);
    this.#taps = taps;
    this.#base = memory.allocate(groups * this.#paddedRows * taps);
    memory.frame(() => {
      const source = memory.copy(weight.array);
      const rows = affineTable(memory, outPerGroup, 4 * weight.row, 4);
      const steps = memory.table(tapPositions(plan, weight.channel));
      for (let group = 0; group < groups; group++) {
        for (let t = 0; t < taps; t += BLOCK_STEPS) {
          const count = Math.min(BLOCK_STEPS, taps - t);
          const base = source + 4 * group * outPerGroup * taps;
          code.pack4(base, rows, outPerGroup, steps + 4 * t, count, this.block(group, t));
        }
      }
    });
  }

  /** Address of the panels of taps `t` and following. */
  block(group: number, t: number): number {
    return this.#base + 4 * this.#paddedRows * (group * this.#taps + t);
  }
}

/** Byte offset of each tap inside a row of the weight, whose input channels lie `channel` floats apart. */
function tapPositions({ taps, inPerGroup }: ConvPlan, channel: number): Int32Array {
  const kernelVolume = taps / inPerGroup;
  const positions = new Int32Array(taps);
  for (let c = 0, t = 0; c < inPerGroup; c++) {
    for (let i = 0; i < kernelVolume; i++) positions[t++] = 4 * (c * channel + i);
  }
  return positions;
}

/** Every value `times` times in a row. */
function repeatEach(values: Float32Array, times: number): Float32Array {
  const repeated = new Float32Array(times * values.length);
  for (let i = 0; i < values.length; i++) repeated.fill(values[i], i * times, (i + 1) * times);
  return repeated;
}
