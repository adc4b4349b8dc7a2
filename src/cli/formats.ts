/** Which kind of file a path leads to, by its content; the name only decides where content cannot. */
import path from "node:path";
import { FileFormatError } from "../core/errors.ts";
import type { FileParts } from "../core/files.ts";
import { namingFile, openForParts } from "../core/files.ts";
import { looksLikeZip, openZip } from "../io/zip.ts";
import { GRAPH_ENTRY } from "../io/archive-format.ts";

export type FileFormat = "onnx" | "safetensors" | "checkpoint" | "archive" | "npz" | "npy";

export const formatTitles: Readonly<Record<FileFormat, string>> = Object.freeze({
  onnx: "ONNX model",
  safetensors: "safetensors",
  checkpoint: "PyTorch checkpoint",
  archive: "Octet archive",
  npz: "NumPy arrays (.npz)",
  npy: "NumPy array (.npy)",
});

/** Throws a {@link FileFormatError} for a file that is none of them. */
export function detectFormat(file: string): FileFormat {
  const parts = openForParts(file);
  const start = parts.read(0, Math.min(parts.size, 16));
  if (start.length === 0) throw new FileFormatError(`${file} is empty`);
  if (looksLikeZip(start)) return zipFormat(file, parts);
  if (start[0] === 0x93 && text(start.subarray(1, 6)) === "NUMPY") return "npy";
  if (path.extname(file).toLowerCase() === ".onnx") return "onnx";
  if (start.length > 8 && start[8] === 0x7b) return "safetensors";
  if (start[0] === 0x80) return "checkpoint";
  if (start[0] === 0x08) return "onnx"; // ir_version is the first field that writers write
  throw new FileFormatError(
    `${file} is of no known format: ONNX, safetensors, a PyTorch checkpoint, an Octet archive, .npz or .npy`,
  );
}

function zipFormat(file: string, parts: FileParts): FileFormat {
  const { names } = namingFile(file, () => openZip(parts, { maxInflatedBytes: Number.MAX_SAFE_INTEGER }));
  if (names.includes(GRAPH_ENTRY)) return "archive";
  if (names.some((name) => /^[^/]+\/data\.pkl$/.test(name))) return "checkpoint";
  if (names.length > 0 && names.every((name) => name.endsWith(".npy"))) return "npz";
  throw new FileFormatError(`${file} is a zip archive, but no Octet archive, PyTorch checkpoint or .npz file`);
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
