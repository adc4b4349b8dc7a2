/**
 * NumPy's .npy format: one array, described by a Python dictionary literal. The literal is read by a parser that knows
 * nothing else; arrays of objects (pickles), strings and records are refused.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { FileFormatError, formatShape } from "../core/errors.ts";
import { MAX_ELEMENTS, contiguousStrides } from "../core/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ElementName, ElementType } from "../core/element-types.ts";
import { checkedNumel, decodeElements, elementTypeOf, elementTypes, encodeElements } from "../core/element-types.ts";
import { parseFile, writeFileAtomic } from "../core/files.ts";

/** NumPy's type codes (kind and bytes per element) and what they are here. */
const typeCodes: Readonly<Record<string, ElementName>> = Object.freeze({
  f8: "F64",
  f4: "F32",
  f2: "F16",
  i8: "I64",
  u8: "U64",
  i4: "I32",
  u4: "U32",
  i2: "I16",
  u2: "U16",
  i1: "I8",
  u1: "U8",
  b1: "BOOL",
});

const MAX_RANK = 64;

/** Headers of plain arrays take some hundred bytes; only records, which are refused, need more. */
const MAX_HEADER_BYTES = 1 << 20;

function fail(message: string): never {
  throw new FileFormatError(`npy: ${message}`);
}

/**
 * Reads an .npy file (format versions 1.0, 2.0 and 3.0; either byte order) into storage of its own. An array in Fortran
 * order keeps it: its tensor has strides to match. Unsigned types are widened (see element-types.ts). Throws
 * {@link FileFormatError} on malformed files, on dtypes without a tensor dtype, and on integers beyond ±(2^53 − 1).
 */
export function readNpy(bytes: Uint8Array): Tensor {
  const { type, littleEndian, fortranOrder, shape, dataBegin } = readNpyHeader(bytes, bytes.length, MAX_ELEMENTS);
  const data = bytes.subarray(dataBegin);
  const storage = { data: decodeElements(type, data, "npy", { littleEndian }), version: 0 };
  const strides = fortranOrder ? contiguousStrides(shape.toReversed()).reverse() : contiguousStrides(shape);
  return new Tensor({ storage, shape, strides, dtype: type.dtype });
}

/** {@link readNpy} of a file (Node only). */
export function loadNpy(path: string): Tensor {
  return parseFile(path, readNpy);
}

/** What an .npy file says about its array. */
export interface NpyHeader {
  readonly type: ElementType;
  readonly littleEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin, in bytes. */
  readonly dataBegin: number;
}

/** The header of an .npy file of `size` bytes that begins with `bytes`; refused if it does not fit the size. */
export function readNpyHeader(bytes: Uint8Array, size: number, maxElements = Number.MAX_SAFE_INTEGER): NpyHeader {
  const { header, dataBegin } = splitHeader(bytes);
  const { descr, fortranOrder, shape } = parseHeader(header);
  const { type, littleEndian } = readDescr(descr);
  const numel = checkedNumel(shape);
  if (numel === null || numel > maxElements || shape.length > MAX_RANK) fail(`invalid shape ${formatShape(shape)}`);
  if (size - dataBegin !== numel * type.size) {
    fail(`${descr} of shape ${formatShape(shape)} takes ${numel * type.size} bytes, the file has ${size - dataBegin}`);
  }
  return { type, littleEndian, fortranOrder, shape, dataBegin };
}

