/**
 * Elements of a byte and less that have no typed array: 8-bit and 4-bit floats, which are widened to float32, and integers of
 * 4 and 2 bits, which are packed with the first element in the lowest bits.
 * Formats of the floats: https://github.com/onnx/onnx/blob/main/docs/docsgen/source/technical/float8.md
 */
import { check } from "../core/errors.ts";
import type { NumericArray } from "../core/dtype.ts";
import type { OnnxDataType } from "./model.ts";

interface FloatFormat {
  readonly exponentBits: number;
  readonly fractionBits: number;
  readonly bias: number;
  /** The codes that are not finite: as in IEEE 754; only all ones; only minus zero; or none. */
  readonly special: "ieee" | "ones" | "minusZero" | "none";
}

type SmallFloat = Extract<OnnxDataType, `float8${string}` | "float4e2m1">;

const formats: Readonly<Record<Exclude<SmallFloat, "float8e8m0">, FloatFormat>> = Object.freeze({
  float8e4m3fn: { exponentBits: 4, fractionBits: 3, bias: 7, special: "ones" },
  float8e4m3fnuz: { exponentBits: 4, fractionBits: 3, bias: 8, special: "minusZero" },
  float8e5m2: { exponentBits: 5, fractionBits: 2, bias: 15, special: "ieee" },
  float8e5m2fnuz: { exponentBits: 5, fractionBits: 2, bias: 16, special: "minusZero" },
  float4e2m1: { exponentBits: 2, fractionBits: 1, bias: 1, special: "none" },
});

/** float32 values of codes, one code per byte. */
export function decodeSmallFloats(type: SmallFloat, codes: Uint8Array): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, code) => smallFloat(type, code));
  return Float32Array.from(codes, (code) => table[code]);
}

function smallFloat(type: SmallFloat, code: number): number {
  if (type === "float8e8m0") return code === 255 ? NaN : 2 ** (code - 127); // a power of two, without sign
  const { exponentBits, fractionBits, bias, special } = formats[type];
  const signBit = 1 << (exponentBits + fractionBits);
  const sign = code & signBit ? -1 : 1;
  const magnitude = code & (signBit - 1);
  const fraction = (magnitude & ((1 << fractionBits) - 1)) / (1 << fractionBits);
  const exponent = magnitude >> fractionBits;
  if (special === "minusZero" && sign < 0 && magnitude === 0) return NaN;
  if (special === "ones" && magnitude === signBit - 1) return NaN;
  if (special === "ieee" && exponent === (1 << exponentBits) - 1) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** `count` elements of `bits` (2 or 4) each, one per byte; signed ones as the lower bits of the byte. */
export function unpackBits(packed: Uint8Array, count: number, bits: number): Uint8Array {
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  const out = new Uint8Array(count);
  for (let i = 0; i < count; i++) out[i] = (packed[Math.floor(i / perByte)] >> (bits * (i % perByte))) & mask;
  return out;
}

/** Two's complement numbers of `bits` bits. */
export function signExtend(codes: Uint8Array, bits: number): Int8Array {
  const shift = 32 - bits;
  return Int8Array.from(codes, (code) => (code << shift) >> shift);
}

/** The reverse of {@link unpackBits}; each value must lie within `min` to `max`. */
export function packBits(values: NumericArray, bits: number, min: number, max: number): Uint8Array {
  const perByte = 8 / bits;
  const packed = new Uint8Array(Math.ceil(values.length / perByte));
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    check(value >= min && value <= max, () => `onnx: ${value} does not fit into ${bits} bits (${min} to ${max})`);
    packed[Math.floor(i / perByte)] |= (value & ((1 << bits) - 1)) << (bits * (i % perByte));
  }
  return packed;
}
