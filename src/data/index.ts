/** Datasets, samplers and loaders (`torch.utils.data`), and MNIST. */
export { ConcatDataset, Subset, TensorDataset } from "./dataset.ts";
export type { Dataset } from "./dataset.ts";
export { DataLoader, defaultCollate } from "./data-loader.ts";
export type { Collated, DataLoaderOptions } from "./data-loader.ts";
export { MNIST } from "./mnist.ts";
export type { MNISTOptions } from "./mnist.ts";
export { BatchSampler, RandomSampler, SequentialSampler } from "./sampler.ts";
export type { Sampler } from "./sampler.ts";
export { randomSplit } from "./split.ts";
