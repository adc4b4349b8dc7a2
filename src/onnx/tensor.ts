/**
 * Elements of ONNX tensors: to tensors of Octet, and back. Here is where weights are read from the file, each time they are
 * asked for.
 *
 * What has no dtype of its own is widened: bfloat16 and the smaller floats to float32, uint16 to int32, uint32 and uint64 to
 * int64, int4 and int2 to int8, uint4 and uint2 to uint8. Complex numbers have no dtype to go to.
 */
import type { DType, NumericArray } from "../core/dtype.ts";
import { float16, float32, int16, int32, int64, int8, uint8 } from "../core/dtype.ts";
import type { ElementName } from "../core/element-types.ts";
import { decodeElements, elementTypeOf, elementTypes, encodeElements } from "../core/element-types.ts";
import { OctetError } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ByteRange } from "./bytes.ts";
import { memorySource, namingSource, rangeLength, rangeOf, readRange, refuse } from "./bytes.ts";
import { dataTypeInfo, rawSize } from "./data-types.ts";
import { externalRange } from "./external.ts";
import type { OnnxDataType, OnnxInteger, OnnxTensor, OnnxText } from "./model.ts";
import { decodeSmallFloats, packBits, signExtend, unpackBits } from "./small-elements.ts";
import { describeTensor } from "./tensor-message.ts";
import { WireReader } from "./wire-reader.ts";

export interface ReadTensorOptions {
  /**
   * What to do with 64-bit integers beyond ±(2^53 − 1): refuse the tensor, or take the nearest that is exact. Models write
   * the largest int64 for "to the end"; readers of such inputs clamp.
   */
  readonly wideIntegers?: "refuse" | "clamp";
}

/** Element types that are stored as an element type of other files is. */
const plainTypes: Readonly<Partial<Record<OnnxDataType, ElementName>>> = Object.freeze({
  float: "F32",
  double: "F64",
  float16: "F16",
  bfloat16: "BF16",
  int8: "I8",
  uint8: "U8",
  int16: "I16",
  uint16: "U16",
  int32: "I32",
  uint32: "U32",
  int64: "I64",
  uint64: "U64",
  bool: "BOOL",
});

/** The dtype that the elements have in Octet; null for strings and complex numbers. */
export function dtypeOf(dataType: OnnxDataType): DType | null {
  const plain = plainTypes[dataType];
  if (plain) return elementTypes[plain].dtype;
  if (dataType === "int4" || dataType === "int2") return int8;
  if (dataType === "uint4" || dataType === "uint2") return uint8;
  return dataType.startsWith("float") ? float32 : null;
}

/**
 * The tensor with storage of its own. Throws {@link FileFormatError} where the elements are damaged, are missing, or do not fit
 * (see {@link ReadTensorOptions}); {@link OctetError} for strings and complex numbers.
 */
export function toTensor(tensor: OnnxTensor, options: ReadTensorOptions = {}): Tensor {
  const { dataType, dims } = tensor;
  const dtype = dtypeOf(dataType);
  if (!dtype) throw new OctetError(`onnx: ${describeTensor(tensor)} has elements of type ${dataType}, not numbers`);
  const bytes = tensorBytes(tensor);
  return Tensor.fromArray(decode(tensor, bytes, options), dims, dtype);
}

function decode(tensor: OnnxTensor, bytes: Uint8Array, options: ReadTensorOptions): NumericArray {
  const { dataType, dims } = tensor;
  switch (dataType) {
    case "int4":
    case "uint4":
    case "int2":
    case "uint2": {
      const { bits } = dataTypeInfo[dataType];
      const codes = unpackBits(bytes, numelOf(dims), bits);
      return dataType.startsWith("u") ? codes : signExtend(codes, bits);
    }
    case "float4e2m1":
      return decodeSmallFloats(dataType, unpackBits(bytes, numelOf(dims), 4));
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
      return decodeSmallFloats(dataType, bytes);
    default:
      return decodeElements(elementTypes[plainTypes[dataType]!], bytes, `onnx: ${describeTensor(tensor)}`, options);
  }
}

/** The strings of a tensor of strings, in row-major order. */
export function toStrings(tensor: OnnxTensor): readonly OnnxText[] {
  if (tensor.data.kind !== "strings") {
    throw new OctetError(`onnx: ${describeTensor(tensor)} has elements of type ${tensor.dataType}, not strings`);
  }
  return tensor.data.values;
}

/** The elements as raw data has them, however they are stored. Do not write to the array. */
export function tensorBytes(tensor: OnnxTensor): Uint8Array {
  const range = storedRange(tensor);
  return range ? readRange(range) : typedBytes(tensor);
}

/** Where the elements are stored as raw data; null if they are stored otherwise. */
export function storedRange(tensor: OnnxTensor): ByteRange | null {
  const { data, dataType, dims } = tensor;
  if (data.kind === "raw") return data.bytes;
  if (data.kind !== "external") return null;
  return externalRange(data.reference, describeTensor(tensor), rawSize(dataType, numelOf(dims)));
}

/** The elements of a typed field, as raw data has them. */
function typedBytes(tensor: OnnxTensor): Uint8Array {
  const { data, dataType, dims } = tensor;
  if (data.kind !== "typed") {
    throw new OctetError(`onnx: ${describeTensor(tensor)} has elements of type ${dataType}, which have no raw form`);
  }
  const payload = joined(data.payload);
  if (data.field === "floatData" || data.field === "doubleData") return payload;
  const { bits } = dataTypeInfo[dataType];
  const size = rawSize(dataType, numelOf(dims));
  const body = () => decodeVarints(payload, size, bits, describeTensor(tensor));
  return data.payload.length > 0 ? namingSource(data.payload[0].source, body) : body();
}

