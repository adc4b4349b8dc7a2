/**
 * Weights in a file of their own beside the model, which is how models beyond 2 GiB are stored. A model may name only files
 * in its own folder, or below: a path that leaves it, also by a link, is refused.
 * Format: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { folderOf, isInside, joinPath, realPath } from "../core/files.ts";
import type { ByteRange, ByteSource } from "./bytes.ts";
import { fileSource, memorySource, namingSource, refuse } from "./bytes.ts";

/** Where the elements of a tensor are. */
export interface ExternalData {
  /** Path from the model's folder, with "/". */
  readonly location: string;
  /** In bytes. */
  readonly offset: number;
  /** In bytes; null if the file does not say. */
  readonly length: number | null;
  /** Other entries, such as a checksum; nothing here checks them. */
  readonly others: ReadonlyMap<string, string>;
  /** What the location is looked up in; null if the model came without its files. */
  readonly files: ExternalFiles | null;
}

/** The files that a model may refer to. */
export interface ExternalFiles {
  /** The file at a location. Called when a tensor is read, and once per location. */
  open(location: string): ByteSource;
}

/** The files beside the model at `modelPath` (Node only). */
export function filesBeside(modelPath: string): ExternalFiles {
  const sources = new Map<string, ByteSource>();
  return {
    open(location) {
      let source = sources.get(location);
      if (!source) sources.set(location, (source = fileSource(pathBeside(modelPath, location))));
      return source;
    },
  };
}

/** Files that `provide` gives, for models that were read from bytes. */
export function providedFiles(provide: (location: string) => Uint8Array): ExternalFiles {
  const sources = new Map<string, ByteSource>();
  return {
    open(location) {
      let source = sources.get(location);
      if (!source) sources.set(location, (source = memorySource(provide(location))));
      return source;
    },
  };
}

/**
 * The file that a location means. Its real place must be in the model's folder; or in the folder of the real model, where
 * the model itself is a link (caches keep models that way, the weights being links to the same place).
 */
function pathBeside(modelPath: string, location: string): string {
  checkLocation(location);
  const path = realPath(joinPath(folderOf(modelPath), ...location.split("/")));
  const folders = [realPath(folderOf(modelPath)), folderOf(realPath(modelPath))];
  if (!folders.some((folder) => isInside(folder, path))) {
    refuse(`external data ${JSON.stringify(location)} lies outside the model's folder`);
  }
  return path;
}

/** Refuses absolute paths, `..`, and what only some systems take for a separator or a drive. */
export function checkLocation(location: string): void {
  const parts = location.split("/");
  const bad = parts.some((part) => part === ".." || part === "") || /[\\:\0]/.test(location);
  if (bad) refuse(`external data ${JSON.stringify(location)} is not a path inside the model's folder`);
}

/** Reads the entries of a tensor. `expected` is the number of bytes that its shape asks for. */
export function parseExternalData(
  entries: ReadonlyMap<string, string>,
  files: ExternalFiles | null,
  where: string,
  expected: number,
): ExternalData {
  const others = new Map(entries);
  const count = (key: string): number | null => {
    const entry = entries.get(key);
    if (entry === undefined) return null;
    const value = Number(entry);
    if (!/^\d+$/.test(entry) || !Number.isSafeInteger(value)) {
      refuse(`${where} has external data with the ${key} ${JSON.stringify(entry)}`);
    }
    return value;
  };
  const location = entries.get("location");
  if (location === undefined) refuse(`${where} has external data without a location`);
  checkLocation(location);
  const [offset, length] = [count("offset") ?? 0, count("length")];
  if (length !== null && length !== expected) {
    refuse(`${where} takes ${expected} bytes, but its external data has ${length}`);
  }
  for (const key of ["location", "offset", "length"]) others.delete(key);
  return { location, offset, length, others, files };
}

/** The entries that {@link parseExternalData} reads. */
export function externalDataEntries({ location, offset, length, others }: ExternalData): Map<string, string> {
  const entries = new Map([["location", location]]);
  if (offset !== 0) entries.set("offset", String(offset));
  if (length !== null) entries.set("length", String(length));
  for (const [key, value] of others) entries.set(key, value);
  return entries;
}

/** The `expected` bytes that a tensor has in another file, which is looked for now. */
export function externalRange(reference: ExternalData, where: string, expected: number): ByteRange {
  const { location, offset, files } = reference;
  if (!files) {
    refuse(
      `${where} is in the file ${JSON.stringify(location)}: read the model by its path, or pass externalData to provide it`,
    );
  }
  const source = files.open(location);
  return namingSource(source, () => {
    if (offset + expected > source.size) {
      refuse(`${where} takes ${expected} bytes from byte ${offset} on, but the file has ${source.size}`);
    }
    return { source, begin: offset, end: offset + expected };
  });
}
