/** Samplers: in which order a loader visits the samples (`torch.utils.data.Sampler`). */
import { OctetError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import { randperm } from "../ops/random.ts";

/** An order over sample indices; iterating again starts a new epoch. */
export interface Sampler extends Iterable<number> {
  readonly length: number;
}

/** 0, 1, 2, … */
export class SequentialSampler implements Sampler {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.length; i++) yield i;
  }
}

/** A new random permutation each epoch, from `generator` or the global one. */
export class RandomSampler implements Sampler {
  readonly length: number;
  private readonly generator: Generator | undefined;

  constructor(length: number, options: { generator?: Generator } = {}) {
    this.length = length;
    this.generator = options.generator;
  }

  *[Symbol.iterator](): Iterator<number> {
    yield* randperm(this.length, { generator: this.generator }).elements();
  }
}

/** Groups a sampler's indices into batches; `dropLast` leaves out an incomplete one at the end. */
export class BatchSampler implements Iterable<number[]> {
  readonly sampler: Sampler;
  readonly batchSize: number;
  readonly dropLast: boolean;

  constructor(sampler: Sampler, batchSize: number, dropLast: boolean) {
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new OctetError(`BatchSampler: batchSize should be a positive integer, got ${batchSize}`);
    }
    this.sampler = sampler;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
  }

  get length(): number {
    const batches = this.sampler.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  *[Symbol.iterator](): Iterator<number[]> {
    let batch: number[] = [];
    for (const index of this.sampler) {
      batch.push(index);
      if (batch.length < this.batchSize) continue;
      yield batch;
      batch = [];
    }
    if (batch.length && !this.dropLast) yield batch;
  }
}
