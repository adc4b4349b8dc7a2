/**
 * Zip archives, in memory or in a file that is read in parts. fflate (de)compresses; the directory is read here, because a file from anywhere has to be
 * checked where fflate trusts it: entries that repeat, overlap, lie outside the file, are encrypted, inflate to another
 * size than they declare, or fail their checksum are errors. Not supported: several volumes, data before the archive,
 * methods other than stored and deflate.
 * Format: APPNOTE.TXT 6.3, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import type { Zippable } from "fflate";
import { Inflate, inflateSync, zipSync } from "fflate";
import { FileFormatError, OctetError } from "../core/errors.ts";
import type { ByteParts } from "./byte-parts.ts";
import { inMemory, piecesOf } from "./byte-parts.ts";

const STORED = 0;
const DEFLATED = 8;

/** Deflate never makes data more than 1032 times smaller; an entry that declares more is lying. */
const MAX_DEFLATE_RATIO = 1032;

/** Default for {@link ZipOptions.maxInflatedBytes}. */
const MAX_INFLATED_BYTES = 2 ** 32;

export interface ZipOptions {
  /** Most bytes that all deflated entries may declare together; 4 GiB unless given. */
  readonly maxInflatedBytes?: number;
  /** A checksum of 0 says that the writer computed none (PyTorch can be told to leave it out). */
  readonly checksumOptional?: boolean;
}

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly crc: number;
  readonly headerOffset: number;
}

/** The entries of an archive by name; contents are extracted when asked for. Names are keys here, never paths. */
export interface ZipArchive {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** The uncompressed size that an entry declares, in bytes; reading it checks that it is true. */
  sizeOf(name: string): number;
  /** The content of an entry. A stored one aliases the archive's bytes. */
  read(name: string): Uint8Array;
  /** The content of an entry from its beginning, little by little; the checksum is compared at the end. */
  pieces(name: string): Generator<Uint8Array>;
  /** Where in the archive the content of an entry lies; null if it is deflated. */
  storedAt(name: string): { readonly begin: number; readonly end: number } | null;
}

function fail(message: string): never {
  throw new FileFormatError(`zip: ${message}`);
}

/** True if the bytes begin as a zip archive with at least one entry, or an empty one, does. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0x50 && bytes[1] === 0x4b && ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6))
  );
}

/** Opens an archive: reads and checks its whole directory. */
export function openZip(archive: Uint8Array | ByteParts, options: ZipOptions = {}): ZipArchive {
  const parts = archive instanceof Uint8Array ? inMemory(archive) : archive;
  const directory = findDirectory(parts);
  const entries = readDirectory(parts, directory);
  const ranges = new Map<string, { readonly begin: number; readonly end: number }>();
  let at = 0;
  for (const entry of [...entries].sort((a, b) => a.headerOffset - b.headerOffset)) {
    const begin = dataOffset(parts, entry, directory.offset);
    if (entry.headerOffset < at) fail(`entry ${quote(entry)} overlaps the one before it`);
    at = begin + entry.compressedSize;
    if (at > directory.offset) fail(`entry ${quote(entry)} reaches past the end of the data`);
    ranges.set(entry.name, { begin, end: at });
  }
  checkSizes(entries, options.maxInflatedBytes ?? MAX_INFLATED_BYTES);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const find = (name: string) => byName.get(name) ?? fail(`there is no entry ${JSON.stringify(name)}`);
  const contentOf = ({ name }: ZipEntry) => ranges.get(name)!;
  return {
    names: entries.map((entry) => entry.name),
    has: (name) => byName.has(name),
    sizeOf: (name) => find(name).size,
    read: (name) => {
      const entry = find(name);
      const { begin, end } = contentOf(entry);
      return extract(entry, parts.read(begin, end), options);
    },
    pieces: (name) => {
      const entry = find(name);
      const { begin, end } = contentOf(entry);
      return extractPieces(entry, piecesOf(parts, begin, end, PIECE_BYTES), options);
    },
    storedAt: (name) => {
      const entry = find(name);
      return entry.method === STORED ? contentOf(entry) : null;
    },
  };
}

function quote(entry: ZipEntry): string {
  return JSON.stringify(entry.name);
}

interface Directory {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
}

/** Finds the end-of-directory record, which a comment of up to 65535 bytes may follow, and its 64-bit form if needed. */
function findDirectory(parts: ByteParts): Directory {
  const tailBegin = Math.max(0, parts.size - 22 - 0xffff);
  const view = viewOf(parts.read(tailBegin, parts.size));
  const { byteLength } = view;
  for (let at = byteLength - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== 0x06054b50 || at + 22 + view.getUint16(at + 20, true) !== byteLength) continue;
    const count = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 12, true);
    const offset = view.getUint32(at + 16, true);
    const is64 = count === 0xffff || size === 0xffffffff || offset === 0xffffffff;
    const directory = is64 ? findDirectory64(parts, tailBegin + at) : { count, size, offset };
    if (!is64 && (view.getUint16(at + 4, true) !== 0 || view.getUint16(at + 8, true) !== count)) {
      fail("archives of several volumes are not supported");
    }
    if (directory.offset + directory.size > tailBegin + at) fail("the directory reaches past its end record");
    return directory;
  }
  fail("no end-of-directory record: the file is truncated or no zip archive");
}

