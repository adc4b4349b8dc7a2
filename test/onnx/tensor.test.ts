/** Elements of tensors, in every way in which a file may store them. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DType } from "../../src/core/dtype.ts";
import { bool, float16, float32, float64, int16, int32, int64, int8, quint8, uint8 } from "../../src/core/dtype.ts";
import { FileFormatError, OctetError } from "../../src/core/errors.ts";
import { memorySource } from "../../src/onnx/bytes.ts";
import type { OnnxDataType, OnnxTensor } from "../../src/onnx/model.ts";
import { onnxDataTypes } from "../../src/onnx/model.ts";
import { readTensor } from "../../src/onnx/read.ts";
import { tensorMessage } from "../../src/onnx/tensor-message.ts";
import {
  dtypeOf,
  fromTensor,
  rawTensor,
  stringTensor,
  tensorBytes,
  toStrings,
  toTensor,
} from "../../src/onnx/tensor.ts";
import { WireReader } from "../../src/onnx/wire-reader.ts";
import { WireWriter } from "../../src/onnx/wire-writer.ts";
import { quantizePerTensor } from "../../src/ops/quantize.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { expectRefused } from "../io/hostile.ts";

/** The tensor through a file. */
function roundTrip(tensor: OnnxTensor): OnnxTensor {
  return readTensor(written((writer) => tensorMessage.write(writer, tensor)));
}

function written(body: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter();
  body(writer);
  return Uint8Array.from([...writer.output()].flatMap((piece) => [...piece]));
}

const code = (type: OnnxDataType) => onnxDataTypes.indexOf(type);

/** A TensorProto of one dimension by hand; `data` writes its elements. */
function tensorFile(type: OnnxDataType, count: number, data: (writer: WireWriter) => void): Uint8Array {
  return written((writer) => {
    writer.varintField(1, count);
    writer.varintField(2, code(type));
    writer.textField(8, "t");
    data(writer);
  });
}

const packedInts = (field: number, values: readonly (number | bigint)[]) => (writer: WireWriter) =>
  writer.messageField(field, (inner) => values.forEach((value) => inner.varint(value)));

