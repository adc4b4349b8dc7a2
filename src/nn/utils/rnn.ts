/**
 * Sequences of different lengths in one batch (`torch.nn.utils.rnn`): padded, as a list, or packed. A packed batch holds
 * only real elements, step by step: all first elements, longest sequence first, then all second ones, and so on.
 *
 *     sequences  abc, x    →    data  a x b c    batchSizes  2 1 1
 */
import { int64 } from "../../core/dtype.ts";
import type { DType } from "../../core/dtype.ts";
import { OctetError, check, formatShape } from "../../core/errors.ts";
import { asDtype } from "../../ops/elementwise.ts";
import { indexSelect } from "../../ops/indexing.ts";
import { cat, narrow, reshape, transpose } from "../../ops/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** A packed batch. Made by {@link packPaddedSequence} and {@link packSequence}; recurrent modules take and give it. */
export class PackedSequence {
  /** [elements of all sequences, *]. */
  readonly data: Tensor;
  /** int64 [longest length]: how many sequences reach each step. */
  readonly batchSizes: Tensor;
  /** int64 [sequences]: which of the caller's sequences is the i-th longest; null if they came sorted. */
  readonly sortedIndices: Tensor | null;
  /** The inverse of `sortedIndices`. */
  readonly unsortedIndices: Tensor | null;

  constructor(
    data: Tensor,
    batchSizes: Tensor,
    sortedIndices: Tensor | null = null,
    unsortedIndices: Tensor | null = invertPermutation(sortedIndices),
  ) {
    this.data = data;
    this.batchSizes = batchSizes;
    this.sortedIndices = sortedIndices;
    this.unsortedIndices = unsortedIndices;
  }

  /** The same sequences with data of another dtype. */
  to(dtype: DType): PackedSequence {
    return dtype === this.data.dtype ? this : this.withData(asDtype(this.data, dtype));
  }

  /** The same layout over other data, one row per element. */
  withData(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batchSizes, this.sortedIndices, this.unsortedIndices);
  }
}

export interface PackOptions {
  /** The caller promises that lengths never grow, and no indices are kept. Default true; else sequences are sorted here. */
  readonly enforceSorted?: boolean;
}

export interface PackPaddedOptions extends PackOptions {
  /** The input is [batch, time, *] instead of [time, batch, *]. */
  readonly batchFirst?: boolean;
}

export interface PadOptions {
  /** The result is [batch, time, *] instead of [time, batch, *]. */
  readonly batchFirst?: boolean;
  /** Fills the places after a sequence's end, default 0. */
  readonly paddingValue?: number;
}

/** Packs a padded batch whose sequence i has `lengths[i]` elements, each at least 1. */
export function packPaddedSequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  options: PackPaddedOptions = {},
): PackedSequence {
  const { batchFirst = false, enforceSorted = true } = options;
  const op = "packPaddedSequence";
  check(input.ndim >= 2, () => `${op}: input needs at least 2 dimensions, got shape ${formatShape(input.shape)}`);
  const [batch, time] = batchFirst ? input.shape : [input.shape[1], input.shape[0]];
  const given = lengths instanceof Tensor ? Array.from(lengths.toNumbers()) : [...lengths];
  checkLengths(op, given, batch, time, enforceSorted);
  const order = given.map((_, i) => i);
  if (!enforceSorted) order.sort((a, b) => given[b] - given[a]);
  const sorted = order.map((i) => given[i]);
  const batchSizes = batchSizesOf(sorted);
  const rows = batchSizes.flatMap((size, t) =>
    order.slice(0, size).map((sequence) => (batchFirst ? sequence * time + t : t * batch + sequence)),
  );
  const flat = reshape(input, [batch * time, ...input.shape.slice(2)]);
  return new PackedSequence(
    indexSelect(flat, 0, indices(rows)),
    indices(batchSizes),
    enforceSorted ? null : indices(order),
  );
}

/** Packs a list of sequences [length, *]. */
export function packSequence(sequences: readonly Tensor[], options: PackOptions = {}): PackedSequence {
  const lengths = sequences.map((sequence) => sequence.shape[0]);
  return packPaddedSequence(padSequence(sequences), lengths, options);
}

