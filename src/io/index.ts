/** Reading and writing files: archives of graph modules, safetensors, PyTorch checkpoints, NumPy arrays. Nothing here executes what it reads. */
export { loadCheckpoint, readCheckpoint, stateDictFrom } from "./checkpoint.ts";
export type { StateDictOptions } from "./checkpoint.ts";
export { loadNpy, readNpy, saveNpy, writeNpy } from "./npy.ts";
export { loadNpz, readNpz, saveNpz, writeNpz } from "./npz.ts";
export type { ReadNpzOptions, WriteNpzOptions } from "./npz.ts";
export type { PickleOptions } from "./pickle.ts";
export { OrderedDict, PythonName, ScriptObject, StorageReference } from "./pickle-values.ts";
export type { PickleValue } from "./pickle-values.ts";
export { loadSafetensors, readSafetensors, saveSafetensors, writeSafetensors } from "./safetensors.ts";
export type { SafetensorsFile, SafetensorsMetadata } from "./safetensors.ts";
export { loadArchive, readArchive, saveArchive, writeArchive } from "./archive.ts";
export type { Archive, WriteArchiveOptions } from "./archive.ts";
export type { ArchiveKind } from "./archive-format.ts";
export type { ArchiveOptions } from "./archive-names.ts";
