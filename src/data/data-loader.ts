/** DataLoader: batches of a dataset, in order or shuffled (`torch.utils.data.DataLoader`). */
import { int64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import { tensor } from "../ops/create.ts";
import { stack } from "../ops/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Dataset } from "./dataset.ts";
import type { Sampler } from "./sampler.ts";
import { BatchSampler, RandomSampler, SequentialSampler } from "./sampler.ts";

export interface DataLoaderOptions<T, B> {
  /** Samples per batch, default 1. */
  readonly batchSize?: number;
  /** Visits the samples in a new random order each epoch. */
  readonly shuffle?: boolean;
  /** The order of the samples; excludes `shuffle`. */
  readonly sampler?: Sampler;
  /** Leaves out the last batch if it is incomplete. */
  readonly dropLast?: boolean;
  /** Makes a batch from samples; default {@link defaultCollate}. */
  readonly collateFn?: (samples: T[]) => B;
  /** Source of the shuffling; default the global generator. */
  readonly generator?: Generator;
}

/** What the default collation makes of a sample: a tensor gains a first dimension, numbers become a tensor. */
export type Collated<T> = T extends Tensor | number
  ? Tensor
  : T extends readonly unknown[]
    ? { -readonly [K in keyof T]: Collated<T[K]> }
    : T extends object
      ? { [K in keyof T]: Collated<T[K]> }
      : T[];

/** Iterate with `for … of` over datasets that answer at once, with `for await … of` over any. */
export class DataLoader<T, B = Collated<T>> implements Iterable<B>, AsyncIterable<B> {
  readonly dataset: Dataset<T>;
  readonly batchSampler: BatchSampler;
  private readonly collate: ((samples: T[]) => B) | undefined;

  constructor(dataset: Dataset<T>, options: DataLoaderOptions<T, B> = {}) {
    const { batchSize = 1, shuffle = false, sampler, dropLast = false, generator } = options;
    if (sampler && shuffle) throw new OctetError("DataLoader: the sampler option excludes shuffle");
    const n = dataset.length;
    const order = sampler ?? (shuffle ? new RandomSampler(n, { generator }) : new SequentialSampler(n));
    this.dataset = dataset;
    this.batchSampler = new BatchSampler(order, batchSize, dropLast);
    this.collate = options.collateFn;
  }

  /** Number of batches in an epoch. */
  get length(): number {
    return this.batchSampler.length;
  }

  *[Symbol.iterator](): Iterator<B> {
    for (const indices of this.batchSampler) {
      const batch = this.fetch(indices);
      if (batch instanceof Promise) {
        throw new OctetError("DataLoader: this dataset is asynchronous; iterate with for await");
      }
      yield batch;
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<B> {
    for (const indices of this.batchSampler) yield await this.fetch(indices);
  }

  private fetch(indices: number[]): B | Promise<B> {
    const { dataset } = this;
    if (!this.collate && dataset.getBatch) return dataset.getBatch(indices) as B | Promise<B>;
    const samples = indices.map((i) => dataset.get(i));
    const collate = this.collate ?? (collateAny as (samples: T[]) => B);
    return samples.some((s) => s instanceof Promise) ? Promise.all(samples).then(collate) : collate(samples as T[]);
  }
}

/** Stacks samples: tensors along a new first dimension, numbers into a tensor (whole ones int64), tuples and records item by item. */
export function defaultCollate<T>(samples: readonly T[]): Collated<T> {
  return collateAny(samples) as Collated<T>;
}

function collateAny(samples: readonly unknown[]): unknown {
  const [first] = samples;
  if (first instanceof Tensor) return stack(samples as Tensor[]);
  if (typeof first === "number") return collateNumbers(samples as number[]);
  if (Array.isArray(first)) return first.map((_, i) => collateAny((samples as unknown[][]).map((s) => s[i])));
  if (first !== null && typeof first === "object") {
    const keys = Object.keys(first);
    return Object.fromEntries(
      keys.map((k) => [k, collateAny((samples as Record<string, unknown>[]).map((s) => s[k]))]),
    );
  }
  return [...samples];
}

/** Whole numbers become int64, as class labels have to be; others the default dtype. */
function collateNumbers(numbers: readonly number[]): Tensor {
  return tensor(numbers, numbers.every(Number.isInteger) ? { dtype: int64 } : {});
}
