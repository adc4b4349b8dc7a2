/**
 * Sums of float32 values in single precision and in PyTorch's order (that of its code for AVX2), where a result is rounded to a
 * grid afterwards and a tie would tell another order apart. (Float operators sum in double precision.)
 *
 * A sum has four levels: after 16 values, or a higher power of two of long sums, a level's sum goes to the next. An interleaved
 * sum is four such sums, over every fourth value, which are added up in the end. Which of them PyTorch takes depends on how
 * the values lie in memory: see {@link summationOf}.
 */
const LEVELS = 4;
/** How many partial sums of a row PyTorch keeps at a time. */
const INTERLEAVED = 4;
/** How many columns it adds at a time with vectors, and without. */
const [COLUMNS, FEW_COLUMNS] = [32, 4];
/** How many float32 values a vector of AVX2 holds. */
const VECTOR = 8;

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

/** Σ of `count` neighbouring values: first what does not fill a vector, then the sums of a vector's elements. */
function vectorSum(x: Float32Array, start: number, _step: number, count: number): number {
  const vectors = Math.floor(count / VECTOR);
  let total = 0;
  for (let i = start + vectors * VECTOR; i < start + count; i++) total = Math.fround(total + x[i]);
  for (let k = 0; k < VECTOR; k++) total = Math.fround(total + interleavedSum(x, start + k, VECTOR, vectors));
  return total;
}

/** Dimensions that lie in memory as if they were one. */
interface Run {
  readonly size: number;
  readonly stride: number;
}

/** `dims`, the fastest first, and neighbours in memory as one. */
function runsOf(dims: readonly number[], shape: readonly number[], strides: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const d of dims) {
    const last = runs.at(-1);
    if (shape[d] === 1) continue;
    if (last && last.size * last.stride === strides[d]) {
      runs[runs.length - 1] = { stride: last.stride, size: last.size * shape[d] };
    } else runs.push({ size: shape[d], stride: strides[d] });
  }
  return runs;
}

/** Offsets of all positions of some runs; the first run changes fastest. */
function offsetsOf(runs: readonly Run[]): number[] {
  return runs.reduce<number[]>(
    (offsets, { size, stride }) =>
      Array.from({ length: size }, (_, i) => offsets.map((offset) => offset + i * stride)).flat(),
    [0],
  );
}

type Summation = (x: Float32Array, start: number, step: number, count: number) => number;

/** How column `i` of neighbouring results is summed over one run, where `summed` are all runs of values that are. */
function summationOf(summed: readonly Run[], columns: Run | undefined, i: number): Summation {
  const [first] = summed;
  if (first.stride === 1 && first.size >= VECTOR) return vectorSum;
  if (summed.length > 1 || !columns) return interleavedSum;
  const vectors = columns.stride === 1 && columns.size >= VECTOR;
  if (!vectors && first.stride < columns.stride) return interleavedSum;
  const together = vectors ? COLUMNS : FEW_COLUMNS;
  return i < columns.size - (columns.size % together) ? levelledSum : interleavedSum;
}

/**
 * The sums over `dims` of values with this shape and, in memory, these strides: as PyTorch adds them up when the result is
 * contiguous, in row-major order of the other dimensions.
 */
export function singlePrecisionSums(
  values: Float32Array,
  shape: readonly number[],
  strides: readonly number[],
  dims: readonly number[],
): Float32Array {
  const others = shape.map((_, d) => shape.length - 1 - d).filter((d) => !dims.includes(d));
  const kept = runsOf(others, shape, strides);
  const summed = runsOf(
    [...dims].sort((a, b) => strides[a] - strides[b]),
    shape,
    strides,
  );
  const [first, ...rest] = summed;
  const starts = offsetsOf(rest);
  return Float32Array.from(offsetsOf(kept), (base, i) => {
    if (!first) return values[base];
    const sumOf = summationOf(summed, kept[0], i % (kept[0]?.size ?? 1));
    let total = 0;
    for (const start of starts) total = Math.fround(total + sumOf(values, base + start, first.stride, first.size));
    return total;
  });
}