function splitHeader(bytes: Uint8Array): { header: string; dataBegin: number } {
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(0, 6)) !== "\x93NUMPY") fail("this is no .npy file");
  const [major, minor] = bytes.subarray(6, 8);
  if (minor !== 0 || major < 1 || major > 3) fail(`format version ${major}.${minor} is not supported`);
  const begin = major === 1 ? 10 : 12;
  if (bytes.length < begin) fail("the header is truncated");
  const view = new DataView(bytes.buffer, bytes.byteOffset, begin);
  const end = begin + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length) fail("the header is truncated");
  if (end - begin > MAX_HEADER_BYTES) fail(`a header of ${end - begin} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  // Versions 1 and 2 are Latin-1 and version 3 is UTF-8, but only names in records, which are refused, are not ASCII.
  return { header: new TextDecoder().decode(bytes.subarray(begin, end)), dataBegin: end };
}

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: number[];
}

/** Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: those three keys, in any order. */
function parseHeader(text: string): Header {
  let rest = text.trim();
  const take = (pattern: RegExp): string | null => {
    const match = pattern.exec(rest);
    if (!match) return null;
    rest = rest.slice(match[0].length).trimStart();
    return match[1] ?? match[0];
  };
  const expect = (pattern: RegExp, what: string): string => {
    return take(pattern) ?? fail(`the header lacks ${what} at ${JSON.stringify(rest.slice(0, 40))}`);
  };
  const header: { descr?: string; fortranOrder?: boolean; shape?: number[] } = {};
  expect(/^\{/, "{");
  while (take(/^\}/) === null) {
    const key = expect(/^['"](descr|fortran_order|shape)['"]/, "a known key");
    expect(/^:/, "a colon");
    if (key === "descr") {
      if (header.descr !== undefined) fail('the header has "descr" twice');
      if (rest.startsWith("[")) fail("arrays of records (structured dtypes) are not supported");
      header.descr = expect(/^['"]([^'"\\]*)['"]/, "a dtype");
    } else if (key === "fortran_order") {
      if (header.fortranOrder !== undefined) fail('the header has "fortran_order" twice');
      header.fortranOrder = expect(/^(?:True|False)/, "True or False") === "True";
    } else {
      if (header.shape !== undefined) fail('the header has "shape" twice');
      header.shape = parseShape(expect(/^\(([\dL,\s]*)\)/, "a shape"));
    }
    if (take(/^,/) === null && !rest.startsWith("}")) fail("the header lacks a comma");
  }
  if (rest !== "") fail("text follows the header");
  const { descr, fortranOrder, shape } = header;
  if (descr === undefined || fortranOrder === undefined || shape === undefined)
    fail("the header lacks one of its keys");
  return { descr, fortranOrder, shape };
}

/** The sizes in a tuple's text: `3, 4`, `3,` or nothing. Python 2 wrote `3L`. */
function parseShape(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts[parts.length - 1] === "") parts.pop();
  return parts.map((part) => {
    if (!/^\d{1,16}L?$/.test(part)) fail(`the header has an invalid shape ${JSON.stringify(text.slice(0, 40))}`);
    return Number.parseInt(part, 10);
  });
}

function readDescr(descr: string): { type: ElementType; littleEndian: boolean } {
  const [, order, code] = /^([<>|=]?)(.*)$/s.exec(descr)!;
  if (code.startsWith("O")) fail(`dtype ${JSON.stringify(descr)} holds pickled Python objects, which are never loaded`);
  if (!Object.hasOwn(typeCodes, code)) fail(`dtype ${JSON.stringify(descr)} is not supported`);
  return { type: elementTypes[typeCodes[code]], littleEndian: order !== ">" };
}

/** The bytes of an .npy file (version 1.0, C order, little-endian), the same as NumPy itself writes. */
export function writeNpy(tensor: Tensor): Uint8Array {
  const { name, size } = elementTypeOf(tensor.dtype);
  const code = Object.keys(typeCodes).find((key) => typeCodes[key] === name)!;
  const { shape } = tensor;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dictionary = `{'descr': '${size === 1 ? "|" : "<"}${code}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // NumPy leaves room for the first size to grow to 21 digits in place, then pads the whole to a multiple of 64 bytes.
  const room = shape.length ? " ".repeat(21 - String(shape[0]).length) : "";
  const unpadded = 10 + dictionary.length + room.length + 1;
  const header = `${dictionary}${room}${" ".repeat(Math.ceil(unpadded / 64) * 64 - unpadded)}\n`;
  const data = encodeElements(tensor.dtype, tensor.elements());
  const file = new Uint8Array(10 + header.length + data.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(data, 10 + header.length);
  return file;
}

/** Writes {@link writeNpy} to a file, which is replaced in one step (Node only). */
export function saveNpy(path: string, tensor: Tensor): void {
  writeFileAtomic(path, writeNpy(tensor));
}
