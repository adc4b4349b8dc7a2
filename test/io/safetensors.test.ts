import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DType } from "../../src/core/dtype.ts";
import { bool, float16, float32, float64, int16, int32, int64, int8, uint8 } from "../../src/core/dtype.ts";
import { FileFormatError, OctetError } from "../../src/core/errors.ts";
import { loadSafetensors, readSafetensors, saveSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

function tensor(values: readonly number[], dtype: DType, shape: readonly number[] = [values.length]): Tensor {
  const data = dtype.allocate(values.length);
  data.set(values);
  return Tensor.fromArray(data, shape, dtype);
}

/** A safetensors file with this header text and data. */
function file(header: unknown, data: readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return Uint8Array.from([...length, ...text, ...data]);
}

const one = (dtype: string, shape: unknown, offsets: unknown) => ({ w: { dtype, shape, data_offsets: offsets } });

const samples: readonly [DType, number[]][] = [
  [float32, [0, -0, 1.5, -Infinity, NaN, 3.4028234663852886e38]],
  [float64, [0, -0, Math.PI, 5e-324, NaN, -Infinity]],
  [float16, [0x0000, 0x8000, 0x3c00, 0x7c00, 0x7e00, 0x0001]],
  [int8, [-128, -1, 0, 127]],
  [uint8, [0, 1, 255]],
  [int16, [-32768, 32767, 3]],
  [int32, [-2147483648, 2147483647, -1]],
  [int64, [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, -1, 0, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1]],
  [bool, [0, 1, 1]],
];

describe("safetensors round trip", () => {
  it.each(samples.map(([dtype, values]) => [dtype.name, dtype, values] as const))(
    "keeps %s",
    (_name, dtype, values) => {
      const { tensors, metadata } = readSafetensors(writeSafetensors({ x: tensor(values, dtype) }, { note: 'é\n"' }));
      expect(tensors.get("x")!.dtype).toBe(dtype);
      expect([...tensors.get("x")!.elements()]).toEqual(values);
      expect([...metadata]).toEqual([["note", 'é\n"']]);
    },
  );

  it("keeps scalars, empty tensors, views and any name", () => {
    const base = tensor([1, 2, 3, 4, 5, 6], float32, [2, 3]);
    const state = new Map([
      ["scalar", tensor([7], int64, [])],
      ["empty", tensor([], float64, [0, 3])],
      ["transposed", base.alias([3, 2], [1, 3], 0)],
      ["__proto__", tensor([1], uint8)],
      ["3", tensor([3], uint8)],
      ["", tensor([2], uint8)],
    ]);
    const { tensors } = readSafetensors(writeSafetensors(state));
    expect(tensors.size).toBe(6);
    expect(tensors.get("scalar")!.shape).toEqual([]);
    expect(tensors.get("empty")!.shape).toEqual([0, 3]);
    expect(tensors.get("transposed")!.tolist()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(tensors.get("__proto__")!.tolist()).toEqual([1]);
    expect(tensors.get("3")!.tolist()).toEqual([3]);
    expect(Object.prototype).not.toHaveProperty("dtype");
  });

  it("holds for any tensors", () => {
    const anyTensor = fc
      .tuple(fc.constantFrom(float32, float64, int32, uint8), fc.array(fc.nat(4), { maxLength: 3 }))
      .map(([dtype, shape]) =>
        tensor(
          Array.from({ length: shape.reduce((n, s) => n * s, 1) }, (_, i) => i),
          dtype,
          shape,
        ),
      );
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), anyTensor), (state) => {
        const { tensors } = readSafetensors(writeSafetensors(state));
        expect(new Set(tensors.keys())).toEqual(new Set(Object.keys(state)));
        for (const [name, value] of tensors) expect(value).toEqual(state[name]);
      }),
    );
  });
});

describe("offsets in a large file", () => {
  it("may multiply beyond 2^53", () => {
    const size = 100_000_000; // two tensors of 100 MB: the second one's offsets multiply to 2e16
    const state = { a: Tensor.zeros([size], uint8), b: Tensor.zeros([size], uint8) };
    const { tensors } = readSafetensors(writeSafetensors(state));
    expect([...tensors.values()].map((value) => value.numel())).toEqual([size, size]);
  });
});

