/**
 * What an ONNX file holds, as plain records. Nothing here knows an operator. The names are those of onnx.proto in camelCase;
 * lists whose order means nothing are maps. Weights stay where they are until they are read: see tensor.ts.
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import type { ByteRange } from "./bytes.ts";
import type { ExternalData } from "./external.ts";

/** An integer as the file has it: a bigint only where a number would not be exact (beyond ±(2^53 − 1)). */
export type OnnxInteger = number | bigint;

/** A byte string: text where the bytes are valid UTF-8, else the bytes. */
export type OnnxText = string | Uint8Array;

/** A field that this version does not know, or leaves alone (training, device placement): written back as it was. */
export interface UnknownField {
  readonly number: number;
  readonly wireType: WireType;
  /** Without tag and length. */
  readonly payload: ByteRange;
}

/** How protocol buffers mark the extent of a value: varint, 8 bytes, length and bytes, 4 bytes. */
export type WireType = 0 | 1 | 2 | 5;

export interface OnnxModel {
  readonly irVersion: number;
  /** Version of the operators by domain; "" is ONNX's own domain. */
  readonly opsetImports: ReadonlyMap<string, number>;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: OnnxInteger;
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly graph: OnnxGraph;
  readonly functions: readonly OnnxFunction[];
  readonly unknownFields: readonly UnknownField[];
}

export interface OnnxGraph {
  readonly name: string;
  /** Sorted by the file's promise: a node uses what nodes before it made. Not checked here. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly sparseInitializers: readonly OnnxSparseTensor[];
  /** Up to IR version 3 initializers are listed here too. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly valueInfo: readonly OnnxValueInfo[];
  readonly quantizationAnnotations: readonly OnnxQuantizationAnnotation[];
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

export interface OnnxNode {
  readonly opType: string;
  /** "" (also spelled "ai.onnx") for ONNX's own operators. */
  readonly domain: string;
  readonly overload: string;
  readonly name: string;
  /** Names of values; "" for an optional one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

/** What an attribute of each type holds. */
export interface OnnxAttributeValues {
  readonly float: number;
  readonly int: OnnxInteger;
  readonly string: OnnxText;
  readonly tensor: OnnxTensor;
  readonly graph: OnnxGraph;
  readonly sparseTensor: OnnxSparseTensor;
  readonly type: OnnxType;
  readonly floats: readonly number[];
  readonly ints: readonly OnnxInteger[];
  readonly strings: readonly OnnxText[];
  readonly tensors: readonly OnnxTensor[];
  readonly graphs: readonly OnnxGraph[];
  readonly sparseTensors: readonly OnnxSparseTensor[];
  readonly types: readonly OnnxType[];
}

export type OnnxAttributeType = keyof OnnxAttributeValues;

interface AttributeBase {
  readonly name: string;
  readonly docString: string;
  readonly unknownFields: readonly UnknownField[];
}

/** An attribute with a value of its own. */
export type OnnxValueAttribute<K extends OnnxAttributeType = OnnxAttributeType> = {
  readonly [T in K]: AttributeBase & { readonly type: T; readonly value: OnnxAttributeValues[T] };
}[K];

/** Inside a function: the value is that of the attribute `refAttrName` at the function's call. */
export interface OnnxReferenceAttribute extends AttributeBase {
  readonly type: "reference";
  readonly refAttrName: string;
  readonly valueType: OnnxAttributeType;
}

export type OnnxAttribute = OnnxValueAttribute | OnnxReferenceAttribute;

/** Names of element types; the index is the number in the file (TensorProto.DataType). */
export const onnxDataTypes = Object.freeze([
  "undefined",
  "float",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "double",
  "uint32",
  "uint64",
  "complex64",
  "complex128",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "uint4",
  "int4",
  "float4e2m1",
  "float8e8m0",
  "uint2",
  "int2",
] as const);

export type OnnxDataType = (typeof onnxDataTypes)[number];

export interface OnnxTensor {
  readonly name: string;
  readonly dataType: OnnxDataType;
  /** Sizes of at least 0. */
  readonly dims: readonly number[];
  /** Use the functions of tensor.ts to read it. */
  readonly data: OnnxTensorData;
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

/** Fields of TensorProto that hold elements as numbers of the protocol buffer. */
export type TypedDataField = "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data";

/** Where the elements of a tensor are, and how they are stored. */
export type OnnxTensorData =
  /** Little-endian, as in C; types of less than 8 bits packed, the first element in the lowest bits. */
  | { readonly kind: "raw"; readonly bytes: ByteRange }
  /** Numbers in the encoding of the protocol buffer; the stretches follow each other. */
  | { readonly kind: "typed"; readonly field: TypedDataField; readonly payload: readonly ByteRange[] }
  | { readonly kind: "strings"; readonly values: readonly OnnxText[] }
  /** In a file beside the model, stored as raw. */
  | { readonly kind: "external"; readonly reference: ExternalData };

/** A tensor of which only the elements in `values` are not 0. */
export interface OnnxSparseTensor {
  /** One dimension; its name is the name of the sparse tensor. */
  readonly values: OnnxTensor;
  /** int64: [count] of positions in the flattened tensor, or [count, rank]. */
  readonly indices: OnnxTensor;
  readonly dims: readonly number[];
  readonly unknownFields: readonly UnknownField[];
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxType | null;
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

export interface OnnxDimension {
  /** A number of at least 0, the name of a symbolic size ("batch"), or null for any size. */
  readonly size: number | string | null;
  /** What the dimension stands for, such as "DATA_BATCH"; mostly "". */
  readonly denotation: string;
}

interface TypeBase {
  readonly denotation: string;
  readonly unknownFields: readonly UnknownField[];
}

/** The type of a value. A null shape says nothing, not even the rank; an empty one is that of a scalar. */
export type OnnxType = TypeBase &
  (
    | {
        readonly kind: "tensor" | "sparseTensor";
        readonly elementType: OnnxDataType;
        readonly shape: readonly OnnxDimension[] | null;
      }
    | { readonly kind: "sequence" | "optional"; readonly elementType: OnnxType | null }
    | { readonly kind: "map"; readonly keyType: OnnxDataType; readonly valueType: OnnxType | null }
    | { readonly kind: "opaque"; readonly domain: string; readonly name: string }
    | { readonly kind: "unspecified" }
  );

/** Which tensors hold the scale and zero point of a tensor: pairs such as SCALE_TENSOR → the name of an initializer. */
export interface OnnxQuantizationAnnotation {
  readonly tensorName: string;
  readonly quantParameterTensorNames: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

/** An operator that is written with other operators. */
export interface OnnxFunction {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of attributes that a call must give. */
  readonly attributes: readonly string[];
  /** Attributes that have a default. */
  readonly attributeDefaults: ReadonlyMap<string, OnnxAttribute>;
  readonly nodes: readonly OnnxNode[];
  readonly opsetImports: ReadonlyMap<string, number>;
  readonly valueInfo: readonly OnnxValueInfo[];
  readonly docString: string;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}
