/** Reading ONNX files. The structure is read at once; weights stay where they are until they are asked for (tensor.ts). */
import { FileFormatError } from "../core/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { fileSource, memorySource, namingSource } from "./bytes.ts";
import type { ExternalFiles } from "./external.ts";
import { filesBeside, providedFiles } from "./external.ts";
import type { OnnxModel, OnnxTensor } from "./model.ts";
import { modelMessage } from "./schema.ts";
import { tensorMessage } from "./tensor-message.ts";
import { WireReader } from "./wire-reader.ts";

export interface ReadModelOptions {
  /** Gives the file at a location, for models with external data that are read from bytes; they name it as they like. */
  readonly externalData?: (location: string) => Uint8Array;
}

/**
 * Reads an ONNX model: from a path (Node only), or from the bytes of one. A file may be of any size; only its structure is held
 * in memory, so it must stay as it is for as long as weights are read. Bytes are used, not copied.
 * Throws {@link FileFormatError} on a truncated or malformed file, and on tensors whose sizes do not fit their data.
 */
export function readModel(source: string | Uint8Array, options: ReadModelOptions = {}): OnnxModel {
  const provided = options.externalData ? providedFiles(options.externalData) : null;
  if (typeof source === "string") return parseModel(fileSource(source), provided ?? filesBeside(source));
  return parseModel(memorySource(source), provided);
}

/** Reads a tensor that is a file by itself, as ONNX's own test data is (`input_0.pb`): from a path (Node only) or bytes. */
export function readTensor(source: string | Uint8Array): OnnxTensor {
  const bytes = typeof source === "string" ? fileSource(source) : memorySource(source);
  const files = typeof source === "string" ? filesBeside(source) : null;
  return namingSource(bytes, () => tensorMessage.read(new WireReader(bytes, files)));
}

function parseModel(source: ByteSource, files: ExternalFiles | null): OnnxModel {
  return namingSource(source, () => {
    try {
      return modelMessage.read(new WireReader(source, files));
    } catch (error) {
      const mistake = error instanceof FileFormatError ? whatElse(source) : null;
      if (mistake === null) throw error;
      throw new FileFormatError(`onnx: not an ONNX model, but ${mistake}`, { cause: error });
    }
  });
}

/** What a file that could not be read seems to be; null if it may well be a damaged model. */
function whatElse(source: ByteSource): string | null {
  const start = String.fromCharCode(...source.read(0, Math.min(source.size, 16)));
  if (start === "") return "an empty file";
  if (start.startsWith("PK\x03\x04")) return "a zip archive";
  if (start.startsWith("ORTM", 4)) return "one in ONNX Runtime's own format";
  if (start.startsWith("version https:")) return "a pointer of Git LFS to a file";
  return /^[\s\x20-\x7e]{4,}$/.test(start) ? "text" : null;
}
