/** TensorProto: the file has a field for each way to store elements, the model one of them. Nothing is decoded here. */
import type { ByteRange } from "./bytes.ts";
import { rangeLength, refuse } from "./bytes.ts";
import { checkedDims, dataTypeCode, dataTypeInfo, dataTypeOf, rawSize } from "./data-types.ts";
import { externalDataEntries, parseExternalData } from "./external.ts";
import type { Message } from "./message.ts";
import { byteStrings, integers, mappedMessage, numberRanges, prose, range, smallInteger } from "./message.ts";
import { tableMessage, text } from "./message.ts";
import type {
  OnnxDataType,
  OnnxInteger,
  OnnxTensor,
  OnnxTensorData,
  OnnxText,
  TypedDataField,
  UnknownField,
} from "./model.ts";
import { properties } from "./properties.ts";
import type { WireReader } from "./wire-reader.ts";

interface StoredTensor extends Readonly<Record<TypedDataField, readonly ByteRange[]>> {
  readonly dims: readonly OnnxInteger[];
  readonly typeCode: number;
  readonly stringData: readonly OnnxText[];
  readonly name: string;
  readonly docString: string;
  readonly rawData: ByteRange | null;
  readonly externalData: ReadonlyMap<string, string>;
  /** 1 if the data is external. */
  readonly dataLocation: number;
  readonly metadataProps: ReadonlyMap<string, string>;
  readonly unknownFields: readonly UnknownField[];
}

const storedMessage = tableMessage<StoredTensor>(() => ({
  dims: integers(1),
  typeCode: smallInteger(2, { always: true }),
  floatData: numberRanges(4, 5),
  int32Data: numberRanges(5, 0),
  stringData: byteStrings(6),
  int64Data: numberRanges(7, 0),
  name: text(8),
  docString: prose(12),
  rawData: range(9),
  doubleData: numberRanges(10, 1),
  uint64Data: numberRanges(11, 0),
  externalData: properties(13),
  dataLocation: smallInteger(14),
  metadataProps: properties(16),
}));

const typedFields = ["floatData", "int32Data", "int64Data", "doubleData", "uint64Data"] as const;

export const tensorMessage: Message<OnnxTensor> = mappedMessage(storedMessage, decode, encode);

/** The tensor in messages. */
export function describeTensor({ name }: { readonly name: string }): string {
  return name === "" ? "a tensor without a name" : `the tensor ${JSON.stringify(name)}`;
}

function decode(stored: StoredTensor, reader: WireReader): OnnxTensor {
  const { name, docString, metadataProps, unknownFields } = stored;
  const where = describeTensor(stored);
  const dataType = dataTypeOf(stored.typeCode, where);
  const { dims, numel } = checkedDims(stored.dims, where);
  const head = { name, dataType, dims, docString, metadataProps, unknownFields };
  const size = rawSize(dataType, numel);
  if (stored.dataLocation === 1) {
    const reference = parseExternalData(stored.externalData, reader.externalFiles, where, size);
    return { ...head, data: { kind: "external", reference } };
  }
  if (stored.dataLocation !== 0) refuse(`${where} has the unknown data location ${stored.dataLocation}`);
  const data = inlineData(stored, dataType, where);
  checkSize(dataType, data, numel, where);
  return { ...head, data };
}

function inlineData(stored: StoredTensor, dataType: OnnxDataType, where: string): OnnxTensorData {
  const found: OnnxTensorData[] = [];
  if (stored.rawData) found.push({ kind: "raw", bytes: stored.rawData });
  for (const field of typedFields) {
    if (stored[field].length > 0) found.push({ kind: "typed", field, payload: stored[field] });
  }
  if (stored.stringData.length > 0) found.push({ kind: "strings", values: stored.stringData });
  if (found.length > 1) refuse(`${where} has its elements in ${found.length} fields`);
  if (found.length === 1) return found[0];
  const { field } = dataTypeInfo[dataType];
  return field ? { kind: "typed", field, payload: [] } : { kind: "strings", values: [] };
}

/** As far as it can be told without reading elements. */
function checkSize(dataType: OnnxDataType, data: OnnxTensorData, numel: number, where: string): void {
  const { bits, field, parts } = dataTypeInfo[dataType];
  const size = rawSize(dataType, numel);
  const mismatch = (found: string) => refuse(`${where} of ${numel} elements of type ${dataType} has ${found}`);
  switch (data.kind) {
    case "raw":
      if (dataType === "string" || dataType === "undefined") mismatch("raw data");
      if (rangeLength(data.bytes) !== size) mismatch(`${rangeLength(data.bytes)} bytes instead of ${size}`);
      return;
    case "strings":
      if (dataType !== "string" && data.values.length > 0) mismatch("strings");
      if (data.values.length !== numel) mismatch(`${data.values.length} strings`);
      return;
    case "typed": {
      if (data.field !== field) mismatch(`its elements in the field ${data.field}`);
      const length = data.payload.reduce((sum, part) => sum + rangeLength(part), 0);
      const count = bits < 8 ? size : numel * parts;
      const width = field === "floatData" ? 4 : field === "doubleData" ? 8 : null;
      const fits = width === null ? length >= count && length <= 10 * count : length === width * count;
      if (!fits) mismatch(`${length} bytes of ${data.field}`);
      return;
    }
    case "external":
      return;
    default:
      data satisfies never;
  }
}

function encode(tensor: OnnxTensor): StoredTensor {
  const { name, docString, metadataProps, unknownFields, dims, dataType, data } = tensor;
  const external = data.kind === "external";
  return {
    floatData: [],
    int32Data: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    ...(data.kind === "typed" ? { [data.field]: data.payload } : {}),
    stringData: data.kind === "strings" ? data.values : [],
    rawData: data.kind === "raw" ? data.bytes : null,
    externalData: external ? externalDataEntries(data.reference) : new Map(),
    dataLocation: external ? 1 : 0,
    name,
    docString,
    metadataProps,
    unknownFields,
    dims,
    typeCode: dataTypeCode(dataType),
  };
}
