/** Datasets, samplers and loaders (`torch.utils.data`), MNIST, and streams of model inputs. */
export { ConcatDataset, Subset, TensorDataset } from "./dataset.ts";
export type { Dataset } from "./dataset.ts";
export { DataLoader, defaultCollate } from "./data-loader.ts";
export type { Collated, DataLoaderOptions } from "./data-loader.ts";
export { MNIST } from "./mnist.ts";
export type { MNISTOptions } from "./mnist.ts";
export { batches, fitToModel, formatInput } from "./model-inputs.ts";
export type { Batch, InputSpec } from "./model-inputs.ts";
export { BatchSampler, RandomSampler, SequentialSampler } from "./sampler.ts";
export type { Sampler } from "./sampler.ts";
export { DataSource, MemorySource } from "./source.ts";
export type { Choice, DataItem, SplitOptions } from "./source.ts";
export { randomSplit } from "./split.ts";
