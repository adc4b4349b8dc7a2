/**
 * One-node ONNX models for the peers, written as protocol buffers by hand: the benchmarks need four messages, not a
 * library. Field numbers are those of onnx.proto.
 */

type Bytes = readonly number[];

function varint(value: number): Bytes {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const integer = (field: number, value: number): Bytes => [...varint(field * 8), ...varint(value)];
const message = (field: number, body: Bytes): Bytes => [...varint(field * 8 + 2), ...varint(body.length), ...body];
const text = (field: number, value: string): Bytes => message(field, [...new TextEncoder().encode(value)]);

const FLOAT = 1;
const ATTRIBUTE_INTS = 7;

/** An input or output: a float tensor of fixed shape. */
function valueInfo(name: string, shape: readonly number[]): Bytes {
  const dimensions = shape.flatMap((size) => message(1, integer(1, size)));
  const tensorType = [...integer(1, FLOAT), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensorType))];
}

function intsAttribute(name: string, values: readonly number[]): Bytes {
  return [...text(1, name), ...values.flatMap((value) => integer(8, value)), ...integer(20, ATTRIBUTE_INTS)];
}

export interface OneNodeModel {
  readonly op: "MatMul" | "Conv";
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly output: readonly number[];
  readonly attributes?: Readonly<Record<string, readonly number[]>>;
  /** Constant weights by name; they follow the inputs as the node's arguments. */
  readonly constants?: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;
}

/** The model; its output is called "y". */
export function oneNodeModel({ op, inputs, output, attributes = {}, constants = {} }: OneNodeModel): Uint8Array {
  const names = [...Object.keys(inputs), ...Object.keys(constants)];
  const node = [
    ...names.flatMap((name) => text(1, name)),
    ...text(2, "y"),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(([name, values]) => message(5, intsAttribute(name, values))),
  ];
  const initializers = Object.entries(constants).flatMap(([name, { shape, data }]) => {
    const raw = [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
    const dimensions = shape.flatMap((size) => integer(1, size));
    return message(5, concatenate([dimensions, integer(2, FLOAT), text(8, name), message(9, raw)]));
  });
  const graph = concatenate([
    message(1, node),
    text(2, "graph"),
    initializers,
    Object.entries(inputs).flatMap(([name, shape]) => message(11, valueInfo(name, shape))),
    message(12, valueInfo("y", output)),
  ]);
  const opset = message(8, [...text(1, ""), ...integer(2, 13)]);
  return Uint8Array.from(concatenate([integer(1, 8), message(7, graph), opset]));
}

/** Spreading millions of bytes as arguments would overflow the stack; concat does not. */
function concatenate(parts: readonly Bytes[]): Bytes {
  return ([] as number[]).concat(...parts);
}
