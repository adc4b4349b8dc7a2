/**
 * Writing ONNX files. The same model always gives the same bytes: fields in a fixed order, lists of numbers packed, defaults left
 * out. So a file that was read comes back as an equal model, though not always as the same bytes.
 */
import { OctetError } from "../core/errors.ts";
import { baseName, writeFilesAtomic } from "../core/files.ts";
import type { ByteRange } from "./bytes.ts";
import { rangeLength, readInSteps } from "./bytes.ts";
import { mapTensors } from "./map-tensors.ts";
import type { OnnxModel, OnnxTensor } from "./model.ts";
import { modelMessage } from "./schema.ts";
import { storedRange } from "./tensor.ts";
import { WireWriter } from "./wire-writer.ts";

/** A message of protocol buffers stays below this; other readers refuse more. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Initializers of at least this many bytes go to the file beside the model. */
const EXTERNAL_FROM = 1024;

/** Where a tensor begins in that file is a multiple of this, so that it can be mapped into memory. */
const ALIGNMENT = 4096;

export interface SaveModelOptions {
  /**
   * Whether weights go to a file beside the model, `<name>.data`: "auto" does that where the model would be larger than 2 GiB,
   * the most that one file may have. Weights that a model has in other files come into these, unless it was read without them.
   */
  readonly externalData?: "auto" | "always" | "never";
}

/**
 * The bytes of an ONNX file. Weights that are not in memory are read; those in files beside the model come into the bytes,
 * unless the model was read without those files: then it refers to them as before.
 * Throws {@link OctetError} beyond 2 GiB, which no reader would accept: save such a model with external data.
 */
export function writeModel(model: OnnxModel): Uint8Array {
  const writer = encodeInOneFile(model);
  const bytes = new Uint8Array(writer.size);
  let at = 0;
  for (const piece of writer.output()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * {@link writeModel} to a file (Node only), which is replaced in one step, with its weights beside it if need be. It may replace
 * the file that the model was read from; what was read from there must be read again then, because its weights are gone.
 */
export function saveModel(path: string, model: OnnxModel, options: SaveModelOptions = {}): void {
  const { externalData = "auto" } = options;
  const writer = externalData === "always" ? null : encode(inlined(model));
  if (writer && (externalData === "never" || writer.size <= MAX_MODEL_BYTES)) {
    checkSize(writer);
    writeFilesAtomic([{ path, pieces: writer.output() }]);
    return;
  }
  const { outer, ranges } = moveWeights(model, `${baseName(path)}.data`);
  const main = encode(outer);
  checkSize(main);
  // The weights first: a model must never refer to a file that is not there yet.
  writeFilesAtomic([
    { path: `${path}.data`, pieces: paddedPieces(ranges) },
    { path, pieces: main.output() },
  ]);
}

function encodeInOneFile(model: OnnxModel): WireWriter {
  const writer = encode(inlined(model));
  checkSize(writer);
  return writer;
}

function encode(model: OnnxModel): WireWriter {
  const writer = new WireWriter();
  modelMessage.write(writer, model);
  return writer;
}

function checkSize({ size }: WireWriter): void {
  if (size <= MAX_MODEL_BYTES) return;
  throw new OctetError(
    `onnx: the model takes ${size} bytes, and a file may have ${MAX_MODEL_BYTES}; save it with externalData`,
  );
}

/** The model with raw data in place of external data. */
function inlined(model: OnnxModel): OnnxModel {
  return mapTensors(model, (tensor) => {
    const range = tensor.data.kind === "external" && tensor.data.reference.files ? storedRange(tensor) : null;
    return range ? { ...tensor, data: { kind: "raw", bytes: range } } : tensor;
  });
}

/** The model with references to `location` in place of its larger weights, and those weights. */
function moveWeights(model: OnnxModel, location: string): { outer: OnnxModel; ranges: ByteRange[] } {
  const ranges: ByteRange[] = [];
  let end = 0;
  const move = (tensor: OnnxTensor, isInitializer: boolean): OnnxTensor => {
    const { data } = tensor;
    if (data.kind === "external" && data.reference.location === location) {
      throw new OctetError(`onnx: the model refers to ${JSON.stringify(location)}, which it was read without`);
    }
    // Other readers look for external data of initializers only.
    const bytes = isInitializer && data.kind === "raw" ? data.bytes : null;
    if (!bytes || rangeLength(bytes) < EXTERNAL_FROM) return tensor;
    const offset = aligned(end);
    const length = rangeLength(bytes);
    end = offset + length;
    ranges.push(bytes);
    return {
      ...tensor,
      data: { kind: "external", reference: { location, offset, length, others: new Map(), files: null } },
    };
  };
  return { outer: mapTensors(inlined(model), move), ranges };
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

function* paddedPieces(ranges: readonly ByteRange[]): Generator<Uint8Array> {
  let at = 0;
  for (const range of ranges) {
    if (aligned(at) > at) yield new Uint8Array(aligned(at) - at);
    yield* readInSteps(range);
    at = aligned(at) + rangeLength(range);
  }
}
