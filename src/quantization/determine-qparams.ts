/**
 * From the range of observed values to scale and zero point: the formulas of PyTorch's observers (`determine_qparams`,
 * `_calculate_qparams`), in float32. Dynamic quantization and the fused fake quantization use another algorithm:
 * chooseQparams of core/qparams.ts.
 */
import type { DType } from "../core/dtype.ts";
import { float32, int32, int64, quint8, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { QScheme } from "../core/qparams.ts";
import { perChannelAffineFloatQparams, perTensorAffine } from "../core/qparams.ts";
import { roundHalfEven } from "../core/rounding.ts";
import { warn } from "../core/warnings.ts";
import { Tensor } from "../tensor/tensor.ts";
import { printTensor } from "./print.ts";

/** What {@link determineQparams} returns: float32 scales, and zero points in int32, int64 or float32. */
export type Qparams = [scale: Tensor, zeroPoint: Tensor];

/** The qparams of an observer that has seen nothing. */
export function defaultQparams(): Qparams {
  return [Tensor.fromArray(Float32Array.of(1), [1], float32), Tensor.fromArray(Float64Array.of(0), [1], int64)];
}

/**
 * True if values were seen; warns if not (`check_min_max_valid`). Throws where a minimum is above its maximum, which is
 * also what NaN leads to.
 */
export function checkMinMaxValid(minVal: Tensor, maxVal: Tensor): boolean {
  const [low, high] = [minVal.toNumbers(), maxVal.toNumbers()];
  const unseen = minVal.ndim === 0 && low[0] === Infinity && high[0] === -Infinity;
  if (low.length === 0 || high.length === 0 || unseen) {
    warn("must run observer before calling calculateQparams. Returning default values.");
    return false;
  }
  if (!low.every((value, i) => value <= high[i])) {
    throw new OctetError(`min ${printTensor(minVal)} should be less than max ${printTensor(maxVal)}`);
  }
  return true;
}

export interface QparamsRule {
  readonly quantMin: number;
  readonly quantMax: number;
  readonly dtype: DType;
  /** The smallest scale. */
  readonly eps: number;
  /** True if the range was given by hand: it moves the symmetric zero point of unsigned types. */
  readonly hasCustomizedQrange: boolean;
  readonly qscheme?: QScheme;
}

/** Scale and zero point for each pair of `minVal` and `maxVal`; scalars give tensors of one element. */
export function determineQparams(minVal: Tensor, maxVal: Tensor, rule: QparamsRule): Qparams {
  if (!checkMinMaxValid(minVal, maxVal)) return defaultQparams();
  const [low, high] = [Float32Array.from(minVal.toNumbers()), Float32Array.from(maxVal.toNumbers())];
  const scheme = rule.qscheme ?? perTensorAffine;
  if (scheme === perChannelAffineFloatQparams) return floatQparams(low, high, rule);
  return scheme.isSymmetric ? symmetricQparams(low, high, rule) : affineQparams(low, high, rule);
}

/** scale = max(reach / ((qmax − qmin) / 2), eps); the zero point is the middle of the range, which must be whole. */
function symmetricQparams(low: Float32Array, high: Float32Array, rule: QparamsRule): Qparams {
  const halfRange = Math.fround((rule.quantMax - rule.quantMin) / 2);
  const scales = low.map((min, i) => Math.max(Math.max(-Math.min(min, 0), high[i], 0) / halfRange, rule.eps));
  const zeroPoint = symmetricZeroPoint(rule);
  const zeroPoints = new Float64Array(scales.length).fill(zeroPoint);
  return [Tensor.fromArray(scales, [scales.length], float32), Tensor.fromArray(zeroPoints, [scales.length], int64)];
}

function symmetricZeroPoint({ dtype, hasCustomizedQrange, quantMin, quantMax }: QparamsRule): number {
  if (dtype !== quint8 && dtype !== uint8) return 0;
  return hasCustomizedQrange ? Math.floor((quantMin + quantMax) / 2) : 128;
}

/** scale = (max − min) / (qmax − qmin), or 1 where that is below eps; zp = −min / scale. Zero need not be in the range. */
function floatQparams(low: Float32Array, high: Float32Array, rule: QparamsRule): Qparams {
  const range = Math.fround(rule.quantMax - rule.quantMin);
  const scales = low.map((min, i) => {
    const scale = Math.fround(Math.fround(high[i] - min) / range);
    return scale > rule.eps ? scale : 1;
  });
  const zeroPoints = low.map((min, i) => -min / scales[i]);
  return [Tensor.fromArray(scales, [scales.length], float32), Tensor.fromArray(zeroPoints, [scales.length], float32)];
}

/** scale = max((max − min) / (qmax − qmin), eps) over a range that contains 0; zp = clamp(qmin − round(min / scale)). */
function affineQparams(low: Float32Array, high: Float32Array, rule: QparamsRule): Qparams {
  const { quantMin, quantMax, eps } = rule;
  const range = Math.fround(quantMax - quantMin);
  const scales = low.map((min, i) => Math.max(Math.fround(Math.max(high[i], 0) - Math.min(min, 0)) / range, eps));
  const zeroPoints = Int32Array.from(low, (min, i) => {
    const steps = roundHalfEven(Math.fround(Math.min(min, 0) / scales[i]));
    const zeroPoint = (quantMin - castToInt32(steps)) | 0; // int32 arithmetic wraps
    return Math.min(Math.max(zeroPoint, quantMin), quantMax);
  });
  return [Tensor.fromArray(scales, [scales.length], float32), Tensor.fromArray(zeroPoints, [scales.length], int32)];
}

/** As x86 converts: what does not fit, NaN included, becomes the smallest integer. */
function castToInt32(value: number): number {
  return value >= -2147483648 && value <= 2147483647 ? value : -2147483648;
}