describe("raw data", () => {
  const cases: [OnnxDataType, DType, number[]][] = [
    ["float", float32, [0.5, -0, Infinity, 2 ** -140]],
    ["double", float64, [0.1, -1e300]],
    ["float16", float16, [0x3c00, 0xfbff, 0x0001]],
    ["bfloat16", float32, [1, -0.15625, Infinity]],
    ["int8", int8, [-128, 127]],
    ["uint8", uint8, [0, 255]],
    ["int16", int16, [-32768, 32767]],
    ["uint16", int32, [0, 65535]],
    ["int32", int32, [-(2 ** 31), 2 ** 31 - 1]],
    ["uint32", int64, [0, 2 ** 32 - 1]],
    ["int64", int64, [-(2 ** 53) + 1, -1, 2 ** 53 - 1]],
    ["uint64", int64, [0, 2 ** 53 - 1]],
    ["bool", bool, [1, 0, 1]],
    ["int4", int8, [-8, 7, -1]],
    ["uint4", uint8, [15, 0, 9]],
    ["int2", int8, [-2, 1, 0, -1, 1]],
    ["uint2", uint8, [3, 0, 1, 2, 3]],
  ];

  it.each(cases)("keeps %s", (type, dtype, values) => {
    const data = dtype.allocate(values.length);
    data.set(values);
    const tensor = Tensor.fromArray(data, [values.length], dtype);
    const stored = roundTrip(fromTensor("t", tensor, type));
    expect([stored.name, stored.dataType, stored.dims]).toEqual(["t", type, [values.length]]);
    const back = toTensor(stored);
    expect(back.dtype).toBe(dtype);
    expect([...back.elements()]).toEqual(values);
  });

  it("names a dtype for every type but strings and complex numbers", () => {
    const without = onnxDataTypes.filter((type) => !dtypeOf(type));
    expect(without).toEqual(["undefined", "string", "complex64", "complex128"]);
    const complex = rawTensor("c", "complex64", [1], new Uint8Array(8));
    expect(roundTrip(complex).dims).toEqual([1]);
    expect(() => toTensor(complex)).toThrow(
      new OctetError('onnx: the tensor "c" has elements of type complex64, not numbers'),
    );
  });

  it("stores the tensor's own dtype by itself, views in order, and copies", () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    const transposed = Tensor.fromArray(data, [2, 3], float32).alias([3, 2], [1, 3], 0);
    const stored = fromTensor("t", transposed);
    data.fill(0);
    expect([stored.dataType, stored.dims]).toEqual(["float", [3, 2]]);
    expect([...toTensor(stored).elements()]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("packs the first element into the lowest bits", () => {
    const four = fromTensor("t", Tensor.fromArray(Int8Array.of(1, -2, 3), [3], int8), "int4");
    expect([...tensorBytes(four)]).toEqual([0xe1, 0x03]);
    const two = fromTensor("t", Tensor.fromArray(Uint8Array.of(1, 2, 3, 0, 2), [5], uint8), "uint2");
    expect([...tensorBytes(two)]).toEqual([0b00111001, 0b10]);
  });

  it("rounds bfloat16 half to even", () => {
    const values = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8 - 2 ** -20, 3.4e38, NaN);
    const back = toTensor(fromTensor("t", Tensor.fromArray(values, [5], float32), "bfloat16"));
    expect([...back.elements()]).toEqual([1, 1 + 4 * 2 ** -8, -1 - 2 * 2 ** -8, Infinity, NaN]);
  });

  it("widens small floats", () => {
    const decoded = (type: OnnxDataType, ...bytes: number[]) => {
      const count = type === "float4e2m1" ? bytes.length * 2 : bytes.length;
      return [...toTensor(rawTensor("t", type, [count], Uint8Array.from(bytes))).elements()];
    };
    expect(decoded("float8e4m3fn", 0x7e, 0xff, 0x01, 0x80, 0x38)).toEqual([448, NaN, 2 ** -9, -0, 1]);
    expect(decoded("float8e4m3fnuz", 0x7f, 0x80, 0x01, 0x40)).toEqual([240, NaN, 2 ** -10, 1]);
    expect(decoded("float8e5m2", 0x7b, 0x7c, 0xfc, 0x7d, 0x01)).toEqual([57344, Infinity, -Infinity, NaN, 2 ** -16]);
    expect(decoded("float8e5m2fnuz", 0x7f, 0x80, 0x01)).toEqual([57344, NaN, 2 ** -17]);
    expect(decoded("float8e8m0", 0, 127, 254, 255)).toEqual([2 ** -127, 1, 2 ** 127, NaN]);
    expect(decoded("float4e2m1", 0x10, 0x32, 0x54, 0x76, 0xfe)).toEqual([0, 0.5, 1, 1.5, 2, 3, 4, 6, -4, -6]);
  });

  it("refuses or clamps integers that a double does not hold", () => {
    const bytes = new Uint8Array(new BigInt64Array([2n ** 63n - 1n, -(2n ** 63n), 5n]).buffer);
    const tensor = rawTensor("ends", "int64", [3], bytes);
    expectRefused(() => toTensor(tensor), /^onnx: the tensor "ends": the integer 9223372036854775807 is beyond/);
    const max = Number.MAX_SAFE_INTEGER;
    expect([...toTensor(tensor, { wideIntegers: "clamp" }).elements()]).toEqual([max, -max, 5]);
    const unsigned = rawTensor("u", "uint64", [1], new Uint8Array(8).fill(255));
    expect([...toTensor(unsigned, { wideIntegers: "clamp" }).elements()]).toEqual([max]);
  });

  it("refuses what the element type cannot hold", () => {
    const store = (values: number[], dtype: DType, type: OnnxDataType) => {
      const data = dtype.allocate(values.length);
      data.set(values);
      return () => fromTensor("t", Tensor.fromArray(data, [values.length], dtype), type);
    };
    expect(store([8], int8, "int4")).toThrow("onnx: 8 does not fit into 4 bits (-8 to 7)");
    expect(store([-1], int32, "uint16")).toThrow("onnx: -1 cannot be stored as uint16");
    expect(store([2 ** 32], int64, "uint32")).toThrow("onnx: 4294967296 cannot be stored as uint32");
    expect(store([1], float32, "int8")).toThrow("onnx: a tensor of dtype float32 cannot be stored as int8");
    expect(store([1], float32, "float8e5m2")).toThrow("onnx: writing float8e5m2 is not supported");
    const quantized = quantizePerTensor(Tensor.zeros([2], float32), 0.1, 0, quint8);
    expect(() => fromTensor("q", quantized)).toThrow(/intRepr\(\)/);
    expect(() => rawTensor("t", "float", [2], new Uint8Array(7))).toThrow(
      "onnx: 7 bytes do not fill [2] of type float",
    );
  });
});

describe("typed data", () => {
  const elements = (file: Uint8Array) => [...toTensor(readTensor(file)).elements()];

  it.each<[OnnxDataType, number, number[]]>([
    ["int8", 5, [-128, 127, -1]],
    ["uint8", 5, [0, 255]],
    ["int16", 5, [-32768, 32767]],
    ["uint16", 5, [0, 65535]],
    ["int32", 5, [-(2 ** 31), 2 ** 31 - 1]],
    ["bool", 5, [1, 0]],
    ["float16", 5, [0x3c00, 0xffff]],
    ["int64", 7, [-1, 2 ** 53 - 1]],
    ["uint32", 11, [2 ** 32 - 1, 0]],
    ["uint64", 11, [2 ** 53 - 1, 0]],
  ])("reads %s, packed or not", (type, field, values) => {
    expect(elements(tensorFile(type, values.length, packedInts(field, values)))).toEqual(values);
    const apart = (writer: WireWriter) => values.forEach((value) => writer.varintField(field, value));
    expect(elements(tensorFile(type, values.length, apart))).toEqual(values);
    const stored = roundTrip(readTensor(tensorFile(type, values.length, apart)));
    expect([...toTensor(stored).elements()]).toEqual(values);
  });

  it("reads bfloat16 and packed types", () => {
    expect(elements(tensorFile("bfloat16", 2, packedInts(5, [0x3f80, 0xc000])))).toEqual([1, -2]);
    expect(elements(tensorFile("int4", 3, packedInts(5, [0xe1, 0x03])))).toEqual([1, -2, 3]);
    expect(elements(tensorFile("uint2", 5, packedInts(5, [0b00111001, 0b10])))).toEqual([1, 2, 3, 0, 2]);
  });

  it("reads floats, packed, apart, or in several pieces", () => {
    const floats = (writer: WireWriter, values: number[]) =>
      writer.messageField(4, (inner) => values.forEach((value) => inner.float(value)));
    expect(elements(tensorFile("float", 2, (writer) => floats(writer, [0.5, -2])))).toEqual([0.5, -2]);
    const mixed = (writer: WireWriter) => {
      writer.floatField(4, 1);
      floats(writer, [2, 3]);
      writer.floatField(4, 4);
    };
    expect(elements(tensorFile("float", 4, mixed))).toEqual([1, 2, 3, 4]);
    const doubles = new Uint8Array(new Float64Array([0.1, -0.2]).buffer);
    expect(elements(tensorFile("double", 2, (writer) => writer.bytesField(10, doubles)))).toEqual([0.1, -0.2]);
  });

  it("reads strings, and tensors without elements", () => {
    const words = roundTrip(stringTensor("w", [2], ["ä", Uint8Array.of(255)]));
    expect(toStrings(words)).toEqual(["ä", Uint8Array.of(255)]);
    expect(() => toTensor(words)).toThrow(OctetError);
    expect(() => toStrings(rawTensor("f", "float", [0], new Uint8Array(0)))).toThrow(/type float, not strings$/);
    expect(elements(tensorFile("int32", 0, () => undefined))).toEqual([]);
  });

  it("refuses numbers that do not fit, are too few or too many", () => {
    const refused = (type: OnnxDataType, count: number, field: number, values: (number | bigint)[], message: RegExp) =>
      expectRefused(() => elements(tensorFile(type, count, packedInts(field, values))), message);
    refused("int8", 1, 5, [256], /the tensor "t" has the element 256, which has too many bits$/);
    refused("int32", 1, 5, [2n ** 63n - 1n], /has the element 9223372036854775807/);
    refused("int32", 2, 5, [300], /has 1 numbers instead of 2$/);
    refused("int32", 2, 5, [1, 2, 3], /has more than 2 numbers$/);
    refused("int32", 4, 5, [1, 2, 3], /of 4 elements of type int32 has 3 bytes of int32Data$/);
    refused("int32", 1, 7, [1], /has its elements in the field int64Data$/);
    expectRefused(
      () => readTensor(tensorFile("float", 2, (writer) => writer.floatField(4, 1))),
      /of 2 elements of type float has 4 bytes of floatData$/,
    );
  });

  it("reads integers of 64 bits, whichever they are", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const bytes = written((writer) => writer.varint(value));
        const reader = new WireReader(memorySource(bytes));
        expect(BigInt(reader.integer())).toBe(value);
        expect(reader.isDone).toBe(true);
      }),
    );
  });
});

