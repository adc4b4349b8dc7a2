/**
 * Arrays in files (.npy, .npz, safetensors) whose rows are read one by one, so that a file may be larger than memory. A row
 * is a slice along the first axis. What a file says about its arrays is checked when it is opened, as for reading it whole;
 * the checksum of an uncompressed array in an .npz file is not, because its rows are read in any choice.
 */
import type { DType } from "../core/dtype.ts";
import type { ElementType } from "../core/element-types.ts";
import { decodeElements } from "../core/element-types.ts";
import { FileFormatError, OctetError } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ByteParts } from "./byte-parts.ts";
import { readNpyHeader } from "./npy.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import type { ZipArchive } from "./zip.ts";
import { openZip } from "./zip.ts";

export interface StoredArray {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of the elements in the file. */
  readonly type: ElementType;
  /** Of the tensors that are read. */
  readonly dtype: DType;
  /** Of the elements in the file, uncompressed. */
  readonly byteLength: number;
  /** Begins to read rows. */
  open(): RowReader;
  /** The whole array. */
  load(): Tensor;
}

/** Gives the row at an index; each index must be higher than the one before. */
export type RowReader = (index: number) => Tensor;

/** Reads the next `length` bytes after skipping `skip`. */
type Forward = (skip: number, length: number) => Uint8Array;

interface Layout {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly littleEndian: boolean;
  readonly where: string;
  /** Starts reading at the first element. */
  readonly start: () => Forward;
}

function storedArray({ name, type, shape, littleEndian, where, start }: Layout): StoredArray {
  const [count = 0, ...rest] = shape;
  const rowBytes = type.size * rest.reduce((n, size) => n * size, 1);
  const decode = (bytes: Uint8Array, sizes: readonly number[]): Tensor =>
    Tensor.fromArray(decodeElements(type, bytes, where, { littleEndian }), sizes, type.dtype);
  const byteLength = shape.reduce((n, size) => n * size, type.size);
  const open = (): RowReader => {
    if (!shape.length) throw new OctetError(`${where} is a single number, and has no rows`);
    const forward = start();
    let next = 0;
    return (index) => {
      if (index < next || index >= count)
        throw new OctetError(`${where}: row ${index} of ${count} cannot be read after row ${next - 1}`);
      const bytes = forward((index - next) * rowBytes, rowBytes);
      next = index + 1;
      return decode(bytes, rest);
    };
  };
  return { name, shape, type, dtype: type.dtype, byteLength, open, load: () => decode(start()(0, byteLength), shape) };
}

/** Reads on from `begin` of something whose parts can be read in any order. */
function forwardIn(parts: ByteParts, begin: number): () => Forward {
  return () => {
    let at = begin;
    return (skip, length) => {
      at += skip + length;
      return parts.read(at - length, at);
    };
  };
}

/** Reads on in an entry that only comes in one order; at its end the checksum is compared. */
function forwardThrough(archive: ZipArchive, entry: string, begin: number): () => Forward {
  return () => {
    const source = archive.pieces(entry);
    let left = archive.sizeOf(entry);
    let held: Uint8Array = new Uint8Array(0);
    const take = (length: number, into: Uint8Array | null): void => {
      left -= length;
      for (let done = 0; done < length;) {
        if (!held.length) {
          const piece = source.next();
          if (piece.done) throw new FileFormatError("zip: an entry ends early");
          held = piece.value;
        }
        const part = held.subarray(0, length - done);
        into?.set(part, done);
        done += part.length;
        held = held.subarray(part.length);
      }
      if (left === 0) drain(source);
    };
    take(begin, null);
    return (skip, length) => {
      take(skip, null);
      const bytes = new Uint8Array(length);
      take(length, bytes);
      return bytes;
    };
  };
}

/** Runs an iterator to its end, where it may find something wrong. */
function drain(source: Iterator<unknown>): void {
  let step = source.next();
  while (!step.done) step = source.next();
}

/** More than any header of an array of numbers takes. */
const HEADER_BYTES = 1 << 16;

/** The array of an .npy file. */
export function openNpy(file: ByteParts, name = ""): StoredArray {
  const header = readNpyHeader(file.read(0, Math.min(file.size, HEADER_BYTES)), file.size);
  return npyArray(name, "npy", header, forwardIn(file, header.dataBegin));
}

function npyArray(name: string, where: string, header: ReturnType<typeof readNpyHeader>, start: () => Forward) {
  const { type, littleEndian, fortranOrder, shape } = header;
  if (fortranOrder && shape.filter((size) => size !== 1).length > 1) {
    throw new FileFormatError(
      `${where}: the array lies in Fortran order, so its rows cannot be read one by one; save numpy.ascontiguousarray of it`,
    );
  }
  return storedArray({ name, type, shape, littleEndian, where, start });
}

/** The arrays of an .npz file by name, in the archive's order. Compressed ones are inflated on the way. */
export function openNpz(file: ByteParts): Map<string, StoredArray> {
  const archive = openZip(file, { maxInflatedBytes: Number.MAX_SAFE_INTEGER });
  return new Map(archive.names.map((entry) => [entry.replace(/\.npy$/, ""), npzArray(file, archive, entry)]));
}

function npzArray(file: ByteParts, archive: ZipArchive, entry: string): StoredArray {
  if (!entry.endsWith(".npy")) throw new FileFormatError(`npz: entry ${JSON.stringify(entry)} is no .npy file`);
  const name = entry.slice(0, -".npy".length);
  const where = `npz: array ${JSON.stringify(name)}`;
  const stored = archive.storedAt(entry);
  const size = archive.sizeOf(entry);
  const length = Math.min(size, HEADER_BYTES);
  const head = stored ? file.read(stored.begin, stored.begin + length) : forwardThrough(archive, entry, 0)()(0, length);
  try {
    const header = readNpyHeader(head, size);
    const start = stored
      ? forwardIn(file, stored.begin + header.dataBegin)
      : forwardThrough(archive, entry, header.dataBegin);
    return npyArray(name, where, header, start);
  } catch (error) {
    if (!(error instanceof FileFormatError) || error.message.startsWith(where)) throw error;
    throw new FileFormatError(`${where}: ${error.message}`, { cause: error });
  }
}

/** The tensors of a safetensors file by name, in the order of their data; quantized ones as the integers they are. */
export function openSafetensors(file: ByteParts): Map<string, StoredArray> {
  const { entries, dataBegin } = readSafetensorsHeader(file);
  const arrays = entries.map(({ name, type, shape, begin }) => {
    const where = `safetensors: tensor ${JSON.stringify(name)}`;
    const start = forwardIn(file, dataBegin + begin);
    return storedArray({ name, type, shape, littleEndian: true, where, start });
  });
  return new Map(arrays.map((array) => [array.name, array]));
}
