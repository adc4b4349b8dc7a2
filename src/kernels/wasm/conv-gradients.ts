/**
 * The two gradients of a convolution, as matrix products over the same windows (conv-plan.ts):
 *
 *     gradWeight[outChannels, taps]   = gradOutput[outChannels, pixels] · windows[pixels, taps]     summed over the batch
 *     gradWindows[taps, pixels]       = weightᵀ[taps, outChannels] · gradOutput[outChannels, pixels]
 *     gradInput                       = every window of gradWindows added back to where it was read from
 *
 * With stride 1, gradInput is computed as a convolution instead, which saves adding windows (a third of the time).
 */
import type { ConvGeometry } from "../kernels.ts";
import { affineTable, BLOCK_COLUMNS, BLOCK_STEPS, FROM_ZERO, multiplyPanels, roundUp } from "./blocks.ts";
import { convTransposed, ImageReader } from "./conv.ts";
import { planConv, removeBorder, transposedGeometry } from "./conv-plan.ts";
import type { ConvPlan } from "./conv-plan.ts";
import type { WasmEngine } from "./engine.ts";
import type { Operand } from "./memory.ts";

/** As {@link Kernels.convGradWeight}, for float32. */
export function convGradWeight(
  engine: WasmEngine,
  geometry: ConvGeometry,
  input: Float32Array,
  gradOutput: Float32Array,
  gradWeight: Float32Array,
): void {
  const { memory } = engine;
  const plan = planConv(geometry);
  memory.frame(() => {
    const operands = [memory.operand(input), memory.operand(gradOutput)] as const;
    const compute = plan.outPerGroup === 1 ? sumDirectly : sumProducts;
    compute(engine, plan, operands, gradWeight);
  });
}

type InputAndGrad = readonly [Operand, Operand];

/** Groups of one output channel (depthwise convolution): no product is large enough to pack for. */
function sumDirectly(
  engine: WasmEngine,
  plan: ConvPlan,
  [input, gradOutput]: InputAndGrad,
  gradWeight: Float32Array,
): void {
  const { memory, code } = engine;
  const { geometry, pixels, taps, inPerGroup, plane } = plan;
  const images = new ImageReader(engine, plan, input, 1);
  const gradCount = geometry.outChannels * pixels;
  const gradBuffer = memory.allocateFor(gradOutput, gradCount);
  const [corners, tapTable] = [memory.table(plan.corners), memory.table(plan.tapOffsets)];
  const sums = memory.allocate(4 * gradWeight.length);
  const lanes = memory.floats.subarray(sums / 4, sums / 4 + 4 * gradWeight.length).fill(0);
  for (let n = 0; n < geometry.batch; n++) {
    const image = images.read(n, 1);
    const grads = memory.read(gradOutput, n * gradCount, gradCount, gradBuffer);
    for (let group = 0; group < geometry.groups; group++) {
      const groupImage = image + 4 * group * inPerGroup * plane;
      const groupSums = sums + 16 * group * taps;
      code.directGradWeight(grads + 4 * group * pixels, groupImage, corners, pixels, tapTable, taps, groupSums);
    }
  }
  for (let i = 0; i < gradWeight.length; i++) {
    gradWeight[i] = lanes[4 * i] + lanes[4 * i + 1] + lanes[4 * i + 2] + lanes[4 * i + 3];
  }
}

function sumProducts(
  engine: WasmEngine,
  plan: ConvPlan,
  [input, gradOutput]: InputAndGrad,
  gradWeight: Float32Array,
): void {
  const { memory } = engine;
  const { batch } = plan.geometry;
  const result = memory.operand(gradWeight);
  const buffer = memory.allocateFor(result, gradWeight.length);
  const sums = memory.target(result, 0, buffer);
  // small images are taken several at once, so that a sum runs over some 256 pixels before it is put down
  const atOnce = Math.min(batch, Math.ceil(BLOCK_STEPS / plan.pixels));
  const product = new WeightProduct(engine, plan, input, gradOutput, atOnce);
  memory.floats.fill(0, sums / 4, sums / 4 + gradWeight.length);
  for (let n = 0; n < batch; n += atOnce) product.add(n, Math.min(atOnce, batch - n), sums);
  memory.finish(result, 0, gradWeight.length, buffer);
}

