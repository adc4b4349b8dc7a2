/** TypeProto: the file has a field for each kind of type, the model one record with a kind. */
import { dataTypeCode, dataTypeOf } from "./data-types.ts";
import type { Message } from "./message.ts";
import { integer, mappedMessage, message, messages, smallInteger, tableMessage, text } from "./message.ts";
import type { OnnxDimension, OnnxInteger, OnnxType, UnknownField } from "./model.ts";

interface Unknown {
  readonly unknownFields: readonly UnknownField[];
}

interface StoredDimension extends Unknown {
  readonly value: OnnxInteger | null;
  readonly param: string;
  readonly denotation: string;
}

const dimensionMessage: Message<OnnxDimension> = mappedMessage(
  tableMessage<StoredDimension>(() => ({ value: integer(1), param: text(2), denotation: text(3) })),
  // Some exporters write -1 for a size that may be anything.
  ({ value, param, denotation }) => {
    const size = param !== "" ? param : typeof value === "number" && value >= 0 ? value : null;
    return { size, denotation };
  },
  ({ size, denotation }) => ({
    value: typeof size === "number" ? size : null,
    param: typeof size === "string" ? size : "",
    denotation,
    unknownFields: [],
  }),
);

interface StoredShape extends Unknown {
  readonly dims: readonly OnnxDimension[];
}

const shapeMessage = tableMessage<StoredShape>(() => ({ dims: messages(1, () => dimensionMessage) }));

interface StoredTensorType extends Unknown {
  readonly elementType: number;
  readonly shape: StoredShape | null;
}

const tensorTypeMessage = tableMessage<StoredTensorType>(() => ({
  elementType: smallInteger(1, { always: true }),
  shape: message(2, () => shapeMessage),
}));

interface StoredItemType extends Unknown {
  readonly elementType: OnnxType | null;
}

const itemTypeMessage = tableMessage<StoredItemType>(() => ({ elementType: message(1, () => typeMessage) }));

interface StoredMapType extends Unknown {
  readonly keyType: number;
  readonly valueType: OnnxType | null;
}

const mapTypeMessage = tableMessage<StoredMapType>(() => ({
  keyType: smallInteger(1, { always: true }),
  valueType: message(2, () => typeMessage),
}));

interface StoredOpaqueType extends Unknown {
  readonly domain: string;
  readonly name: string;
}

const opaqueTypeMessage = tableMessage<StoredOpaqueType>(() => ({ domain: text(1), name: text(2) }));

interface StoredType extends Unknown {
  readonly tensor: StoredTensorType | null;
  readonly sequence: StoredItemType | null;
  readonly map: StoredMapType | null;
  readonly denotation: string;
  readonly opaque: StoredOpaqueType | null;
  readonly sparseTensor: StoredTensorType | null;
  readonly optional: StoredItemType | null;
}

const storedTypeMessage = tableMessage<StoredType>(() => ({
  tensor: message(1, () => tensorTypeMessage),
  sequence: message(4, () => itemTypeMessage),
  map: message(5, () => mapTypeMessage),
  denotation: text(6),
  opaque: message(7, () => opaqueTypeMessage),
  sparseTensor: message(8, () => tensorTypeMessage),
  optional: message(9, () => itemTypeMessage),
}));

const none = { unknownFields: [] };
const empty: StoredType = {
  tensor: null,
  sequence: null,
  map: null,
  denotation: "",
  opaque: null,
  sparseTensor: null,
  optional: null,
  ...none,
};

export const typeMessage: Message<OnnxType> = mappedMessage(storedTypeMessage, decodeType, encodeType);

function decodeType(stored: StoredType): OnnxType {
  const { denotation, unknownFields } = stored;
  const base = { denotation, unknownFields };
  for (const kind of ["tensor", "sparseTensor"] as const) {
    const type = stored[kind];
    if (!type) continue;
    return { ...base, kind, elementType: dataTypeOf(type.elementType, "a type"), shape: type.shape?.dims ?? null };
  }
  for (const kind of ["sequence", "optional"] as const) {
    const type = stored[kind];
    if (type) return { ...base, kind, elementType: type.elementType };
  }
  const { map, opaque } = stored;
  if (map) return { ...base, kind: "map", keyType: dataTypeOf(map.keyType, "a map"), valueType: map.valueType };
  if (opaque) return { ...base, kind: "opaque", domain: opaque.domain, name: opaque.name };
  return { ...base, kind: "unspecified" };
}

function encodeType(type: OnnxType): StoredType {
  const { kind, denotation, unknownFields } = type;
  const base = { ...empty, denotation, unknownFields };
  switch (kind) {
    case "tensor":
    case "sparseTensor": {
      const shape = type.shape && { dims: type.shape, ...none };
      return { ...base, [kind]: { elementType: dataTypeCode(type.elementType), shape, ...none } };
    }
    case "sequence":
    case "optional":
      return { ...base, [kind]: { elementType: type.elementType, ...none } };
    case "map":
      return { ...base, map: { keyType: dataTypeCode(type.keyType), valueType: type.valueType, ...none } };
    case "opaque":
      return { ...base, opaque: { domain: type.domain, name: type.name, ...none } };
    case "unspecified":
      return base;
    default:
      kind satisfies never;
      return base;
  }
}
