/**
 * Matrix product in float32: C[m, n] = A[m, k] · B[k, n] is cut into pieces that are staged, and those into blocks that
 * stay in the caches while the register tile (code/tile.ts) works on them.
 *
 *     piece   at most 2048 in each direction: 16 MiB of each matrix, copied into wasm memory unless it lies there
 *     block   128 rows of A × 256 of k (128 KiB, packed) times 256 of k × 256 columns of B (256 KiB, packed)
 */
import type { GemmSpec } from "../kernels.ts";
import {
  BLOCK_COLUMNS,
  BLOCK_ROWS,
  BLOCK_STEPS,
  fillAffineTable,
  FROM_ZERO,
  multiplyPanels,
  roundUp,
} from "./blocks.ts";
import type { WasmEngine } from "./engine.ts";
import { gemmFewRows, hasFewRows } from "./gemm-rows.ts";
import type { Operand, WasmMemory } from "./memory.ts";

const PIECE = 2048;

/** As {@link Kernels.gemm}, for float32 and sizes above zero. */
export function gemm(engine: WasmEngine, spec: GemmSpec, a: Float32Array, b: Float32Array, c: Float32Array): void {
  if (hasFewRows(spec)) gemmFewRows(engine, spec, a, b, c);
  else gemmPieces(engine, spec, a, b, c);
}

function gemmPieces(engine: WasmEngine, spec: GemmSpec, a: Float32Array, b: Float32Array, c: Float32Array): void {
  const { memory } = engine;
  memory.frame(() => {
    const [m, n, k] = [Math.min(spec.m, PIECE), Math.min(spec.n, PIECE), Math.min(spec.k, PIECE)];
    const factors = [stagedOperand(memory, a, m * k), stagedOperand(memory, b, k * n)] as const;
    const result = stagedOperand(memory, c, m * n);
    const product = new BlockedProduct(engine, m, n, k);
    for (let row = 0; row < spec.m; row += PIECE) {
      for (let column = 0; column < spec.n; column += PIECE) {
        const piece = {
          row,
          rows: Math.min(PIECE, spec.m - row),
          column,
          columns: Math.min(PIECE, spec.n - column),
          rowLength: spec.n,
        };
        computePiece(memory, spec, factors, result, piece, product);
      }
    }
  });
}

/** A rectangle of a row-major matrix. */
interface Piece {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
  readonly rowLength: number;
}

interface StagedOperand extends Operand {
  /** Room for a piece, if the array does not lie in wasm memory. */
  readonly buffer: number;
}

/** A matrix in wasm memory: bytes from one row and from one column to the next. */
interface StagedMatrix {
  readonly base: number;
  readonly row: number;
  readonly column: number;
}

function stagedOperand(memory: WasmMemory, array: Float32Array, count: number): StagedOperand {
  const operand = memory.operand(array);
  return { array, address: operand.address, buffer: memory.allocateFor(operand, count) };
}

/** Computes one piece of C, over all of k. */
function computePiece(
  memory: WasmMemory,
  { k, transA, transB, accumulate, m, n }: GemmSpec,
  [a, b]: readonly [StagedOperand, StagedOperand],
  c: StagedOperand,
  piece: Piece,
  product: BlockedProduct,
): void {
  const { row, rows, column, columns } = piece;
  const target = accumulate ? stage(memory, c, piece) : placeOf(c, piece);
  for (let t = 0; t < k; t += PIECE) {
    const steps = Math.min(PIECE, k - t);
    const inA = { row, rows, column: t, columns: steps, rowLength: k };
    const inB = { row: t, rows: steps, column, columns, rowLength: n };
    const left = transA ? transpose(stage(memory, a, transposePiece(inA, m))) : stage(memory, a, inA);
    const right = transB ? transpose(stage(memory, b, transposePiece(inB, k))) : stage(memory, b, inB);
    product.run(rows, columns, steps, left, right, target, accumulate || t > 0);
  }
  if (c.address === null) {
    eachRun(piece, (from, count, offset) => memory.finish(c, from, count, c.buffer + 4 * offset));
  }
}