/** Adds the gradient's share of some images. */
class WeightProduct {
  readonly #engine: WasmEngine;
  readonly #plan: ConvPlan;
  readonly #images: ImageReader;
  readonly #gradOutput: Operand;
  readonly #gradBuffer: number;
  readonly #gradPanels: number;
  readonly #windowPanels: number;
  readonly #tables: {
    readonly outRows: number;
    readonly gradSteps: number;
    readonly windowSteps: number;
    readonly taps: number;
  };

  constructor(engine: WasmEngine, plan: ConvPlan, input: Operand, gradOutput: Operand, atOnce: number) {
    const { memory } = engine;
    const { geometry, pixels, outPerGroup, taps } = plan;
    const steps = Math.min(BLOCK_STEPS, atOnce * pixels);
    this.#engine = engine;
    this.#plan = plan;
    this.#images = new ImageReader(engine, plan, input, atOnce);
    this.#gradOutput = gradOutput;
    this.#gradBuffer = memory.allocateFor(gradOutput, atOnce * geometry.outChannels * pixels);
    this.#gradPanels = memory.allocate(roundUp(outPerGroup, 4) * steps);
    this.#windowPanels = memory.allocate(Math.min(roundUp(taps, 8), BLOCK_COLUMNS) * steps);
    const gradOffsets = affineOffsets(pixels, 4);
    const cornerOffsets = plan.corners.subarray(0, pixels);
    this.#tables = {
      outRows: affineTable(memory, outPerGroup, 4 * pixels, 4),
      gradSteps: memory.table(repeatOffsets(gradOffsets, atOnce, 4 * geometry.outChannels * pixels)),
      windowSteps: memory.table(repeatOffsets(cornerOffsets, atOnce, 4 * geometry.inChannels * plan.plane)),
      taps: memory.table(plan.tapOffsets),
    };
  }

  /** sums[outChannels, taps] += the share of `count` images from image `n` on. */
  add(n: number, count: number, sums: number): void {
    const { geometry, pixels, outPerGroup, inPerGroup, plane, taps } = this.#plan;
    const gradCount = geometry.outChannels * pixels;
    const images = this.#images.read(n, count);
    const grads = this.#engine.memory.read(this.#gradOutput, n * gradCount, count * gradCount, this.#gradBuffer);
    for (let group = 0; group < geometry.groups; group++) {
      const groupGrads = grads + 4 * group * outPerGroup * pixels;
      const groupImages = images + 4 * group * inPerGroup * plane;
      this.#addGroup(count * pixels, groupGrads, groupImages, sums + 4 * group * outPerGroup * taps);
    }
  }

  #addGroup(allPixels: number, grads: number, images: number, sums: number): void {
    const { code } = this.#engine;
    const { outPerGroup, taps } = this.#plan;
    const { outRows, gradSteps, windowSteps, taps: tapTable } = this.#tables;
    for (let p = 0; p < allPixels; p += BLOCK_STEPS) {
      const steps = Math.min(BLOCK_STEPS, allPixels - p);
      code.pack4(grads, outRows, outPerGroup, gradSteps + 4 * p, steps, this.#gradPanels);
      for (let t = 0; t < taps; t += BLOCK_COLUMNS) {
        const columns = Math.min(BLOCK_COLUMNS, taps - t);
        code.pack8(images, tapTable + 4 * t, columns, windowSteps + 4 * p, steps, this.#windowPanels);
        const target = { address: sums + 4 * t, row: 4 * taps, panel: 32 };
        multiplyPanels(
          this.#engine,
          [outPerGroup, columns, steps],
          this.#gradPanels,
          this.#windowPanels,
          target,
          target,
        );
      }
    }
  }
}

function affineOffsets(count: number, step: number): Int32Array {
  const offsets = new Int32Array(count);
  for (let i = 0; i < count; i++) offsets[i] = i * step;
  return offsets;
}

/** The offsets, repeated for `times` images that lie `step` bytes apart. */
function repeatOffsets(offsets: Int32Array, times: number, step: number): Int32Array {
  const { length } = offsets;
  const repeated = new Int32Array(times * length);
  for (let n = 0; n < times; n++) {
    for (let i = 0; i < length; i++) repeated[n * length + i] = n * step + offsets[i];
  }
  return repeated;
}

/** As {@link Kernels.convGradInput}, for float32. */
export function convGradInput(
  engine: WasmEngine,
  geometry: ConvGeometry,
  gradOutput: Float32Array,
  weight: Float32Array,
  gradInput: Float32Array,
): void {
  const transposed = transposedGeometry(geometry);
  if (transposed) convTransposed(engine, transposed, gradOutput, weight, gradInput);
  else addAllWindows(engine, geometry, gradOutput, weight, gradInput);
}

