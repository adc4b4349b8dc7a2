/** What the matrix product and the convolutions share: block sizes, offset tables, the product of packed panels. */
import type { WasmEngine } from "./engine.ts";
import { EDGE_ADDRESS, ZEROS_ADDRESS } from "./memory.ts";
import type { WasmMemory } from "./memory.ts";

/** Rows of A, columns of B and steps of k that are multiplied at a time: 128 KiB of A and 256 KiB of B, packed. */
export const BLOCK_ROWS = 128;
export const BLOCK_COLUMNS = 256;
export const BLOCK_STEPS = 256;

/** Where sums start: an address, and the bytes to the next row and to the next eight columns. */
export interface Start {
  readonly address: number;
  readonly row: number;
  readonly panel: number;
}

export const FROM_ZERO: Start = { address: ZEROS_ADDRESS, row: 0, panel: 0 };

/** Where results go: an address, and the bytes to the next row and to the next eight columns (32 if row-major). */
export interface Target {
  readonly address: number;
  readonly row: number;
  readonly panel: number;
}

/** C[m, n] = start + A[m, k] · B[k, n] with both operands packed, k ≤ {@link BLOCK_STEPS}. */
export function multiplyPanels(
  engine: WasmEngine,
  [m, n, k]: readonly [number, number, number],
  aPanels: number,
  bPanels: number,
  start: Start,
  target: Target,
): void {
  const bPanel = 32 * k;
  for (let i = 0; i < m; i += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, m - i);
    const a = aPanels + 4 * i * k;
    const from = start.address + i * start.row;
    const to = target.address + i * target.row;
    const { row, panel } = target;
    engine.code.multiply(
      rows,
      n,
      k,
      a,
      bPanels,
      32,
      bPanel,
      from,
      start.row,
      start.panel,
      to,
      row,
      panel,
      EDGE_ADDRESS,
    );
  }
}

/** Allocates a table of the first `count` multiples of `step`, padded to a multiple of `multiple`. */
export function affineTable(memory: WasmMemory, count: number, step: number, multiple = 1): number {
  const padded = roundUp(count, multiple);
  const table = memory.allocate(padded);
  fillAffineTable(memory, table, count, padded, step);
  return table;
}

export function fillAffineTable(memory: WasmMemory, table: number, count: number, padded: number, step: number): void {
  const { ints } = memory;
  const first = table / 4;
  for (let i = 0; i < count; i++) ints[first + i] = i * step;
  padOffsets(ints, first + count, first + padded);
}

/** Continues a table of offsets in steps of four bytes, as pack.ts wants it. */
export function padOffsets(table: Int32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) table[i] = table[i - 1] + 4;
}

export function roundUp(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}
