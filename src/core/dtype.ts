/**
 * Element types. A DType is a frozen record; compare them with `===`.
 *
 * Two types have no typed array of their own in JavaScript's oldest supported engines:
 * - `float16` keeps its bit patterns in a Uint16Array (see half.ts); operators compute in float32 and round once.
 * - `int64` keeps whole numbers in a Float64Array, exact to ±2^53. Readers refuse larger values rather than round them.
 *   BigInt64Array would be exact, but every loop would then need a second, much slower, BigInt version.
 */
import { OctetError } from "./errors.ts";

/** Any typed array a tensor may live in. */
export type NumericArray = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** Typed arrays of the two types that autograd and the float kernels work on. */
export type FloatArray = Float32Array | Float64Array;

export type DTypeName =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "uint8"
  | "int16"
  | "int32"
  | "int64"
  | "bool"
  | "quint8"
  | "qint8"
  | "qint32"
  | "quint4x2"
  | "quint2x4";

export interface DType {
  readonly name: DTypeName;
  /** Bytes an element takes in files (int64: 8; bool: 1). */
  readonly itemSize: number;
  readonly isFloatingPoint: boolean;
  readonly isSigned: boolean;
  /** True for integers that stand for real numbers by a scale and a zero point, which the tensor carries. */
  readonly isQuantized: boolean;
  /** Bits per value: 8 × itemSize, except for the packed types quint4x2 and quint2x4. */
  readonly bits: number;
  /** Place in PyTorch's promotion order: bool, integer, floating point. */
  readonly category: 0 | 1 | 2;
  /** Smallest and largest finite values; of the stored integer for quantized types. */
  readonly min: number;
  readonly max: number;
  /** Allocates a zero-filled storage array of `length` elements. */
  allocate(length: number): NumericArray;
  /** `torch.float32` in messages and printing. */
  toString(): string;
}

function define(
  name: DTypeName,
  itemSize: number,
  category: 0 | 1 | 2,
  min: number,
  max: number,
  allocate: (length: number) => NumericArray,
  bits = 8 * itemSize,
): DType {
  return Object.freeze({
    name,
    itemSize,
    isFloatingPoint: category === 2,
    isSigned: min < 0,
    isQuantized: name.startsWith("q"),
    bits,
    category,
    min,
    max,
    allocate,
    toString: () => `torch.${name}`,
  });
}

const FLOAT32_MAX = 3.4028234663852886e38;

export const float32 = define("float32", 4, 2, -FLOAT32_MAX, FLOAT32_MAX, (n) => new Float32Array(n));
export const float64 = define("float64", 8, 2, -Number.MAX_VALUE, Number.MAX_VALUE, (n) => new Float64Array(n));
export const float16 = define("float16", 2, 2, -65504, 65504, (n) => new Uint16Array(n));
export const int8 = define("int8", 1, 1, -128, 127, (n) => new Int8Array(n));
export const uint8 = define("uint8", 1, 1, 0, 255, (n) => new Uint8Array(n));
export const int16 = define("int16", 2, 1, -32768, 32767, (n) => new Int16Array(n));
export const int32 = define("int32", 4, 1, -2147483648, 2147483647, (n) => new Int32Array(n));
export const int64 = define(
  "int64",
  8,
  1,
  Number.MIN_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER,
  (n) => new Float64Array(n),
);
export const bool = define("bool", 1, 0, 0, 1, (n) => new Uint8Array(n));

export const quint8 = define("quint8", 1, 1, 0, 255, (n) => new Uint8Array(n));
export const qint8 = define("qint8", 1, 1, -128, 127, (n) => new Int8Array(n));
export const qint32 = define("qint32", 4, 1, -2147483648, 2147483647, (n) => new Int32Array(n));
/** Four bits a value. In memory a value takes a byte, so that views work; it is packed by `intRepr` and in files. */
export const quint4x2 = define("quint4x2", 1, 1, 0, 15, (n) => new Uint8Array(n), 4);
/** Two bits a value; stored like {@link quint4x2}. */
export const quint2x4 = define("quint2x4", 1, 1, 0, 3, (n) => new Uint8Array(n), 2);

const all: Readonly<Record<DTypeName, DType>> = Object.freeze({
  float32,
  float64,
  float16,
  int8,
  uint8,
  int16,
  int32,
  int64,
  bool,
  quint8,
  qint8,
  qint32,
  quint4x2,
  quint2x4,
});

/** The dtype called `name`, with or without the `torch.` prefix. */
export function dtypeFromName(name: string): DType {
  const found = all[name.replace(/^torch\./, "") as DTypeName];
  if (!found) throw new OctetError(`unknown dtype "${name}"; known: ${Object.keys(all).join(", ")}`);
  return found;
}

/** The dtype whose storage array `array` naturally is; Float64Array is float64 and Uint8Array is uint8. */
export function dtypeOfArray(array: NumericArray): DType {
  if (array instanceof Float32Array) return float32;
  if (array instanceof Float64Array) return float64;
  if (array instanceof Int32Array) return int32;
  if (array instanceof Uint8Array) return uint8;
  if (array instanceof Int8Array) return int8;
  if (array instanceof Int16Array) return int16;
  throw new OctetError(`no dtype for ${(array as object).constructor.name}`);
}

/**
 * The dtype that holds both operands of an arithmetic operator (`torch.promote_types`): the higher category wins, then
 * the wider type; uint8 with a signed type of the same or smaller width needs the next wider signed type.
 */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a.category !== b.category) return a.category > b.category ? a : b;
  if (a.category === 1 && a.isSigned !== b.isSigned) {
    const signed = a.isSigned ? a : b;
    return signed === int8 ? int16 : signed;
  }
  return a.itemSize >= b.itemSize ? a : b;
}

/** True if values of `from` may be stored in place into `to` (`torch.can_cast`): never to a lower category. */
export function canCast(from: DType, to: DType): boolean {
  return from.category <= to.category;
}

let defaultDtype: DType = float32;

/** The dtype of floats created without one: float32, unless {@link setDefaultDtype} was called. */
export function getDefaultDtype(): DType {
  return defaultDtype;
}

/** Sets the dtype of floats created without one (`torch.set_default_dtype`); float32 or float64. */
export function setDefaultDtype(dtype: DType): void {
  if (dtype !== float32 && dtype !== float64) {
    throw new OctetError(`setDefaultDtype: only float32 and float64 are supported, got ${dtype.name}`);
  }
  defaultDtype = dtype;
}

/** Runs `body` with another default dtype, and restores the old one. */
export function withDefaultDtype<T>(dtype: DType, body: () => T): T {
  const previous = defaultDtype;
  setDefaultDtype(dtype);
  try {
    return body();
  } finally {
    defaultDtype = previous;
  }
}
