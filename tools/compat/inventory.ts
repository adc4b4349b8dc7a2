/** The PyTorch names of the two inventories beside this file, as rows in sections. */
import { readFileSync } from "node:fs";

/** One PyTorch name. */
export interface Name {
  readonly path: string;
  readonly group: string;
  readonly kind: string;
  /** Public methods of a class, in PyTorch's spelling. */
  readonly methods: readonly string[];
}

interface ApiEntry {
  readonly path: string;
  readonly group: string;
  readonly kind: string;
  readonly documented?: boolean;
  readonly methods?: readonly { readonly name: string; readonly kind: string }[];
}

interface FloatApi {
  readonly torch: string;
  readonly names: readonly (Omit<Name, "methods"> & { readonly methods?: readonly string[] })[];
}

/** Methods that are no API: Python's protocols, and what PyTorch's modules call only on themselves. */
const internal = new RegExp(
  "^_|^(clone|forward_(impl|tensor|packed)|permute_hidden|check_\\w+|get_expected_\\w+|initialize_hidden|get_lr|cumsum)$",
);

/** The documented names of PyTorch's quantization. */
export function quantizationNames(): Name[] {
  return read<ApiEntry[]>("api.json")
    .filter((entry) => entry.documented || entry.group === "engine")
    .map(({ path, group, kind, methods = [] }) => ({
      path,
      group,
      kind,
      methods: methods.filter((m) => m.kind !== "property" && !internal.test(m.name)).map((m) => m.name),
    }));
}

/** The float names, as tools/golden/float_api.py wrote them down. */
export function floatNames(): Name[] {
  return read<FloatApi>("float-api.json").names.map((name) => ({
    ...name,
    methods: (name.methods ?? []).filter((method) => !internal.test(method)),
  }));
}

/** The version of PyTorch that the inventories were taken from. */
export function torchVersion(): string {
  return read<FloatApi>("float-api.json").torch;
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")) as T;
}
