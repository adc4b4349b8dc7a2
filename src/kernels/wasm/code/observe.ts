/** Loops of observers: smallest and largest values, and histograms. What goes in and out is described in ../observe.ts. */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { f32x4Constant, i32x4 } from "../integer-instructions.ts";
import { eachFloat4 } from "./channels.ts";

/** Bytes of a channel's range: smallest value, largest value, not zero once a NaN was met, unused. */
export const RANGE_BYTES = 16;

/** Adding it makes the low bits of a float in [0, 2^22] a whole number: 2^23 has a unit of 1. */
const WHOLE = 2 ** 23;
const WHOLE_BITS = 0x4b000000;

export function emitObserve(module: ModuleBuilder): void {
  emitMinMaxRun(module);
  emitMinMaxColumns(module);
  emitHistogram(module);
}

/** minMaxRun: widens one range by `count` consecutive floats. */
function emitMinMaxRun(module: ModuleBuilder): void {
  module.func("minMaxRun", { x: "i32", count: "i32", range: "i32" }, (f, { x, count, range }) => {
    const accumulators = [0, 1].map(() => new RangeAccumulator(f, range));
    const blocks = f.local("i32", i32.shrU(count, 4));
    f.repeat(blocks, () => {
      for (let i = 0; i < 4; i++) accumulators[i % 2].include(v128.load(x, 16 * i));
      f.increase(x, 64);
    });
    f.set(count, i32.and(count, 15));
    eachFloat4(
      f,
      count,
      [x],
      ([address]) => accumulators[0].include(v128.load(address)),
      ([address]) => accumulators[0].include(v128.loadSplat32(address)),
    );
    accumulators[0].merge(accumulators[1]);
    accumulators[0].storeTotal(range);
  });
}

/**
 * minMaxColumns: widens `columns` ranges (structure of arrays: all minima, maxima, NaN marks) by rows of that many floats.
 * Works on four columns at a time: what the last four read beyond the row widens ranges that nobody reads.
 */
function emitMinMaxColumns(module: ModuleBuilder): void {
  const types = { x: "i32", rows: "i32", columns: "i32", low: "i32", high: "i32", nan: "i32" } as const;
  module.func("minMaxColumns", types, (f, p) => {
    const [c, row, rowsLeft] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const accumulator = new RangeAccumulator(f, null);
    f.forRange(c, 0, p.columns, 4, () => {
      accumulator.load(p.low, p.high, p.nan);
      f.set(row, p.x);
      f.set(rowsLeft, p.rows);
      f.repeat(rowsLeft, () => {
        accumulator.include(v128.load(row));
        f.increase(row, i32.shl(p.columns, 2));
      });
      accumulator.store(p.low, p.high, p.nan);
      for (const pointer of [p.x, p.low, p.high, p.nan]) f.increase(pointer, 16);
    });
  });
}

/** Four ranges, one in each lane. */
class RangeAccumulator {
  readonly #f: FunctionBuilder;
  readonly low: Local<"v128">;
  readonly high: Local<"v128">;
  readonly nan: Local<"v128">;

  /** All lanes start as `range`. */
  constructor(f: FunctionBuilder, range: Local<"i32"> | null) {
    this.#f = f;
    this.low = f.local("v128", range ? v128.loadSplat32(range) : undefined);
    this.high = f.local("v128", range ? v128.loadSplat32(range, 4) : undefined);
    this.nan = f.local("v128", range ? v128.loadSplat32(range, 8) : undefined);
  }

  load(low: Local<"i32">, high: Local<"i32">, nan: Local<"i32">): void {
    this.#f.set(this.low, v128.load(low));
    this.#f.set(this.high, v128.load(high));
    this.#f.set(this.nan, v128.load(nan));
  }

  store(low: Local<"i32">, high: Local<"i32">, nan: Local<"i32">): void {
    this.#f.run(v128.store(low, this.low));
    this.#f.run(v128.store(high, this.high));
    this.#f.run(v128.store(nan, this.nan));
  }

  include(values: Value<"v128">): void {
    const x = this.#f.local("v128", values);
    this.#f.set(this.low, f32x4.pseudoMin(this.low, x));
    this.#f.set(this.high, f32x4.pseudoMax(this.high, x));
    this.#f.set(this.nan, v128.or(this.nan, f32x4.ne(x, x)));
  }

  merge(other: RangeAccumulator): void {
    this.#f.set(this.low, f32x4.pseudoMin(this.low, other.low));
    this.#f.set(this.high, f32x4.pseudoMax(this.high, other.high));
    this.#f.set(this.nan, v128.or(this.nan, other.nan));
  }

  /** The range of all four lanes. */
  storeTotal(range: Local<"i32">): void {
    for (const lanes of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ] as const) {
      const moved = (vector: Local<"v128">): Value<"v128"> => v128.shuffle32(vector, vector, lanes);
      this.#f.set(this.low, f32x4.pseudoMin(this.low, moved(this.low)));
      this.#f.set(this.high, f32x4.pseudoMax(this.high, moved(this.high)));
    }
    this.#f.run(v128.store32Lane(0, range, this.low));
    this.#f.run(v128.store32Lane(0, range, this.high, 4));
    this.#f.run(i32.store(range, v128.anyTrue(this.nan), 8));
  }
}

/**
 * histogram: counts `count` floats into four tables, one for each lane, because neighbours often share a bin and would
 * wait for each other. Slot 0 of a table takes what lies outside, slot 1 + b bin b, slot 1 + bins the maximum itself.
 *
 *     parameters:  0 min   4 max   8 bins   12 max − min   (floats)   16 addresses of the four tables
 *
 * `slots` is room for 16 addresses.
 */
function emitHistogram(module: ModuleBuilder): void {
  const types = { x: "i32", count: "i32", parameters: "i32", slots: "i32" } as const;
  module.func("histogram", types, (f, { x, count, parameters, slots }) => {
    const [min, max, bins, width] = [0, 4, 8, 12].map((at) => f.local("v128", v128.loadSplat32(parameters, at)));
    const tables = f.local("v128", v128.load(parameters, 16));
    const [value, scaled, slot] = [f.local("v128"), f.local("v128"), f.local("v128")];
    const address = f.local("i32");
    const storeSlots = (values: Value<"v128">, offset: number): void => {
      f.set(value, values);
      f.set(scaled, f32x4.div(f32x4.mul(f32x4.sub(value, min), bins), width));
      f.set(slot, i32x4.sub(f32x4.add(f32x4.floor(scaled), f32x4Constant(WHOLE + 1)), i32x4.constant(WHOLE_BITS)));
      f.set(slot, v128.and(slot, v128.and(f32x4.ge(value, min), f32x4.le(value, max))));
      f.run(v128.store(slots, i32x4.add(i32x4.shiftLeft(slot, 2), tables), offset));
    };
    const countSlot = (offset: number): void => {
      f.set(address, i32.load(slots, offset));
      f.run(i32.store(address, i32.add(i32.load(address), 1)));
    };
    const blocks = f.local("i32", i32.shrU(count, 4));
    f.repeat(blocks, () => {
      for (let i = 0; i < 64; i += 16) storeSlots(v128.load(x, i), i);
      for (let i = 0; i < 64; i += 4) countSlot(i);
      f.increase(x, 64);
    });
    f.set(count, i32.and(count, 15));
    f.repeat(count, () => {
      storeSlots(v128.load32Zero(x), 0);
      countSlot(0);
      f.increase(x, 4);
    });
  });
}

/** Whether {@link emitHistogram} can count into so many bins. */
export const MAX_BINS = 65536;
