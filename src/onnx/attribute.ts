/** AttributeProto: the file has a field for each type of value and a number that tells which one counts. */
import { refuse } from "./bytes.ts";
import type { Message } from "./message.ts";
import { byteString, byteStrings, float, floats, integer, integers, mappedMessage, message } from "./message.ts";
import { messages, prose, smallInteger, tableMessage, text } from "./message.ts";
import type {
  OnnxAttribute,
  OnnxAttributeType,
  OnnxAttributeValues,
  OnnxGraph,
  OnnxSparseTensor,
  OnnxValueAttribute,
  UnknownField,
} from "./model.ts";
import { tensorMessage } from "./tensor-message.ts";
import { typeMessage } from "./type.ts";

/** A value of each type; null or empty for all but one. */
type StoredValues = {
  readonly [K in OnnxAttributeType]: OnnxAttributeValues[K] extends readonly unknown[]
    ? OnnxAttributeValues[K]
    : OnnxAttributeValues[K] | null;
};

interface StoredAttribute extends StoredValues {
  readonly name: string;
  readonly refAttrName: string;
  readonly docString: string;
  readonly typeCode: number;
  readonly unknownFields: readonly UnknownField[];
}

/** The message, given those that contain it in turn. */
export function attributeMessageOf(
  graphMessage: () => Message<OnnxGraph>,
  sparseTensorMessage: () => Message<OnnxSparseTensor>,
): Message<OnnxAttribute> {
  const storedMessage = tableMessage<StoredAttribute>(() => ({
    name: text(1),
    refAttrName: text(21),
    docString: prose(13),
    typeCode: smallInteger(20),
    float: float(2),
    int: integer(3),
    string: byteString(4),
    tensor: message(5, () => tensorMessage),
    graph: message(6, graphMessage),
    sparseTensor: message(22, sparseTensorMessage),
    type: message(14, () => typeMessage),
    floats: floats(7),
    ints: integers(8),
    strings: byteStrings(9),
    tensors: messages(10, () => tensorMessage),
    graphs: messages(11, graphMessage),
    sparseTensors: messages(23, sparseTensorMessage),
    types: messages(15, () => typeMessage),
  }));
  return mappedMessage(storedMessage, decode, encode);
}

const typeCodes: Readonly<Record<OnnxAttributeType, number>> = Object.freeze({
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  type: 13,
  types: 14,
});
const types = Object.keys(typeCodes) as OnnxAttributeType[];

/** What a file means that leaves out a value: lists are empty, and some writers leave out zeros. */
const defaults: Readonly<Partial<Record<OnnxAttributeType, OnnxAttributeValues[OnnxAttributeType]>>> = {
  float: 0,
  int: 0,
  string: "",
};

function decode(stored: StoredAttribute): OnnxAttribute {
  const { name, refAttrName, docString, unknownFields } = stored;
  const base = { name, docString, unknownFields };
  const where = `the attribute ${JSON.stringify(name)}`;
  const type = typeOf(stored, where);
  if (refAttrName !== "") return { ...base, type: "reference", refAttrName, valueType: type };
  const value = stored[type] ?? defaults[type];
  if (value === undefined) refuse(`${where} has the type ${type}, but no value`);
  return { ...base, type, value } as OnnxValueAttribute; // typeOf made sure that they belong together
}

function typeOf(stored: StoredAttribute, where: string): OnnxAttributeType {
  const isThere = (type: OnnxAttributeType): boolean => {
    const value = stored[type];
    return Array.isArray(value) ? value.length > 0 : value !== null;
  };
  const found = types.filter(isThere);
  // The first files had no type: there the only value tells it.
  const type = stored.typeCode === 0 ? found[0] : types.find((name) => typeCodes[name] === stored.typeCode);
  if (!type) refuse(`${where} has ${stored.typeCode === 0 ? "no value" : `the unknown type ${stored.typeCode}`}`);
  const other = found.find((name) => name !== type);
  if (other) refuse(`${where} has values of the types ${type} and ${other}`);
  return type;
}

function encode(attribute: OnnxAttribute): StoredAttribute {
  const { name, docString, unknownFields, type } = attribute;
  const base = { ...emptyValues, name, docString, unknownFields, refAttrName: "" };
  if (type === "reference") {
    return { ...base, refAttrName: attribute.refAttrName, typeCode: typeCodes[attribute.valueType] };
  }
  return { ...base, typeCode: typeCodes[type], [type]: attribute.value };
}

const emptyValues: StoredValues = Object.freeze({
  float: null,
  int: null,
  string: null,
  tensor: null,
  graph: null,
  sparseTensor: null,
  type: null,
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  sparseTensors: [],
  types: [],
});
