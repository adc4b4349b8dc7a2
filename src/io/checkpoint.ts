/**
 * PyTorch checkpoints: what `torch.save` writes, as a zip archive (PyTorch 1.6 and later) or as the stream of pickles before
 * it. Read by a restricted unpickler: nothing in the file is executed, and a class that is not on the list of
 * checkpoint-classes.ts is refused by name.
 */
import { FileFormatError, OctetError } from "../core/errors.ts";
import { StateDict } from "../nn/state-dict.ts";
import type { Storage } from "../tensor/tensor.ts";
import type { CopyBudget, StorageSource } from "./checkpoint-classes.ts";
import { checkpointHost, plainHost, storageItemSize } from "./checkpoint-classes.ts";
import { stateTensors } from "./checkpoint-quantized.ts";
import type { ElementType } from "../core/element-types.ts";
import { decodeElements, elementTypes } from "../core/element-types.ts";
import { parseFile } from "../core/files.ts";
import type { PickleOptions } from "./pickle.ts";
import { unpickle } from "./pickle.ts";
import type { PickleValue, StorageReference } from "./pickle-values.ts";
import { OrderedDict, describe } from "./pickle-values.ts";
import type { ZipArchive } from "./zip.ts";
import { looksLikeZip, openZip } from "./zip.ts";

/**
 * How many elements per byte of pickle the calls in it may copy, and per byte of the file for what lies in storages: PyTorch's
 * own files stay below one, and below four (values of two bits).
 */
const COPIES_PER_BYTE = 16;

function fail(message: string): never {
  throw new FileFormatError(`checkpoint: ${message}`);
}

/**
 * Reads a checkpoint that is in memory and returns what was saved; see {@link PickleValue} for how Python's values look.
 * Tensors that shared a storage share it again; strides and offsets are kept. bfloat16 is widened to float32 and unsigned
 * types to signed ones that hold them. {@link stateDictFrom} picks the state dict out of it.
 *
 * Throws {@link FileFormatError} for truncated or malformed files, for any class but tensors, numbers, strings and
 * containers and packed weights, for sparse and complex tensors, for TorchScript archives, and for the tar files of PyTorch 0.1.
 */
export function readCheckpoint(bytes: Uint8Array, options: PickleOptions = {}): PickleValue {
  if (looksLikeZip(bytes)) return readZipCheckpoint(bytes, options);
  if (new TextDecoder("latin1").decode(bytes.subarray(257, 262)) === "ustar") {
    fail("this is a tar file, as PyTorch 0.1 wrote them; load it in PyTorch and save it again");
  }
  if (bytes[0] !== 0x80) fail("the file is neither a zip archive nor a pickle: torch.save did not write it");
  return readLegacyCheckpoint(bytes, options);
}

/** {@link readCheckpoint} of a file (Node only). */
export function loadCheckpoint(path: string, options: PickleOptions = {}): PickleValue {
  return parseFile(path, (bytes) => readCheckpoint(bytes, options));
}

// The zip format: <name>/data.pkl, and one entry <name>/data/<key> per storage

function readZipCheckpoint(bytes: Uint8Array, options: PickleOptions): PickleValue {
  const archive = openZip(bytes, { checksumOptional: true });
  const roots = archive.names.filter((name) => /^[^/]+\/data\.pkl$/.test(name)).map((name) => name.split("/")[0]);
  if (roots.length !== 1) fail(`the zip archive has ${roots.length} entries */data.pkl: it is no PyTorch checkpoint`);
  const [root] = roots;
  if (archive.has(`${root}/constants.pkl`))
    fail("this is a TorchScript archive; in PyTorch, save model.state_dict() instead");
  const storages = new ZipStorages(archive, root);
  const pickle = archive.read(`${root}/data.pkl`);
  const { value, end } = unpickle(pickle, checkpointHost(storages, copyBudget(pickle, bytes)), 0, options);
  if (end !== pickle.length) fail(`${pickle.length - end} bytes follow the pickle`);
  return value;
}

function copyBudget(pickle: Uint8Array, file: Uint8Array): CopyBudget {
  return { items: COPIES_PER_BYTE * pickle.length, data: COPIES_PER_BYTE * file.length };
}

class ZipStorages implements StorageSource {
  private readonly archive: ZipArchive;
  private readonly root: string;
  private readonly littleEndian: boolean;
  private readonly opened = new Map<string, { readonly storage: Storage; readonly type: ElementType }>();