describe("writeSafetensors", () => {
  it("writes the same bytes whatever the order, aligned, widest elements first, then by code point", () => {
    const state: [string, Tensor][] = [
      ["b", tensor([1], uint8)],
      ["\u{1F600}", tensor([1], float32)],
      ["\uffee", tensor([1], float32)],
      ["a", tensor([1, 2, 3], float16)],
      ["z", tensor([1], float64)],
      ["y", tensor([1], int64)],
    ];
    const metadata: [string, string][] = [
      ["k", "1"],
      ["c", "2"],
    ];
    const bytes = writeSafetensors(new Map(state), new Map(metadata));
    expect(writeSafetensors(new Map(state.toReversed()), new Map(metadata.toReversed()))).toEqual(bytes);
    expect([...readSafetensors(bytes).tensors.keys()]).toEqual(["y", "z", "\uffee", "\u{1F600}", "a", "b"]);
    const headerLength = new DataView(bytes.buffer).getUint32(0, true);
    expect(headerLength % 8).toBe(0);
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)).trimEnd()).toBe(
      '{"__metadata__":{"c":"2","k":"1"},"y":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
        '"z":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},"\uffee":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},' +
        '"\u{1F600}":{"dtype":"F32","shape":[1],"data_offsets":[20,24]},"a":{"dtype":"F16","shape":[3],' +
        '"data_offsets":[24,30]},"b":{"dtype":"U8","shape":[1],"data_offsets":[30,31]}}',
    );
  });

  it("takes megabytes of metadata", () => {
    const text = '\\n"{}:'.repeat(1 << 20);
    expect(readSafetensors(writeSafetensors({}, { text })).metadata.get("text")).toBe(text);
  });

  it("refuses names it could not read back", () => {
    expect(() => writeSafetensors({ __metadata__: tensor([1], int8) })).toThrow(/may not be called "__metadata__"/);
    expect(() => writeSafetensors({ "\ud800": tensor([1], int8) })).toThrow(/not valid Unicode/);
  });
});

describe("readSafetensors widens", () => {
  it("bfloat16 to float32, exactly", () => {
    const bytes = file(one("BF16", [4], [0, 8]), [0x80, 0x3f, 0xc0, 0xff, 0x01, 0x00, 0x80, 0xff]);
    const { dtype, storage } = readSafetensors(bytes).tensors.get("w")!;
    expect(dtype).toBe(float32);
    expect([...storage.data]).toEqual([1, NaN, 2 ** -133, -Infinity]);
  });

  it("unsigned integers to the next signed type", () => {
    const u16 = readSafetensors(file(one("U16", [1], [0, 2]), [0xff, 0xff])).tensors.get("w")!;
    expect([u16.dtype, u16.item()]).toEqual([int32, 65535]);
    const u32 = readSafetensors(file(one("U32", [1], [0, 4]), [0xff, 0xff, 0xff, 0xff])).tensors.get("w")!;
    expect([u32.dtype, u32.item()]).toEqual([int64, 4294967295]);
    const u64 = readSafetensors(file(one("U64", [1], [0, 8]), [1, 0, 0, 0, 1, 0, 0, 0])).tensors.get("w")!;
    expect([u64.dtype, u64.item()]).toEqual([int64, 2 ** 32 + 1]);
  });

  it("any non-zero bool byte to true", () => {
    expect(
      readSafetensors(file(one("BOOL", [3], [0, 3]), [0, 2, 255]))
        .tensors.get("w")!
        .tolist(),
    ).toEqual([false, true, true]);
  });

  it("never rounds a 64-bit integer", () => {
    const limit = [0, 0, 0, 0, 0, 0, 0x20, 0]; // 2^53
    expect(() => readSafetensors(file(one("I64", [1], [0, 8]), limit))).toThrow(
      /tensor "w": the integer 9007199254740992 is/,
    );
    const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    expect(() => readSafetensors(file(one("U64", [1], [0, 8]), most))).toThrow(
      /"w": the integer 18446744073709551615 is/,
    );
    expect(
      readSafetensors(file(one("I64", [1], [0, 8]), most))
        .tensors.get("w")!
        .item(),
    ).toBe(-1);
  });
});

