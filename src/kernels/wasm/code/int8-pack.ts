/** Packing for int8-tile.ts: bytes become 16-bit numbers less their zero point, and pairs of k lie side by side. */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { i16x8, i8x16 } from "../integer-instructions.ts";
import { transpose4x4 } from "./pack.ts";

export function emitInt8Pack(module: ModuleBuilder): void {
  emitPackRows(module);
  emitPackWindows(module);
  emitWidenPlanes(module);
  emitCompactRows(module);
  emitNarrow(module);
}

/** Bytes at an address, less a zero point: `flip` turns signed bytes into unsigned ones 128 above. */
function widen(address: Value<"i32">, flip: Value<"v128">, zeroPoint: Value<"v128">): Value<"v128"> {
  return i16x8.sub(i16x8.extendLowU(v128.xor(v128.load64Zero(address), flip)), zeroPoint);
}

/** The same for every second byte. */
function widenEven(address: Value<"i32">, flip: Value<"v128">, zeroPoint: Value<"v128">): Value<"v128"> {
  return i16x8.sub(v128.and(v128.xor(v128.load(address), flip), i16x8.splat(i32.constant(0xff))), zeroPoint);
}

/**
 * packRows: four rows of `depth` bytes (a multiple of 8; reads on where a row is shorter), `step` bytes from one pair of k
 * to the next: 16 for A's panels, 32 for each half of B's. From row `last` on, rows repeat. Zero points are 32-bit
 * numbers, `zeroPointStep` bytes apart.
 */
function emitPackRows(module: ModuleBuilder): void {
  const types = {
    source: "i32",
    rowBytes: "i32",
    last: "i32",
    depth: "i32",
    flip: "i32",
    zeroPoints: "i32",
    zeroPointStep: "i32",
    out: "i32",
    step: "i32",
  } as const;
  module.func("packRows", types, (f, p) => {
    const flip = f.local("v128", i16x8.splat(p.flip));
    const index = f.local("i32");
    const rows = [0, 1, 2, 3].map((i) => {
      f.set(index, i32.minU(i32.constant(i), p.last));
      const zeroPoint = i16x8.splat(i32.load(i32.add(p.zeroPoints, i32.mul(index, p.zeroPointStep))));
      return {
        pointer: f.local("i32", i32.add(p.source, i32.mul(index, p.rowBytes))),
        zeroPoint: f.local("v128", zeroPoint),
        vector: f.local("v128"),
      };
    });
    f.set(p.depth, i32.shrU(p.depth, 3));
    f.repeat(p.depth, () => {
      for (const { pointer, zeroPoint, vector } of rows) {
        f.set(vector, widen(pointer, flip, zeroPoint));
        f.increase(pointer, 8);
      }
      const pairs = transpose4x4(
        f,
        rows.map(({ vector }) => vector),
      );
      for (const pair of pairs) {
        f.run(v128.store(p.out, pair));
        f.increase(p.out, p.step);
      }
    });
  });
}

/**
 * packWindows: B's panels of a convolution. Element (pixel x, tap t) lies at image + X[x] + T[t], 16 bits wide; `groups`
 * panels of eight pixels, `pairs` pairs of taps.
 */
function emitPackWindows(module: ModuleBuilder): void {
  const types = { image: "i32", corners: "i32", groups: "i32", taps: "i32", pairs: "i32", out: "i32" } as const;
  module.func("packWindows", types, (f, p) => {
    const [tap, pairsLeft] = [f.local("i32"), f.local("i32")];
    const reader = new EightPixels(f, p.image, p.corners);
    const eachPair = (read: (offset: Value<"i32">) => Value<"v128">): void => {
      f.set(tap, p.taps);
      f.set(pairsLeft, p.pairs);
      f.repeat(pairsLeft, () => {
        interleave(f, read(i32.load(tap)), read(i32.load(tap, 4))).forEach((half, i) =>
          f.run(v128.store(p.out, half, 16 * i)),
        );
        f.increase(p.out, 32);
        f.increase(tap, 8);
      });
    };
    f.repeat(p.groups, () => reader.eachWay(eachPair));
  });
}

/** Eight 16-bit lanes each of (a, b), alternating. */
export function interleave(f: FunctionBuilder, a: Value<"v128">, b: Value<"v128">): [Value<"v128">, Value<"v128">] {
  const [left, right] = [f.local("v128", a), f.local("v128", b)];
  return [
    i16x8.shuffle(left, right, [0, 8, 1, 9, 2, 10, 3, 11]),
    i16x8.shuffle(left, right, [4, 12, 5, 13, 6, 14, 7, 15]),
  ];
}

/** Reads the next eight pixels of a table of corners, as one vector where they are neighbours. */
export class EightPixels {
  readonly #f: FunctionBuilder;
  readonly #image: Local<"i32">;
  readonly #corners: Local<"i32">;
  readonly #pointers: readonly Local<"i32">[];
  readonly #offset: Local<"i32">;

  constructor(f: FunctionBuilder, image: Local<"i32">, corners: Local<"i32">) {
    this.#f = f;
    this.#image = image;
    this.#corners = corners;
    this.#pointers = Array.from({ length: 8 }, () => f.local("i32"));
    this.#offset = f.local("i32");
  }

