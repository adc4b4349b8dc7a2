/**
 * Sums of float32 values in the order in which PyTorch adds them (`torch.sum` of a contiguous row, on processors with
 * eight float lanes), each addition rounded. The histogram search compares such sums, so their last bits can decide.
 */

/** Vectors that are added side by side. */
const ROWS = 4;
/** Partial sums are moved up a level each `2^power` additions, so that small values meet small ones. */
const LEVELS = 4;
const LANES = 8;

export function floatSum(values: Float32Array): number {
  const lanes = values.length >= LANES ? LANES : 1;
  const vectors = Math.floor(values.length / lanes);
  const sums = vectorSum(values, lanes, vectors);
  let total = 0;
  for (let i = vectors * lanes; i < values.length; i++) total = Math.fround(total + values[i]);
  for (const sum of sums) total = Math.fround(total + sum);
  return total;
}

/** Sum of the first `vectors` vectors, lane by lane: four interleaved rows, then the rows together. */
function vectorSum(values: Float32Array, lanes: number, vectors: number): Float32Array {
  const perRow = Math.floor(vectors / ROWS);
  const rows = interleavedSums(values, ROWS * lanes, perRow);
  for (let v = perRow * ROWS; v < vectors; v++) {
    for (let lane = 0; lane < lanes; lane++) rows[lane] += values[v * lanes + lane];
  }
  for (let row = 1; row < ROWS; row++) {
    for (let lane = 0; lane < lanes; lane++) rows[lane] += rows[row * lanes + lane];
  }
  return rows.subarray(0, lanes);
}

/** Column sums of a [size, width] array, through a cascade of partial sums. */
function interleavedSums(values: Float32Array, width: number, size: number): Float32Array {
  const power = Math.max(4, Math.ceil(Math.log2(Math.max(size, 1))) / LEVELS) | 0;
  const step = 2 ** power;
  const levels = Array.from({ length: LEVELS }, () => new Float32Array(width));
  let i = 0;
  while (i + step <= size) {
    const end = i + step;
    for (; i < end; i++) addInto(levels[0], values, i * width);
    for (let level = 1; level < LEVELS; level++) {
      addInto(levels[level], levels[level - 1], 0);
      levels[level - 1].fill(0);
      if (Math.floor(i / 2 ** (level * power)) % step !== 0) break;
    }
  }
  for (; i < size; i++) addInto(levels[0], values, i * width);
  for (let level = 1; level < LEVELS; level++) addInto(levels[0], levels[level], 0);
  return levels[0];
}

function addInto(sums: Float32Array, values: Float32Array, start: number): void {
  for (let k = 0; k < sums.length; k++) sums[k] += values[start + k];
}
