/** Class labels of samples: whole numbers from .npy, a JSON array, or lines of text. One for each item of the data, in order. */
import { OctetError, formatShape } from "../../core/errors.ts";
import { parseFile } from "../../core/files.ts";
import type { DataSource } from "../../data/source.ts";
import { parseJson } from "../../io/json.ts";
import { readNpy } from "../../io/npy.ts";

/** Reads labels; those of a source whose length is known must be as many. */
export function readLabels(path: string, source: DataSource): Float64Array {
  const labels = parseFile(path, (bytes) => {
    if (path.endsWith(".npy")) return npyLabels(bytes, path);
    if (path.endsWith(".json")) return jsonLabels(bytes, path);
    if (path.endsWith(".txt")) return textLabels(bytes, path);
    throw new OctetError(`${path}: labels are read from .npy, .json or .txt files`);
  });
  const broken = labels.findIndex((label) => !Number.isSafeInteger(label) || label < 0);
  if (broken >= 0)
    throw new OctetError(`${path}: label ${broken} is ${labels[broken]}, not a whole number of at least 0`);
  if (source.length !== null && source.length !== labels.length) {
    throw new OctetError(`${path} has ${labels.length} labels, but ${source.title} has ${source.length} samples`);
  }
  return labels;
}

function npyLabels(bytes: Uint8Array, path: string): Float64Array {
  const tensor = readNpy(bytes);
  if (tensor.numel() !== tensor.shape[0]) {
    throw new OctetError(
      `${path}: labels have shape ${formatShape(tensor.shape)}, expected one number per sample: [N]`,
    );
  }
  if (tensor.dtype.isFloatingPoint && tensor.dtype.itemSize === 2) {
    throw new OctetError(`${path}: labels are ${tensor.dtype.name}; save them as integers`);
  }
  return Float64Array.from(tensor.elements());
}

function jsonLabels(bytes: Uint8Array, path: string): Float64Array {
  const value = parseJson(bytes, path);
  if (!Array.isArray(value) || !value.every((label) => typeof label === "number")) {
    throw new OctetError(`${path}: labels are not a JSON array of numbers`);
  }
  return Float64Array.from(value as number[]);
}

function textLabels(bytes: Uint8Array, path: string): Float64Array {
  const lines = new TextDecoder().decode(bytes).trimEnd().split(/\r?\n/);
  const broken = lines.findIndex((line) => !/^\s*\d+\s*$/.test(line));
  if (broken >= 0) {
    throw new OctetError(
      `${path}: line ${broken + 1} is ${JSON.stringify(lines[broken].slice(0, 40))}, not a whole number`,
    );
  }
  return Float64Array.from(lines, Number);
}