function addAllWindows(
  engine: WasmEngine,
  geometry: ConvGeometry,
  gradOutput: Float32Array,
  weight: Float32Array,
  gradInput: Float32Array,
): void {
  const { memory, code } = engine;
  memory.frame(() => {
    const plan = planConv(geometry);
    const operands = { gradOutput: memory.operand(gradOutput), gradInput: memory.operand(gradInput) };
    const product = new WindowProduct(engine, plan, weight);
    const [gradCount, inCount] = [geometry.outChannels * plan.pixels, geometry.inChannels * plan.inPlane];
    const imageCount = geometry.inChannels * plan.plane;
    const gradBuffer = memory.allocateFor(operands.gradOutput, gradCount);
    const inBuffer = memory.allocateFor(operands.gradInput, inCount);
    const bordered = plan.bordered ? memory.allocate(imageCount) : null;
    for (let n = 0; n < geometry.batch; n++) {
      const grads = memory.read(operands.gradOutput, n * gradCount, gradCount, gradBuffer);
      const target = memory.target(operands.gradInput, n * inCount, inBuffer);
      const image = bordered ?? target;
      memory.floats.fill(0, target / 4, target / 4 + inCount);
      if (bordered !== null) memory.floats.fill(0, image / 4, image / 4 + imageCount);
      for (let group = 0; group < geometry.groups; group++) product.add(group, grads, image);
      if (bordered !== null) removeBorder(code, plan, bordered, target, geometry.inChannels);
      memory.finish(operands.gradInput, n * inCount, inCount, inBuffer);
    }
  });
}

/** Adds weightᵀ · gradOutput, window by window, to an image. */
class WindowProduct {
  readonly #engine: WasmEngine;
  readonly #plan: ConvPlan;
  /** Pixels at a time: as many windows as take 256 KiB. */
  readonly #blockPixels: number;
  readonly #weights: number;
  readonly #windows: number;
  readonly #gradPanels: number;
  readonly #tables: Record<"corners" | "taps" | "gradColumns" | "outSteps", number>;

  constructor(engine: WasmEngine, plan: ConvPlan, weight: Float32Array) {
    const { memory } = engine;
    const { taps, pixels, outPerGroup } = plan;
    this.#engine = engine;
    this.#plan = plan;
    this.#blockPixels = Math.min(Math.max(8, roundUp(65536 / taps, 8)), BLOCK_COLUMNS, roundUp(pixels, 8));
    this.#weights = this.#packWeights(weight);
    this.#windows = memory.allocate(taps * this.#blockPixels);
    this.#gradPanels = memory.allocate(Math.min(outPerGroup, BLOCK_STEPS) * this.#blockPixels);
    this.#tables = {
      corners: memory.table(plan.corners),
      taps: memory.table(plan.tapOffsets),
      gradColumns: affineTable(memory, pixels, 4, 8),
      outSteps: affineTable(memory, outPerGroup, 4 * pixels),
    };
  }

  /** Adds one group's channels of one image. */
  add(group: number, grads: number, image: number): void {
    const { code } = this.#engine;
    const { taps, pixels, outPerGroup, inPerGroup, plane } = this.#plan;
    const { corners, taps: tapTable, gradColumns, outSteps } = this.#tables;
    const groupGrads = grads + 4 * group * outPerGroup * pixels;
    const groupImage = image + 4 * group * inPerGroup * plane;
    const target = { address: this.#windows, row: 32, panel: 32 * taps };
    for (let x = 0; x < pixels; x += this.#blockPixels) {
      const columns = Math.min(this.#blockPixels, pixels - x);
      for (let t = 0; t < outPerGroup; t += BLOCK_STEPS) {
        const steps = Math.min(BLOCK_STEPS, outPerGroup - t);
        code.pack8(groupGrads, gradColumns + 4 * x, columns, outSteps + 4 * t, steps, this.#gradPanels);
        const sizes = [taps, roundUp(columns, 8), steps] as const;
        multiplyPanels(
          this.#engine,
          sizes,
          this.#block(group, t),
          this.#gradPanels,
          t === 0 ? FROM_ZERO : target,
          target,
        );
      }
      code.addWindows(this.#windows, corners + 4 * x, columns, tapTable, taps, groupImage);
    }
  }

  /** For each group and block of output channels: panels of 4 taps. */
  #packWeights(weight: Float32Array): number {
    const { memory, code } = this.#engine;
    const { taps, outPerGroup, geometry } = this.#plan;
    const packed = memory.allocate(geometry.groups * roundUp(taps, 4) * outPerGroup);
    memory.frame(() => {
      const source = memory.copy(weight);
      const rows = affineTable(memory, taps, 4, 4);
      const steps = affineTable(memory, outPerGroup, 4 * taps);
      for (let group = 0; group < geometry.groups; group++) {
        for (let t = 0; t < outPerGroup; t += BLOCK_STEPS) {
          const count = Math.min(BLOCK_STEPS, outPerGroup - t);
          const base = source + 4 * group * outPerGroup * taps;
          const target = packed + 4 * roundUp(taps, 4) * (group * outPerGroup + t);
          code.pack4(base, rows, taps, steps + 4 * t, count, target);
        }
      }
    });
    return packed;
  }

  #block(group: number, t: number): number {
    const { taps, outPerGroup } = this.#plan;
    return this.#weights + 4 * roundUp(taps, 4) * (group * outPerGroup + t);
  }
}
