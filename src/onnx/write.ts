/**
 * Writing ONNX files. The same model always gives the same bytes: fields in a fixed order, lists of numbers packed, defaults left
 * out. So a file that was read comes back as an equal model, though not always as the same bytes.
 */
import { OctetError } from "../core/errors.ts";
import { writeFilesAtomic } from "../core/files.ts";
import type { OnnxModel } from "./model.ts";
import { modelMessage } from "./schema.ts";
import { WireWriter } from "./wire-writer.ts";

/** A message of protocol buffers stays below this; other readers refuse more. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * The bytes of an ONNX file. Weights that are not in memory are read. External data stays external: the bytes refer to it.
 * Throws {@link OctetError} beyond 2 GiB, which no reader would accept: save such a model with external data.
 */
export function writeModel(model: OnnxModel): Uint8Array {
  const writer = encode(model);
  const bytes = new Uint8Array(writer.size);
  let at = 0;
  for (const piece of writer.output()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** {@link writeModel} to a file, which is replaced in one step (Node only). */
export function saveModel(path: string, model: OnnxModel): void {
  writeFilesAtomic([{ path, pieces: encode(model).output() }]);
}

function encode(model: OnnxModel): WireWriter {
  const writer = new WireWriter();
  modelMessage.write(writer, model);
  if (writer.size > MAX_MODEL_BYTES) {
    throw new OctetError(`onnx: the model takes ${writer.size} bytes, and a file may have ${MAX_MODEL_BYTES}`);
  }
  return writer;
}
