/**
 * The messages of onnx.proto (IR version 13) as tables from the properties of model.ts to field numbers, in the order in which
 * they are written. Attributes, tensors and types, which the file spells differently from the model, are in files of their own.
 * Source of the numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { attributeMessageOf } from "./attribute.ts";
import { checkedDims } from "./data-types.ts";
import { refuse } from "./bytes.ts";
import type { Field, Message } from "./message.ts";
import { integer, integers, keyed, mappedMessage, message, messages, prose, smallInteger } from "./message.ts";
import { tableMessage, text, texts } from "./message.ts";
import type {
  OnnxAttribute,
  OnnxFunction,
  OnnxGraph,
  OnnxInteger,
  OnnxModel,
  OnnxNode,
  OnnxQuantizationAnnotation,
  OnnxSparseTensor,
  OnnxTensor,
  OnnxValueInfo,
  UnknownField,
} from "./model.ts";
import { properties } from "./properties.ts";
import { tensorMessage } from "./tensor-message.ts";
import { typeMessage } from "./type.ts";

interface OperatorSet {
  readonly domain: string;
  readonly version: number;
  readonly unknownFields: readonly UnknownField[];
}

const operatorSetMessage = tableMessage<OperatorSet>(() => ({
  domain: text(1, { always: true }),
  version: smallInteger(2, { always: true }),
}));

function opsetImports(number: number): Field<ReadonlyMap<string, number>> {
  return keyed(
    number,
    () => operatorSetMessage,
    "operator set",
    ({ domain, version }) => [domain, version],
    (domain, version) => ({ domain, version, unknownFields: [] }),
  );
}

const attributeMessage = attributeMessageOf(
  () => graphMessage,
  () => sparseTensorMessage,
);

function attributes(number: number): Field<ReadonlyMap<string, OnnxAttribute>> {
  return keyed(
    number,
    () => attributeMessage,
    "attribute",
    (attribute) => [attribute.name, attribute],
    (_, attribute) => attribute,
  );
}

/** What a file may leave out, but the model always has. */
type Stored<T, K extends keyof T> = { readonly [P in keyof T]: P extends K ? T[P] | null : T[P] };

const nodeMessage: Message<OnnxNode> = mappedMessage(
  tableMessage<OnnxNode>(() => ({
    inputs: texts(1),
    outputs: texts(2),
    name: text(3),
    opType: text(4),
    domain: text(7),
    overload: text(8),
    attributes: attributes(5),
    docString: prose(6),
    metadataProps: properties(9),
  })),
  (node) => (node.opType === "" ? refuse(`the node ${JSON.stringify(node.name)} has no operator`) : node),
  (node) => node,
);

const valueInfoMessage = tableMessage<OnnxValueInfo>(() => ({
  name: text(1, { always: true }),
  type: message(2, () => typeMessage),
  docString: prose(3),
  metadataProps: properties(4),
}));

const annotationMessage = tableMessage<OnnxQuantizationAnnotation>(() => ({
  tensorName: text(1),
  quantParameterTensorNames: properties(2),
}));

interface StoredSparseTensor {
  readonly values: OnnxTensor | null;
  readonly indices: OnnxTensor | null;
  readonly dims: readonly OnnxInteger[];
  readonly unknownFields: readonly UnknownField[];
}

const sparseTensorMessage: Message<OnnxSparseTensor> = mappedMessage(
  tableMessage<StoredSparseTensor>(() => ({
    values: message(1, () => tensorMessage),
    indices: message(2, () => tensorMessage),
    dims: integers(3),
  })),
  ({ values, indices, dims, unknownFields }) => {
    if (!values || !indices) refuse("a sparse tensor has no values or no indices");
    const where = `the sparse tensor ${JSON.stringify(values.name)}`;
    return { values, indices, dims: checkedDims(dims, where).dims, unknownFields };
  },
  (sparse) => sparse,
);

const graphMessage: Message<OnnxGraph> = tableMessage<OnnxGraph>(() => ({
  nodes: messages(1, () => nodeMessage),
  name: text(2, { always: true }),
  initializers: messages(5, () => tensorMessage),
  sparseInitializers: messages(15, () => sparseTensorMessage),
  docString: prose(10),
  inputs: messages(11, () => valueInfoMessage),
  outputs: messages(12, () => valueInfoMessage),
  valueInfo: messages(13, () => valueInfoMessage),
  quantizationAnnotations: messages(14, () => annotationMessage),
  metadataProps: properties(16),
}));

const functionMessage = tableMessage<OnnxFunction>(() => ({
  name: text(1),
  inputs: texts(4),
  outputs: texts(5),
  attributes: texts(6),
  attributeDefaults: attributes(11),
  nodes: messages(7, () => nodeMessage),
  docString: prose(8),
  opsetImports: opsetImports(9),
  domain: text(10),
  overload: text(13),
  valueInfo: messages(12, () => valueInfoMessage),
  metadataProps: properties(14),
}));

/** Since this IR version a model says which operators it uses. */
const IR_VERSION_WITH_OPSETS = 3;

export const modelMessage: Message<OnnxModel> = mappedMessage(
  tableMessage<Stored<OnnxModel, "graph" | "modelVersion">>(() => ({
    irVersion: smallInteger(1, { always: true }),
    producerName: text(2),
    producerVersion: text(3),
    domain: text(4),
    modelVersion: integer(5),
    docString: prose(6),
    graph: message(7, () => graphMessage),
    opsetImports: opsetImports(8),
    metadataProps: properties(14),
    functions: messages(25, () => functionMessage),
  })),
  ({ graph, ...model }) => {
    if (model.irVersion < 1) refuse("the file has no IR version");
    if (!graph) refuse("the file has no graph");
    if (model.irVersion >= IR_VERSION_WITH_OPSETS && model.opsetImports.size === 0) {
      refuse("the file does not say which operator sets it uses; it may be truncated");
    }
    return { ...model, graph, modelVersion: model.modelVersion ?? 0 };
  },
  (model) => ({ ...model, modelVersion: model.modelVersion === 0 ? null : model.modelVersion }),
);
