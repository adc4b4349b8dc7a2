/** Layers that merge and split dimensions (`torch.nn.Flatten`, `torch.nn.Unflatten`). */
import { flatten, unflatten } from "../../ops/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { pythonValue } from "../repr.ts";
import { leadingOption } from "./options.ts";

export interface FlattenOptions {
  /** Default 1: the batch stays. */
  readonly startDim?: number;
  /** Default -1. */
  readonly endDim?: number;
}

/** Merges dimensions startDim to endDim (inclusive) into one. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim?: number, endDim?: number);
  constructor(options: FlattenOptions);
  constructor(first: number | FlattenOptions = {}, last?: number) {
    super();
    const rest = last === undefined ? {} : { endDim: last };
    const { startDim = 1, endDim = -1 } = leadingOption<FlattenOptions, "startDim">("startDim", first, rest);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  override forward(input: Tensor): Tensor {
    return flatten(input, this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Splits dimension `dim` into `unflattenedSize`, one of which may be -1. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];

  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    this.dim = dim;
    this.unflattenedSize = unflattenedSize;
  }

  override forward(input: Tensor): Tensor {
    return unflatten(input, this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${pythonValue([...this.unflattenedSize])}`;
  }
}
