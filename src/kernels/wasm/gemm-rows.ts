/**
 * Matrix product with few rows of A in float32. Each element of B is used a handful of times, so that B is not packed: it
 * is staged 256 KiB at a time, and used while it is in the cache.
 */
import type { GemmSpec } from "../kernels.ts";
import { affineTable, roundUp } from "./blocks.ts";
import type { WasmEngine } from "./engine.ts";
import { EDGE_ADDRESS } from "./memory.ts";
import type { Operand } from "./memory.ts";

/** Floats of B that are staged at a time. */
const CHUNK = 65536;
/** Columns that the one-row kernel makes at a time. */
const WIDE = 32;

/** Up to this many rows, packing B costs more than it gains: measured, for B as it is and for B transposed. */
const FEW_ROWS = 8;
const FEW_ROWS_TRANSPOSED = 32;

/** Whether {@link gemmFewRows} can do this product, and is the faster way. */
export function hasFewRows({ m, transA, transB }: GemmSpec): boolean {
  if (m === 1) return true;
  return !transA && m <= (transB ? FEW_ROWS_TRANSPOSED : FEW_ROWS);
}

/** As {@link Kernels.gemm} for float32, where {@link hasFewRows}. */
export function gemmFewRows(
  engine: WasmEngine,
  spec: GemmSpec,
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
): void {
  const { memory } = engine;
  memory.frame(() => {
    const [bOperand, cOperand] = [memory.operand(b), memory.operand(c)];
    const count = spec.m * spec.n;
    const aStaged = memory.copy(a.subarray(0, spec.m * spec.k));
    const buffer = memory.allocate(count);
    const sums = spec.accumulate ? memory.read(cOperand, 0, count, buffer) : memory.target(cOperand, 0, buffer);
    if (!spec.accumulate) memory.floats.fill(0, sums / 4, sums / 4 + count);
    const multiply = spec.transB ? multiplyTransposed : multiplyPlain;
    multiply(engine, spec, aStaged, bOperand, sums);
    memory.finish(cOperand, 0, count, buffer);
  });
}

/** B stored [n, k]: dot products with its rows. */
function multiplyTransposed(
  { memory, code }: WasmEngine,
  { m, n, k }: GemmSpec,
  a: number,
  b: Operand,
  c: number,
): void {
  const chunkRows = Math.max(1, Math.floor(CHUNK / k));
  const buffer = memory.allocateFor(b, Math.min(n, chunkRows) * k);
  for (let j = 0; j < n; j += chunkRows) {
    const rows = Math.min(chunkRows, n - j);
    const bRows = memory.read(b, j * k, rows * k, buffer);
    const sums = c + 4 * j;
    code.multiplyDots(m, rows, k, a, 4 * k, bRows, 4 * k, sums, 4 * n, sums, 4 * n);
  }
}

/** B stored [k, n]: its rows, scaled and summed. */
function multiplyPlain({ memory, code }: WasmEngine, { m, n, k }: GemmSpec, a: number, b: Operand, c: number): void {
  const chunkRows = Math.min(k, Math.max(1, Math.floor(CHUNK / n)));
  const buffer = memory.allocateFor(b, chunkRows * n);
  const panels = memory.allocate(roundUp(m, 4) * chunkRows);
  const [aRows, aSteps] = [affineTable(memory, m, 4 * k, 4), affineTable(memory, k, 4)];
  const wide = m === 1 ? n - (n % WIDE) : 0;
  for (let t = 0; t < k; t += chunkRows) {
    const steps = Math.min(chunkRows, k - t);
    const rows = memory.read(b, t * n, steps * n, buffer);
    if (wide > 0) code.multiplyRow(wide, steps, a + 4 * t, rows, 4 * n, c, c);
    if (wide === n) continue;
    code.pack4(a, aRows, m, aSteps + 4 * t, steps, panels);
    const sums = [c + 4 * wide, 4 * n, 32] as const; // where they start from, and where they go
    code.multiply(m, n - wide, steps, panels, rows + 4 * wide, 4 * n, 32, ...sums, ...sums, EDGE_ADDRESS);
  }
}
