/**
 * The innermost loops of every matrix product and convolution: the register tile, and the loop over tiles of one block.
 *
 *     C[4, 8] = start[4, 8] + A[4, k] · B[k, 8]
 *
 *              B, one step of k:  ┌ b0 b1 b2 b3 │ b4 b5 b6 b7 ┐   two vector loads
 *     A, one step:     a0 ──────▶ │  acc[0][0]  │  acc[0][1]  │
 *     four scalars,    a1 ──────▶ │  acc[1][0]  │  acc[1][1]  │   each a is broadcast to four lanes
 *     side by side     a2 ──────▶ │  acc[2][0]  │  acc[2][1]  │
 *                      a3 ──────▶ └  acc[3][0]  │  acc[3][1]  ┘
 *
 * Both operands come packed (see pack.ts), so that a step reads two short runs of memory and advances two pointers:
 *
 *     A panel [k][4]:  a(0,t) a(1,t) a(2,t) a(3,t) | a(0,t+1) …        B panel [k][8]:  b(t,0) … b(t,7) | b(t+1,0) …
 *
 * 4 × 8 keeps 8 accumulators: enough to hide the latency of two multiply-adds a cycle, and with separate multiply and add
 * the temporaries still fit the 15 registers that V8 gives out (6 × 8 spills there and halves the speed on Zen 3; with the
 * fused instruction it would gain 3 %). Four rows also divide most channel counts.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler.ts";
import { f32, i32, v128 } from "../instructions.ts";
import type { MultiplyAdd } from "../instructions.ts";

export const TILE_ROWS = 4;
export const TILE_COLUMNS = 8;
const VECTORS = TILE_COLUMNS / 4;

/** Emits `multiply`, and the tiles that it calls. */
export function emitMultiply(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  const tiles = Array.from({ length: TILE_ROWS }, (_, i) => emitTile(module, i + 1, VECTORS, multiplyAdd));
  const wide = emitTile(module, 1, 4 * VECTORS, multiplyAdd);
  const copyEdge = emitCopyEdge(module);
  emitBlockLoop(module, tiles, copyEdge);
  emitRowLoop(module, wide);
}

/** One tile of `rows` rows and 4 · `vectors` columns. `a` is a panel of `rows` rows, `aStep` bytes a step. */
function emitTile(module: ModuleBuilder, rows: number, vectors: number, multiplyAdd: MultiplyAdd): FunctionHandle {
  const types = {
    k: "i32",
    a: "i32",
    aStep: "i32",
    b: "i32",
    bStep: "i32",
    start: "i32",
    startRow: "i32",
    c: "i32",
    cRow: "i32",
  } as const;
  return module.func(`tile${rows}x${4 * vectors}`, types, (f, p) => {
    const accumulators: Local<"v128">[][] = [];
    for (let i = 0; i < rows; i++) {
      if (i > 0) f.increase(p.start, p.startRow);
      accumulators.push(Array.from({ length: vectors }, (_, j) => f.local("v128", v128.load(p.start, 16 * j))));
    }
    const bVectors = Array.from({ length: vectors }, () => f.local("v128"));
    const broadcast = f.local("v128");
    f.repeat(p.k, () => {
      if (rows > 1) bVectors.forEach((bVector, j) => f.set(bVector, v128.load(p.b, 16 * j)));
      accumulators.forEach((row, i) => {
        f.set(broadcast, v128.loadSplat32(p.a, 4 * i));
        row.forEach((accumulator, j) => {
          const bVector = rows > 1 ? bVectors[j] : v128.load(p.b, 16 * j); // a single row uses each vector once
          f.set(accumulator, multiplyAdd(broadcast, bVector, accumulator));
        });
      });
      f.increase(p.a, p.aStep);
      f.increase(p.b, p.bStep);
    });
    accumulators.forEach((row, i) => {
      if (i > 0) f.increase(p.c, p.cRow);
      row.forEach((accumulator, j) => f.run(v128.store(p.c, accumulator, 16 * j)));
    });
  });
}

/** Copies a `rows` × `columns` corner of a tile (rows of 8 floats) to C. */
function emitCopyEdge(module: ModuleBuilder): FunctionHandle {
  const types = { tile: "i32", c: "i32", cRow: "i32", rows: "i32", columns: "i32" } as const;
  return module.func("copyEdge", types, (f, { tile, c, cRow, rows, columns }) => {
    const j = f.local("i32");
    f.repeat(rows, () => {
      f.forRange(j, 0, i32.shl(columns, 2), 4, () => f.run(f32.store(i32.add(c, j), f32.load(i32.add(tile, j)))));
      f.increase(tile, 4 * TILE_COLUMNS);
      f.increase(c, cRow);
    });
  });
}

