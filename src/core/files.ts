/**
 * Files by path, for Node. The only place that reaches for `node:fs`, and it does so at call time, so that the same build
 * loads in a browser. Everything is synchronous.
 */
import type * as NodeFs from "node:fs";
import type * as NodePath from "node:path";
import { FileFormatError, OctetError } from "./errors.ts";

/** A module of Node's; `path` is the file that it is wanted for. */
function nodeModule(id: string, path: string): unknown {
  const host = globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } };
  const found = host.process?.getBuiltinModule?.(id);
  if (!found)
    throw new OctetError(`cannot open "${path}": files can only be read by path in Node; pass the bytes instead`);
  return found;
}

function nodeFs(path: string): typeof NodeFs {
  return nodeModule("node:fs", path) as typeof NodeFs;
}

function nodePath(path: string): typeof NodePath {
  return nodeModule("node:path", path) as typeof NodePath;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "part of the path is not a folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
};

/** Runs `body`, turning the operating system's error codes into one line that names the file. */
function explained<T>(verb: string, path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new OctetError(`cannot ${verb} "${path}": ${REASONS[code] ?? code}`, { cause: error });
  }
}

/** The whole content of a file (Node only). */
export function readFile(path: string): Uint8Array {
  const fs = nodeFs(path);
  return explained("read", path, () => {
    const file = fs.openSync(path, "r");
    try {
      const { size } = fs.fstatSync(file);
      // A pipe or device tells no size; an ordinary file may be larger than the 2 GiB that readFileSync stops at.
      if (size === 0) return new Uint8Array(fs.readFileSync(file));
      const bytes = new Uint8Array(size);
      let filled = 0;
      while (filled < size) {
        const read = fs.readSync(file, bytes, filled, Math.min(size - filled, 1 << 30), null);
        if (read === 0) break;
        filled += read;
      }
      return bytes.subarray(0, filled);
    } finally {
      fs.closeSync(file);
    }
  });
}

/** A file whose parts are read on demand. It must not change meanwhile: see {@link openForParts}. */
export interface FileParts {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** A copy of the bytes from `begin` up to `end`, both within the size. */
  read(begin: number, end: number): Uint8Array;
}

/**
 * Looks at a file that is to be read in parts (Node only). Each read opens it anew, so that nothing has to be closed; and
 * is refused if the file is not the one, or not of the size and time, that it was in the beginning.
 */
export function openForParts(path: string): FileParts {
  const fs = nodeFs(path);
  const found = explained("read", path, () => fs.statSync(path));
  if (!found.isFile()) throw new OctetError(`cannot read "${path}": it is not an ordinary file`);
  const read = (begin: number, end: number): Uint8Array =>
    explained("read", path, () => {
      const file = fs.openSync(path, "r");
      try {
        const { ino, size, mtimeMs } = fs.fstatSync(file);
        if (ino !== found.ino || size !== found.size || mtimeMs !== found.mtimeMs) {
          throw new OctetError(`cannot read "${path}": it was changed after it had been opened; open it again`);
        }
        const bytes = new Uint8Array(end - begin);
        if (readAt(fs, file, bytes, begin) !== bytes.length)
          throw new OctetError(`cannot read "${path}": it ends early`);
        return bytes;
      } finally {
        fs.closeSync(file);
      }
    });
  return { path, size: found.size, read };
}

/** Fills `bytes` from the position on; returns how many there were. */
function readAt(fs: typeof NodeFs, file: number, bytes: Uint8Array, position: number): number {
  let filled = 0;
  while (filled < bytes.length) {
    const read = fs.readSync(file, bytes, filled, Math.min(bytes.length - filled, 1 << 30), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/** The path with all links followed (Node only). */
export function realPath(path: string): string {
  return explained("read", path, () => nodeFs(path).realpathSync(path));
}

/** What to write to a file: its bytes, or pieces of them that are made while they are written. */
export interface FileContent {
  readonly path: string;
  readonly pieces: Iterable<Uint8Array>;
}

/** {@link writeFilesAtomic} for one file whose bytes are at hand. */
export function writeFileAtomic(path: string, bytes: Uint8Array): void {
  writeFilesAtomic([{ path, pieces: [bytes] }]);
}

/**
 * Writes files so that whoever reads one sees the old content or all of the new one: each into a temporary file in the same
 * folder, flushed to disk; when all are complete they are renamed, in the order given. If writing fails, the temporary files
 * are removed and the old files are untouched. The pieces may be read from the very files that are replaced.
 */
export function writeFilesAtomic(files: readonly FileContent[]): void {
  const temporaries: string[] = [];
  try {
    for (const { path, pieces } of files) {
      const temporary = `${path}.${crypto.randomUUID()}.tmp`;
      temporaries.push(temporary);
      explained("write", path, () => writePieces(nodeFs(path), temporary, pieces));
    }
    files.forEach(({ path }, i) => explained("write", path, () => nodeFs(path).renameSync(temporaries[i], path)));
  } catch (error) {
    temporaries.forEach((temporary, i) => nodeFs(files[i].path).rmSync(temporary, { force: true }));
    throw error;
  }
}

/** Writes a new file and flushes it to disk. */
function writePieces(fs: typeof NodeFs, path: string, pieces: Iterable<Uint8Array>): void {
  const file = fs.openSync(path, "wx");
  try {
    for (const bytes of pieces) {
      for (let done = 0; done < bytes.length;) {
        done += fs.writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
      }
    }
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** The folder that a file lies in, and a path inside a folder, by the system's rules (Node only). */
export function folderOf(path: string): string {
  return nodePath(path).dirname(path);
}

/** The name of a file without its folder. */
export function baseName(path: string): string {
  return nodePath(path).basename(path);
}

export function joinPath(folder: string, ...parts: string[]): string {
  return nodePath(folder).join(folder, ...parts);
}

/** True if `path` lies in `folder` or below; both without links. */
export function isInside(folder: string, path: string): boolean {
  const system = nodePath(path);
  const way = system.relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${system.sep}`) && !system.isAbsolute(way);
}

/** Runs `parse`; a format error then also names the file. */
export function namingFile<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FileFormatError)) throw error;
    throw new FileFormatError(`${path}: ${error.message}`, { cause: error });
  }
}

/** Reads the file at `path` and parses it with `parse`; a format error then also names the file. */
export function parseFile<T>(path: string, parse: (bytes: Uint8Array) => T): T {
  const bytes = readFile(path);
  return namingFile(path, () => parse(bytes));
}
