/**
 * The epilogues of core/requantize.ts on blocks of 32-bit sums, the same float32 (or double) operations in the same order.
 * Each form exists twice: channels along the lanes (linear: sums[m, channels]), or a channel per row (convolution:
 * sums[channels, pixels]). Eight sums at a time; columns are a multiple of eight.
 *
 *     parameters:  0 1/so   4 slope below zero   8, 12 limits less the zero point   (floats)
 *                  16 offset of the rounded bits   20 flip of the bytes   24 mask: all bits set for a ReLU on floats
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, f64x2, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { i32x4 } from "../integer-instructions.ts";
import { clamp, narrowToBytes, roundToInteger } from "./rounding.ts";

type Vector = Value<"v128">;

export type FinishForm = "floatBias" | "intBias" | "fused" | "unfused";
export type FinishName = `${FinishForm}${"Lanes" | "Rows"}`;

const PARAMETERS = [0, 4, 8, 12, 16, 20, 24];

type Formula = (
  f: FunctionBuilder,
  parameters: readonly Vector[],
) => (sum: Vector, scale: Vector, bias: Vector) => Vector;

/** `toBytes`: results are clamped, and still to be rounded. */
const FORMS: Readonly<Record<FinishForm, { readonly toBytes: boolean; readonly formula: Formula }>> = {
  floatBias: { toBytes: true, formula: floatBias },
  intBias: { toBytes: true, formula: intBias },
  fused: { toBytes: false, formula: fused },
  unfused: { toBytes: false, formula: unfused },
};

export function emitRequantize(module: ModuleBuilder): void {
  for (const form of Object.keys(FORMS) as FinishForm[]) {
    for (const byLane of [true, false]) emitFinish(module, form, byLane);
  }
}

/** (sums, bytes from row to row, out, bytes from row to row, rows, columns, scales, biases, parameters). */
function emitFinish(module: ModuleBuilder, form: FinishForm, byLane: boolean): void {
  const types = {
    sums: "i32",
    sumsRow: "i32",
    out: "i32",
    outRow: "i32",
    rows: "i32",
    columns: "i32",
    scales: "i32",
    biases: "i32",
    parameters: "i32",
  } as const;
  const { toBytes, formula } = FORMS[form];
  const name: FinishName = `${form}${byLane ? "Lanes" : "Rows"}`;
  module.func(name, types, (f, p) => {
    const parameters = PARAMETERS.map((at) => f.local("v128", v128.loadSplat32(p.parameters, at)));
    const compute = formula(f, parameters);
    const [scaleOfRow, biasOfRow] = [f.local("v128"), f.local("v128")];
    const [low, high] = [f.local("v128"), f.local("v128")];
    const [from, to, scale, bias, blocks] = Array.from({ length: 5 }, () => f.local("i32"));
    const half = (at: number): Vector =>
      byLane
        ? compute(v128.load(from, at), v128.load(scale, at), v128.load(bias, at))
        : compute(v128.load(from, at), scaleOfRow, biasOfRow);
    f.repeat(p.rows, () => {
      f.set(from, p.sums);
      f.set(to, p.out);
      f.set(scale, p.scales);
      f.set(bias, p.biases);
      if (!byLane) {
        f.set(scaleOfRow, v128.loadSplat32(scale));
        f.set(biasOfRow, v128.loadSplat32(bias));
      }
      f.set(blocks, i32.shrU(p.columns, 3));
      f.repeat(blocks, () => {
        f.set(low, half(0));
        f.set(high, half(16));
        if (toBytes) storeBytes(f, to, [low, high], parameters);
        else [low, high].forEach((values, i) => f.run(v128.store(to, values, 16 * i)));
        f.increase(from, 32);
        f.increase(to, toBytes ? 8 : 32);
        if (byLane) for (const pointer of [scale, bias]) f.increase(pointer, 32);
      });
      f.increase(p.sums, p.sumsRow);
      f.increase(p.out, p.outRow);
      if (!byLane) for (const pointer of [p.scales, p.biases]) f.increase(pointer, 4);
    });
  });
}

function storeBytes(
  f: FunctionBuilder,
  to: Local<"i32">,
  clamped: readonly Vector[],
  [, , , , offset, flip]: readonly Vector[],
): void {
  const integers = clamped.map((values) => f.local("v128", roundToInteger(values, offset)));
  f.run(v128.store64Lane(0, to, narrowToBytes(integers, flip)));
}

function floatBias(f: FunctionBuilder, [inverse, slope, low, high]: readonly Vector[]): ReturnType<Formula> {
  return (sum, scale, bias) => {
    const real = f.local("v128", f32x4.add(f32x4.mul(f32x4.convertI32(sum), scale), bias));
    const isNegative = f32x4.lt(real, f32x4.zero());
    const activated = v128.bitselect(f32x4.mul(real, slope), real, isNegative);
    return clamp(f32x4.mul(activated, inverse), low, high);
  };
}

/** Biases are integers, scales the multipliers. */
function intBias(_: FunctionBuilder, [, , low, high]: readonly Vector[]): ReturnType<Formula> {
  return (sum, scale, bias) => clamp(f32x4.mul(f32x4.convertI32(i32x4.add(sum, bias)), scale), low, high);
}

/** Products are exact in doubles; the sum with the bias is rounded to double, then to float32, as in JavaScript. */
function fused(f: FunctionBuilder, parameters: readonly Vector[]): ReturnType<Formula> {
  return (sum, scale, bias) => {
    const [sums, scales, biases] = [f32x4.convertI32(sum), scale, bias].map((vector) => f.local("v128", vector));
    const half = (move: (vector: Vector) => Vector): Vector => {
      const [s, c, b] = [sums, scales, biases].map((vector) => f64x2.promoteLow(move(vector)));
      return f32x4.demote(f64x2.add(f64x2.mul(s, c), b));
    };
    const low = half((vector) => vector);
    const high = half((vector) => v128.shuffle32(vector, vector, [2, 3, 2, 3]));
    return relu(f, v128.shuffle32(low, high, [0, 1, 4, 5]), parameters);
  };
}

function unfused(f: FunctionBuilder, parameters: readonly Vector[]): ReturnType<Formula> {
  return (sum, scale, bias) => relu(f, f32x4.add(f32x4.mul(f32x4.convertI32(sum), scale), bias), parameters);
}

/** Zero where y < 0, if the mask says so; −0 and NaN stay. */
function relu(f: FunctionBuilder, values: Vector, parameters: readonly Vector[]): Vector {
  const y = f.local("v128", values);
  return v128.andNot(y, v128.and(f32x4.lt(y, f32x4.zero()), parameters[6]));
}
