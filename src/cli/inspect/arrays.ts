/** Files that are arrays and nothing else: .npy, .npz, safetensors. Only their headers are read, and the scales of quantized tensors. */
import type { ElementName } from "../../core/element-types.ts";
import { namingFile, openForParts } from "../../core/files.ts";
import { isJsonObject, parseJson } from "../../io/json.ts";
import { QUANTIZED, SCALES } from "../../io/safetensors-quantized.ts";
import { readSafetensorsHeader } from "../../io/safetensors.ts";
import type { StoredArray } from "../../io/stored-arrays.ts";
import { openNpy, openNpz, openSafetensors } from "../../io/stored-arrays.ts";
import type { Inspection, QuantizationFacts, TensorFacts } from "./inspection.ts";
import { factsOfScales } from "./inspection.ts";

const typeNames: Readonly<Record<ElementName, string>> = Object.freeze({
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  U64: "uint64",
  I32: "int32",
  U32: "uint32",
  I16: "int16",
  U16: "uint16",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
});

export function inspectNpy(path: string): Inspection {
  const array = namingFile(path, () => openNpy(openForParts(path)));
  return { facts: new Map(), tensors: [factsOf(array)], operators: null };
}

export function inspectNpz(path: string): Inspection {
  const arrays = namingFile(path, () => openNpz(openForParts(path)));
  return { facts: new Map(), tensors: [...arrays.values()].map(factsOf), operators: null };
}

export function inspectSafetensors(path: string): Inspection {
  const file = openForParts(path);
  return namingFile(path, () => {
    const { metadata } = readSafetensorsHeader(file);
    const arrays = openSafetensors(file);
    const quantized = quantizedFacts(metadata.get(QUANTIZED), arrays);
    const tensors = [...arrays.values()].map((array) => ({ ...factsOf(array), ...quantized.get(array.name) }));
    const facts = new Map([...metadata].filter(([key]) => key !== QUANTIZED));
    return { facts, tensors, operators: null };
  });
}

function factsOf({ name, shape, type, byteLength }: StoredArray): TensorFacts {
  return { name, shape, dtype: typeNames[type.name], bytes: byteLength, quantization: null };
}

/** What Octet notes about quantized tensors in the metadata; what is not as it should be there is left out. */
function quantizedFacts(description: string | undefined, arrays: ReadonlyMap<string, StoredArray>) {
  const found = new Map<string, { readonly dtype: string; readonly quantization: QuantizationFacts }>();
  if (description === undefined) return found;
  const parsed = parseJson(new TextEncoder().encode(description), `safetensors: the metadata ${QUANTIZED}`);
  for (const [name, info] of Object.entries(isJsonObject(parsed) ? parsed : {})) {
    if (!isJsonObject(info) || typeof info.dtype !== "string") continue;
    const { scale, axis, dtype } = info;
    const scales =
      typeof scale === "number"
        ? [scale]
        : arrays
            .get(name + SCALES)
            ?.load()
            .elements();
    if (scales) found.set(name, { dtype, quantization: factsOfScales(scales, typeof axis === "number" ? axis : null) });
  }
  return found;
}