function findDirectory64(parts: ByteParts, endRecord: number): Directory {
  const locatorAt = endRecord - 20;
  const locator = locatorAt < 0 ? null : viewOf(parts.read(locatorAt, endRecord));
  if (!locator || locator.getUint32(0, true) !== 0x07064b50) fail("the 64-bit directory locator is missing");
  const at = readUint64(locator, 8);
  const record = at + 56 > locatorAt ? null : viewOf(parts.read(at, at + 56));
  if (!record || record.getUint32(0, true) !== 0x06064b50) fail("the 64-bit end-of-directory record is missing");
  return { count: readUint64(record, 32), size: readUint64(record, 40), offset: readUint64(record, 48) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit number as a double: inexact beyond 2^53, where it exceeds every file anyway. */
function readUint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

const CENTRAL_HEADER_SIZE = 46;

function readDirectory(parts: ByteParts, { count, size, offset }: Directory): ZipEntry[] {
  if (count * CENTRAL_HEADER_SIZE > size) fail(`a directory of ${size} bytes cannot hold ${count} entries`);
  const bytes = parts.read(offset, offset + size);
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_HEADER_SIZE > size || view.getUint32(at, true) !== 0x02014b50)
      fail(`directory entry ${i} is broken`);
    const extraAt = at + CENTRAL_HEADER_SIZE + view.getUint16(at + 28, true);
    const commentAt = extraAt + view.getUint16(at + 30, true);
    const next = commentAt + view.getUint16(at + 32, true);
    if (next > size) fail(`directory entry ${i} is broken`);
    const name = decodeName(bytes.subarray(at + CENTRAL_HEADER_SIZE, extraAt));
    if (names.has(name)) fail(`entry ${JSON.stringify(name)} is there twice`);
    names.add(name);
    entries.push(readEntry(view, at, name, extraAt, commentAt));
    at = next;
  }
  if (at !== size) fail("the directory has more entries than it declares");
  return entries;
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail("the name of an entry is not valid UTF-8");
  }
}

function readEntry(view: DataView, at: number, name: string, extraAt: number, extraEnd: number): ZipEntry {
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const label = JSON.stringify(name);
  if (flags & 0x2041) fail(`entry ${label} is encrypted`); // plain, strong, or with its header masked
  if (method !== STORED && method !== DEFLATED)
    fail(`entry ${label} uses compression method ${method}, not stored or deflate`);
  const crc = view.getUint32(at + 16, true);
  let compressedSize = view.getUint32(at + 20, true);
  let size = view.getUint32(at + 24, true);
  let headerOffset = view.getUint32(at + 42, true);
  // Fields that do not fit 32 bits are saturated, and stand in this order in the 64-bit extra field.
  if (size === 0xffffffff || compressedSize === 0xffffffff || headerOffset === 0xffffffff) {
    const wide = readExtra64(view, extraAt, extraEnd);
    const take = () => wide.shift() ?? fail(`entry ${label} lacks its 64-bit sizes`);
    if (size === 0xffffffff) size = take();
    if (compressedSize === 0xffffffff) compressedSize = take();
    if (headerOffset === 0xffffffff) headerOffset = take();
  }
  if (method === STORED && size !== compressedSize) fail(`entry ${label} is stored, but declares two different sizes`);
  return { name, method, compressedSize, size, crc, headerOffset };
}

/** The numbers in the 64-bit extra field (id 1), or none. */
function readExtra64(view: DataView, begin: number, end: number): number[] {
  for (let at = begin; at + 4 <= end;) {
    const fieldEnd = at + 4 + view.getUint16(at + 2, true);
    if (fieldEnd > end) break;
    if (view.getUint16(at, true) === 1) {
      const numbers: number[] = [];
      for (let n = at + 4; n + 8 <= fieldEnd; n += 8) numbers.push(readUint64(view, n));
      return numbers;
    }
    at = fieldEnd;
  }
  return [];
}

/** Where an entry's data begins: after its local header, which must agree with the directory. */
function dataOffset(parts: ByteParts, entry: ZipEntry, limit: number): number {
  const at = entry.headerOffset;
  const view = at + 30 > limit ? null : viewOf(parts.read(at, at + 30));
  if (!view || view.getUint32(0, true) !== 0x04034b50) fail(`entry ${quote(entry)} has no local header`);
  const nameEnd = at + 30 + view.getUint16(26, true);
  const begin = nameEnd + view.getUint16(28, true);
  if (begin > limit) fail(`entry ${quote(entry)} reaches past the end of the data`);
  if (view.getUint16(8, true) !== entry.method || decodeName(parts.read(at + 30, nameEnd)) !== entry.name) {
    fail(`entry ${quote(entry)} is described differently in the directory and in its local header`);
  }
  return begin;
}

