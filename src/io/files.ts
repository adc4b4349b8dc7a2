/**
 * Files by path, for Node. The only place that reaches for `node:fs`, and it does so at call time, so that the same build
 * loads in a browser. Everything is synchronous: a caller holds a whole model in memory either way.
 */
import type * as NodeFs from "node:fs";
import { FileFormatError, OctetError } from "../core/errors.ts";

function nodeFs(path: string): typeof NodeFs {
  const host = globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } };
  const fs = host.process?.getBuiltinModule?.("node:fs");
  if (!fs)
    throw new OctetError(`cannot open "${path}": files can only be read by path in Node; pass the bytes instead`);
  return fs as typeof NodeFs;
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

/**
 * Writes a file so that whoever reads it sees the old content or all of the new one: into a temporary file in the same
 * folder, flushed to disk, then renamed. On failure the temporary file is removed and the old file is untouched.
 */
export function writeFileAtomic(path: string, bytes: Uint8Array): void {
  const fs = nodeFs(path);
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  explained("write", path, () => {
    const file = fs.openSync(temporary, "wx");
    try {
      try {
        for (let done = 0; done < bytes.length;) {
          done += fs.writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
        }
        fs.fsyncSync(file);
      } finally {
        fs.closeSync(file);
      }
      fs.renameSync(temporary, path);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
  });
}

/** Reads the file at `path` and parses it with `parse`; a format error then also names the file. */
export function parseFile<T>(path: string, parse: (bytes: Uint8Array) => T): T {
  const bytes = readFile(path);
  try {
    return parse(bytes);
  } catch (error) {
    if (!(error instanceof FileFormatError)) throw error;
    throw new FileFormatError(`${path}: ${error.message}`, { cause: error });
  }
}
