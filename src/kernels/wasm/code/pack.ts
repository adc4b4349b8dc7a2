/**
 * Packing: the rearrangement that puts what a tile reads side by side. One routine serves all matrices, because every
 * matrix here (a plain one, its transpose, the input windows of a convolution) is addressed by two tables of byte offsets:
 *
 *     element (x, t) lies at  base + X[x] + T[t]          x: row of A or column of B;  t: step of k
 *
 *     panel of `width` = 4 or 8:   t = 0: x0 x1 x2 x3 … │ t = 1: x0 x1 x2 x3 … │ t = 2: …
 *
 *     matrix                      X                 T
 *     A [m, k]                    row · 4k          4t          runs along t: 4 × 4 blocks are transposed
 *     A stored [k, m]             4 · row           t · 4m      runs along x: vectors are copied
 *     B [k, n]                    4 · column        t · 4n      runs along x
 *     B stored [n, k]             column · 4k       4t          runs along t
 *     windows (x: pixel, t: tap)  window's corner   tap         runs along x where the stride is 1
 *     windows (x: tap, t: pixel)  tap               corner      runs along t where the stride is 1
 *
 * Where neither runs, single values are gathered. Whether four (eight) offsets run is tested for each four of them. X is
 * padded to a multiple of the width with offsets that run on, so that the last group may run too: what they read, at most
 * 28 bytes past the last column, fills columns that are computed and dropped.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";

const PARAMETERS = { base: "i32", xTable: "i32", xCount: "i32", tTable: "i32", tCount: "i32", panel: "i32" } as const;

/** Emits `pack4` and `pack8`. */
export function emitPack(module: ModuleBuilder): void {
  for (const width of [4, 8]) emitPackWidth(module, width);
}

function emitPackWidth(module: ModuleBuilder, width: number): void {
  module.func(`pack${width}`, PARAMETERS, (f, p) => {
    const x = f.local("i32");
    const group: Group = {
      pointers: Array.from({ length: 4 }, () => f.local("i32")),
      t: f.local("i32"),
      tEnd: f.local("i32", i32.add(p.tTable, i32.shl(p.tCount, 2))),
      tTable: p.tTable,
      out: f.local("i32"),
      stepBytes: 4 * width,
    };
    f.forRange(x, 0, p.xCount, width, () => {
      const packGroups = (): void => {
        for (let first = 0; first < width; first += 4) {
          group.pointers.forEach((pointer, i) => f.set(pointer, i32.add(p.base, i32.load(p.xTable, 4 * (first + i)))));
          f.set(group.out, i32.add(p.panel, 4 * first));
          packGroup(f, group, i32.add(p.xTable, 4 * first));
        }
      };
      if (width === 8) f.if_(runs(p.xTable, 8), () => copyRuns(f, p, group, 2), packGroups);
      else packGroups();
      f.increase(p.xTable, 4 * width);
      f.increase(p.panel, i32.mul(p.tCount, 4 * width));
    });
  });
}

/** Four neighbouring x of one panel. */
interface Group {
  /** base + X[x + i]. */
  readonly pointers: readonly Local<"i32">[];
  /** Address inside T's table, and its end. */
  readonly t: Local<"i32">;
  readonly tEnd: Local<"i32">;
  readonly tTable: Local<"i32">;
  readonly out: Local<"i32">;
  /** Bytes from one step of the panel to the next. */
  readonly stepBytes: number;
}

/** Whether the `count` offsets at `table` are neighbours in memory. */
export function runs(table: Value<"i32">, count: number): Value<"i32"> {
  const followers = Array.from({ length: count - 1 }, (_, i) =>
    i32.eq(i32.sub(i32.load(table, 4 * i + 4), i32.load(table, 4 * i)), 4),
  );
  return followers.reduce(i32.and);
}

