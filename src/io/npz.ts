/** NumPy's .npz format: a zip archive of .npy files, one per named array. */
import { FileFormatError } from "../core/errors.ts";
import type { StateDictLike } from "../nn/state-dict.ts";
import { toStateMap } from "../nn/state-dict.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { parseFile, writeFileAtomic } from "../core/files.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { openZip, writeZip } from "./zip.ts";

export interface ReadNpzOptions {
  /** Most bytes that the compressed arrays may take together once inflated; 4 GiB unless given. */
  readonly maxInflatedBytes?: number;
}

/**
 * Reads an .npz file, plain or compressed, into tensors by name, in the archive's order. Names are only keys: nothing is
 * written by them, so that `../x` is as good as any. Throws {@link FileFormatError} as `readNpy` does, and on damaged
 * or hostile archives.
 */
export function readNpz(bytes: Uint8Array, options: ReadNpzOptions = {}): Map<string, Tensor> {
  const archive = openZip(bytes, options);
  const tensors = new Map<string, Tensor>();
  for (const entry of archive.names) {
    if (!entry.endsWith(".npy")) throw new FileFormatError(`npz: entry ${JSON.stringify(entry)} is no .npy file`);
    const name = entry.slice(0, -".npy".length);
    const content = archive.read(entry);
    try {
      tensors.set(name, readNpy(content));
    } catch (error) {
      if (!(error instanceof FileFormatError)) throw error;
      throw new FileFormatError(`npz: array ${JSON.stringify(name)}: ${error.message}`, { cause: error });
    }
  }
  return tensors;
}

/** {@link readNpz} of a file (Node only). */
export function loadNpz(path: string, options: ReadNpzOptions = {}): Map<string, Tensor> {
  return parseFile(path, (bytes) => readNpz(bytes, options));
}

export interface WriteNpzOptions {
  /** Deflates the arrays, as `numpy.savez_compressed` does. */
  readonly compressed?: boolean;
}

/** The bytes of an .npz file; the same tensors always give the same bytes. Names must not leave the archive (`../x`). */
export function writeNpz(tensors: StateDictLike, options: WriteNpzOptions = {}): Uint8Array {
  const entries = [...toStateMap(tensors)].map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)] as const);
  return writeZip(entries, options.compressed ?? false);
}

/** Writes {@link writeNpz} to a file, which is replaced in one step (Node only). */
export function saveNpz(path: string, tensors: StateDictLike, options: WriteNpzOptions = {}): void {
  writeFileAtomic(path, writeNpz(tensors, options));
}
