import { describe, expect, it } from "vitest";
import { bool, float16, float32, float64, int16, int32, int64, int8, uint8 } from "../../src/core/dtype.ts";
import { readNpy, writeNpy } from "../../src/io/npy.ts";
import { readNpz, writeNpz } from "../../src/io/npz.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { writeZip } from "../../src/io/zip.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused, golden } from "./hostile.ts";

const expected = readSafetensors(golden("numpy.safetensors")).tensors;
const readers = [...expected.keys()];
const writable = ["f4", "f8", "f2", "i1", "u1", "i2", "i4", "i8", "b1", "scalar", "empty"];
const refused: readonly [string, RegExp][] = [
  ["object", /^npy: dtype "\|O" holds pickled Python objects, which are never loaded$/],
  ["text", /^npy: dtype "<U1" is not supported$/],
  ["record", /records \(structured dtypes\) are not supported/],
  ["complex", /dtype "<c16" is not supported/],
];

/** An .npy file with this header text and data, format version 1.0. */
function file(header: string, data: readonly number[] = []): Uint8Array {
  const text = [...new TextEncoder().encode(header)];
  return Uint8Array.from([
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    1,
    0,
    text.length & 255,
    text.length >> 8,
    ...text,
    ...data,
  ]);
}

const header = (shape: string, descr = "|u1") => `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;

describe("readNpy", () => {
  it.each(readers)("reads what NumPy wrote: %s", (name) => {
    const tensor = readNpy(golden(`numpy/${name}.npy`));
    const wanted = expected.get(name)!;
    expect(tensor.dtype).toBe(wanted.dtype);
    expect(tensor.shape).toEqual(wanted.shape);
    expect(tensor.elements()).toEqual(wanted.elements());
  });

  it("gives each type its dtype", () => {
    const dtypes = ["f4", "f8", "f2", "i1", "u1", "i2", "i4", "i8", "b1"].map(
      (n) => readNpy(golden(`numpy/${n}.npy`)).dtype,
    );
    expect(dtypes).toEqual([float32, float64, float16, int8, uint8, int16, int32, int64, bool]);
  });

  it("keeps Fortran order", () => {
    expect(readNpy(golden("numpy/fortran.npy")).strides).toEqual([1, 2, 6]);
  });

  it.each(refused)("refuses %s arrays", (name, message) => {
    expectRefused(() => readNpy(golden(`numpy/refused-${name}.npy`)), message);
  });

  it("takes keys in any order, without a trailing comma, and the long integers of Python 2", () => {
    const text = "{\"shape\": (2L, 1),'fortran_order':True , 'descr':'|u1'}";
    expect(readNpy(file(text, [1, 2])).tolist()).toEqual([[1], [2]]);
  });

  const malformed: readonly [string, Uint8Array, RegExp][] = [
    ["another magic", Uint8Array.from({ length: 20 }, () => 1), /no \.npy file/],
    ["version 4", file(header("(1,)"), [1]).with(6, 4), /format version 4\.0 is not supported/],
    ["a header past the end", file(header("(1,)")).slice(0, 40), /header is truncated/],
    ["an expression", file("__import__('os').system('true')"), /lacks \{/],
    ["an expression as shape", file(header("(1+1,)"), [1, 2]), /lacks a shape/],
    ["a negative size", file(header("(-1,)")), /lacks a shape/],
    ["an empty size", file(header("(1,,2)"), [1, 2]), /invalid shape/],
    ["sizes that overflow", file(header("(4294967296, 4294967296)")), /invalid shape/],
    ["an enormous size", file(header("(9999999999999999999,)")), /invalid shape/],
    ["more elements than a tensor has", file(header("(0, 4294967297)").replace("0, ", "")), /invalid shape/],
    ["too little data", file(header("(3,)"), [1]), /takes 3 bytes, the file has 1/],
    ["too much data", file(header("(1,)"), [1, 2]), /takes 1 bytes, the file has 2/],
    ["an enormous array", file(header("(4294967295,)"), [1]), /takes 4294967295 bytes, the file has 1/],
    ["a repeated key", file("{'shape': (), 'shape': ()}"), /"shape" twice/],
    ["a missing key", file("{'shape': ()}"), /lacks one of its keys/],
    ["another key", file("{'a': 1}"), /lacks a known key/],
    ["no comma", file("{'shape': () 'descr': '|u1'}"), /lacks a comma/],
    ["text after the header", file(`${header("()")} + 1`, [1]), /text follows the header/],
    ["an escape in the dtype", file(header("()", "\\x3cf4"), [1]), /lacks a dtype/],
    ["a dtype from the prototype", file(header("()", "toString"), [1]), /not supported/],
    [
      "an integer beyond 2^53",
      file(header("()", "<u8"), [255, 255, 255, 255, 255, 255, 255, 255]),
      /18446744073709551615/,
    ],
  ];
  it.each(malformed)("refuses %s", (_name, bytes, message) => expectRefused(() => readNpy(bytes), message));

  it("refuses every truncation and survives damage", () => {
    const bytes = golden("numpy/f4.npy");
    expectTruncationsRefused(bytes, readNpy);
    expectDamageSurvived(bytes, readNpy);
  });

  it("says in one line what is wrong with a shape that has line breaks in it", () => {
    expectRefused(() => readNpy(file(header("(2\n2, 3)"), [1])), /invalid shape "2\\n2, 3"/);
  });
});

describe("writeNpy", () => {
  it.each(writable)("writes the bytes that NumPy writes: %s", (name) => {
    expect(writeNpy(expected.get(name)!)).toEqual(golden(`numpy/${name}.npy`));
  });

  it("writes views in row-major order", () => {
    const view = readNpy(golden("numpy/fortran.npy"));
    const back = readNpy(writeNpy(view));
    expect(back.isContiguous()).toBe(true);
    expect(back.tolist()).toEqual(view.tolist());
  });
});

describe("npz", () => {
  it.each(["arrays.npz", "arrays-compressed.npz"])("reads what NumPy wrote: %s", (name) => {
    const tensors = readNpz(golden(name));
    const names = readers.filter((key) => !key.startsWith("version"));
    expect([...tensors.keys()].slice(0, names.length).sort()).toEqual(names.sort());
    for (const key of names) expect(tensors.get(key)!.tolist()).toEqual(expected.get(key)!.tolist());
    if (name.includes("compressed")) expect(tensors.get("long/path é")!.shape).toEqual([5000]);
  });

  it.each([false, true])("round-trips, the same bytes each time (compressed: %s)", (compressed) => {
    const tensors = new Map([...expected].filter(([name]) => writable.includes(name)));
    const bytes = writeNpz(tensors, { compressed });
    expect(writeNpz(tensors, { compressed })).toEqual(bytes);
    expect(readNpz(bytes)).toEqual(tensors);
  });

  it("refuses to write names that leave the archive", () => {
    const value = Tensor.zeros([1], uint8);
    for (const name of ["../x", "/x", "a/../../x", "a\\b", "C:x", "a//b", "./x"]) {
      expect(() => writeNpz({ [name]: value })).toThrow(/no relative path inside the archive/);
    }
  });

  it("names the array that is refused", () => {
    expectRefused(
      () => readNpz(writeZip([["odd.npy", new Uint8Array(20)]], false)),
      /^npz: array "odd": npy: this is no/,
    );
    expectRefused(() => readNpz(writeZip([["odd", new Uint8Array(20)]], false)), /^npz: entry "odd" is no \.npy file/);
    const bytes = writeNpz({ fine: Tensor.zeros([1], uint8) });
    const at = new TextDecoder("latin1").decode(bytes).indexOf("|u1");
    expectRefused(() => readNpz(bytes.with(at + 1, 0x4f)), /^zip: entry "fine\.npy" fails its checksum/);
  });

  it.each(["arrays.npz", "arrays-compressed.npz"])("refuses every truncation and survives damage: %s", (name) => {
    const bytes = golden(name);
    expectTruncationsRefused(bytes, readNpz);
    expectDamageSurvived(bytes, readNpz);
  });
});
