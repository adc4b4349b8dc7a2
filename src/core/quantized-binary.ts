/**
 * Sums and products of integers on different grids, defined once; kernels are loops around these. Inputs stand for
 * (a − za) · sa and (b − zb) · sb, the output for (q − zo) · so. Which form applies is PyTorch 2.6's choice
 * ({@link addForm}, {@link mulForm}), measured on every combination of engine and dtype:
 *
 *     add, engines x86, fbgemm, onednn   q = clamp(zo + nearbyint(fl(fma(a, sa, ca) + fma(b, sb, cb)) · (1/so))), c = fl(s · −z)
 *     add, engine qnnpack                q = clamp(zo + round(((a − za) · ma + (b − zb) · mb) / 2^shift)), m = nearbyint(s/so · 2^shift)
 *     mul                                q = clamp(zo + nearbyint(fl((a − za)(b − zb)) · multiplier))
 *
 * PyTorch adds the elements that do not fill its vectors without the fused multiply; here every element has the same form,
 * so the two differ by one step at some ties.
 */
import type { DType } from "./dtype.ts";
import { qint8, quint8 } from "./dtype.ts";
import type { Engine } from "./engine.ts";
import type { PerTensorQuantizer } from "./qparams.ts";
import { inverseScale } from "./quantize.ts";
import { roundHalfEven } from "./rounding.ts";

/** The grid a result is rounded to. A fused ReLU has raised `qmin` to the zero point. */
export interface OutputGrid {
  readonly zeroPoint: number;
  readonly qmin: number;
  readonly qmax: number;
}

/** Both operands as float32 values, added and rounded to the grid. */
export interface FloatAdd extends OutputGrid {
  readonly kind: "float";
  /** float32 scales, and fl(scale · −zeroPoint). */
  readonly aScale: number;
  readonly aOffset: number;
  readonly bScale: number;
  readonly bOffset: number;
  readonly inverseOutScale: number;
}

/** Integer multipliers with a common power of two below them. */
export interface FixedPointAdd extends OutputGrid {
  readonly kind: "fixedPoint";
  readonly aMultiplier: number;
  readonly bMultiplier: number;
  /** −(za · aMultiplier + zb · bMultiplier). */
  readonly offset: number;
  /** 2^−shift. */
  readonly unit: number;
  /** Where a half goes: away from zero (QNNPACK's code for quint8), or up (XNNPACK's, for qint8). */
  readonly ties: "away" | "up";
}

export type AddForm = FloatAdd | FixedPointAdd;

export interface MulForm extends OutputGrid {
  readonly aZeroPoint: number;
  readonly bZeroPoint: number;
  /** sa · sb / so in float32. */
  readonly multiplier: number;
}

/** Bits of the larger multiplier of a {@link FixedPointAdd}, by the library that PyTorch calls for the dtype. */
const QNNPACK_BITS = 21;
const XNNPACK_BITS = 20;

type Grid = PerTensorQuantizer;

/** The arithmetic of an addition. `sameShape`: neither operand is stretched. */
export function addForm(
  engine: Engine,
  dtype: DType,
  a: Grid,
  b: Grid,
  out: Grid,
  relu: boolean,
  sameShape: boolean,
): AddForm {
  if (engine === "qnnpack" && dtype === quint8 && sameShape)
    return fixedPoint(a, b, out, dtype, relu, QNNPACK_BITS, "away");
  if (engine === "qnnpack" && dtype === qint8) return fixedPoint(a, b, out, dtype, relu, XNNPACK_BITS, "up");
  const [aScale, bScale] = [Math.fround(a.scale), Math.fround(b.scale)];
  return {
    kind: "float",
    aScale,
    aOffset: Math.fround(aScale * -a.zeroPoint),
    bScale,
    bOffset: Math.fround(bScale * -b.zeroPoint),
    inverseOutScale: inverseScale(out.scale),
    ...outputGrid(out, dtype, relu),
  };
}

function fixedPoint(
  a: Grid,
  b: Grid,
  out: Grid,
  dtype: DType,
  relu: boolean,
  bits: number,
  ties: "away" | "up",
): FixedPointAdd {
  const ratio = (scale: number) => Math.fround(Math.fround(scale) / Math.fround(out.scale));
  const [aRatio, bRatio] = [ratio(a.scale), ratio(b.scale)];
  const shift = bits - exponentOf(Math.max(aRatio, bRatio));
  const multiplier = (value: number) => roundHalfEven(value * 2 ** shift);
  const [aMultiplier, bMultiplier] = [multiplier(aRatio), multiplier(bRatio)];
  const offset = -(a.zeroPoint * aMultiplier + b.zeroPoint * bMultiplier);
  return {
    kind: "fixedPoint",
    aMultiplier,
    bMultiplier,
    offset,
    unit: 2 ** -shift,
    ties,
    ...outputGrid(out, dtype, relu),
  };
}

/** Float32 exponent: floor(log2(x)) of a positive x, exactly. */
function exponentOf(x: number): number {
  const exponent = Math.floor(Math.log2(x));
  return 2 ** exponent > x ? exponent - 1 : 2 ** (exponent + 1) <= x ? exponent + 1 : exponent;
}

/**
 * The arithmetic of a product; the same for every engine. `intoGiven`: PyTorch's variants that write into a given tensor leave
 * out XNNPACK.
 */
export function mulForm(dtype: DType, a: Grid, b: Grid, out: Grid, relu: boolean, intoGiven = false): MulForm {
  const product = Math.fround(Math.fround(a.scale) * Math.fround(b.scale));
  const byXnnpack = !intoGiven && dtype === qint8 && out.zeroPoint < qint8.max; // PyTorch keeps the largest zero point from it
  const multiplier = byXnnpack
    ? Math.fround(product / Math.fround(out.scale))
    : Math.fround(product * inverseScale(out.scale));
  return { aZeroPoint: a.zeroPoint, bZeroPoint: b.zeroPoint, multiplier, ...outputGrid(out, dtype, relu) };
}

export function outputGrid({ zeroPoint }: Grid, dtype: DType, relu: boolean): OutputGrid {
  return { zeroPoint, qmin: relu ? Math.max(dtype.min, zeroPoint) : dtype.min, qmax: dtype.max };
}

/** One sum. */
export function addValue(form: AddForm, a: number, b: number): number {
  switch (form.kind) {
    case "float": {
      // For bytes the products and sums are exact in a double: one rounding, as in an fma. (qint32 becomes float32 first.)
      const left = Math.fround(Math.fround(a) * form.aScale + form.aOffset);
      const right = Math.fround(Math.fround(b) * form.bScale + form.bOffset);
      return clampToGrid(roundHalfEven(Math.fround(Math.fround(left + right) * form.inverseOutScale)), form);
    }
    case "fixedPoint": {
      const scaled = (a * form.aMultiplier + b * form.bMultiplier + form.offset) * form.unit; // exact in a double
      return clampToGrid(form.ties === "up" || scaled > 0 ? Math.floor(scaled + 0.5) : Math.ceil(scaled - 0.5), form);
    }
    default:
      return form satisfies never;
  }
}

/** One product. */
export function mulValue(form: MulForm, a: number, b: number): number {
  const product = Math.fround((a - form.aZeroPoint) * (b - form.bZeroPoint));
  return clampToGrid(roundHalfEven(Math.fround(product * form.multiplier)), form);
}

function clampToGrid(rounded: number, { zeroPoint, qmin, qmax }: OutputGrid): number {
  const q = zeroPoint + rounded;
  return q < qmin ? qmin : q > qmax ? qmax : q;
}