/**
 * multiply: C[m, n] = start + A[m, k] · B[k, n], one block whose operands fit the caches.
 *
 * B's panel (k · 32 bytes) stays in the first-level cache while all of A passes by. `bStep` and `bPanel` are 32 and
 * k · 32 for packed panels; B as it stands, with rows of n floats, can be read too: `bStep` = 4n, `bPanel` = 32.
 * `start` is C itself (to accumulate), zeros, or a bias, with its own strides: 0 repeats a row or a panel.
 * The last, narrower panel is computed in the scratch tile `edge` and copied; unless `cPanel` says that C consists of
 * panels too, where n must be a multiple of 8.
 */
function emitBlockLoop(module: ModuleBuilder, tiles: readonly FunctionHandle[], copyEdge: FunctionHandle): void {
  const types = {
    m: "i32",
    n: "i32",
    k: "i32",
    a: "i32",
    b: "i32",
    bStep: "i32",
    bPanel: "i32",
    start: "i32",
    startRow: "i32",
    startPanel: "i32",
    c: "i32",
    cRow: "i32",
    cPanel: "i32",
    edge: "i32",
  } as const;
  module.func("multiply", types, (f, p) => {
    const [i, j, aTile, startTile, cTile] = ["", "", "", "", ""].map(() => f.local("i32"));
    const rows = f.local("i32");
    const aTileBytes = f.local("i32", i32.mul(p.k, 4 * TILE_ROWS));
    const tile = (c: Local<"i32">, cRow: Local<"i32"> | number): void =>
      chooseTile(f, rows, tiles, [
        p.k,
        aTile,
        i32.constant(4 * TILE_ROWS),
        p.b,
        p.bStep,
        startTile,
        p.startRow,
        c,
        i32.from(cRow),
      ]);
    f.forRange(j, 0, p.n, TILE_COLUMNS, () => {
      f.set(aTile, p.a);
      f.set(startTile, p.start);
      f.set(cTile, p.c);
      f.forRange(i, 0, p.m, TILE_ROWS, () => {
        f.set(rows, i32.minU(i32.sub(p.m, i), i32.constant(TILE_ROWS)));
        f.if_(
          i32.geU(i32.sub(p.n, j), TILE_COLUMNS),
          () => tile(cTile, p.cRow),
          () => {
            tile(p.edge, 4 * TILE_COLUMNS);
            f.call(copyEdge, p.edge, cTile, p.cRow, rows, i32.sub(p.n, j));
          },
        );
        f.increase(aTile, aTileBytes);
        f.increase(startTile, i32.mul(p.startRow, TILE_ROWS));
        f.increase(cTile, i32.mul(p.cRow, TILE_ROWS));
      });
      f.increase(p.b, p.bPanel);
      f.increase(p.start, p.startPanel);
      f.increase(p.c, p.cPanel);
    });
  });
}

type TileArguments = Parameters<FunctionBuilder["call"]> extends [FunctionHandle, ...infer Rest] ? Rest : never;

/** Calls tiles[rows − 1]. */
function chooseTile(
  f: FunctionBuilder,
  rows: Local<"i32">,
  tiles: readonly FunctionHandle[],
  args: TileArguments,
  largest = tiles.length,
): void {
  const call = (): void => f.call(tiles[largest - 1], ...args);
  if (largest === 1) call();
  else f.if_(i32.eq(rows, largest), call, () => chooseTile(f, rows, tiles, args, largest - 1));
}

/**
 * multiplyRow: c[n] = start[n] + a[k] · B[k, n] for n a multiple of 32, B as it stands (rows of `bStep` bytes). Eight
 * accumulators hide the latency that a 1 × 8 tile would wait for.
 */
function emitRowLoop(module: ModuleBuilder, wide: FunctionHandle): void {
  const types = { n: "i32", k: "i32", a: "i32", b: "i32", bStep: "i32", start: "i32", c: "i32" } as const;
  const bytes = 16 * TILE_COLUMNS;
  module.func("multiplyRow", types, (f, p) => {
    const j = f.local("i32");
    f.forRange(j, 0, p.n, 4 * TILE_COLUMNS, () => {
      f.call(wide, p.k, p.a, i32.constant(4), p.b, p.bStep, p.start, i32.constant(0), p.c, i32.constant(0));
      f.increase(p.b, bytes);
      f.increase(p.start, bytes);
      f.increase(p.c, bytes);
    });
  });
}
