/**
 * The safetensors format: an 8-byte little-endian header length, a JSON header, and the tensors' bytes without gaps.
 * Reading executes nothing and trusts nothing: every length and offset is checked before it is used.
 * Format: https://github.com/huggingface/safetensors#format
 */
import type { DType } from "../core/dtype.ts";
import { FileFormatError, OctetError, formatShape } from "../core/errors.ts";
import type { StateDictLike } from "../nn/state-dict.ts";
import { toStateMap } from "../nn/state-dict.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ElementName, ElementType } from "../core/element-types.ts";
import {
  checkedNumel,
  decodeElements,
  elementTypeOf,
  elementTypes,
  encodeElements,
  isCount,
} from "../core/element-types.ts";
import { parseFile, writeFileAtomic } from "../core/files.ts";
import type { ByteParts } from "./byte-parts.ts";
import { inMemory } from "./byte-parts.ts";
import { isJsonObject, parseJson } from "./json.ts";
import { QUANTIZED, joinQuantized, splitQuantized } from "./safetensors-quantized.ts";

export interface SafetensorsFile {
  /** In the order of their data in the file. A Map, because a name may be anything, `__proto__` included. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Map<string, string>;
}

/** Free text that travels with the tensors. */
export type SafetensorsMetadata = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

const MAX_HEADER_BYTES = 100_000_000;

/** A tensor as the header describes it. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: number[];
  /** Byte range in the data section, which begins at `dataBegin` of the file. */
  readonly begin: number;
  readonly end: number;
}

function fail(message: string): never {
  throw new FileFormatError(`safetensors: ${message}`);
}

/**
 * Reads a safetensors file that is in memory. Each tensor gets storage of its own; `bytes` may be dropped afterwards.
 * Quantized tensors that {@link writeSafetensors} stored come back as such.
 * bfloat16 and unsigned types wider than a byte are widened (see element-types.ts). Throws {@link FileFormatError} on a
 * truncated or malformed file, an 8-bit float or other unsupported dtype, or an integer beyond ±(2^53 − 1).
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { entries, metadata, dataBegin } = readSafetensorsHeader(inMemory(bytes));
  const data = bytes.subarray(dataBegin);
  const tensors = new Map<string, Tensor>();
  for (const { name, type, shape, begin, end } of entries) {
    const storage = decodeElements(type, data.subarray(begin, end), `safetensors: tensor ${JSON.stringify(name)}`);
    tensors.set(name, Tensor.fromArray(storage, shape, type.dtype));
  }
  const description = metadata.get(QUANTIZED);
  if (description === undefined) return { tensors, metadata };
  metadata.delete(QUANTIZED);
  return { tensors: joinQuantized(tensors, description), metadata };
}

/** {@link readSafetensors} of a file (Node only). */
export function loadSafetensors(path: string): SafetensorsFile {
  return parseFile(path, readSafetensors);
}

/** What a safetensors file says about its tensors, which are not read. */
export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Map<string, string>;
  /** Where the data section begins, in bytes. */
  readonly dataBegin: number;
}

/** The checked header of a file that may be larger than memory. */
export function readSafetensorsHeader(file: ByteParts): SafetensorsHeader {
  const { header, dataBegin } = splitHeader(file);
  const entries: SafetensorsEntry[] = [];
  let metadata = new Map<string, string>();
  for (const [name, info] of Object.entries(header)) {
    if (name === "__metadata__") metadata = readMetadata(info);
    else entries.push(readEntry(name, info));
  }
  checkLayout(entries, file.size - dataBegin);
  return { entries, metadata, dataBegin };
}

function splitHeader(file: ByteParts): { header: Record<string, unknown>; dataBegin: number } {
  if (file.size < 8) fail(`the file has ${file.size} bytes, too few for its header length`);
  const start = file.read(0, 8);
  const view = new DataView(start.buffer, start.byteOffset, 8);
  const length = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  if (length > MAX_HEADER_BYTES) fail(`a header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  if (length > file.size - 8) fail(`the header says ${length} bytes, but only ${file.size - 8} follow`);
  const header = parseJson(file.read(8, 8 + length), "safetensors: the header");
  if (!isJsonObject(header)) fail("the header is not a JSON object");
  return { header, dataBegin: 8 + length };
}

function readMetadata(info: unknown): Map<string, string> {
  if (!isJsonObject(info)) fail("__metadata__ is not an object");
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(info)) {
    if (typeof value !== "string") fail(`__metadata__ ${JSON.stringify(key)} is not a string`);
    metadata.set(key, value);
  }
  return metadata;
}

function readEntry(name: string, info: unknown): SafetensorsEntry {
  const tensor = `tensor ${JSON.stringify(name)}`;
  if (!isJsonObject(info)) fail(`${tensor} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = info;
  if (typeof dtype !== "string") fail(`${tensor} has no dtype`);
  if (!Object.hasOwn(elementTypes, dtype)) fail(`${tensor} has dtype ${JSON.stringify(dtype)}, which is not supported`);
  const type = elementTypes[dtype as ElementName];
  const numel = Array.isArray(shape) ? checkedNumel(shape) : null;
  if (numel === null) fail(`${tensor} has an invalid shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    fail(`${tensor} has invalid data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== numel * type.size) {
    fail(`${tensor} of dtype ${dtype} and shape ${formatShape(shape as number[])} does not take ${end - begin} bytes`);
  }
  return { name, type, shape: shape as number[], begin, end };
}

/** Sorts the entries by offset and checks that they fill the data section, without overlaps or holes. */
function checkLayout(entries: SafetensorsEntry[], dataLength: number): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (end > dataLength) fail(`${tensor} ends at byte ${end} of the data, which has only ${dataLength}`);
    if (begin < at) fail(`${tensor} overlaps the tensor before it, at byte ${begin} of the data`);
    if (begin > at) fail(`${begin - at} bytes of the data before ${tensor} belong to no tensor`);
    at = end;
  }
  if (at !== dataLength) fail(`the last ${dataLength - at} bytes belong to no tensor`);
}