/** The padded batch [time, batch, *] and the lengths (int64), in the order in which the sequences were packed. */
export function padPackedSequence(
  sequence: PackedSequence,
  options: PadOptions & {
    /** Pads to this many steps; must not be less than the longest sequence has. */
    readonly totalLength?: number;
  } = {},
): [padded: Tensor, lengths: Tensor] {
  const { batchFirst = false, paddingValue = 0 } = options;
  const { data } = sequence;
  const batchSizes = Array.from(sequence.batchSizes.toNumbers());
  const time = options.totalLength ?? batchSizes.length;
  check(
    time >= batchSizes.length,
    () => `padPackedSequence: totalLength ${time} is less than the longest sequence's ${batchSizes.length}`,
  );
  const batch = batchSizes[0];
  const order = sequence.unsortedIndices ? Array.from(sequence.unsortedIndices.toNumbers()) : range(batch);
  const starts = [0];
  for (const size of batchSizes) starts.push(starts[starts.length - 1] + size);
  const padding = data.shape[0];
  const rowAt = (t: number, place: number) => (place < (batchSizes[t] ?? 0) ? starts[t] + place : padding);
  const rows = batchFirst
    ? order.flatMap((place) => range(time).map((t) => rowAt(t, place)))
    : range(time).flatMap((t) => order.map((place) => rowAt(t, place)));
  const padded = indexSelect(
    cat([data, filled([1, ...data.shape.slice(1)], data.dtype, paddingValue)], 0),
    0,
    indices(rows),
  );
  const lengths = order.map((place) => batchSizes.filter((size) => size > place).length);
  const lead = batchFirst ? [batch, time] : [time, batch];
  return [reshape(padded, [...lead, ...data.shape.slice(1)]), indices(lengths)];
}

/** A list of sequences [length, *], equal in the other dimensions, as one padded batch [longest, batch, *]. */
export function padSequence(
  sequences: readonly Tensor[],
  options: PadOptions & {
    /** Where the padding stands, default "right". */
    readonly paddingSide?: "left" | "right";
  } = {},
): Tensor {
  const { batchFirst = false, paddingValue = 0, paddingSide = "right" } = options;
  check(sequences.length > 0, () => "padSequence: the list of sequences is empty");
  const [first] = sequences;
  check(first.ndim > 0, () => "padSequence: sequences need at least 1 dimension");
  const longest = Math.max(...sequences.map((sequence) => sequence.shape[0]));
  const rest = first.shape.slice(1);
  const padded = sequences.map((sequence, i) => {
    const same = sequence.ndim === first.ndim && rest.every((size, d) => size === sequence.shape[d + 1]);
    if (!same) {
      throw new OctetError(
        `padSequence: sequence ${i} has shape ${formatShape(sequence.shape)}, which beyond its length differs from ` +
          `sequence 0's ${formatShape(first.shape)}`,
      );
    }
    const missing = longest - sequence.shape[0];
    if (missing === 0) return sequence;
    const padding = filled([missing, ...rest], sequence.dtype, paddingValue);
    return cat(paddingSide === "left" ? [padding, sequence] : [sequence, padding], 0);
  });
  const batch = reshape(cat(padded, 0), [sequences.length, longest, ...rest]);
  return batchFirst ? batch : transpose(batch, 0, 1);
}

/** A padded batch as a list of its sequences without the padding. */
export function unpadSequence(
  padded: Tensor,
  lengths: Tensor | readonly number[],
  options: { readonly batchFirst?: boolean } = {},
): Tensor[] {
  const batches = options.batchFirst ? padded : transpose(padded, 0, 1);
  const given = lengths instanceof Tensor ? Array.from(lengths.toNumbers()) : lengths;
  return given.map((length, i) => {
    const row = narrow(batches, 0, i, 1);
    return narrow(reshape(row, row.shape.slice(1)), 0, 0, length);
  });
}

/** A packed batch as a list of its sequences, in the order in which they were packed. */
export function unpackSequence(sequence: PackedSequence): Tensor[] {
  return unpadSequence(...padPackedSequence(sequence));
}

/** The permutation that undoes `permutation`; null for null. */
export function invertPermutation(permutation: Tensor | null): Tensor | null {
  if (!permutation) return null;
  const inverse = new Array<number>(permutation.numel());
  permutation.toNumbers().forEach((from: number, to: number) => {
    inverse[from] = to;
  });
  return indices(inverse);
}

function checkLengths(op: string, lengths: readonly number[], batch: number, time: number, sorted: boolean): void {
  check(lengths.length === batch, () => `${op}: got ${lengths.length} lengths for a batch of ${batch}`);
  lengths.forEach((length, i) => {
    check(
      Number.isInteger(length) && length > 0 && length <= time,
      () => `${op}: lengths must be whole numbers from 1 to ${time}, got ${length}`,
    );
    check(
      !sorted || i === 0 || length <= lengths[i - 1],
      () =>
        `${op}: lengths must not grow (got ${formatShape(lengths)}); pass { enforceSorted: false } to have them sorted`,
    );
  });
}

/** How many of the sequences, longest first, reach each step. */
function batchSizesOf(sorted: readonly number[]): number[] {
  return range(sorted[0] ?? 0).map((t) => sorted.filter((length) => length > t).length);
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function indices(values: readonly number[]): Tensor {
  return Tensor.fromArray(Float64Array.from(values), [values.length], int64);
}

function filled(shape: readonly number[], dtype: DType, value: number): Tensor {
  const result = Tensor.zeros(shape, dtype);
  if (value !== 0) for (let i = 0; i < result.storage.data.length; i++) result.writeAt(i, value);
  return result;
}
