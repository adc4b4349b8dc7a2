/**
 * Matrix product, accumulated in double precision. Both factors are first copied into panels of doubles, in the order in
 * which the inner loop reads them; the inner loop keeps a tile of 2 × 4 sums in registers.
 *
 *     panels of A: 2 rows each       a₀₀ a₁₀ | a₀₁ a₁₁ | a₀₂ a₁₂ | …   one pair per step of k
 *     panels of B: 4 columns each    b₀₀ b₀₁ b₀₂ b₀₃ | b₁₀ b₁₁ b₁₂ b₁₃ | …   one quad per step of k
 *
 * With one or two rows of A, packing B would cost more than the product itself: those read B where it lies.
 */
import type { FloatArray } from "../../core/dtype.ts";
import type { GemmSpec } from "../kernels.ts";

/** A matrix inside an array: element (i, j) is data[i · rowStep + j · columnStep]. */
export interface MatrixView {
  readonly data: FloatArray;
  readonly rowStep: number;
  readonly columnStep: number;
}

/** Where a product goes: row i starts at data[i · rowStep]; `accumulate` adds to what is there. */
export interface ProductTarget {
  readonly data: FloatArray;
  readonly rowStep: number;
  readonly accumulate: boolean;
}

const TILE_ROWS = 2;
const TILE_COLUMNS = 4;

/** C = op(A) · op(B), or C += for `accumulate`. */
export function gemm<T extends FloatArray>(spec: GemmSpec, a: T, b: T, c: T): void {
  const { m, n, k, transA, transB, accumulate } = spec;
  const left = { data: a, rowStep: transA ? 1 : k, columnStep: transA ? m : 1 };
  const right = { data: b, rowStep: transB ? 1 : n, columnStep: transB ? k : 1 };
  multiply(m, n, k, left, right, { data: c, rowStep: n, accumulate });
}

/** target[m, n] = a[m, k] · b[k, n], for matrices with any steps. */
export function multiply(m: number, n: number, k: number, a: MatrixView, b: MatrixView, target: ProductTarget): void {
  if (m > TILE_ROWS) {
    multiplyTiles(m, n, k, a, b, target);
    return;
  }
  const { data, rowStep, accumulate } = target;
  for (let i = 0; i < m; i++) {
    const sums = new Float64Array(n);
    if (accumulate) sums.set(data.subarray(i * rowStep, i * rowStep + n));
    multiplyRow(n, k, a.data, i * a.rowStep, a.columnStep, b, sums);
    data.set(sums, i * rowStep);
  }
}

/** sums[j] += Σ a[s + e · aStep] · b(e, j): along the rows of B or along its columns, whichever lies contiguous. */
function multiplyRow(
  n: number,
  k: number,
  a: FloatArray,
  s: number,
  aStep: number,
  b: MatrixView,
  sums: Float64Array,
): void {
  const { data, rowStep, columnStep } = b;
  if (columnStep === 1) {
    for (let e = 0; e < k; e++) {
      const factor = a[s + e * aStep];
      const row = e * rowStep;
      for (let j = 0; j < n; j++) sums[j] += factor * data[row + j];
    }
    return;
  }
  for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let e = 0, t = j * columnStep; e < k; e++, t += rowStep) sum += a[s + e * aStep] * data[t];
    sums[j] += sum;
  }
}

function multiplyTiles(m: number, n: number, k: number, a: MatrixView, b: MatrixView, target: ProductTarget): void {
  const { data, rowStep, accumulate } = target;
  const aPanels = packPanels(TILE_ROWS, m, k, a.data, a.rowStep, a.columnStep);
  const bPanels = packPanels(TILE_COLUMNS, n, k, b.data, b.columnStep, b.rowStep);
  const tile = new Float64Array(TILE_ROWS * TILE_COLUMNS);
  for (let j = 0; j < n; j += TILE_COLUMNS) {
    const columns = Math.min(TILE_COLUMNS, n - j);
    for (let i = 0; i < m; i += TILE_ROWS) {
      computeTile(k, aPanels, i * k, bPanels, j * k, tile);
      const tileRows = Math.min(TILE_ROWS, m - i);
      for (let r = 0; r < tileRows; r++) {
        const start = (i + r) * rowStep + j;
        for (let s = 0; s < columns; s++) {
          const sum = tile[r * TILE_COLUMNS + s];
          data[start + s] = accumulate ? data[start + s] + sum : sum;
        }
      }
    }
  }
}

/**
 * Copies `count` vectors of length k into panels of `width` vectors, interleaved by element; the last panel is filled up
 * with zeros. Element e of vector v is source[v · vectorStep + e · elementStep].
 */
function packPanels(
  width: number,
  count: number,
  k: number,
  source: FloatArray,
  vectorStep: number,
  elementStep: number,
): Float64Array {
  const panels = new Float64Array(Math.ceil(count / width) * width * k);
  for (let first = 0; first < count; first += width) {
    const vectors = Math.min(width, count - first);
    for (let v = 0; v < vectors; v++) {
      let from = (first + v) * vectorStep;
      const end = (first + width) * k;
      for (let to = first * k + v; to < end; to += width, from += elementStep) panels[to] = source[from];
    }
  }
  return panels;
}

/** The 2 × 4 products of one panel of A, from index s, with one panel of B, from index t. */
function computeTile(k: number, a: Float64Array, s: number, b: Float64Array, t: number, tile: Float64Array): void {
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  for (let e = 0; e < k; e++, s += 2, t += 4) {
    const a0 = a[s];
    const a1 = a[s + 1];
    const b0 = b[t];
    const b1 = b[t + 1];
    const b2 = b[t + 2];
    const b3 = b[t + 3];
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
  }
  tile[0] = c00;
  tile[1] = c01;
  tile[2] = c02;
  tile[3] = c03;
  tile[4] = c10;
  tile[5] = c11;
  tile[6] = c12;
  tile[7] = c13;
}