function joined(ranges: readonly ByteRange[]): Uint8Array {
  if (ranges.length === 1) return readRange(ranges[0]);
  const bytes = new Uint8Array(ranges.reduce((sum, range) => sum + rangeLength(range), 0));
  let at = 0;
  for (const range of ranges) {
    bytes.set(readRange(range), at);
    at += rangeLength(range);
  }
  return bytes;
}

/** Little-endian elements out of varints. Elements of less than 8 bits come packed, a byte per varint. */
function decodeVarints(payload: Uint8Array, size: number, bits: number, where: string): Uint8Array {
  const width = Math.max(bits, 8) / 8;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const reader = new WireReader(memorySource(payload));
  for (let at = 0; at < size; at += width) {
    if (reader.isDone) refuse(`${where} has ${at / width} numbers instead of ${size / width}`);
    const value = reader.integer();
    if (width < 8 && !fits(value, 8 * width)) refuse(`${where} has the element ${value}, which has too many bits`);
    if (width === 1) view.setUint8(at, reader.low);
    else if (width === 2) view.setUint16(at, reader.low, true);
    else view.setUint32(at, reader.low, true);
    if (width === 8) view.setUint32(at + 4, reader.high, true);
  }
  if (!reader.isDone) refuse(`${where} has more than ${size / width} numbers`);
  return bytes;
}

/** True for what `bits` bits can hold, read with a sign or without one. */
function fits(value: OnnxInteger, bits: number): boolean {
  return value >= -(2 ** (bits - 1)) && value < 2 ** bits;
}

/** What a tensor of Octet is stored as, if not said otherwise. */
function defaultDataType(dtype: DType): OnnxDataType {
  const { name } = elementTypeOf(dtype);
  return (Object.keys(plainTypes) as OnnxDataType[]).find((type) => plainTypes[type] === name)!;
}

/**
 * A copy of the tensor as raw data. `dataType` may be another type that {@link toTensor} reads as the same dtype: int4 for int8, bfloat16
 * for float32 (rounded half to even), uint16 for int32 and so on; not the 8-bit floats. Throws {@link OctetError} on values that
 * it cannot hold, and on quantized tensors, which are stored as their intRepr().
 */
export function fromTensor(name: string, tensor: Tensor, dataType?: OnnxDataType): OnnxTensor {
  const type = dataType ?? defaultDataType(tensor.dtype);
  if (dtypeOf(type) !== tensor.dtype) {
    throw new OctetError(`onnx: a tensor of dtype ${tensor.dtype.name} cannot be stored as ${type}`);
  }
  return rawTensor(name, type, tensor.shape, encode(type, tensor.elements(), tensor.dtype));
}

/** A tensor of raw data, which is used as it is. */
export function rawTensor(
  name: string,
  dataType: OnnxDataType,
  dims: readonly number[],
  bytes: Uint8Array,
): OnnxTensor {
  const size = rawSize(dataType, numelOf(dims));
  if (dataTypeInfo[dataType].bits === 0 || bytes.length !== size) {
    throw new OctetError(`onnx: ${bytes.length} bytes do not fill [${dims.join(", ")}] of type ${dataType}`);
  }
  return { ...head(name, dims), dataType, data: { kind: "raw", bytes: rangeOf(bytes) } };
}

/** A tensor of strings. */
export function stringTensor(name: string, dims: readonly number[], values: readonly OnnxText[]): OnnxTensor {
  if (values.length !== numelOf(dims)) {
    throw new OctetError(`onnx: ${values.length} strings do not fill [${dims.join(", ")}]`);
  }
  return { ...head(name, dims), dataType: "string", data: { kind: "strings", values } };
}

function head(name: string, dims: readonly number[]) {
  return { name, dims, docString: "", metadataProps: new Map<string, string>(), unknownFields: [] };
}

function encode(type: OnnxDataType, elements: NumericArray, dtype: DType): Uint8Array {
  switch (type) {
    case "int4":
      return packBits(elements, 4, -8, 7);
    case "uint4":
      return packBits(elements, 4, 0, 15);
    case "int2":
      return packBits(elements, 2, -2, 1);
    case "uint2":
      return packBits(elements, 2, 0, 3);
    case "bfloat16":
      return encodeElements(float16, Uint16Array.from(elements, bfloat16Bits)); // 16 bits each, as float16
    case "uint16":
      return encodeElements(int16, Int16Array.from(below(elements, 2 ** 16, type)));
    case "uint32":
      return encodeElements(
        int32,
        Int32Array.from(below(elements, 2 ** 32, type), (value) => value | 0),
      );
    case "uint64":
      return encodeElements(int64, below(elements, 2 ** 53, type));
    default:
      if (!plainTypes[type]) throw new OctetError(`onnx: writing ${type} is not supported`);
      return encodeElements(dtype, elements).slice(); // the tensor may change before the model is written
  }
}

/** The elements, checked to be whole numbers from 0 up to `end`. */
function below(elements: NumericArray, end: number, type: OnnxDataType): NumericArray {
  const bad = elements.find((value) => !(value >= 0 && value < end));
  if (bad !== undefined) throw new OctetError(`onnx: ${bad} cannot be stored as ${type}`);
  return elements;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** The upper half of a float32, rounded half to even. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  float[0] = value;
  const bits = floatBits[0];
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) / 2 ** 16) & 0xffff;
}