  constructor(archive: ZipArchive, root: string) {
    this.archive = archive;
    this.root = root;
    const name = `${root}/byteorder`;
    const order = archive.has(name) ? new TextDecoder().decode(archive.read(name)) : "little";
    if (order !== "little" && order !== "big") fail(`the byte order is ${JSON.stringify(order.slice(0, 20))}`);
    this.littleEndian = order === "little";
  }

  declare(reference: StorageReference): void {
    const label = JSON.stringify(reference.key);
    const entry = this.entry(reference);
    if (!this.archive.has(entry)) fail(`storage ${label} is missing from the archive`);
    const size = this.archive.sizeOf(entry);
    const expected = reference.length * storageItemSize(reference);
    if (size !== expected) fail(`storage ${label} has ${size} bytes, not the ${expected} that the pickle says`);
  }

  open(reference: StorageReference, type: ElementType): Storage {
    const { key } = reference;
    const known = this.opened.get(key);
    if (known) return sameType(known, key, type).storage;
    const bytes = this.archive.read(this.entry(reference));
    const storage = { data: decodeStorage(bytes, key, type, this.littleEndian), version: 0 };
    this.opened.set(key, { storage, type });
    return storage;
  }

  whenFilled(action: () => void): void {
    action();
  }

  private entry({ key }: StorageReference): string {
    return `${this.root}/data/${key}`;
  }
}

function sameType<T extends { readonly type: ElementType | null }>(known: T, key: string, type: ElementType): T {
  if (known.type !== type) {
    fail(`storage ${JSON.stringify(key)} is used as ${known.type?.name} and as ${type.name}, which is not supported`);
  }
  return known;
}

function decodeStorage(bytes: Uint8Array, key: string, type: ElementType, littleEndian: boolean): Storage["data"] {
  const label = `checkpoint: storage ${JSON.stringify(key)}`;
  if (bytes.length % type.size) throw new FileFormatError(`${label} is no whole number of ${type.name} elements`);
  return decodeElements(type, bytes, label, { littleEndian });
}

// The legacy format: five pickles (magic number, version, system, object, storage keys), then the storages' bytes

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;

function readLegacyCheckpoint(bytes: Uint8Array, options: PickleOptions): PickleValue {
  const magic = unpickle(bytes, plainHost, 0, options);
  if (magic.value !== LEGACY_MAGIC) fail("the file is a pickle, but torch.save did not write it");
  const version = unpickle(bytes, plainHost, magic.end, options);
  if (version.value !== LEGACY_VERSION) fail(`legacy format version ${describe(version.value)} is not supported`);
  const system = unpickle(bytes, plainHost, version.end, options);
  const littleEndian = system.value instanceof Map ? system.value.get("little_endian") : undefined;
  if (typeof littleEndian !== "boolean") fail("the description of the system that wrote it lacks little_endian");
  const storages = new LegacyStorages(bytes, littleEndian);
  const budget = copyBudget(bytes.subarray(system.end), bytes);
  const object = unpickle(bytes, checkpointHost(storages, budget), system.end, options);
  const keys = unpickle(bytes, plainHost, object.end, options);
  if (!Array.isArray(keys.value)) fail("the storage keys are no list");
  storages.fill(keys.value as readonly PickleValue[], keys.end);
  return object.value;
}

interface LegacyStorage {
  readonly reference: StorageReference;
  readonly storage: Storage;
  type: ElementType | null;
}

