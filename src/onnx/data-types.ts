/** Sizes of ONNX's element types, and which field of a tensor may hold which of them. */
import { checkedNumel } from "../core/element-types.ts";
import { refuse } from "./bytes.ts";
import type { OnnxDataType, OnnxInteger, TypedDataField } from "./model.ts";
import { onnxDataTypes } from "./model.ts";

export interface DataTypeInfo {
  /** Per element in raw data; 0 for strings, which have no raw form. */
  readonly bits: number;
  /** The field that may hold elements as numbers; null if none. */
  readonly field: TypedDataField | null;
  /** Numbers of that field per element: 2 for complex types. Packed types have a number for each byte. */
  readonly parts: number;
}

const info = (bits: number, field: TypedDataField | null, parts = 1): DataTypeInfo =>
  Object.freeze({ bits, field, parts });

export const dataTypeInfo: Readonly<Record<OnnxDataType, DataTypeInfo>> = Object.freeze({
  undefined: info(0, null),
  float: info(32, "floatData"),
  uint8: info(8, "int32Data"),
  int8: info(8, "int32Data"),
  uint16: info(16, "int32Data"),
  int16: info(16, "int32Data"),
  int32: info(32, "int32Data"),
  int64: info(64, "int64Data"),
  string: info(0, null),
  bool: info(8, "int32Data"),
  float16: info(16, "int32Data"),
  double: info(64, "doubleData"),
  uint32: info(32, "uint64Data"),
  uint64: info(64, "uint64Data"),
  complex64: info(64, "floatData", 2),
  complex128: info(128, "doubleData", 2),
  bfloat16: info(16, "int32Data"),
  float8e4m3fn: info(8, "int32Data"),
  float8e4m3fnuz: info(8, "int32Data"),
  float8e5m2: info(8, "int32Data"),
  float8e5m2fnuz: info(8, "int32Data"),
  uint4: info(4, "int32Data"),
  int4: info(4, "int32Data"),
  float4e2m1: info(4, "int32Data"),
  float8e8m0: info(8, "int32Data"),
  uint2: info(2, "int32Data"),
  int2: info(2, "int32Data"),
});

/** The element type with this number in the file. */
export function dataTypeOf(code: number, where: string): OnnxDataType {
  return onnxDataTypes[code] ?? refuse(`${where} has the element type ${code}, which is not known`);
}

export function dataTypeCode(type: OnnxDataType): number {
  return onnxDataTypes.indexOf(type);
}

/** Sizes as a file gives them, checked: each at least 0, and their product a number of elements that can exist. */
export function checkedDims(dims: readonly OnnxInteger[], where: string): { dims: number[]; numel: number } {
  const numel = checkedNumel(dims);
  if (numel === null) refuse(`${where} has an impossible shape [${dims.join(", ")}]`);
  return { dims: dims.map(Number), numel };
}

/** Bytes of the raw data of `numel` elements. Elements of less than 8 bits are packed; the last byte may be part empty. */
export function rawSize(type: OnnxDataType, numel: number): number {
  return Math.ceil((numel * dataTypeInfo[type].bits) / 8);
}