function packGroup(f: FunctionBuilder, group: Group, xOffsets: Value<"i32">): void {
  const { pointers, t, tEnd, tTable } = group;
  f.if_(
    runs(xOffsets, 4),
    () => copyVectors(f, group, pointers[0], 1),
    () => {
      f.set(t, tTable);
      f.while_(
        () => i32.leU(i32.add(t, 16), tEnd),
        () => {
          f.if_(
            runs(t, 4),
            () => transposeBlock(f, group),
            () => {
              for (let step = 0; step < 4; step++) gatherStep(f, group, step);
            },
          );
          f.increase(t, 16);
          f.increase(group.out, 4 * group.stepBytes);
        },
      );
      f.while_(
        () => i32.ltU(t, tEnd),
        () => {
          gatherStep(f, group, 0);
          f.increase(t, 4);
          f.increase(group.out, group.stepBytes);
        },
      );
    },
  );
}

/** A whole panel whose columns are neighbours. */
function copyRuns(
  f: FunctionBuilder,
  p: { readonly [K in keyof typeof PARAMETERS]: Local<"i32"> },
  group: Group,
  vectors: number,
): void {
  f.set(group.pointers[0], i32.add(p.base, i32.load(p.xTable)));
  f.set(group.out, p.panel);
  copyVectors(f, group, group.pointers[0], vectors);
}

function copyVectors(
  f: FunctionBuilder,
  { t, tTable, tEnd, out, stepBytes }: Group,
  from: Local<"i32">,
  vectors: number,
): void {
  const source = f.local("i32");
  f.set(t, tTable);
  f.while_(
    () => i32.ltU(t, tEnd),
    () => {
      f.set(source, i32.add(from, i32.load(t)));
      for (let j = 0; j < vectors; j++) f.run(v128.store(out, v128.load(source, 16 * j), 16 * j));
      f.increase(t, 4);
      f.increase(out, stepBytes);
    },
  );
}

/** Four x by four neighbouring t. */
function transposeBlock(f: FunctionBuilder, { pointers, t, out, stepBytes }: Group): void {
  const offset = f.local("i32", i32.load(t));
  const rows = pointers.map((pointer) => f.local("v128", v128.load(i32.add(pointer, offset))));
  transpose4x4(f, rows).forEach((column, step) => f.run(v128.store(out, column, step * stepBytes)));
}

/**
 * Columns of four rows:   a0 a1 a2 a3        a0 b0 c0 d0
 *                         b0 b1 b2 b3   →    a1 b1 c1 d1
 *                         c0 c1 c2 c3        …
 *                         d0 d1 d2 d3
 */
export function transpose4x4(f: FunctionBuilder, [a, b, c, d]: readonly Value<"v128">[]): Value<"v128">[] {
  const abLow = f.local("v128", v128.shuffle32(a, b, [0, 4, 1, 5])); // a0 b0 a1 b1
  const cdLow = f.local("v128", v128.shuffle32(c, d, [0, 4, 1, 5]));
  const abHigh = f.local("v128", v128.shuffle32(a, b, [2, 6, 3, 7])); // a2 b2 a3 b3
  const cdHigh = f.local("v128", v128.shuffle32(c, d, [2, 6, 3, 7]));
  return [
    v128.shuffle32(abLow, cdLow, [0, 1, 4, 5]),
    v128.shuffle32(abLow, cdLow, [2, 3, 6, 7]),
    v128.shuffle32(abHigh, cdHigh, [0, 1, 4, 5]),
    v128.shuffle32(abHigh, cdHigh, [2, 3, 6, 7]),
  ];
}

/** The four x of step t + `step`, one by one. */
function gatherStep(f: FunctionBuilder, { pointers, t, out, stepBytes }: Group, step: number): void {
  const offset = f.local("i32", i32.load(t, 4 * step));
  const vector = f.local("v128", v128.load32Zero(i32.add(pointers[0], offset)));
  for (let lane = 1; lane < 4; lane++) {
    f.set(vector, v128.load32Lane(lane, i32.add(pointers[lane], offset), vector));
  }
  f.run(v128.store(out, vector, step * stepBytes));
}
