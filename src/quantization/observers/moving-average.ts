/**
 * The moving average of ranges, and what has to be remembered so that averages over shards of a data set can be merged
 * into what one observer would have got from all of it, in order.
 */
import { OctetError } from "../../core/errors.ts";
import type { JsonNumber } from "./json.ts";
import { encodeNumber } from "./json.ts";
import type { Range } from "./range.ts";

export interface AveragingOptions {
  /** How far the average moves towards each batch, 0 to 1; default 0.01. With 1 it has no memory. */
  readonly averagingConstant?: number;
}

interface HistoryJSON {
  readonly batches: number;
  readonly first: { readonly min: readonly JsonNumber[]; readonly max: readonly JsonNumber[] } | null;
}

export class MovingAverage {
  /** How many batches the average is made of; 0 also if that is not known, because the average was loaded. */
  private batches = 0;
  private first: Range | null = null;

  /** first batch: itself; then running + c · (current − running), in float32. */
  update(running: Range | null, current: Range, c: number): Range {
    if (!running) {
      this.batches = 1;
      this.first = current;
      return current;
    }
    if (this.batches > 0) this.batches++;
    if (running.min.length !== current.min.length) {
      throw new OctetError(`observer: expects ${running.min.length} channels, as before, got ${current.min.length}`);
    }
    const step = (average: Float32Array, value: Float32Array) =>
      average.map((a, i) => a + Math.fround(Math.fround(c) * Math.fround(value[i] - a)));
    return { min: step(running.min, current.min), max: step(running.max, current.max) };
  }

  /**
   * Each batch scales what came before it by (1 − c), but the other average began by taking its first batch whole. With n
   * batches in it, the average over both is  other + (1 − c)^n · (running − first of other).
   */
  merge(running: Range | null, other: Range, otherAverage: MovingAverage, c: number): Range {
    const { first, batches } = otherAverage;
    if (!running) {
      this.batches = batches;
      this.first = first;
      return other;
    }
    if (!first) {
      throw new OctetError(
        "merge: it is not known which batches the other moving average is made of, because it was loaded from a state " +
          "dict; pass observers on with toJSON and observerFromJSON",
      );
    }
    if (this.batches > 0) this.batches += batches;
    const weight = (1 - c) ** batches;
    const carry = (average: Float32Array, before: Float32Array, start: Float32Array) =>
      average.map((a, i) => a + weight * (before[i] - start[i]));
    return { min: carry(other.min, running.min, first.min), max: carry(other.max, running.max, first.max) };
  }

  forget(): void {
    this.batches = 0;
    this.first = null;
  }

  toJSON(): HistoryJSON {
    const { batches, first } = this;
    const encode = (values: Float32Array) => Array.from(values, encodeNumber);
    return { batches, first: first && { min: encode(first.min), max: encode(first.max) } };
  }

  restore(json: unknown): void {
    const { batches, first } = json as HistoryJSON;
    const decode = (values: readonly JsonNumber[]) => Float32Array.from(values, Number);
    this.batches = batches;
    this.first = first && { min: decode(first.min), max: decode(first.max) };
  }
}
