/**
 * Embedding tables quantized row by row, in PyTorch's byte format: each row holds its integers and then its own scale and
 * bias, and stands for q · scale + bias.
 *
 *     8 bits   q₀ q₁ … qₙ₋₁                    scale (float32) bias (float32)
 *     4 bits   q₁q₀ q₃q₂ …                     scale (float16) bias (float16)     first value in the low bits
 *     2 bits   q₃q₂q₁q₀ q₇q₆q₅q₄ …             scale (float16) bias (float16)
 */
import { OctetError, formatShape } from "../../core/errors.ts";
import { halfToNumber, numberToHalf } from "../../core/half.ts";
import { roundHalfEven } from "../../core/rounding.ts";

/** Bits of one value. */
export type RowBits = 8 | 4 | 2;

export interface EmbeddingRows {
  readonly bits: RowBits;
  readonly rows: number;
  readonly dim: number;
  /** [rows, bytesPerRow(bits, dim)]. */
  readonly bytes: Uint8Array;
  /** float32 values that stand at the ends of the rows. */
  readonly scales: Float32Array;
  readonly biases: Float32Array;
}

/** Bytes of one row's integers. */
function payload(bits: RowBits, dim: number): number {
  return (dim * bits) / 8;
}

export function bytesPerRow(bits: RowBits, dim: number): number {
  return payload(bits, dim) + (bits === 8 ? 8 : 4);
}

/** Refuses a width whose values do not fill whole bytes. */
export function checkWidth(op: string, bits: RowBits, dim: number): void {
  const perByte = 8 / bits;
  if (dim % perByte !== 0) {
    throw new OctetError(`${op} only works for the number of columns a multiple of ${perByte}, got ${dim}`);
  }
}

/** A table from integers (row by row) and the scale and bias of each row, rounded to what the format keeps. */
export function packRows(
  bits: RowBits,
  rows: number,
  dim: number,
  integers: ArrayLike<number>,
  scaleOf: (row: number) => number,
  biasOf: (row: number) => number,
): EmbeddingRows {
  const width = bytesPerRow(bits, dim);
  const bytes = new Uint8Array(rows * width);
  const tail = new DataView(bytes.buffer);
  const perByte = 8 / bits;
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < dim; j++) {
      bytes[row * width + Math.floor(j / perByte)] |= integers[row * dim + j] << (bits * (j % perByte));
    }
    const end = row * width + payload(bits, dim);
    if (bits === 8) {
      tail.setFloat32(end, scaleOf(row), true);
      tail.setFloat32(end + 4, biasOf(row), true);
    } else {
      tail.setUint16(end, numberToHalf(scaleOf(row)), true);
      tail.setUint16(end + 2, numberToHalf(biasOf(row)), true);
    }
  }
  return readRows(bits, rows, width, bytes);
}

/** The table that lies in [rows, width] bytes. */
export function readRows(bits: RowBits, rows: number, width: number, bytes: Uint8Array): EmbeddingRows {
  const tailBytes = bits === 8 ? 8 : 4;
  if (width < tailBytes) {
    throw new OctetError(
      `embedding rows of ${bits} bits must have at least ${tailBytes} bytes, got ${formatShape([rows, width])}`,
    );
  }
  const tail = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [scales, biases] = [new Float32Array(rows), new Float32Array(rows)];
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * width - tailBytes;
    scales[row] = bits === 8 ? tail.getFloat32(end, true) : halfToNumber(tail.getUint16(end, true));
    biases[row] = bits === 8 ? tail.getFloat32(end + 4, true) : halfToNumber(tail.getUint16(end + 2, true));
  }
  return Object.freeze({ bits, rows, dim: ((width - tailBytes) * 8) / bits, bytes, scales, biases });
}

/** Calls `visit(j, q)` with each integer of a row. */
function forEachInteger({ bits, dim, bytes }: EmbeddingRows, row: number, visit: (j: number, q: number) => void): void {
  const start = row * bytesPerRow(bits, dim);
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  for (let j = 0; j < dim; j++) visit(j, (bytes[start + Math.floor(j / perByte)] >> (bits * (j % perByte))) & mask);
}

/** out[start + j] = q · scale + bias of a row, in float32. */
export function dequantizeRow(table: EmbeddingRows, row: number, out: Float32Array, start: number): void {
  const [scale, bias] = [table.scales[row], table.biases[row]];
  forEachInteger(table, row, (j, q) => (out[start + j] = Math.fround(q * scale) + bias));
}

/** out[start + j] += (q · scale + bias) · weight, with PyTorch's fused multiply-add: fma(q, scale, out + bias). */
export function addRow(table: EmbeddingRows, row: number, weight: number, out: Float32Array, start: number): void {
  const scale = Math.fround(table.scales[row] * weight);
  const bias = Math.fround(table.biases[row] * weight);
  forEachInteger(table, row, (j, q) => (out[start + j] = q * scale + Math.fround(out[start + j] + bias)));
}