  /** Emits `body` twice: for pixels that are neighbours, and for those that are not; then goes on to the next eight. */
  eachWay(body: (read: (offset: Value<"i32">) => Value<"v128">) => void): void {
    const f = this.#f;
    const [first, ...others] = this.#pointers;
    const corner = (i: number): Value<"i32"> => i32.load(this.#corners, 4 * i);
    f.set(first, i32.add(this.#image, corner(0)));
    f.if_(
      i32.eq(i32.sub(corner(7), corner(0)), 14), // corners grow, by 2 at least
      () => body((offset) => v128.load(i32.add(first, offset))),
      () => {
        others.forEach((pointer, i) => f.set(pointer, i32.add(this.#image, corner(i + 1))));
        body((offset) => this.#gather(offset));
      },
    );
    f.increase(this.#corners, 32);
  }

  #gather(offset: Value<"i32">): Value<"v128"> {
    const f = this.#f;
    const vector = f.local("v128", f32x4.zero());
    f.set(this.#offset, offset);
    this.#pointers.forEach((pointer, lane) =>
      f.set(vector, i16x8.loadLane(lane, i32.add(pointer, this.#offset), vector)),
    );
    return vector;
  }
}

/**
 * widenPlanes: 16-bit numbers from [planes, rows, count] bytes that lie `sourceStep` apart, less a zero point. Writes nothing
 * but its results; unless `mayClear` is 1: then up to seven zeros behind each row, which saves writing one by one.
 */
function emitWidenPlanes(module: ModuleBuilder): void {
  const types = {
    source: "i32",
    sourceStep: "i32",
    sourceRow: "i32",
    sourcePlane: "i32",
    target: "i32",
    targetRow: "i32",
    targetPlane: "i32",
    planes: "i32",
    rows: "i32",
    count: "i32",
    flip: "i32",
    zeroPoint: "i32",
    mayClear: "i32",
  } as const;
  module.func("widenPlanes", types, (f, p) => {
    const [from, to, left, rowsLeft, sourceLine, targetLine] = Array.from({ length: 6 }, () => f.local("i32"));
    const flip = f.local("v128", i16x8.splat(p.flip));
    const zeroPoint = f.local("v128", i16x8.splat(p.zeroPoint));
    f.repeat(p.planes, () => {
      f.set(sourceLine, p.source);
      f.set(targetLine, p.target);
      f.set(rowsLeft, p.rows);
      f.repeat(rowsLeft, () => {
        f.set(from, sourceLine);
        f.set(to, targetLine);
        f.set(left, p.count);
        for (const step of [1, 2]) {
          f.if_(i32.eq(p.sourceStep, step), () => {
            const eight = step === 1 ? widen(from, flip, zeroPoint) : widenEven(from, flip, zeroPoint);
            f.while_(
              () => i32.geU(left, 8),
              () => {
                f.run(v128.store(to, eight));
                f.increase(from, 8 * step);
                f.increase(to, 16);
                f.increase(left, -8);
              },
            );
            f.if_(i32.and(p.mayClear, i32.ne(left, 0)), () => {
              f.run(v128.store(to, v128.and(eight, i16x8.gt(i16x8.splat(left), i16x8.indices()))));
              f.set(left, i32.constant(0));
            });
          });
        }
        f.repeat(left, () => {
          f.run(i32.store16(to, i32.sub(i32.xor(i32.load8U(from), i32.and(p.flip, 255)), p.zeroPoint)));
          f.increase(from, p.sourceStep);
          f.increase(to, 2);
        });
        f.increase(sourceLine, p.sourceRow);
        f.increase(targetLine, p.targetRow);
      });
      f.increase(p.source, p.sourcePlane);
      f.increase(p.target, p.targetPlane);
    });
  });
}

/**
 * compactRows: moves `rows` rows of `targetRow` bytes, `sourceRow` apart, together. Up to 15 bytes too many are written
 * after each row, which the next row overwrites.
 */
function emitCompactRows(module: ModuleBuilder): void {
  const types = { source: "i32", sourceRow: "i32", target: "i32", targetRow: "i32", rows: "i32" } as const;
  module.func("compactRows", types, (f, { source, sourceRow, target, targetRow, rows }) => {
    const at = f.local("i32");
    f.repeat(rows, () => {
      f.forRange(at, 0, targetRow, 16, () => f.run(v128.store(i32.add(target, at), v128.load(i32.add(source, at)))));
      f.increase(source, sourceRow);
      f.increase(target, targetRow);
    });
  });
}

/** narrow: `count` 16-bit numbers that are bytes, a multiple of 16, as bytes. */
function emitNarrow(module: ModuleBuilder): void {
  module.func("narrow", { source: "i32", target: "i32", count: "i32" }, (f, { source, target, count }) => {
    f.set(count, i32.shrU(count, 4));
    f.repeat(count, () => {
      f.run(v128.store(target, i8x16.narrowS(v128.load(source), v128.load(source, 16))));
      f.increase(source, 32);
      f.increase(target, 16);
    });
  });
}