/**
 * The bytes of a safetensors file. The same tensors and metadata always give the same bytes: tensors are laid out by
 * falling alignment, then by name, as the reference implementation does; metadata keys are sorted. Views are stored as
 * contiguous tensors, and tensors that share storage are stored once each. Quantized tensors are stored as plain integers
 * with their qparams beside them, see safetensors-quantized.ts.
 */
export function writeSafetensors(tensors: StateDictLike, metadata: SafetensorsMetadata = {}): Uint8Array {
  const { plain, description } = splitQuantized(toStateMap(tensors));
  const sorted = [...plain].sort(([a, s], [b, t]) => rank(s.dtype) - rank(t.dtype) || compareText(a, b));
  const fields: string[] = [];
  const pairs = metadata instanceof Map ? [...metadata] : Object.entries(metadata as Record<string, string>);
  if (pairs.some(([key]) => key === QUANTIZED)) {
    throw new OctetError(`saveSafetensors: the metadata key "${QUANTIZED}" is Octet's own`);
  }
  if (description !== null) pairs.push([QUANTIZED, description]);
  if (pairs.length) {
    const text = pairs.sort(([a], [b]) => compareText(a, b)).map(([key, value]) => `${quote(key)}:${quote(value)}`);
    fields.push(`"__metadata__":{${text.join(",")}}`);
  }
  let size = 0;
  for (const [name, tensor] of sorted) {
    if (name === "__metadata__") throw new OctetError('saveSafetensors: a tensor may not be called "__metadata__"');
    const end = size + tensor.numel() * tensor.dtype.itemSize;
    const { name: dtype } = elementTypeOf(tensor.dtype);
    fields.push(
      `${quote(name)}:{"dtype":"${dtype}","shape":[${tensor.shape.join(",")}],"data_offsets":[${size},${end}]}`,
    );
    size = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const headerLength = Math.ceil(text.length / 8) * 8;
  if (headerLength > MAX_HEADER_BYTES)
    throw new OctetError(`saveSafetensors: the header would take ${headerLength} bytes`);
  const file = new Uint8Array(8 + headerLength + size);
  new DataView(file.buffer).setUint32(0, headerLength, true);
  file.set(text, 8);
  file.fill(0x20, 8 + text.length, 8 + headerLength);
  let at = 8 + headerLength;
  for (const [, tensor] of sorted) {
    const data = encodeElements(tensor.dtype, tensor.elements());
    file.set(data, at);
    at += data.length;
  }
  return file;
}

/** Writes {@link writeSafetensors} to a file, which is replaced in one step (Node only). */
export function saveSafetensors(path: string, tensors: StateDictLike, metadata: SafetensorsMetadata = {}): void {
  writeFileAtomic(path, writeSafetensors(tensors, metadata));
}

/** The reference implementation's order of dtypes, widest first, so that every tensor starts aligned to its element size. */
const LAYOUT_ORDER: readonly ElementName[] = ["I64", "F64", "F32", "I32", "F16", "I16", "I8", "U8", "BOOL"];

function rank(dtype: DType): number {
  return LAYOUT_ORDER.indexOf(elementTypeOf(dtype).name);
}

/** Orders text by code point, as UTF-8 bytes sort; `<` would compare UTF-16 units. */
function compareText(a: string, b: string): number {
  const left = Array.from(a, codePoint);
  const right = Array.from(b, codePoint);
  for (let i = 0; i < left.length && i < right.length; i++) if (left[i] !== right[i]) return left[i] - right[i];
  return left.length - right.length;
}

function codePoint(character: string): number {
  return character.codePointAt(0)!;
}

function quote(text: string): string {
  if (/[\ud800-\udfff]/u.test(text)) {
    throw new OctetError(
      `saveSafetensors: ${JSON.stringify(text)} is not valid Unicode (it has half a surrogate pair)`,
    );
  }
  return JSON.stringify(text);
}