// ---------------------------------------------------------------- float rows to integers

/** Keeps 255 / range finite; PyTorch's value. */
const EPSILON = Math.fround(1e-8);

/** A float table at 8 bits: each row's range is divided into 255 steps. */
export function quantizeRowsTo8Bits(values: Float32Array, rows: number, dim: number): EmbeddingRows {
  const integers = new Uint8Array(rows * dim);
  const ranges = Array.from({ length: rows }, (_, row) => rangeOf(values.subarray(row * dim, (row + 1) * dim)));
  for (let row = 0; row < rows; row++) {
    const { min, max } = ranges[row];
    const inverse = Math.fround(255 / Math.fround(Math.fround(max - min) + EPSILON));
    for (let i = row * dim; i < (row + 1) * dim; i++) {
      integers[i] = roundHalfEven(Math.fround(Math.fround(values[i] - min) * inverse));
    }
  }
  const scaleOf = (row: number) => Math.fround(ranges[row].max - ranges[row].min) / 255;
  return packRows(8, rows, dim, integers, scaleOf, (row) => ranges[row].min);
}

/** Finds a better range for a row than its extremes. */
export type RangeSearch = (row: Float32Array, bits: RowBits) => { min: number; max: number };

/** A float table at 4 or 2 bits; scale and bias are rounded to float16 before the values are divided by them. */
export function quantizeRowsToFewBits(
  values: Float32Array,
  rows: number,
  dim: number,
  bits: 4 | 2,
  search: RangeSearch = rangeOf,
): EmbeddingRows {
  const steps = (1 << bits) - 1;
  const integers = new Uint8Array(rows * dim);
  const [scales, biases] = [new Float32Array(rows), new Float32Array(rows)];
  for (let row = 0; row < rows; row++) {
    const source = values.subarray(row * dim, (row + 1) * dim);
    const { min, max } = search(source, bits);
    const bias = half(min);
    const range = Math.fround(max - bias);
    let scale = range === 0 ? 1 : half(Math.fround(range / steps));
    let inverse = scale === 0 ? 1 : Math.fround(1 / scale);
    if (scale === 0 || !Number.isFinite(inverse)) [scale, inverse] = [1, 1];
    [scales[row], biases[row]] = [scale, bias];
    source.forEach((value, j) => {
      const q = roundHalfEven(Math.fround(Math.fround(value - bias) * inverse));
      integers[row * dim + j] = Math.max(0, Math.min(q, steps));
    });
  }
  return packRows(bits, rows, dim, integers, (row) => scales[row], (row) => biases[row]); // prettier-ignore
}

function half(value: number): number {
  return halfToNumber(numberToHalf(value));
}

function rangeOf(row: Float32Array): { min: number; max: number } {
  let [min, max] = [row[0], row[0]];
  for (const value of row) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/**
 * The range of a row whose quantization error is smallest along a greedy walk: from the extremes, the end that costs less
 * moves inwards by one of `bins` steps, until only the fraction 1 − `ratio` of them is left
 * (`torch.choose_qparams_optimized`).
 */
export function optimizedRange(
  row: Float32Array,
  bins: number,
  ratio: number,
  bits: RowBits,
): { min: number; max: number } {
  let { min, max } = rangeOf(row);
  const step = Math.fround(Math.fround(max - min) / bins);
  const least = Math.fround(Math.trunc(bins * (1 - Math.fround(ratio))) * step);
  let [low, high] = [min, max];
  let loss = quantizationError(row, min, max, bits);
  let best = loss;
  while (Math.fround(low + least) < high) {
    const [raised, lowered] = [Math.fround(low + step), Math.fround(high - step)];
    const lossOfRaised = quantizationError(row, raised, high, bits);
    const lossOfLowered = quantizationError(row, low, lowered, bits);
    if (loss < lossOfRaised && loss < lossOfLowered && loss < best) {
      best = loss;
      [min, max] = [low, high];
    }
    if (lossOfRaised < lossOfLowered) [low, loss] = [raised, lossOfRaised];
    else [high, loss] = [lowered, lossOfLowered];
  }
  return { min, max };
}

/** √Σ(x − x̂)² of a row quantized to the range [min, max]; every step in float32. */
function quantizationError(row: Float32Array, min: number, max: number, bits: RowBits): number {
  const bias = half(min);
  const steps = (1 << bits) - 1;
  const range = Math.fround(max - bias);
  const scale = range === 0 ? 1 : half(Math.fround(range / steps));
  const inverse = scale === 0 ? 1 : Math.fround(1 / scale);
  let sum = 0;
  for (const value of row) {
    const q = Math.max(0, Math.min(roundHalfEven(Math.fround(Math.fround(value - bias) * inverse)), steps));
    const error = Math.fround(value - Math.fround(Math.fround(q * scale) + bias));
    sum = Math.fround(sum + Math.fround(error * error));
  }
  return Math.fround(Math.sqrt(sum));
}
