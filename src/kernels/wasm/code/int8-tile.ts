/**
 * The innermost loops of int8 products: as tile.ts, with 16-bit factors and 32-bit sums, all exact.
 *
 *     C[4, 8] = A[4, k] · B[k, 8], two k at a time: i32x4.dot_i16x8_s multiplies eight pairs and adds neighbours
 *
 *     A panel [k/2][4][2]:  a(0,t) a(0,t+1) │ a(1,t) a(1,t+1) │ …        one step, 16 bytes
 *     B panel [k/2][8][2]:  b(t,0) b(t+1,0) │ b(t,1) b(t+1,1) │ …        one step, 32 bytes
 *
 * The factors are bytes less their zero point, at most ±255 each: two products never leave 32 bits, and sums wrap where
 * the reference's do. Panels are padded with zeros (B) and with anything (A) to a multiple of four steps.
 */
import type { FunctionHandle, ModuleBuilder } from "../assembler.ts";
import { i32, v128 } from "../instructions.ts";
import { i16x8, i32x4 } from "../integer-instructions.ts";

export const INT8_TILE_ROWS = 4;
export const INT8_TILE_COLUMNS = 8;
/** k is padded to a multiple of this. */
export const INT8_DEPTH_UNIT = 8;

/** Bytes of a step. */
export const A_STEP = 16;
export const B_STEP = 32;

/**
 * multiplyInt8: C[m, n] = A · B, or C += A · B, for m of A's rows and n/8 panels of B, n a multiple of 8; C has room for m
 * rows of n. Panels lie `aPanel` and `bPanel` bytes apart, of which `steps` steps are used. A panel of B stays in the
 * first-level cache while all of A passes by. multiplyInt8Bytes: B is bytes, as weights mostly are, which is half as much
 * to read where each is used once.
 */
export function emitMultiplyInt8(module: ModuleBuilder): void {
  emitLoops(module, "multiplyInt8", false);
  emitLoops(module, "multiplyInt8Bytes", true);
}

function emitLoops(module: ModuleBuilder, name: string, bytes: boolean): void {
  const tiles = [1, 2, 3, 4].map((rows) => emitTile(module, rows, bytes));
  const types = {
    m: "i32",
    n: "i32",
    steps: "i32",
    a: "i32",
    aPanel: "i32",
    b: "i32",
    bPanel: "i32",
    c: "i32",
    cRow: "i32",
    accumulate: "i32",
  } as const;
  module.func(name, types, (f, p) => {
    const [j, left, a, c] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
    const callTile = (rows: number): void => f.call(tiles[rows - 1], p.steps, a, p.b, c, p.cRow, p.accumulate);
    f.forRange(j, 0, p.n, INT8_TILE_COLUMNS, () => {
      f.set(a, p.a);
      f.set(c, p.c);
      f.set(left, p.m);
      f.while_(
        () => i32.geU(left, INT8_TILE_ROWS),
        () => {
          callTile(INT8_TILE_ROWS);
          f.increase(a, p.aPanel);
          f.increase(c, i32.mul(p.cRow, INT8_TILE_ROWS));
          f.increase(left, -INT8_TILE_ROWS);
        },
      );
      for (const rows of [1, 2, 3]) f.if_(i32.eq(left, rows), () => callTile(rows));
      f.increase(p.b, p.bPanel);
      f.increase(p.c, 4 * INT8_TILE_COLUMNS);
    });
  });
}

/** One row has little to do between two jumps: it takes four steps at a time. */
function emitTile(module: ModuleBuilder, rows: number, bytes: boolean): FunctionHandle {
  const bStep = bytes ? B_STEP / 2 : B_STEP;
  const unrolled = rows === 1 ? 4 : 1;
  const types = { steps: "i32", a: "i32", b: "i32", c: "i32", cRow: "i32", accumulate: "i32" } as const;
  return module.func(`int8Tile${rows}${bytes ? "Bytes" : ""}`, types, (f, p) => {
    const sums = Array.from({ length: rows }, () => [f.local("v128"), f.local("v128")]);
    const weights = [f.local("v128"), f.local("v128")];
    const broadcast = f.local("v128");
    const from = f.local("i32", p.c);
    f.if_(p.accumulate, () =>
      sums.forEach((row, i) => {
        if (i > 0) f.increase(from, p.cRow);
        row.forEach((sum, j) => f.set(sum, v128.load(from, 16 * j)));
      }),
    );
    if (unrolled > 1) f.set(p.steps, i32.shrU(p.steps, 2));
    f.repeat(p.steps, () => {
      for (let step = 0; step < unrolled; step++) {
        weights.forEach((vector, j) => {
          const at = step * bStep + (bStep / 2) * j;
          f.set(vector, bytes ? i16x8.load8x8S(p.b, at) : v128.load(p.b, at));
        });
        sums.forEach((row, i) => {
          f.set(broadcast, v128.loadSplat32(p.a, step * A_STEP + 4 * i));
          row.forEach((sum, j) => f.set(sum, i32x4.add(sum, i32x4.dotI16(broadcast, weights[j]))));
        });
      }
      f.increase(p.a, unrolled * A_STEP);
      f.increase(p.b, unrolled * bStep);
    });
    sums.forEach((row, i) => {
      if (i > 0) f.increase(p.c, p.cRow);
      row.forEach((sum, j) => f.run(v128.store(p.c, sum, 16 * j)));
    });
  });
}
