/** Datasets: indexed collections of samples (`torch.utils.data`). */
import { OctetError } from "../core/errors.ts";
import { int64 } from "../core/dtype.ts";
import { indexSelect } from "../ops/indexing.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Anything with a length and samples by index. A sample is usually a tensor or a tuple of tensors and numbers. */
export interface Dataset<T> {
  readonly length: number;
  get(index: number): T | Promise<T>;
  /** The collated batch of several samples at once, where that is faster than one by one. */
  getBatch?(indices: readonly number[]): unknown;
}

type Select<T extends readonly Tensor[]> = { -readonly [K in keyof T]: Tensor };

/** Samples are the slices of several tensors along their first dimension. */
export class TensorDataset<T extends readonly Tensor[]> implements Dataset<Select<T>> {
  readonly tensors: T;

  constructor(...tensors: T) {
    const sizes = tensors.map((t) => t.shape[0]);
    if (!tensors.length || sizes.some((size) => size === undefined || size !== sizes[0])) {
      throw new OctetError(`TensorDataset: first dimensions differ: ${sizes.join(", ")}`);
    }
    this.tensors = tensors;
  }

  get length(): number {
    return this.tensors[0].shape[0];
  }

  get(index: number): Select<T> {
    checkIndex("TensorDataset", index, this.length);
    return this.tensors.map((t) =>
      t.alias(t.shape.slice(1), t.strides.slice(1), t.offset + index * t.strides[0]),
    ) as Select<T>;
  }

  getBatch(indices: readonly number[]): Select<T> {
    for (const index of indices) checkIndex("TensorDataset", index, this.length);
    const positions = Tensor.fromArray(Float64Array.from(indices), [indices.length], int64);
    return this.tensors.map((t) => indexSelect(t, 0, positions)) as Select<T>;
  }
}

/** The samples of `dataset` at `indices`. */
export class Subset<T> implements Dataset<T> {
  readonly dataset: Dataset<T>;
  readonly indices: readonly number[];

  constructor(dataset: Dataset<T>, indices: readonly number[]) {
    for (const index of indices) checkIndex("Subset", index, dataset.length);
    this.dataset = dataset;
    this.indices = indices;
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number): T | Promise<T> {
    checkIndex("Subset", index, this.length);
    return this.dataset.get(this.indices[index]);
  }

  get getBatch(): ((indices: readonly number[]) => unknown) | undefined {
    const { dataset } = this;
    if (!dataset.getBatch) return undefined;
    return (indices) => dataset.getBatch?.(indices.map((i) => this.indices[i]));
  }
}

/** Several datasets one after the other. */
export class ConcatDataset<T> implements Dataset<T> {
  readonly datasets: readonly Dataset<T>[];

  constructor(datasets: readonly Dataset<T>[]) {
    this.datasets = datasets;
  }

  get length(): number {
    return this.datasets.reduce((n, d) => n + d.length, 0);
  }

  get(index: number): T | Promise<T> {
    checkIndex("ConcatDataset", index, this.length);
    let rest = index;
    for (const dataset of this.datasets) {
      if (rest < dataset.length) return dataset.get(rest);
      rest -= dataset.length;
    }
    throw new OctetError(`ConcatDataset: index ${index} is out of range`);
  }
}

function checkIndex(name: string, index: number, length: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new OctetError(`${name}: index ${index} is out of range for ${length} samples`);
  }
}
