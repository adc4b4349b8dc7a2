/** Reading and writing files: safetensors, PyTorch checkpoints, NumPy arrays. Nothing here executes what it reads. */
export { loadSafetensors, readSafetensors, saveSafetensors, writeSafetensors } from "./safetensors.ts";
export type { SafetensorsFile, SafetensorsMetadata } from "./safetensors.ts";
