/**
 * Products of few rows by a matrix stored [n, k], where packing the matrix would cost more than multiplying by it:
 *
 *     C[i, j] = start[i, j] + Σ_t A[i, t] · B[j, t]
 *
 * Both rows run along t, so that four products are made at a time, in four lanes that are added up at the end; the last
 * k mod 4 steps are scalar. A tile of 2 rows of A × 4 rows of B loads six vectors for eight multiply-adds.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler.ts";
import { f32, f32x4, i32, v128 } from "../instructions.ts";
import type { MultiplyAdd, Value } from "../instructions.ts";
import { transpose4x4 } from "./pack.ts";

const TILE_ROWS = 2;
const TILE_COLUMNS = 4;

const TILE_TYPES = {
  k: "i32",
  a: "i32",
  aRow: "i32",
  b: "i32",
  bRow: "i32",
  start: "i32",
  startRow: "i32",
  c: "i32",
  cRow: "i32",
} as const;
type TileParameters = { readonly [K in keyof typeof TILE_TYPES]: Local<"i32"> };

/** Emits `multiplyDots`. Strides are in bytes; `startRow` 0 repeats one row, which must then hold four zeros. */
export function emitDots(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  const tile = (rows: number, columns: number): FunctionHandle => emitDotTile(module, rows, columns, multiplyAdd);
  const tiles = [1, TILE_ROWS].map((rows) => ({ one: tile(rows, 1), four: tile(rows, TILE_COLUMNS) }));
  const types = { m: "i32", n: "i32", ...TILE_TYPES } as const;
  module.func("multiplyDots", types, (f, p) => {
    const j = f.local("i32");
    const [bTile, startTile, cTile] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const rowsLoop = ({ one, four }: (typeof tiles)[number], rows: number): void => {
      f.set(j, p.n);
      f.set(bTile, p.b);
      f.set(startTile, p.start);
      f.set(cTile, p.c);
      const step = (handle: FunctionHandle, columns: number): void => {
        f.call(handle, p.k, p.a, p.aRow, bTile, p.bRow, startTile, p.startRow, cTile, p.cRow);
        f.increase(bTile, i32.mul(p.bRow, columns));
        f.if_(p.startRow, () => f.increase(startTile, 4 * columns));
        f.increase(cTile, 4 * columns);
        f.increase(j, -columns);
      };
      f.while_(
        () => i32.geU(j, TILE_COLUMNS),
        () => step(four, TILE_COLUMNS),
      );
      f.while_(
        () => j,
        () => step(one, 1),
      );
      for (const [pointer, stride] of [
        [p.a, p.aRow],
        [p.start, p.startRow],
        [p.c, p.cRow],
      ] as const) {
        f.increase(pointer, i32.mul(stride, rows));
      }
    };
    f.while_(
      () => i32.geU(p.m, TILE_ROWS),
      () => {
        rowsLoop(tiles[1], TILE_ROWS);
        f.increase(p.m, -TILE_ROWS);
      },
    );
    f.if_(p.m, () => rowsLoop(tiles[0], 1));
  });
}

function emitDotTile(module: ModuleBuilder, rows: number, columns: number, multiplyAdd: MultiplyAdd): FunctionHandle {
  return module.func(`dots${rows}x${columns}`, TILE_TYPES, (f, p) => {
    const aRows = rowPointers(f, rows, p.a, p.aRow);
    const bRows = rowPointers(f, columns, p.b, p.bRow);
    const sums = aRows.map(() => bRows.map(() => f.local("v128", f32x4.zero())));
    const aVectors = aRows.map(() => f.local("v128"));
    const bVector = f.local("v128");
    const steps = f.local("i32", i32.shrU(p.k, 2));
    f.repeat(steps, () => {
      aRows.forEach((row, i) => f.set(aVectors[i], v128.load(row)));
      bRows.forEach((row, j) => {
        f.set(bVector, v128.load(row));
        sums.forEach((sumRow, i) => f.set(sumRow[j], multiplyAdd(aVectors[i], bVector, sumRow[j])));
      });
      for (const row of [...aRows, ...bRows]) f.increase(row, 16);
    });
    sums.forEach((sumRow, i) => {
      if (i > 0) f.increase(p.start, p.startRow);
      if (i > 0) f.increase(p.c, p.cRow);
      storeSums(f, p, sumRow);
      addTail(f, p, aRows[i], bRows);
    });
  });
}

function rowPointers(f: FunctionBuilder, count: number, first: Local<"i32">, stride: Local<"i32">): Local<"i32">[] {
  const pointers = [f.local("i32", first)];
  while (pointers.length < count) pointers.push(f.local("i32", i32.add(pointers[pointers.length - 1], stride)));
  return pointers;
}

/** c = start + the four lanes of each sum, added up. */
function storeSums(f: FunctionBuilder, { start, c }: TileParameters, sums: readonly Local<"v128">[]): void {
  if (sums.length === TILE_COLUMNS) {
    const [l0, l1, l2, l3] = transpose4x4(f, sums);
    const total = f32x4.add(f32x4.add(l0, l1), f32x4.add(l2, l3));
    f.run(v128.store(c, f32x4.add(v128.load(start), total)));
    return;
  }
  const lane = (index: number): Value<"f32"> => f32x4.extractLane(index, sums[0]);
  const total = f32.add(f32.add(lane(0), lane(1)), f32.add(lane(2), lane(3)));
  f.run(f32.store(c, f32.add(f32.load(start), total)));
}

/** c[j] += the last k mod 4 products; the pointers have reached them. */
function addTail(
  f: FunctionBuilder,
  { k, c }: TileParameters,
  aRow: Local<"i32">,
  bRows: readonly Local<"i32">[],
): void {
  const t = f.local("i32");
  f.forRange(t, 0, i32.shl(i32.and(k, 3), 2), 4, () => {
    bRows.forEach((bRow, j) => {
      const product = f32.mul(f32.load(i32.add(aRow, t)), f32.load(i32.add(bRow, t)));
      f.run(f32.store(c, f32.add(f32.load(c, 4 * j), product), 4 * j));
    });
  });
}
