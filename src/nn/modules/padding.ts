/** Padding layers for one, two and three dimensions (`torch.nn`): constant, zero, reflection, replication, circular. */
import type { PadMode } from "../../ops/index.ts";
import { pad } from "../../ops/index.ts";
import type { SpatialRank } from "../../ops/spatial.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { pythonValue } from "../repr.ts";

/** One amount for all sides, or one per side: left, right, top, bottom, front, back. */
export type PaddingAmounts = number | readonly number[];

/** What all padding layers share. */
abstract class PaddingLayer extends Module {
  /** Elements before and after the last dimension, then before and after the one before it, … */
  readonly padding: readonly number[];
  private readonly mode: PadMode;

  constructor(rank: SpatialRank, mode: PadMode, padding: PaddingAmounts) {
    super();
    this.mode = mode;
    this.padding = typeof padding === "number" ? new Array<number>(2 * rank).fill(padding) : [...padding];
    if (this.padding.length !== 2 * rank) {
      throw new OctetError(
        `${this.getName()}: padding must be one number or ${2 * rank} numbers, got ${formatShape(this.padding)}`,
      );
    }
  }

  override forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: this.mode });
  }

  override extraRepr(): string {
    return pythonValue(this.padding);
  }
}

abstract class ConstantPad extends PaddingLayer {
  readonly value: number;

  constructor(rank: SpatialRank, padding: PaddingAmounts, value: number) {
    super(rank, "constant", padding);
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    return pad(input, this.padding, { value: this.value });
  }

  override extraRepr(): string {
    return `padding=${pythonValue(this.padding)}, value=${this.value}`;
  }
}

/** Pads the last dimension with `value`. */
export class ConstantPad1d extends ConstantPad {
  constructor(padding: PaddingAmounts, value: number) {
    super(1, padding, value);
  }
}

/** Pads the last two dimensions with `value`. */
export class ConstantPad2d extends ConstantPad {
  constructor(padding: PaddingAmounts, value: number) {
    super(2, padding, value);
  }
}

/** Pads the last three dimensions with `value`. */
export class ConstantPad3d extends ConstantPad {
  constructor(padding: PaddingAmounts, value: number) {
    super(3, padding, value);
  }
}

/** Pads the last dimension with zeros. */
export class ZeroPad1d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(1, "constant", padding);
  }
}

/** Pads the last two dimensions with zeros. */
export class ZeroPad2d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(2, "constant", padding);
  }
}

/** Pads the last three dimensions with zeros. */
export class ZeroPad3d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(3, "constant", padding);
  }
}

/** Pads the last dimension with the mirror image of the input, without its edge. */
export class ReflectionPad1d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(1, "reflect", padding);
  }
}

/** Pads the last two dimensions with the mirror image of the input, without its edge. */
export class ReflectionPad2d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(2, "reflect", padding);
  }
}

/** Pads the last three dimensions with the mirror image of the input, without its edge. */
export class ReflectionPad3d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(3, "reflect", padding);
  }
}

/** Pads the last dimension with the input's edge. */
export class ReplicationPad1d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(1, "replicate", padding);
  }
}

/** Pads the last two dimensions with the input's edge. */
export class ReplicationPad2d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(2, "replicate", padding);
  }
}

/** Pads the last three dimensions with the input's edge. */
export class ReplicationPad3d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(3, "replicate", padding);
  }
}

/** Pads the last dimension with the input's other end. */
export class CircularPad1d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(1, "circular", padding);
  }
}

/** Pads the last two dimensions with the input's other end. */
export class CircularPad2d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(2, "circular", padding);
  }
}

/** Pads the last three dimensions with the input's other end. */
export class CircularPad3d extends PaddingLayer {
  constructor(padding: PaddingAmounts) {
    super(3, "circular", padding);
  }
}