function transposePiece({ row, rows, column, columns }: Piece, rowLength: number): Piece {
  return { row: column, rows: columns, column: row, columns: rows, rowLength };
}

function transpose({ base, row, column }: StagedMatrix): StagedMatrix {
  return { base, row: column, column: row };
}

/** Makes a piece readable. */
function stage(memory: WasmMemory, operand: StagedOperand, piece: Piece): StagedMatrix {
  if (operand.address === null) {
    eachRun(piece, (from, count, offset) => memory.read(operand, from, count, operand.buffer + 4 * offset));
  }
  return placeOf(operand, piece);
}

/** Where a piece is, or will be, staged. */
function placeOf({ address, buffer }: StagedOperand, { row, column, columns, rowLength }: Piece): StagedMatrix {
  if (address === null) return { base: buffer, row: 4 * columns, column: 4 };
  return { base: address + 4 * (row * rowLength + column), row: 4 * rowLength, column: 4 };
}

/** The runs of consecutive elements that a piece consists of: where each starts in the matrix and in the piece. */
function eachRun(piece: Piece, body: (from: number, count: number, offset: number) => void): void {
  const { row, rows, column, columns, rowLength } = piece;
  if (columns === rowLength) {
    body(row * rowLength, rows * columns, 0);
    return;
  }
  for (let r = 0; r < rows; r++) body((row + r) * rowLength + column, columns, r * columns);
}

/** The blocked product of matrices in wasm memory, with its buffers for packed blocks and tables. */
class BlockedProduct {
  readonly #engine: WasmEngine;
  readonly #aPanels: number;
  readonly #bPanels: number;
  readonly #tables: Readonly<Record<"aRows" | "aSteps" | "bColumns" | "bSteps", number>>;

  /** Buffers for sizes up to these. */
  constructor(engine: WasmEngine, m: number, n: number, k: number) {
    const { memory } = engine;
    const steps = Math.min(k, BLOCK_STEPS);
    this.#engine = engine;
    this.#aPanels = memory.allocate(roundUp(Math.min(m, BLOCK_ROWS), 4) * steps);
    this.#bPanels = memory.allocate(roundUp(Math.min(n, BLOCK_COLUMNS), 8) * steps);
    this.#tables = {
      aRows: memory.allocate(roundUp(m, 4)),
      aSteps: memory.allocate(k),
      bColumns: memory.allocate(roundUp(n, 8)),
      bSteps: memory.allocate(k),
    };
  }

  /** C = A · B, or C += A · B. */
  run(m: number, n: number, k: number, a: StagedMatrix, b: StagedMatrix, c: StagedMatrix, accumulate: boolean): void {
    const { code, memory } = this.#engine;
    const { aRows, aSteps, bColumns, bSteps } = this.#tables;
    fillAffineTable(memory, aRows, m, roundUp(m, 4), a.row);
    fillAffineTable(memory, aSteps, k, k, a.column);
    fillAffineTable(memory, bColumns, n, roundUp(n, 8), b.column);
    fillAffineTable(memory, bSteps, k, k, b.row);
    for (let j = 0; j < n; j += BLOCK_COLUMNS) {
      const columns = Math.min(BLOCK_COLUMNS, n - j);
      for (let t = 0; t < k; t += BLOCK_STEPS) {
        const steps = Math.min(BLOCK_STEPS, k - t);
        code.pack8(b.base, bColumns + 4 * j, columns, bSteps + 4 * t, steps, this.#bPanels);
        for (let i = 0; i < m; i += BLOCK_ROWS) {
          const rows = Math.min(BLOCK_ROWS, m - i);
          code.pack4(a.base, aRows + 4 * i, rows, aSteps + 4 * t, steps, this.#aPanels);
          const target = { address: c.base + i * c.row + 4 * j, row: c.row, panel: 32 };
          const start = accumulate || t > 0 ? target : FROM_ZERO;
          multiplyPanels(this.#engine, [rows, columns, steps], this.#aPanels, this.#bPanels, start, target);
        }
      }
    }
  }
}