/** Storages whose bytes come after the pickle: handed out empty, filled at the end. */
class LegacyStorages implements StorageSource {
  private readonly bytes: Uint8Array;
  private readonly littleEndian: boolean;
  private readonly declared = new Map<string, LegacyStorage>();
  private readonly waiting: (() => void)[] = [];

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
  }

  declare(reference: StorageReference): void {
    const { key, length, storageClass } = reference;
    const known = this.declared.get(key)?.reference;
    if (known && (known.length !== length || known.storageClass !== storageClass)) {
      fail(`storage ${JSON.stringify(key)} is described in two ways`);
    }
    if (!known) {
      const storage = { data: new Uint8Array(0), version: 0 };
      this.declared.set(key, { reference, storage, type: null });
    }
  }

  open({ key }: StorageReference, type: ElementType): Storage {
    const known = this.declared.get(key)!;
    known.type ??= type;
    return sameType(known, key, type).storage;
  }

  whenFilled(action: () => void): void {
    this.waiting.push(action);
  }

  /** Reads the storages in the order of `keys`, each after an 8-byte count of its elements, from offset `begin`. */
  fill(keys: readonly PickleValue[], begin: number): void {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    let at = begin;
    for (const key of keys) {
      const known = typeof key === "string" ? this.declared.get(key) : undefined;
      if (!known) fail(`there is a storage ${describe(key)}, which no tensor uses or which is there twice`);
      const { reference, storage } = known;
      const label = JSON.stringify(reference.key);
      if (at + 8 > this.bytes.length) fail(`the file is truncated before storage ${label}`);
      const length = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      if (length !== reference.length)
        fail(`storage ${label} has ${length} elements, the pickle says ${reference.length}`);
      const end = at + 8 + length * storageItemSize(reference);
      if (end > this.bytes.length) fail(`the file is truncated within storage ${label}`);
      const type = known.type ?? elementTypes.U8;
      storage.data = decodeStorage(this.bytes.subarray(at + 8, end), reference.key, type, this.littleEndian);
      this.declared.delete(reference.key);
      at = end;
    }
    const [missing] = this.declared.keys();
    if (missing !== undefined) fail(`storage ${JSON.stringify(missing)} is missing from the file`);
    if (at !== this.bytes.length) fail(`${this.bytes.length - at} bytes follow the last storage`);
    for (const action of this.waiting) action();
  }
}

// State dicts

export interface StateDictOptions {
  /** The entry of the checkpoint that holds the state dict, where it holds several. */
  readonly key?: string;
}

/**
 * The state dict in what {@link readCheckpoint} returned: the value itself if it maps names to tensors, otherwise the one
 * entry of it that does, such as `state_dict` or `model`. Keys are kept as they are, `_metadata` becomes the state dict's
 * metadata, and the weights that quantized modules pack are found under `<key>.0` (weight) and `<key>.1` (bias). Throws {@link OctetError} if there is none, or if there are several and `key` does not choose.
 */
export function stateDictFrom(checkpoint: PickleValue, options: StateDictOptions = {}): StateDict {
  const { key } = options;
  if (!(checkpoint instanceof Map))
    throw new OctetError("stateDictFrom: the checkpoint is no dict, so it holds no state dict");
  if (key !== undefined) {
    const state = checkpoint.get(key);
    if (!isState(state)) throw new OctetError(`stateDictFrom: entry ${JSON.stringify(key)} is no dict of tensors`);
    return toStateDict(state);
  }
  if (isState(checkpoint)) return toStateDict(checkpoint);
  const found = [...checkpoint].filter(([, value]) => isState(value) && value.size > 0);
  const names = (entries: Iterable<readonly [PickleValue, PickleValue]>) =>
    Array.from(entries, ([name]) => describe(name))
      .slice(0, 20)
      .join(", ");
  if (found.length === 0) {
    throw new OctetError(
      `stateDictFrom: no entry of the checkpoint is a dict of tensors; its entries are ${names(checkpoint)}`,
    );
  }
  if (found.length > 1)
    throw new OctetError(`stateDictFrom: several entries are state dicts: ${names(found)}; choose one by key`);
  return toStateDict(found[0][1] as StateEntries);
}

/** A dict from names to what a state dict may hold. */
type StateEntries = Map<PickleValue, PickleValue> & Map<string, PickleValue>;

function isState(value: PickleValue | undefined): value is StateEntries {
  if (!(value instanceof Map)) return false;
  let holdsTensors = value.size === 0;
  for (const [key, entry] of value) {
    const tensors = typeof key === "string" ? stateTensors(key, entry) : null;
    if (!tensors) return false;
    if (tensors.length) holdsTensors = true;
  }
  return holdsTensors;
}

function toStateDict(source: StateEntries): StateDict {
  const state = new StateDict([...source].flatMap(([key, entry]) => stateTensors(key, entry) ?? []));
  const metadata = source instanceof OrderedDict ? source.attributes?.get("_metadata") : undefined;
  if (!(metadata instanceof Map)) return state;
  for (const [path, info] of metadata) {
    const version = info instanceof Map ? info.get("version") : undefined;
    if (typeof path === "string" && typeof version === "number") state.metadata.set(path, { version });
  }
  return state;
}
