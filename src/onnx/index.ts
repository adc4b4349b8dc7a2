/** ONNX models: as modules, and as data (reading, writing, their tensors). */
export type { ExternalData, ExternalFiles } from "./external.ts";
export type * from "./model.ts";
export { onnxDataTypes } from "./model.ts";
export { readModel, readTensor } from "./read.ts";
export type { ReadModelOptions } from "./read.ts";
export { makeAttribute, makeGraph, makeModel, makeNode, makeValueInfo } from "./make.ts";
export { saveModel, writeModel } from "./write.ts";
export type { SaveModelOptions } from "./write.ts";
export { fromTensor, rawTensor, stringTensor, tensorBytes, toStrings, toTensor } from "./tensor.ts";
export type { ReadTensorOptions } from "./tensor.ts";
export { importModel, load } from "./import.ts";
export type { LoadOptions, OnnxMetadata } from "./import.ts";
export { OpaqueNode } from "./opaque.ts";
export type { OpaqueConstant, OpaqueExecutor, OpaqueRecord } from "./opaque.ts";
export { exportModel, exportNotes, metadataKeys, save } from "./export.ts";
export type { ExportOptions } from "./export.ts";
export { onnxTargets } from "./export-targets.ts";
export type { OnnxTarget, TargetName } from "./export-targets.ts";
