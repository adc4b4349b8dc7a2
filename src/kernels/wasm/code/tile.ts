/**
 * The register tile: the innermost loop of every matrix product and convolution.
 *
 *     C[rows, columns] = start[rows, columns] + A[rows, k] · B[k, columns]
 *
 *              B, one step of k:  ┌ b0 b1 b2 b3 │ b4 b5 b6 b7 ┐   two vector loads
 *     A, one column:   a0 ──────▶ │  acc[0][0]  │  acc[0][1]  │
 *     one scalar of    a1 ──────▶ │  acc[1][0]  │  acc[1][1]  │   each a is broadcast to four lanes
 *     each row          ⋮         │      ⋮      │      ⋮      │
 *                      a5 ──────▶ └  acc[5][0]  │  acc[5][1]  ┘
 *
 * 6 × 8 needs 12 accumulators, 2 vectors of B and 1 of A: 15 of the 16 registers that engines have on x86-64.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, i32, v128 } from "../instructions.ts";
import type { MultiplyAdd, Value } from "../instructions.ts";

export const TILE_ROWS = 6;
export const TILE_COLUMNS = 8;

/**
 * Where A's element (row i, step t) lies.
 * - "dense": a + i · aRow + 4 · t. A plain row-major matrix; `aStep` is not used.
 * - "table": a + aRow[i] + aStep[t], both tables of byte offsets: the matrix of a convolution's input windows, read in
 *   place from the padded image (see conv-plan.ts).
 */
export type AddressMode = "dense" | "table";

export const TILE_PARAMETERS = {
  a: "i32",
  aRow: "i32",
  aStep: "i32",
  /** First row of B, and the bytes from one row to the next. */
  b: "i32",
  bStep: "i32",
  k: "i32",
  /** What the accumulators start from, and the bytes from one row to the next (0 repeats the row). */
  start: "i32",
  startRow: "i32",
  c: "i32",
  cRow: "i32",
} as const;

type TileParameters = { readonly [K in keyof typeof TILE_PARAMETERS]: Local<"i32"> };

export interface TileOptions {
  readonly rows: number;
  /** Columns / 4. */
  readonly vectors: number;
  readonly mode: AddressMode;
  readonly multiplyAdd: MultiplyAdd;
}

/** Emits the tile of `rows` × 4 · `vectors`. */
export function emitTile(module: ModuleBuilder, options: TileOptions): FunctionHandle {
  const { rows, vectors, mode } = options;
  return module.func(`tile_${mode}_${rows}x${4 * vectors}`, TILE_PARAMETERS, (f, p) => {
    const accumulators = loadStart(f, p, rows, vectors);
    const rowPointers = emitRowPointers(f, p, rows, mode);
    emitSteps(f, p, options, rowPointers, accumulators);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < vectors; j++) f.run(v128.store(p.c, accumulators[i][j], 16 * j));
      if (i + 1 < rows) f.increase(p.c, p.cRow);
    }
  });
}

function loadStart(f: FunctionBuilder, p: TileParameters, rows: number, vectors: number): Local<"v128">[][] {
  return Array.from({ length: rows }, (_, i) => {
    if (i > 0) f.increase(p.start, p.startRow);
    return Array.from({ length: vectors }, (_, j) => f.local("v128", v128.load(p.start, 16 * j)));
  });
}

/** One pointer for each row of A. */
function emitRowPointers(f: FunctionBuilder, p: TileParameters, rows: number, mode: AddressMode): Local<"i32">[] {
  const pointers: Local<"i32">[] = [];
  for (let i = 0; i < rows; i++) {
    if (mode === "table") pointers.push(f.local("i32", i32.add(p.a, i32.load(p.aRow, 4 * i))));
    else pointers.push(f.local("i32", i === 0 ? p.a : i32.add(pointers[i - 1], p.aRow)));
  }
  return pointers;
}

/** for t in 0…k: acc[i][j] += A[i, t] · B[t, j]. */
function emitSteps(
  f: FunctionBuilder,
  p: TileParameters,
  { vectors, mode, multiplyAdd }: TileOptions,
  rowPointers: Local<"i32">[],
  accumulators: Local<"v128">[][],
): void {
  const bVectors = Array.from({ length: vectors }, () => f.local("v128"));
  const broadcast = f.local("v128");
  const offset = f.local("i32");
  const oneRow = rowPointers.length === 1;
  f.repeat(p.k, () => {
    if (mode === "table") f.set(offset, i32.load(p.aStep));
    if (!oneRow) for (let j = 0; j < vectors; j++) f.set(bVectors[j], v128.load(p.b, 16 * j));
    rowPointers.forEach((pointer, i) => {
      const address: Value<"i32"> = mode === "table" ? i32.add(pointer, offset) : pointer;
      f.set(broadcast, v128.loadSplat32(address));
      for (let j = 0; j < vectors; j++) {
        const bVector = oneRow ? v128.load(p.b, 16 * j) : bVectors[j]; // a single row uses each vector once
        f.set(accumulators[i][j], multiplyAdd(broadcast, bVector, accumulators[i][j]));
      }
    });
    f.increase(p.b, p.bStep);
    if (mode === "table") f.increase(p.aStep, 4);
    else for (const pointer of rowPointers) f.increase(pointer, 4);
  });
}
