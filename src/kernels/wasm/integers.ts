/** Lookup, sums and products of bytes: staging for code/integers.ts, and which forms it computes exactly. */
import type { AddForm, MulForm, OutputGrid } from "../../core/quantized-binary.ts";
import type { ByteArray } from "../quantized-kernels.ts";
import { BINARY_PARAMETERS } from "./code/integers.ts";
import { offsetOfRounded } from "./code/rounding.ts";
import type { WasmEngine } from "./engine.ts";
import { FLIP } from "./quantize.ts";

/** Bytes that are staged at a time. */
const RUN = 16384;
/** Finite numbers below this have finite products. */
const TAME = 2 ** 40;

/** As {@link QuantizedKernels.lookup} for tables of bytes. */
export function lookup({ memory, code }: WasmEngine, x: ByteArray, table: ByteArray, out: ByteArray): void {
  memory.frame(() => {
    const [operand, result] = [memory.operand(x), memory.operand(out)];
    const count = Math.min(x.length, RUN);
    const [buffer, outBuffer] = [memory.allocateFor(operand, count), memory.allocateBytes(count)];
    const staged = memory.copy(table);
    for (let i = 0; i < x.length; i += RUN) {
      const length = Math.min(RUN, x.length - i);
      code.lookup(memory.read(operand, i, length, buffer), staged, outBuffer, length);
      memory.write(result, i, length, outBuffer);
    }
  });
}

/** Whether {@link addIntegers} gives the reference's bytes. */
export function canAdd(form: AddForm, out: ByteArray): boolean {
  if (!isGridOf(form, out)) return false;
  return form.kind === "float"
    ? areTame([form.aScale, form.aOffset, form.bScale, form.bOffset, form.inverseOutScale]) &&
        Math.fround(form.inverseOutScale) === form.inverseOutScale
    : areTame([form.aMultiplier, form.bMultiplier, form.offset, form.unit]);
}

/** Whether {@link mulIntegers} gives the reference's bytes: differences of bytes and zero points are at most 2^15. */
export function canMul(form: MulForm, out: ByteArray): boolean {
  const { aZeroPoint, bZeroPoint, multiplier } = form;
  const zeroPointsFit = [aZeroPoint, bZeroPoint].every((z) => Number.isInteger(z) && z >= -128 && z <= 255);
  return isGridOf(form, out) && zeroPointsFit && areTame([multiplier]) && Math.fround(multiplier) === multiplier;
}

function areTame(values: readonly number[]): boolean {
  return values.every((value) => Math.abs(value) < TAME);
}

/** Whether a grid's limits are bytes of the output. */
export function isGridOf({ zeroPoint, qmin, qmax }: OutputGrid, out: ByteArray): boolean {
  const [min, max] = out instanceof Int8Array ? [-128, 127] : [0, 255];
  const areWhole = [zeroPoint, qmin, qmax].every((value) => Number.isInteger(value));
  return areWhole && qmin >= min && qmin <= qmax && qmax <= max && zeroPoint >= -128 && zeroPoint <= 255;
}

/** As {@link QuantizedKernels.addIntegers}, where {@link canAdd}. */
export function addIntegers(engine: WasmEngine, a: ByteArray, b: ByteArray, form: AddForm, out: ByteArray): void {
  if (form.kind === "float") {
    const { aScale, bScale, aOffset, bOffset, inverseOutScale } = form;
    const doubles = [aScale, bScale, aOffset, bOffset, 0];
    combine(engine, engine.code.addFloat, { a, b, out, form, doubles, multiplier: inverseOutScale });
  } else {
    const { aMultiplier, bMultiplier, offset, unit, ties } = form;
    const run = ties === "up" ? engine.code.addFixedUp : engine.code.addFixedAway;
    combine(engine, run, { a, b, out, form, doubles: [aMultiplier, bMultiplier, offset, 0, unit], multiplier: 0 });
  }
}

/** As {@link QuantizedKernels.mulIntegers}, where {@link canMul}. */
export function mulIntegers(engine: WasmEngine, a: ByteArray, b: ByteArray, form: MulForm, out: ByteArray): void {
  const { aZeroPoint, bZeroPoint, multiplier } = form;
  const zeroPoints = [aZeroPoint, bZeroPoint] as const;
  combine(engine, engine.code.mulIntegers, { a, b, out, form, doubles: [], multiplier, zeroPoints });
}

interface Combination {
  readonly a: ByteArray;
  readonly b: ByteArray;
  readonly out: ByteArray;
  readonly form: OutputGrid;
  readonly doubles: readonly number[];
  readonly multiplier: number;
  /** What a and b are centred by; 0 by default. */
  readonly zeroPoints?: readonly [number, number];
}

function combine({ memory }: WasmEngine, run: (...args: number[]) => void, combination: Combination): void {
  const { a, b, out } = combination;
  memory.frame(() => {
    const [left, right, result] = [memory.operand(a), memory.operand(b), memory.operand(out)];
    const count = Math.min(out.length, RUN);
    const [leftBuffer, rightBuffer] = [memory.allocateFor(left, count), memory.allocateFor(right, count)];
    const outBuffer = memory.allocateBytes(count);
    const parameters = memory.copy(parametersOf(combination));
    for (let i = 0; i < out.length; i += RUN) {
      const length = Math.min(RUN, out.length - i);
      const [x, y] = [memory.read(left, i, length, leftBuffer), memory.read(right, i, length, rightBuffer)];
      run(x, y, outBuffer, length, parameters);
      memory.write(result, i, length, outBuffer);
    }
  });
}

/** The bytes that code/integers.ts reads its parameters from. */
function parametersOf({ a, b, out, form, doubles, multiplier, zeroPoints = [0, 0] }: Combination): Uint8Array {
  const { doubles: doublesAt, floats: floatsAt, integers: integersAt, bytes } = BINARY_PARAMETERS;
  const view = new DataView(new ArrayBuffer(bytes));
  const { zeroPoint, qmin, qmax } = form;
  const flipOf = (array: ByteArray): number => (array instanceof Int8Array ? FLIP : 0);
  // Loaded bytes are unsigned, signed ones 128 too large; written bytes are signed, unsigned ones 128 too small.
  const centres = [a, b].map((array, i) => twice(zeroPoints[i] + (array instanceof Int8Array ? 128 : 0)));
  const offset = offsetOfRounded(out instanceof Int8Array ? zeroPoint : zeroPoint - 128);
  const integers = [offset, flipOf(a), flipOf(b), out instanceof Int8Array ? 0 : FLIP, ...centres];
  doubles.forEach((value, i) => view.setFloat64(doublesAt[i], value, true));
  [multiplier, qmin - zeroPoint, qmax - zeroPoint].forEach((value, i) => view.setFloat32(floatsAt[i], value, true));
  integers.forEach((value, i) => view.setInt32(integersAt[i], value, true));
  return new Uint8Array(view.buffer);
}

/** A 16-bit number in both halves of 32 bits. */
export function twice(value: number): number {
  return (value & 0xffff) * 0x10001;
}
