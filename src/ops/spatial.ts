/**
 * What convolution and pooling share: sizes given as one number or one per dimension, inputs with or without a batch
 * dimension, and the padding of one or two spatial dimensions to the three that kernels take.
 */
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Number of spatial dimensions. */
export type SpatialRank = 1 | 2 | 3;

/** One number for every spatial dimension, or one per dimension. */
export type SpatialSize = number | readonly number[];

/** Sizes over depth, height and width. */
export type Triple = readonly [number, number, number];

/** `value` as one whole number of at least `least` per dimension; `what` names it in the error. */
export function spatialSizes(op: string, what: string, value: SpatialSize, rank: SpatialRank, least: number): number[] {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : [...value];
  const sizes = list.length === 1 ? new Array<number>(rank).fill(list[0]) : list;
  if (sizes.length !== rank) {
    throw new OctetError(`${op}: ${what} must be one number or ${rank} numbers, got ${formatShape(list)}`);
  }
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < least) {
      throw new OctetError(`${op}: ${what} must be whole numbers of at least ${least}, got ${formatShape(sizes)}`);
    }
  }
  return sizes;
}

/** Puts `fill` before one or two sizes, so that there are three. */
export function triple(sizes: readonly number[], fill: number): Triple {
  const [depth, height, width] = [...new Array<number>(3 - sizes.length).fill(fill), ...sizes];
  return [depth, height, width];
}

/** The parts of an input [batch, channels, ...spatial] or [channels, ...spatial]. */
export interface SpatialInput {
  /** 1 where there is no batch dimension. */
  readonly batch: number;
  readonly channels: number;
  readonly size: readonly number[];
  /** The dimensions before the spatial ones, as given; the last of them is the channels. */
  readonly lead: readonly number[];
}

export function spatialInput(op: string, input: Tensor, rank: SpatialRank): SpatialInput {
  const leading = input.ndim - rank;
  if (leading !== 1 && leading !== 2) {
    throw new OctetError(
      `${op}: expects ${rank + 1}D (unbatched) or ${rank + 2}D (batched) input, got shape ${formatShape(input.shape)}`,
    );
  }
  const lead = input.shape.slice(0, leading);
  return {
    batch: leading === 2 ? lead[0] : 1,
    channels: lead[leading - 1],
    size: input.shape.slice(leading),
    lead,
  };
}

/** Refuses inputs without elements, except for an empty batch, as PyTorch's pools and paddings do. */
export function checkNotEmpty(op: string, input: Tensor, { channels, size }: SpatialInput): void {
  if (channels === 0 || numelOf(size) === 0) {
    throw new OctetError(
      `${op}: only the batch dimension may be empty, got input of shape ${formatShape(input.shape)}`,
    );
  }
}
