/** Rows of arrays in files: the same as in the array read whole, at any choice of rows. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, float64, int64, uint8 } from "../../src/core/dtype.ts";
import { FileFormatError } from "../../src/core/errors.ts";
import type { ByteParts } from "../../src/io/byte-parts.ts";
import { inMemory } from "../../src/io/byte-parts.ts";
import { writeNpy } from "../../src/io/npy.ts";
import { writeNpz } from "../../src/io/npz.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import type { StoredArray } from "../../src/io/stored-arrays.ts";
import { openNpy, openNpz, openSafetensors } from "../../src/io/stored-arrays.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const range = (count: number, dtype = float32, row: number[] = [3, 2]) => {
  const shape = [count, ...row];
  const data = dtype.allocate(shape.reduce((n, size) => n * size, 1)).map((_, i) => i % 251);
  return Tensor.fromArray(data, shape, dtype);
};

const tensors = new Map([
  ["x", range(9)],
  ["ids", range(9, int64, [4])],
  ["y", range(9, uint8, [])],
]);

const files: [string, () => Map<string, StoredArray>][] = [
  ["npz", () => openNpz(inMemory(writeNpz(tensors)))],
  ["compressed npz", () => openNpz(inMemory(writeNpz(tensors, { compressed: true })))],
  ["safetensors", () => openSafetensors(inMemory(writeSafetensors(tensors)))],
];

describe.each(files)("rows of %s", (_, open) => {
  it("describes the arrays without reading them", () => {
    const arrays = open();
    expect([...arrays.keys()].sort()).toEqual(["ids", "x", "y"]);
    expect(arrays.get("x")).toMatchObject({ shape: [9, 3, 2], dtype: float32, byteLength: 216 });
  });

  it("gives the rows of any choice, and the whole array", () => {
    const choice = fc.uniqueArray(fc.integer({ min: 0, max: 8 })).map((rows) => rows.sort((a, b) => a - b));
    fc.assert(
      fc.property(choice, (rows) => {
        for (const [name, array] of open()) {
          const expected = tensors.get(name)!;
          const size = expected.numel() / 9;
          const read = array.open();
          for (const row of rows) {
            const got = read(row);
            expect(got.shape).toEqual(expected.shape.slice(1));
            expect(got.elements()).toEqual(expected.elements().slice(row * size, (row + 1) * size));
          }
        }
      }),
      { numRuns: 30 },
    );
    for (const [name, array] of open()) expect(array.load().elements()).toEqual(tensors.get(name)!.elements());
  });

  it("refuses to go back, and rows that are not there", () => {
    const read = open().get("x")!.open();
    read(3);
    expect(() => read(3)).toThrow(/row 3 of 9 cannot be read after row 3/);
    expect(() => read(9)).toThrow(/row 9 of 9/);
  });
});

describe("openNpz", () => {
  it("reads only the rows that are asked for, where the array is not compressed", () => {
    const bytes = writeNpz({ x: range(1000, float64, [100]) });
    let most = 0;
    const file: ByteParts = {
      size: bytes.length,
      read: (begin, end) => {
        most = Math.max(most, end - begin);
        return bytes.subarray(begin, end);
      },
    };
    const read = openNpz(file).get("x")!.open();
    expect(read(700).elements()[1]).toBe(70001 % 251);
    expect(most).toBeLessThan(70_000); // the end of the file, where the directory is sought
  });

  it("refuses a wrong checksum when the last row has been read", () => {
    const bytes = writeNpz({ x: range(2000, float64, [10]) }, { compressed: true });
    const directory = bytes.length - 22 - 46 - "x.npy".length;
    bytes[directory + 16] ^= 1;
    const read = openNpz(inMemory(bytes)).get("x")!.open();
    for (let i = 0; i < 1999; i++) read(i);
    expect(() => read(1999)).toThrow(/x\.npy.*fails its checksum/);
    expect(() => openNpz(inMemory(bytes)).get("x")!.load()).toThrow(FileFormatError);
  });
});

describe("openNpy", () => {
  it("reads a single number whole, and has no rows of it", () => {
    const array = openNpy(inMemory(writeNpy(Tensor.fromArray(Float32Array.of(5), [], float32))));
    expect(array.load().item()).toBe(5);
    expect(() => array.open()).toThrow(/has no rows/);
  });

  it("says what to do about Fortran order", () => {
    const text = new TextDecoder("latin1")
      .decode(writeNpy(range(2)))
      .replace("'fortran_order': False", "'fortran_order': True ");
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    expect(() => openNpy(inMemory(bytes))).toThrow(/ascontiguousarray/);
  });
});
