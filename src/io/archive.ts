/**
 * Octet's own archive: a graph module in one file, which loads without the code of the model it came from. A zip with two
 * entries:
 *
 * - `graph.json`: the nodes, the modules with their properties, and whatever else there is to know, see archive-format.ts;
 * - `tensors.safetensors`: the tensors by the paths at which they stand; quantized ones as integers and qparams.
 *
 * Packed weights are stored as they were before packing, and packed anew for the same engine. Hooks are not stored, except
 * those on which observers stand. Reading executes nothing that a file says.
 */
import { FileFormatError, OctetError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { GraphModule } from "../fx/graph-module.ts";
import type { Module } from "../nn/module.ts";
import { EXPLANATIONS } from "../quantization/fx/explain.ts";
import { OBSERVED_GRAPH } from "../quantization/fx/observed-graph.ts";
import type { Fields } from "./archive-checks.ts";
import { fail, quote, recordOf, textOf } from "./archive-checks.ts";
import type { ArchiveKind } from "./archive-format.ts";
import { FORMAT, FORMAT_VERSION, GRAPH_ENTRY, TENSORS_ENTRY } from "./archive-format.ts";
import type { ArchiveOptions } from "./archive-names.ts";
import { archiveNames } from "./archive-names.ts";
import { ArchiveReader } from "./archive-reader.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { parseFile, writeFileAtomic } from "../core/files.ts";
import { parseJson } from "./json.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { openZip, writeZip } from "./zip.ts";

export interface WriteArchiveOptions extends ArchiveOptions {
  /** How the model was quantized, such as a QConfigMapping: plain data and Octet's own objects. */
  readonly recipe?: unknown;
  /** Anything else worth keeping: plain data and tensors. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface Archive {
  readonly model: GraphModule;
  /** "prepared" with observers, "converted" in integers or in reference form, else "float". */
  readonly kind: ArchiveKind;
  /** The version of Octet that wrote the archive. */
  readonly octet: string;
  /** What was given as recipe; null if nothing was. */
  readonly recipe: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A graph.json of a model of a million nodes; more is not read. */
const MAX_GRAPH_BYTES = 2 ** 29;

/**
 * The bytes of an archive of `model`. Throws {@link OctetError} on what cannot be stored, with its place: a module of a
 * class that is not Octet's and not among `classes`, a function in the graph that is not among `functions`.
 */
export function writeArchive(model: GraphModule, options: WriteArchiveOptions = {}): Uint8Array {
  if (!(model instanceof GraphModule)) {
    throw new OctetError("saveArchive: expects a GraphModule; get one of a model with fx.symbolicTrace");
  }
  const writer = new ArchiveWriter(archiveNames(options), model);
  const content = {
    format: FORMAT,
    version: FORMAT_VERSION,
    octet: VERSION,
    kind: kindOf(model),
    model: writer.encode(model, ""),
    recipe: writer.encode(options.recipe ?? null, "recipe"),
    metadata: writer.encode({ ...options.metadata }, "metadata"),
  };
  const graph = new TextEncoder().encode(JSON.stringify(content));
  const entries = [
    [GRAPH_ENTRY, graph],
    [TENSORS_ENTRY, writeSafetensors(writer.tensors)],
  ] as const;
  return writeZip(entries, [GRAPH_ENTRY]);
}

/** Writes {@link writeArchive} to a file, which is replaced in one step (Node only). */
export function saveArchive(path: string, model: GraphModule, options: WriteArchiveOptions = {}): void {
  writeFileAtomic(path, writeArchive(model, options));
}

/**
 * Reads an archive that is in memory. Throws {@link FileFormatError} of one line on a damaged or malformed one, one of a
 * newer format, or one that mentions classes or functions that are neither Octet's nor given.
 */
export function readArchive(bytes: Uint8Array, options: ArchiveOptions = {}): Archive {
  const names = archiveNames(options);
  const zip = openZip(bytes);
  for (const entry of [GRAPH_ENTRY, TENSORS_ENTRY]) if (!zip.has(entry)) fail(`there is no entry "${entry}"`);
  const size = zip.sizeOf(GRAPH_ENTRY);
  if (size > MAX_GRAPH_BYTES) fail(`${GRAPH_ENTRY} of ${size} bytes is over the limit of ${MAX_GRAPH_BYTES}`);
  const content = recordOf(GRAPH_ENTRY, parseJson(zip.read(GRAPH_ENTRY), `archive: ${GRAPH_ENTRY}`));
  checkFormat(content);
  const { tensors } = readSafetensors(zip.read(TENSORS_ENTRY));
  return refusing(() => {
    const reader = new ArchiveReader(names, tensors);
    const model = reader.decode(content.model);
    if (!(model instanceof GraphModule)) fail("the model is no graph module");
    const recipe = reader.decode(content.recipe);
    const metadata = recordOf("metadata", reader.decode(content.metadata));
    reader.checkAllUsed();
    checkModules(model);
    return { model, kind: kindOf(model), octet: textOf("the version of Octet", content.octet), recipe, metadata };
  });
}

/** {@link readArchive} of a file (Node only). */
export function loadArchive(path: string, options: ArchiveOptions = {}): Archive {
  return parseFile(path, (bytes) => readArchive(bytes, options));
}

function kindOf({ meta }: GraphModule): ArchiveKind {
  if (Object.hasOwn(meta, OBSERVED_GRAPH)) return "prepared";
  return Object.hasOwn(meta, EXPLANATIONS) ? "converted" : "float";
}

function checkFormat({ format, version }: Fields): void {
  if (format !== FORMAT) fail(`the format is ${quote(format)}, not "${FORMAT}"`);
  if (version !== FORMAT_VERSION) {
    fail(`format version ${quote(version)} cannot be read; this Octet reads version ${FORMAT_VERSION}`);
  }
}

/** Whatever goes wrong while a file is taken apart is the file's fault, and told in one line. */
function refusing<T>(body: () => T): T {
  try {
    return noGrad(body);
  } catch (error) {
    if (error instanceof FileFormatError) throw error;
    const message = (error instanceof Error ? error.message : String(error)).split(/[\r\n]+/, 1)[0];
    throw new FileFormatError(`archive: ${message}`, { cause: error });
  }
}

/** Modules must form a tree, perhaps with shared branches, and give what they hold. */
function checkModules(root: Module): void {
  const above = new Set<Module>();
  const done = new Set<Module>();
  const visit = (module: Module): void => {
    if (above.has(module)) fail(`a ${module.getName()} contains itself`);
    if (done.has(module)) return;
    above.add(module);
    for (const [, child] of module.ownModules()) visit(child);
    above.delete(module);
    done.add(module);
  };
  visit(root);
  root.stateDict();
}
