/**
 * Smallest and largest values, and histograms, of float32 arrays are copied to wasm memory piece by piece, and
 * read from the cache. The copy is most of the time: about 2 ms for 6.4 million values, where all takes about 3.
 */
import type { ChannelLayout } from "../quantized-kernels.ts";
import { eachRun } from "./channels.ts";
import type { Run } from "./channels.ts";
import { RANGE_BYTES } from "./code/observe.ts";
import type { WasmEngine } from "./engine.ts";

/** Floats staged at a time: 32 KiB, measured 15 % faster here than 64. */
const RUN = 8192;

/** As {@link QuantizedKernels.minMax}, where a channel's elements lie side by side. */
export function minMaxPlanes(
  { memory, code }: WasmEngine,
  x: Float32Array,
  { outer, channels, inner }: ChannelLayout,
  min: Float32Array,
  max: Float32Array,
): void {
  memory.frame(() => {
    const operand = memory.operand(x);
    const buffer = memory.allocateFor(operand, Math.min(x.length, RUN));
    const ranges = memory.allocateBytes(RANGE_BYTES * channels);
    const first = ranges / 4;
    for (let c = 0; c < channels; c++) memory.floats.set([Infinity, -Infinity, 0], first + 4 * c);
    const widen = (run: Run): void => {
      let at = memory.read(operand, run.from, run.planes * run.inner, buffer);
      for (let i = 0; i < run.planes; i++, at += 4 * run.inner) {
        code.minMaxRun(at, run.inner, ranges + RANGE_BYTES * ((run.firstPlane + i) % channels));
      }
    };
    eachRun(outer * channels, inner, widen, RUN);
    const { floats, ints } = memory;
    for (let c = 0; c < channels; c++) {
      const hasNaN = ints[first + 4 * c + 2] !== 0;
      min[c] = hasNaN ? NaN : floats[first + 4 * c];
      max[c] = hasNaN ? NaN : floats[first + 4 * c + 1];
    }
  });
}

/** As {@link QuantizedKernels.minMax} for x seen as [rows, channels]. */
export function minMaxColumns(
  { memory, code }: WasmEngine,
  x: Float32Array,
  channels: number,
  min: Float32Array,
  max: Float32Array,
): void {
  memory.frame(() => {
    const operand = memory.operand(x);
    const rowsAtOnce = Math.max(1, Math.floor(RUN / channels));
    const rows = x.length / channels;
    const buffer = memory.allocateFor(operand, Math.min(rows, rowsAtOnce) * channels);
    const [low, high, nan] = [Infinity, -Infinity, 0].map((start) => {
      const address = memory.allocate(channels + 3); // whole vectors
      memory.floats.fill(start, address / 4, address / 4 + channels);
      return address;
    });
    for (let row = 0; row < rows; row += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - row);
      const at = memory.read(operand, row * channels, count * channels, buffer);
      code.minMaxColumns(at, count, channels, low, high, nan);
    }
    const { floats, ints } = memory;
    for (let c = 0; c < channels; c++) {
      const hasNaN = ints[nan / 4 + c] !== 0;
      min[c] = hasNaN ? NaN : floats[low / 4 + c];
      max[c] = hasNaN ? NaN : floats[high / 4 + c];
    }
  });
}

/**
 * Gives zeros the sign of a channel's first zero, which the vector loops lose (0 and −0 compare equal): the reference
 * keeps the first of equal values.
 */
export function signZeros(
  x: Float32Array,
  { outer, channels, inner }: ChannelLayout,
  min: Float32Array,
  max: Float32Array,
): void {
  for (let c = 0; c < channels; c++) {
    if (min[c] !== 0 && max[c] !== 0) continue;
    const zero = firstZero(x, outer, channels, inner, c);
    if (min[c] === 0) min[c] = zero;
    if (max[c] === 0) max[c] = zero;
  }
}

function firstZero(x: Float32Array, outer: number, channels: number, inner: number, channel: number): number {
  for (let o = 0; o < outer; o++) {
    const start = (o * channels + channel) * inner;
    if (inner === 1) {
      if (x[start] === 0) return x[start];
      continue;
    }
    const at = x.subarray(start, start + inner).indexOf(0); // finds −0 too
    if (at >= 0) return x[start + at];
  }
  return 0;
}

/**
 * As {@link QuantizedKernels.histogram}, for float32 limits whose distance times the number of bins is finite, and above
 * zero; and at most {@link MAX_BINS} bins.
 */
export function histogram(
  { memory, code }: WasmEngine,
  x: Float32Array,
  min: number,
  max: number,
  counts: Float32Array,
): void {
  const bins = counts.length;
  const slotsOfTable = bins + 2;
  memory.frame(() => {
    const operand = memory.operand(x);
    const buffer = memory.allocateFor(operand, Math.min(x.length, RUN));
    const tables = memory.allocate(4 * slotsOfTable);
    const parameters = memory.allocate(8);
    const slots = memory.allocate(16);
    const { floats, ints } = memory;
    ints.fill(0, tables / 4, tables / 4 + 4 * slotsOfTable);
    floats.set([min, max, bins, Math.fround(max - min)], parameters / 4);
    for (let lane = 0; lane < 4; lane++) ints[parameters / 4 + 4 + lane] = tables + 4 * lane * slotsOfTable;
    for (let i = 0; i < x.length; i += RUN) {
      const count = Math.min(RUN, x.length - i);
      code.histogram(memory.read(operand, i, count, buffer), count, parameters, slots);
    }
    const countOf = (slot: number): number => {
      let sum = 0;
      for (let lane = 0; lane < 4; lane++) sum += ints[tables / 4 + lane * slotsOfTable + slot];
      return sum;
    };
    for (let bin = 0; bin < bins; bin++) {
      const maximum = bin === bins - 1 ? countOf(bins + 1) : 0;
      counts[bin] += countOf(bin + 1) + maximum;
    }
  });
}