function checkSizes(entries: readonly ZipEntry[], maxInflatedBytes: number): void {
  let total = 0;
  for (const entry of entries) {
    if (entry.method !== DEFLATED) continue;
    if (entry.size > entry.compressedSize * MAX_DEFLATE_RATIO) {
      fail(`entry ${quote(entry)} declares ${entry.size} bytes, more than its ${entry.compressedSize} can inflate to`);
    }
    total += entry.size;
  }
  if (total > maxInflatedBytes)
    fail(`the entries would inflate to ${total} bytes, over the limit of ${maxInflatedBytes}`);
}

function extract(entry: ZipEntry, content: Uint8Array, options: ZipOptions): Uint8Array {
  const data = entry.method === STORED ? content : inflate(entry, content);
  const unchecked = options.checksumOptional === true && entry.crc === 0;
  if (!unchecked && crc32(data) !== entry.crc) fail(`entry ${quote(entry)} fails its checksum: the file is damaged`);
  return data;
}

function inflate(entry: ZipEntry, content: Uint8Array): Uint8Array {
  // One byte more than declared: output beyond the buffer is dropped, so that a full buffer means too much.
  const out = new Uint8Array(entry.size + 1);
  let data: Uint8Array;
  try {
    data = inflateSync(content, { out });
  } catch {
    fail(`entry ${quote(entry)} has damaged compressed data`);
  }
  if (data.length !== entry.size) fail(`entry ${quote(entry)} does not inflate to the ${entry.size} bytes it declares`);
  return data;
}

/** What is read of a file at a time; deflated bytes may grow a thousandfold. */
const PIECE_BYTES = 1 << 15;

function* extractPieces(entry: ZipEntry, content: Iterable<Uint8Array>, options: ZipOptions): Generator<Uint8Array> {
  let [size, crc] = [0, 0];
  for (const piece of entry.method === STORED ? content : inflatePieces(entry, content)) {
    size += piece.length;
    if (size > entry.size) break;
    crc = crc32(piece, crc);
    yield piece;
  }
  if (size !== entry.size) fail(`entry ${quote(entry)} does not inflate to the ${entry.size} bytes it declares`);
  if (options.checksumOptional === true && entry.crc === 0) return;
  if (crc !== entry.crc) fail(`entry ${quote(entry)} fails its checksum: the file is damaged`);
}

function* inflatePieces(entry: ZipEntry, content: Iterable<Uint8Array>): Generator<Uint8Array> {
  let out: Uint8Array[] = [];
  const inflater = new Inflate((piece) => out.push(piece));
  const push = (bytes: Uint8Array, last: boolean): void => {
    try {
      inflater.push(bytes, last);
    } catch {
      fail(`entry ${quote(entry)} has damaged compressed data`);
    }
  };
  for (const bytes of content) {
    push(bytes, false);
    yield* out;
    out = [];
  }
  push(new Uint8Array(0), true);
  yield* out;
}

let crcTable: Uint32Array | undefined;

function makeCrcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
}

/** The CRC-32 of zip and PNG; `before` is that of the bytes before these. */
function crc32(bytes: Uint8Array, before = 0): number {
  const table = (crcTable ??= makeCrcTable());
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}

/**
 * An archive of `entries`, deflated if `compressed`: all, none, or those named. The same entries always give the same bytes: every file is dated
 * 1980-01-01, the earliest that the format can say. Names must be relative paths that stay in their folder.
 */
export function writeZip(
  entries: Iterable<readonly [string, Uint8Array]>,
  compressed: boolean | readonly string[],
): Uint8Array {
  const files: Zippable = {};
  let total = 0;
  for (const [name, content] of entries) {
    const parts = name.split(/[/\\]/);
    if (
      parts.some((part) => part === "" || part === "." || part === "..") ||
      /[\\:\0]/.test(name) ||
      name === "__proto__"
    ) {
      throw new OctetError(
        `zip: ${JSON.stringify(name)} cannot name an entry: it is no relative path inside the archive`,
      );
    }
    total += content.length + 2 * name.length + 256;
    const deflated = typeof compressed === "boolean" ? compressed : compressed.includes(name);
    files[name] = [content, { level: deflated ? 6 : 0 }];
  }
  if (total > 0xffffffff)
    throw new OctetError(`zip: ${total} bytes are more than an archive without 64-bit sizes can hold`);
  return zipSync(files, { mtime: new Date(1980, 0, 1) });
}
