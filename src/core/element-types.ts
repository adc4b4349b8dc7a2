/**
 * Element types as files store them, and their conversion to and from tensor storage. Shared by every binary format here.
 *
 * What has no dtype of its own is widened to one that holds each of its values: bfloat16 → float32, uint16 → int32,
 * uint32 → int64. int64 and uint64 become int64; a value that a double cannot hold exactly (beyond ±(2^53 − 1)) is an
 * error, never rounded.
 */
import type { DType, NumericArray } from "./dtype.ts";
import { bool, float16, float32, float64, int16, int32, int64, int8, uint8 } from "./dtype.ts";
import { FileFormatError, OctetError } from "./errors.ts";

/** Names of stored element types, as safetensors spells them. */
export type ElementName =
  "F64" | "F32" | "F16" | "BF16" | "I64" | "U64" | "I32" | "U32" | "I16" | "U16" | "I8" | "U8" | "BOOL";

export interface ElementType {
  readonly name: ElementName;
  /** Bytes per element in the file. */
  readonly size: number;
  /** The dtype of the tensor that is read. */
  readonly dtype: DType;
}

const describe = (name: ElementName, size: number, dtype: DType): ElementType => Object.freeze({ name, size, dtype });

export const elementTypes: Readonly<Record<ElementName, ElementType>> = Object.freeze({
  F64: describe("F64", 8, float64),
  F32: describe("F32", 4, float32),
  F16: describe("F16", 2, float16),
  BF16: describe("BF16", 2, float32),
  I64: describe("I64", 8, int64),
  U64: describe("U64", 8, int64),
  I32: describe("I32", 4, int32),
  U32: describe("U32", 4, int64),
  I16: describe("I16", 2, int16),
  U16: describe("U16", 2, int32),
  I8: describe("I8", 1, int8),
  U8: describe("U8", 1, uint8),
  BOOL: describe("BOOL", 1, bool),
});

const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export interface DecodeOptions {
  /** Byte order of the elements; true if not given. */
  readonly littleEndian?: boolean;
  /** What to do with 64-bit integers beyond ±(2^53 − 1): refuse the file, or take the nearest that is exact. */
  readonly wideIntegers?: "refuse" | "clamp";
}

/**
 * Tensor storage for the elements in `bytes` (a whole number of them). Always a copy: nothing aliases the file.
 * `where` names the tensor in errors, e.g. `safetensors: tensor "weight"`.
 */
export function decodeElements(
  type: ElementType,
  bytes: Uint8Array,
  where: string,
  options: DecodeOptions = {},
): NumericArray {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if ((options.littleEndian ?? true) !== hostIsLittleEndian) swapBytes(copy, type.size);
  const { buffer } = copy;
  switch (type.name) {
    case "F64":
      return new Float64Array(buffer);
    case "F32":
      return new Float32Array(buffer);
    case "F16":
      return new Uint16Array(buffer);
    case "BF16":
      return widenBfloat16(new Uint16Array(buffer));
    case "I64":
      return joinWords(buffer, new Int32Array(buffer), where, options);
    case "U64":
      return joinWords(buffer, new Uint32Array(buffer), where, options);
    case "I32":
      return new Int32Array(buffer);
    case "U32":
      return Float64Array.from(new Uint32Array(buffer));
    case "I16":
      return new Int16Array(buffer);
    case "U16":
      return Int32Array.from(new Uint16Array(buffer));
    case "I8":
      return new Int8Array(buffer);
    case "U8":
      return copy;
    case "BOOL":
      for (let i = 0; i < copy.length; i++) copy[i] = copy[i] !== 0 ? 1 : 0;
      return copy;
    default:
      type.name satisfies never;
      throw new OctetError(`${where}: unknown element type`);
  }
}

/** A bfloat16 is the upper half of the float32 with the same value. */
function widenBfloat16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i] << 16;
  return new Float32Array(wide.buffer);
}

const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/** 64-bit integers as doubles. `signedWords` views the same buffer and decides how the upper words read. */
function joinWords(
  buffer: ArrayBuffer,
  signedWords: Int32Array | Uint32Array,
  where: string,
  { wideIntegers = "refuse" }: DecodeOptions,
): Float64Array {
  const words = new Uint32Array(buffer);
  const low = hostIsLittleEndian ? 0 : 1;
  const out = new Float64Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const high = signedWords[2 * i + 1 - low];
    let value = high * 2 ** 32 + words[2 * i + low];
    if (wideIntegers === "clamp") value = Math.max(-MAX_EXACT, Math.min(value, MAX_EXACT));
    if (!Number.isSafeInteger(value)) {
      const exact = BigInt(high) * 2n ** 32n + BigInt(words[2 * i + low]);
      throw new FileFormatError(
        `${where}: the integer ${exact} is beyond ±(2^53 - 1), which int64 tensors hold exactly`,
      );
    }
    out[i] = value;
  }
  return out;
}

/** The stored type that holds a dtype's elements. */
export function elementTypeOf(dtype: DType): ElementType {
  switch (dtype.name) {
    case "float64":
      return elementTypes.F64;
    case "float32":
      return elementTypes.F32;
    case "float16":
      return elementTypes.F16;
    case "int64":
      return elementTypes.I64;
    case "int32":
      return elementTypes.I32;
    case "int16":
      return elementTypes.I16;
    case "int8":
      return elementTypes.I8;
    case "uint8":
      return elementTypes.U8;
    case "bool":
      return elementTypes.BOOL;
    case "quint8":
    case "qint8":
    case "qint32":
    case "quint4x2":
    case "quint2x4":
      throw new OctetError(
        `cannot store a quantized tensor (${dtype.name}) as plain elements; store its intRepr() and qparams`,
      );
    default:
      dtype.name satisfies never;
      throw new OctetError(`cannot store dtype ${String(dtype)}`);
  }
}

/** The little-endian bytes of `elements` (storage of dtype `dtype`). May alias them: copy before writing to it. */
export function encodeElements(dtype: DType, elements: NumericArray): Uint8Array {
  const stored = dtype === int64 ? splitWords(elements) : elements;
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  return hostIsLittleEndian ? bytes : swapBytes(bytes.slice(), dtype.itemSize);
}

function splitWords(elements: NumericArray): Uint32Array {
  const words = new Uint32Array(elements.length * 2);
  const low = hostIsLittleEndian ? 0 : 1;
  for (let i = 0; i < elements.length; i++) {
    words[2 * i + low] = elements[i]; // typed-array stores take the value modulo 2^32
    words[2 * i + 1 - low] = Math.floor(elements[i] / 2 ** 32);
  }
  return words;
}

/** Reverses the bytes of every element in place. */
function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  if (size > 1) for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
  return bytes;
}

/** True for a whole number of at least 0 that a double holds exactly: what lengths and offsets in a file must be. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/**
 * The number of elements of a shape that came from a file, or null if a size is not a whole number of at least 0 or the
 * sizes other than 0 multiply beyond 2^53.
 */
export function checkedNumel(shape: readonly unknown[]): number | null {
  let product = 1;
  let empty = false;
  for (const size of shape) {
    if (!isCount(size)) return null;
    if (size === 0) empty = true;
    else product *= size;
    if (product > Number.MAX_SAFE_INTEGER) return null;
  }
  return empty ? 0 : product;
}
