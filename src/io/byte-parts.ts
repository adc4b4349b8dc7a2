/** Bytes that are read in parts: of a file (`openForParts` of core/files.ts), or in memory. */
import type { FileParts } from "../core/files.ts";

/** `read(begin, end)` gives the bytes from `begin` up to `end`, both within the size. Do not write to them. */
export type ByteParts = Pick<FileParts, "size" | "read">;

export function inMemory(bytes: Uint8Array): ByteParts {
  return { size: bytes.length, read: (begin, end) => bytes.subarray(begin, end) };
}

/** The bytes from `begin` up to `end` in pieces of at most `step`. */
export function* piecesOf(parts: ByteParts, begin: number, end: number, step: number): Generator<Uint8Array> {
  for (let at = begin; at < end; at += step) yield parts.read(at, Math.min(at + step, end));
}
