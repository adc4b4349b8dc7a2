/**
 * Where the bytes of a model lie: in memory, or in a file that is read in parts. A model keeps positions of its weights in
 * such a source, and they are read when somebody asks for them.
 */
import { FileFormatError } from "../core/errors.ts";
import { namingFile, openForParts } from "../core/files.ts";

export interface ByteSource {
  /** For messages: the path of a file, or null. */
  readonly path: string | null;
  /** Bytes. */
  readonly size: number;
  /** The bytes from `begin` up to `end`, both within the size. They may be the source's own: do not write to them. */
  read(begin: number, end: number): Uint8Array;
}

/** A stretch of a source, in bytes: `begin` up to, not including, `end`. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly begin: number;
  readonly end: number;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return { path: null, size: bytes.length, read: (begin, end) => bytes.subarray(begin, end) };
}

/** A file (Node only). It must stay as it is for as long as something is read from it. */
export function fileSource(path: string): ByteSource {
  return openForParts(path);
}

/** All of `bytes`, which are used as they are. */
export function rangeOf(bytes: Uint8Array): ByteRange {
  return { source: memorySource(bytes), begin: 0, end: bytes.length };
}

export function rangeLength(range: ByteRange): number {
  return range.end - range.begin;
}

/** The bytes of a range; they may be the source's own. */
export function readRange({ source, begin, end }: ByteRange): Uint8Array {
  return source.read(begin, end);
}

/** How much of a large range is in memory at a time when it is copied to another file. */
const STEP = 16 * 2 ** 20;

/** The bytes of a range in pieces of at most {@link STEP} bytes. */
export function* readInSteps({ source, begin, end }: ByteRange): Generator<Uint8Array> {
  for (let at = begin; at < end; at += STEP) yield source.read(at, Math.min(at + STEP, end));
}

/** Runs `body`; a format error then names the file that the bytes come from, where they come from one. */
export function namingSource<T>(source: ByteSource, body: () => T): T {
  return source.path === null ? body() : namingFile(source.path, body);
}

/** Refuses a file: `onnx: ` and what is wrong with it. */
export function refuse(message: string): never {
  throw new FileFormatError(`onnx: ${message}`);
}