describe("readSafetensors refuses", () => {
  const byte = { dtype: "U8", shape: [1] };
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /0 bytes, too few/],
    [
      "a header longer than the file",
      Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]),
      /says 9 bytes, but only 2/,
    ],
    ["a header of 2^63 bytes", Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d]), /over the limit/],
    ["invalid UTF-8", Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0x22]), /not valid UTF-8/],
    ["invalid JSON", file("{"), /not valid JSON/],
    ["a header that is an array", file("[]"), /not a JSON object/],
    ["a tensor twice", file('{"w":1,"w":2}'), /key "w" twice/],
    ["a tensor twice, escaped", file('{"w":1,"\\u0077":2}'), /key "w" twice/],
    ["a field twice", file('{"w":{"dtype":"U8","shape":[0],"dtype":"U8","data_offsets":[0,0]}}'), /key "dtype" twice/],
    ["metadata that is not text", file({ __metadata__: { a: 1 } }), /__metadata__ "a" is not a string/],
    ["metadata that is no object", file({ __metadata__: [] }), /__metadata__ is not an object/],
    ["a tensor that is null", file({ w: null }), /"w" is not described/],
    ["no dtype", file({ w: { shape: [], data_offsets: [0, 0] } }), /"w" has no dtype/],
    ["8-bit floats", file(one("F8_E4M3", [1], [0, 1]), [0]), /"w" has dtype "F8_E4M3", which is not supported/],
    ["a dtype from the prototype", file(one("toString", [1], [0, 1]), [0]), /not supported/],
    ["a negative size", file(one("U8", [-1], [0, 1]), [0]), /invalid shape \[-1\]/],
    ["a fractional size", file(one("U8", [0.5, 2], [0, 1]), [0]), /invalid shape/],
    ["sizes that overflow", file(one("U8", [2 ** 40, 2 ** 40], [0, 1]), [0]), /invalid shape/],
    ["sizes that overflow beside a zero", file(one("U8", [0, 2 ** 40, 2 ** 40], [0, 0])), /invalid shape/],
    ["a shape that is no array", file(one("U8", 1, [0, 1]), [0]), /invalid shape/],
    ["offsets out of order", file(one("U8", [1], [1, 0]), [0]), /invalid data_offsets/],
    ["one offset", file(one("U8", [1], [0]), [0]), /invalid data_offsets/],
    ["negative offsets", file(one("U8", [1], [-1, 0]), [0]), /invalid data_offsets/],
    ["a size that does not fit", file(one("F32", [2], [0, 4]), [0, 0, 0, 0]), /does not take 4 bytes/],
    ["a tensor past the end", file(one("U8", [2], [0, 2]), [0]), /ends at byte 2 of the data, which has only 1/],
    ["an enormous tensor", file(one("U8", [2 ** 50], [0, 2 ** 50]), [0]), /ends at byte 1125899906842624/],
    ["a hole at the start", file(one("U8", [1], [1, 2]), [0, 0]), /1 bytes of the data before tensor "w"/],
    ["bytes at the end", file(one("U8", [1], [0, 1]), [0, 0]), /last 1 bytes belong to no tensor/],
    [
      "overlapping tensors",
      file({ a: { ...byte, data_offsets: [0, 1] }, b: { ...byte, data_offsets: [0, 1] } }, [0]),
      /tensor "b" overlaps/,
    ],
  ];

  it.each(cases)("%s", (_name, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(FileFormatError);
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  const valid = writeSafetensors(
    { a: tensor([1, 2, 3], float32), b: tensor([1], int64), c: tensor([1, 0], bool) },
    { k: "v" },
  );

  it("every truncation", () => {
    for (let n = 0; n < valid.length; n++) expect(() => readSafetensors(valid.slice(0, n))).toThrow(FileFormatError);
  });

  it("or survives any flipped bytes", () => {
    const flip = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 4 }), (flips) => {
        const bytes = valid.slice();
        for (const [at, mask] of flips) bytes[at] ^= mask;
        try {
          readSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
          expect((error as Error).message).not.toContain("\n");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("safetensors files", () => {
  let folder = "";
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "octet-io-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are replaced in one step and leave nothing beside them", () => {
    const path = join(folder, "model.safetensors");
    saveSafetensors(path, { x: tensor([1, 2], float32) });
    saveSafetensors(path, { x: tensor([3, 4], float32) }, { step: "2" });
    expect(loadSafetensors(path).tensors.get("x")!.tolist()).toEqual([3, 4]);
    expect(readFileSync(path)).toEqual(Buffer.from(writeSafetensors({ x: tensor([3, 4], float32) }, { step: "2" })));
    expect(readdirSync(folder)).toEqual(["model.safetensors"]);
  });

  it("name themselves in errors", () => {
    const path = join(folder, "broken.safetensors");
    writeFileSync(path, "no");
    expect(() => loadSafetensors(path)).toThrow(`${path}: safetensors: the file has 2 bytes`);
    expect(() => loadSafetensors(join(folder, "absent"))).toThrow(/^cannot read ".*absent": no such file or folder$/);
    expect(() => loadSafetensors(folder)).toThrow(OctetError);
    expect(() => saveSafetensors(join(folder, "no", "x"), {})).toThrow(/^cannot write ".*x": no such file or folder$/);
  });
});
