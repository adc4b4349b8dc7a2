/**
 * Weights packed for int8 products, kept in wasm memory from one call to the next: packing costs about as much as one row
 * of input, and copying them in as much again. They are forgotten together when that part of the memory is full, and
 * packed again when they are needed; see {@link WasmMemory.keep}.
 */
import type { Int8Weights } from "../quantized-kernels.ts";
import { roundUp } from "./blocks.ts";
import { INT8_DEPTH_UNIT } from "./code/int8-tile.ts";
import type { WasmEngine } from "./engine.ts";
import type { Kept, WasmMemory } from "./memory.ts";
import { FLIP } from "./quantize.ts";

/**
 * How weights are packed: in panels of 8 (linear, the columns of a product) or 4 rows (convolution), each group's rows
 * beginning a panel; or each row by itself, pairs of taps, for the direct convolution.
 */
export interface WeightLayout {
  readonly width: 8 | 4 | 1;
  readonly groups: number;
  /** Panels of 8 only: as bytes, which only symmetric signed weights can be ({@link fitBytes}). */
  readonly bytes?: boolean;
}

/** Whether a weight less its zero points is signed bytes. */
export function fitBytes(weights: Int8Weights): boolean {
  const known = fitting.get(weights);
  if (known !== undefined) return known;
  const fit = weights.data instanceof Int8Array && weights.zeroPoints.every((zeroPoint) => zeroPoint === 0);
  fitting.set(weights, fit);
  return fit;
}

const fitting = new WeakMap<Int8Weights, boolean>();

/** The steps of k, a multiple of 8, that panels of such rows have. */
export function paddedDepth(depth: number): number {
  return roundUp(depth, INT8_DEPTH_UNIT);
}

/** Bytes of one group. */
export function groupBytes({ rows, depth }: Int8Weights, { width, groups, bytes }: WeightLayout): number {
  return (bytes ? 1 : 2) * roundUp(rows / groups, width) * paddedDepth(depth);
}

interface Packed {
  readonly layout: WeightLayout;
  readonly kept: Kept;
}

const packedIn = new WeakMap<WasmMemory, WeakMap<Int8Weights, Packed>>();

/** Packs weights unless they are kept. To be called outside of a frame: null within one, or if they are too large. */
export function keptWeights(engine: WasmEngine, weights: Int8Weights, layout: WeightLayout): number | null {
  const { memory } = engine;
  const known = packedIn.get(memory) ?? new WeakMap<Int8Weights, Packed>();
  packedIn.set(memory, known);
  const packed = known.get(weights);
  if (packed && memory.holds(packed.kept) && sameLayout(packed.layout, layout)) return packed.kept.address;
  const kept = memory.keep(layout.groups * groupBytes(weights, layout));
  if (!kept) return null;
  pack(engine, weights, layout, kept.address);
  known.set(weights, { layout, kept });
  return kept.address;
}

/** Packs weights for one call, in its frame. */
export function packedWeights(engine: WasmEngine, weights: Int8Weights, layout: WeightLayout): number {
  const address = engine.memory.allocateBytes(layout.groups * groupBytes(weights, layout));
  pack(engine, weights, layout, address);
  return address;
}

function sameLayout(a: WeightLayout, b: WeightLayout): boolean {
  return a.width === b.width && a.groups === b.groups && a.bytes === b.bytes;
}

function pack(engine: WasmEngine, weights: Int8Weights, layout: WeightLayout, address: number): void {
  const bytes = groupBytes(weights, layout);
  engine.memory.frame(() => {
    const packGroup = layout.width === 1 ? packSingly : packPanels;
    for (let group = 0; group < layout.groups; group++) {
      packGroup(engine, weights, layout, group, address + group * bytes);
    }
  });
}

/** Rows of pairs, one after the other: a group's rows in a direct convolution. */
function packSingly(
  { memory }: WasmEngine,
  weights: Int8Weights,
  layout: WeightLayout,
  group: number,
  to: number,
): void {
  const { data, rows, depth, zeroPoints } = weights;
  const inGroup = rows / layout.groups;
  const padded = paddedDepth(depth);
  const row = new Int16Array(padded);
  for (let i = 0; i < inGroup; i++) {
    const r = group * inGroup + i;
    for (let k = 0; k < depth; k++) row[k] = data[r * depth + k] - zeroPoints[r];
    memory.bytes.set(new Uint8Array(row.buffer), to + 2 * padded * i);
  }
}

function packPanels(
  { memory, code }: WasmEngine,
  weights: Int8Weights,
  layout: WeightLayout,
  group: number,
  to: number,
): void {
  const { data, rows, depth, zeroPoints } = weights;
  const inGroup = rows / layout.groups;
  const padded = paddedDepth(depth);
  const { width } = layout;
  const step = 4 * width;
  memory.frame(() => {
    const isSigned = data instanceof Int8Array;
    const operand = memory.operand(data);
    const buffer = memory.allocateFor(operand, 4 * depth);
    const wide = memory.allocateBytes(layout.bytes ? 2 * width * padded : 0);
    const zeros = memory.table(zeroPoints.map((zeroPoint) => zeroPoint + (isSigned ? 128 : 0)));
    for (let i = 0; i < roundUp(inGroup, width); i += 4) {
      const first = group * inGroup + Math.min(i, inGroup - 1); // a panel's second half may be empty
      const count = Math.max(1, Math.min(4, inGroup - i));
      const source = memory.read(operand, first * depth, count * depth, buffer);
      const start = layout.bytes ? wide : to + 2 * width * padded * Math.floor(i / width);
      const panel = start + 4 * (i % width);
      code.packRows(source, depth, count - 1, padded, isSigned ? FLIP : 0, zeros + 4 * first, 4, panel, step);
      clearPadding(memory, depth, padded, panel, step);
      if (layout.bytes && i % width !== 0) code.narrow(wide, to + padded * (i - 4), width * padded);
    }
  });
}

/** Zeros for the steps of four rows that the weight does not have, whatever was read there. */
function clearPadding(memory: WasmMemory, depth: number, padded: number, panel: number, step: number): void {
  for (let k = depth; k < padded; k++) {
    for (let row = 0; row < 4; row++) {
      const at = panel + step * (k >> 1) + 4 * row + 2 * (k & 1);
      memory.bytes.fill(0, at, at + 2);
    }
  }
}
