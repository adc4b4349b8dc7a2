/**
 * Sums of float32 values in single precision and in PyTorch's order, where a result is rounded to a grid afterwards and a tie
 * would tell another order apart. (Float operators sum in double precision.)
 *
 * A sum has four levels: after 16 values, or a higher power of two of long sums, a level's sum goes to the next. The columns
 * that PyTorch adds 32 at a time (with the vectors of AVX2) are summed so; the columns left over, and everything where several
 * separate dimensions are summed, as four such sums over every fourth value, which are added up in the end.
 */
import type { Tensor } from "../../tensor/tensor.ts";

const LEVELS = 4;
/** How many partial sums of a row PyTorch keeps at a time. */
const INTERLEAVED = 4;
/** How many columns it adds at a time. */
const COLUMNS = 32;

/** Σ of `count` values from `start` on, `step` apart. */
function levelledSum(x: Float32Array, start: number, step: number, count: number): number {
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(count, 1))) / LEVELS));
  const size = 2 ** power;
  const levels = new Float32Array(LEVELS);
  let i = 0;
  while (i + size <= count) {
    for (const end = i + size; i < end; i++) levels[0] += x[start + i * step];
    for (let j = 1, span = size; j < LEVELS; j++, span *= size) {
      levels[j] += levels[j - 1];
      levels[j - 1] = 0;
      if (i % (span * size) !== 0) break;
    }
  }
  for (; i < count; i++) levels[0] += x[start + i * step];
  for (let j = 1; j < LEVELS; j++) levels[0] += levels[j];
  return levels[0];
}

/** Σ of `count` values as interleaved rows. */
function interleavedSum(x: Float32Array, start: number, step: number, count: number): number {
  const rows = Math.floor(count / INTERLEAVED);
  const sums = Float32Array.from({ length: INTERLEAVED }, (_, k) =>
    levelledSum(x, start + k * step, step * INTERLEAVED, rows),
  );
  for (let i = rows * INTERLEAVED; i < count; i++) sums[0] += x[start + i * step];
  for (let k = 1; k < INTERLEAVED; k++) sums[0] += sums[k];
  return sums[0];
}

/** Neighbouring dimensions that are both summed, or both kept, taken as one. */
interface Run {
  readonly size: number;
  readonly stride: number;
  readonly summed: boolean;
}

function runsOf(shape: readonly number[], dims: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (let d = shape.length - 1, stride = 1; d >= 0; stride *= shape[d], d--) {
    if (shape[d] === 1) continue;
    const summed = dims.includes(d);
    const last = runs.at(-1);
    if (last && last.summed === summed) runs[runs.length - 1] = { ...last, size: last.size * shape[d] };
    else runs.push({ size: shape[d], stride, summed });
  }
  return runs; // by increasing stride
}

/** Offsets of all positions of some runs; the last of them, with the largest stride, changes slowest. */
function offsetsOf(runs: readonly Run[]): number[] {
  return runs.reduce<number[]>(
    (offsets, { size, stride }) =>
      Array.from({ length: size }, (_, i) => offsets.map((offset) => offset + i * stride)).flat(),
    [0],
  );
}

/** The sums of a contiguous float32 tensor over `dims`, which leave out its last dimension. */
export function singlePrecisionSums(x: Tensor, dims: readonly number[]): Float32Array {
  const values = x.elements() as Float32Array;
  const runs = runsOf(x.shape, dims);
  const [first, ...rest] = runs.filter(({ summed }) => summed);
  if (!first) return values.slice();
  const kept = runs.filter(({ summed }) => !summed);
  const width = kept[0]?.size ?? 0;
  const together = rest.length === 0 ? width - (width % COLUMNS) : 0;
  const starts = offsetsOf(rest);
  return Float32Array.from(offsetsOf(kept), (base, i) => {
    const sumOf = i % width < together ? levelledSum : interleavedSum;
    let total = 0;
    for (const start of starts) total = Math.fround(total + sumOf(values, base + start, first.stride, first.size));
    return total;
  });
}
