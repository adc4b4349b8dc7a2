/** Integer ranges of dtypes under an observer's options (`torch.ao.quantization.utils`). */
import type { DType } from "../core/dtype.ts";
import { int16, int32, int8, qint32, qint8, quint8, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";

/** Range of each dtype, and the one that `reduceRange` halves it to. */
const ranges = new Map<
  DType,
  { readonly full: readonly [number, number]; readonly reduced: readonly [number, number] }
>(
  [
    [qint8, [-128, 127], [-64, 63]],
    [int8, [-128, 127], [-64, 63]],
    [quint8, [0, 255], [0, 127]],
    [uint8, [0, 255], [0, 127]],
    [qint32, [qint32.min, qint32.max], [qint32.min, qint32.max]],
    [int32, [int32.min, int32.max], [int32.min, int32.max]],
    [int16, [int16.min, int16.max], [int16.min, int16.max]],
  ].map(([dtype, full, reduced]) => [dtype as DType, { full, reduced } as never]),
);

/** A range given by hand must contain zero and not be empty (`validate_qmin_qmax`). */
export function validateQminQmax(quantMin: number, quantMax: number): void {
  if (!(quantMin <= 0 && 0 <= quantMax)) throw new OctetError("Used-specified quantization range must include 0.");
  if (!(quantMin < quantMax))
    throw new OctetError("qmin must be strictly less than qmax for user-specified quantization range.");
}

/**
 * The integers that an observer aims at (`calculate_qmin_qmax`): a range given by hand, halved (rounding down) under
 * `reduceRange`, else the dtype's. Dtypes below eight bits have 0..15.
 */
export function calculateQminQmax(
  quantMin: number | null,
  quantMax: number | null,
  custom: boolean,
  dtype: DType,
  reduceRange: boolean,
): [quantMin: number, quantMax: number] {
  if (custom) {
    const [low, high] = [quantMin, quantMax] as [number, number];
    const size = high - low + 1;
    if (dtype === qint8 && !(size > 0 && size <= 256)) {
      throw new OctetError(
        `quantization range should be positive and not exceed the maximum bit range (=256), got ${size}`,
      );
    }
    if (dtype === qint32 && !(size > 0 && size <= 2 ** 31)) {
      throw new OctetError(
        `quantization range should be positive and not exceed the maximum bit range (=4294967296), got ${size}`,
      );
    }
    return reduceRange ? [Math.floor(low / 2), Math.floor(high / 2)] : [low, high];
  }
  const range = ranges.get(dtype);
  if (!range) return [0, 15];
  const [low, high] = reduceRange ? range.reduced : range.full;
  return [low, high];
}