describe("a damaged tensor", () => {
  const refuse = (body: (writer: WireWriter) => void, message: RegExp) =>
    expectRefused(() => readTensor(written(body)), message);
  const dims = (...sizes: (number | bigint)[]) => packedInts(1, sizes);

  it("is refused for its shape before anything is allocated", () => {
    const shaped =
      (...sizes: (number | bigint)[]) =>
      (writer: WireWriter) => {
        dims(...sizes)(writer);
        writer.varintField(2, code("uint8"));
        writer.bytesField(9, Uint8Array.of(1));
      };
    refuse(shaped(-1), /^onnx: a tensor without a name has an impossible shape \[-1\]$/);
    refuse(shaped(2 ** 40, 2 ** 40), /impossible shape \[1099511627776, 1099511627776\]$/);
    refuse(shaped(2n ** 63n - 1n), /impossible shape/);
    refuse(shaped(2 ** 50), /has 1 bytes instead of 1125899906842624$/);
    refuse(shaped(2 ** 50, 0), /of 0 elements of type uint8 has 1 bytes instead of 0$/);
  });

  it("is refused for its type, and for more or less data than one field", () => {
    refuse((writer) => writer.varintField(2, 77), /has the element type 77, which is not known$/);
    const typed =
      (type: OnnxDataType, ...fields: number[]) =>
      (writer: WireWriter) => {
        dims(1)(writer);
        writer.varintField(2, code(type));
        for (const field of fields) writer.bytesField(field, new Uint8Array(4));
      };
    refuse(typed("float"), /of 1 elements of type float has 0 bytes of floatData$/);
    refuse(typed("float", 4, 9), /has its elements in 2 fields$/);
    refuse(typed("string", 9), /of type string has raw data$/);
    refuse(typed("float", 6), /of type float has strings$/);
    refuse(typed("undefined", 9), /of type undefined has raw data$/);
    expect(() => readTensor(written(typed("float", 9)))).not.toThrow(FileFormatError);
  });
});
