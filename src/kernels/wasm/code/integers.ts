/**
 * Lookup, sums and products of bytes on different grids: the formulas of core/quantized-binary.ts, bit for bit. Sums need
 * more than float32: one vector of doubles holds two lanes, and since JavaScript computes in doubles too, the same
 * operations in the same order give the same bits. Eight bytes at a time: up to seven beyond the end are read and written
 * too, so that results must go to a buffer.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, f64x2, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { f64x2Constant, i16x8, i32x4 } from "../integer-instructions.ts";
import { clamp, narrowToBytes, roundToInteger } from "./rounding.ts";

type Vector = Value<"v128">;

/** Where a parameter lies: doubles first, then floats and integers. */
export const BINARY_PARAMETERS = {
  /** a's and b's factor, a's and b's addend. */
  doubles: [0, 8, 16, 24, 32],
  /** Multiplier, lowest and highest output before the offset. */
  floats: [40, 44, 48],
  /** Offset of the rounded bits, flip of a's, b's and the output's bytes, what to subtract from a and b after it. */
  integers: [52, 56, 60, 64, 68, 72],
  bytes: 76,
} as const;

export function emitIntegers(module: ModuleBuilder): void {
  emitLookup(module);
  emitBinary(module, "addFloat", emitAddFloat);
  emitBinary(module, "addFixedUp", (f, p) => emitAddFixed(f, p, false));
  emitBinary(module, "addFixedAway", (f, p) => emitAddFixed(f, p, true));
  emitBinary(module, "mulIntegers", emitMul);
}

/** lookup: out[i] = table[x[i]], four bytes at a time. */
function emitLookup(module: ModuleBuilder): void {
  const types = { x: "i32", table: "i32", out: "i32", count: "i32" } as const;
  module.func("lookup", types, (f, { x, table, out, count }) => {
    const blocks = f.local("i32", i32.shrU(i32.add(count, 7), 3));
    f.repeat(blocks, () => {
      for (let i = 0; i < 8; i++) f.run(i32.store8(out, i32.load8U(i32.add(table, i32.load8U(x, i))), i));
      f.increase(x, 8);
      f.increase(out, 8);
    });
  });
}

/** What the formulas read. */
interface Parameters {
  readonly doubles: readonly Local<"v128">[];
  readonly floats: readonly Local<"v128">[];
}

/** Rounded results before the offset is added, or clamped floats to be rounded, from four a and b. */
type Formula = (f: FunctionBuilder, parameters: Parameters) => (a: Vector, b: Vector) => Vector;

/** (a, b, out, count, parameters): out = bytes of round(clamped formula(a, b)) + offset. */
function emitBinary(module: ModuleBuilder, name: string, formula: Formula): void {
  const types = { a: "i32", b: "i32", out: "i32", count: "i32", parameters: "i32" } as const;
  module.func(name, types, (f, { a, b, out, count, parameters }) => {
    const { doubles, floats, integers } = BINARY_PARAMETERS;
    const splat32 = (at: number): Local<"v128"> => f.local("v128", v128.loadSplat32(parameters, at));
    const compute = formula(f, {
      doubles: doubles.map((at) => f.local("v128", v128.loadSplat64(parameters, at))),
      floats: floats.map(splat32),
    });
    const [offset, flipA, flipB, flipOut, centreA, centreB] = integers.map(splat32);
    const [low, high] = [f.local("v128"), f.local("v128")];
    const [eightA, eightB] = [f.local("v128"), f.local("v128")];
    const load = (address: Local<"i32">, flip: Vector, centre: Vector): Vector =>
      i16x8.sub(i16x8.extendLowU(v128.xor(v128.load64Zero(address), flip)), centre);
    const blocks = f.local("i32", i32.shrU(i32.add(count, 7), 3));
    f.repeat(blocks, () => {
      f.set(eightA, load(a, flipA, centreA));
      f.set(eightB, load(b, flipB, centreB));
      f.set(low, roundToInteger(compute(i32x4.extendLowS(eightA), i32x4.extendLowS(eightB)), offset));
      f.set(high, roundToInteger(compute(i32x4.extendHighS(eightA), i32x4.extendHighS(eightB)), offset));
      f.run(v128.store64Lane(0, out, narrowToBytes([low, high], flipOut)));
      for (const pointer of [a, b, out]) f.increase(pointer, 8);
    });
  });
}

/** fl(fl(a · sa + ca) + fl(b · sb + cb)) · multiplier. */
function emitAddFloat(f: FunctionBuilder, { doubles, floats }: Parameters): (a: Vector, b: Vector) => Vector {
  const [aFactor, bFactor, aAddend, bAddend] = doubles;
  const [multiplier, low, high] = floats;
  const scale = (x: Vector, factor: Vector, addend: Vector): Vector => {
    const [first, last] = halves(f, x, (half) => f64x2.add(f64x2.mul(half, factor), addend));
    return demote(first, last);
  };
  return (a, b) => {
    const sum = f32x4.add(scale(a, aFactor, aAddend), scale(b, bFactor, bAddend));
    return clamp(f32x4.mul(sum, multiplier), low, high);
  };
}

/** (a · ma + b · mb + offset) · unit, in doubles, halves rounded up or away from zero. */
function emitAddFixed(
  f: FunctionBuilder,
  { doubles, floats }: Parameters,
  away: boolean,
): (a: Vector, b: Vector) => Vector {
  const [aFactor, bFactor, addend, , unit] = doubles;
  const [, low, high] = floats;
  const half = f64x2Constant(0.5);
  return (a, b) => {
    const aHalves = halves(f, a, (pair) => f64x2.mul(pair, aFactor));
    const bHalves = halves(f, b, (pair) => f64x2.mul(pair, bFactor));
    const [first, last] = aHalves.map((product, i) => {
      const sum = f64x2.add(f64x2.add(product, bHalves[i]), addend);
      const scaled = f.local("v128", f64x2.mul(sum, unit));
      const up = f64x2.floor(f64x2.add(scaled, half));
      if (!away) return up;
      return v128.bitselect(up, f64x2.ceil(f64x2.sub(scaled, half)), f64x2.gt(scaled, f64x2Constant(0)));
    });
    return clamp(demote(first, last), low, high);
  };
}

/** fl((a − za)(b − zb)) · multiplier; a and b come centred. */
function emitMul(_: FunctionBuilder, { floats }: Parameters): (a: Vector, b: Vector) => Vector {
  const [multiplier, low, high] = floats;
  return (a, b) => clamp(f32x4.mul(f32x4.convertI32(i32x4.mul(a, b)), multiplier), low, high);
}

/** Lanes 0, 1 and 2, 3 of four integers as doubles, mapped. */
function halves(f: FunctionBuilder, integers: Vector, map: (half: Vector) => Vector): [Local<"v128">, Local<"v128">] {
  const four = f.local("v128", integers);
  const upper = v128.shuffle32(four, four, [2, 3, 2, 3]);
  return [f.local("v128", map(f64x2.convertLowI32(four))), f.local("v128", map(f64x2.convertLowI32(upper)))];
}

/** Four doubles as floats. */
function demote(low: Vector, high: Vector): Vector {
  return v128.shuffle32(f32x4.demote(low), f32x4.demote(high), [0, 1, 4, 5]);
}
