/**
 * Quantized tensors in files: their integers as bytes, and the checks that integers and qparams from a file have to pass
 * before they become a tensor. How a format lays them out is the format's own affair.
 */
import type { DType, NumericArray } from "../core/dtype.ts";
import { FileFormatError, formatShape } from "../core/errors.ts";
import type { Quantizer } from "../core/qparams.ts";
import { perChannelAffine, perChannelAffineFloatQparams, perTensorAffine } from "../core/qparams.ts";
import type { ElementType } from "../core/element-types.ts";
import { elementTypes } from "../core/element-types.ts";

/** What a file says about a quantized tensor besides its integers. Nothing in it is trusted. */
export type StoredQparams =
  | { readonly scheme: "per_tensor"; readonly scale: unknown; readonly zeroPoint: unknown }
  | {
      readonly scheme: "per_channel";
      readonly scales: ArrayLike<number>;
      readonly zeroPoints: ArrayLike<number>;
      readonly axis: unknown;
      /** Zero points are floats: the scheme of embeddings. */
      readonly floatQparams: boolean;
    };

/** The plain element type of a quantized dtype's integers; types below eight bits are stored several to a byte. */
export function storedTypeOf(dtype: DType): ElementType {
  if (dtype.itemSize === 4) return elementTypes.I32;
  return dtype.min < 0 ? elementTypes.I8 : elementTypes.U8;
}

/** How many elements of {@link storedTypeOf} hold `count` integers. */
export function storedLength(dtype: DType, count: number): number {
  return Math.ceil((count * dtype.bits) / (8 * dtype.itemSize));
}

/** Storage of a quantized dtype from elements as files hold them: unpacked where several share a byte. */
export function unpackIntegers(dtype: DType, stored: NumericArray, count: number): NumericArray {
  const { bits } = dtype;
  if (bits >= 8) return stored;
  const [perByte, mask] = [8 / bits, (1 << bits) - 1];
  return Uint8Array.from(
    { length: count },
    (_, i) => (stored[Math.floor(i / perByte)] >> (bits * (i % perByte))) & mask,
  );
}

/** The quantizer that a file describes for a tensor of this dtype and shape; `where` begins the message of an error. */
export function checkedQuantizer(
  where: string,
  dtype: DType,
  shape: readonly number[],
  qparams: StoredQparams,
): Quantizer {
  const fail = (message: string): never => {
    throw new FileFormatError(`${where} ${message}`);
  };
  if (qparams.scheme === "per_tensor") {
    const { scale, zeroPoint } = qparams;
    if (typeof scale !== "number") return fail("has a scale that is no number");
    if (!isZeroPoint(zeroPoint, dtype))
      return fail(`has a zero point that is no whole number of ${dtype.name}'s range`);
    return Object.freeze({ qscheme: perTensorAffine, scale, zeroPoint });
  }
  const { scales, zeroPoints, axis, floatQparams } = qparams;
  if (typeof axis !== "number" || !Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
    return fail(`of shape ${formatShape(shape)} has no axis ${JSON.stringify(axis)}`);
  }
  if (scales.length !== shape[axis] || zeroPoints.length !== shape[axis]) {
    return fail(
      `has ${scales.length} scales and ${zeroPoints.length} zero points for ${shape[axis]} channels of axis ${axis}`,
    );
  }
  if (floatQparams) {
    const [kept, zeros] = [Float32Array.from(scales), Float32Array.from(zeroPoints)];
    return Object.freeze({ qscheme: perChannelAffineFloatQparams, scales: kept, zeroPoints: zeros, axis });
  }
  const [kept, zeros] = [Float64Array.from(scales), Float64Array.from(zeroPoints)];
  if (!zeros.every((zeroPoint) => Number.isInteger(zeroPoint))) return fail("has a zero point that is no whole number");
  return Object.freeze({ qscheme: perChannelAffine, scales: kept, zeroPoints: zeros, axis });
}

function isZeroPoint(value: unknown, dtype: DType): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= dtype.min && value <= dtype.max;
}
