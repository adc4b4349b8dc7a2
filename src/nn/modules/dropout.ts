/** Dropout layers (`torch.nn`): active in training mode only. The functions are in ops/dropout.ts. */
import { OctetError } from "../../core/errors.ts";
import type { DropoutOp, DropoutOptions } from "../../ops/dropout.ts";
import { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout } from "../../ops/dropout.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { pythonBool, pythonFloat } from "../repr.ts";
import { leadingOption } from "./options.ts";

export type DropoutModuleOptions = Pick<DropoutOptions, "p" | "inplace">;

/** What all dropout layers share. */
abstract class DropoutLayer extends Module {
  /** Probability of a zero. */
  readonly p: number;
  readonly inplace: boolean;

  constructor(p?: number, options?: Pick<DropoutOptions, "inplace">);
  constructor(options: DropoutModuleOptions);
  constructor(first: number | DropoutModuleOptions = {}, rest?: Pick<DropoutOptions, "inplace">) {
    super();
    const { p = 0.5, inplace = false } = leadingOption<DropoutModuleOptions, "p">("p", first, rest);
    if (!(p >= 0 && p <= 1)) {
      throw new OctetError(`${this.getName()}: dropout probability has to be between 0 and 1, but got ${p}`);
    }
    this.p = p;
    this.inplace = inplace;
  }

  protected abstract drop(): DropoutOp;

  override forward(input: Tensor): Tensor {
    const { p, training, inplace } = this;
    return this.drop()(input, { p, training, inplace });
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=${pythonBool(this.inplace)}`;
  }
}

/** Sets elements to 0 with probability p and scales the others by 1 / (1 − p). */
export class Dropout extends DropoutLayer {
  protected override drop(): DropoutOp {
    return dropout;
  }
}

/** Drops whole channels of [N, C, L] or [C, L]. */
export class Dropout1d extends DropoutLayer {
  protected override drop(): DropoutOp {
    return dropout1d;
  }
}

/** Drops whole channels of [N, C, H, W]. */
export class Dropout2d extends DropoutLayer {
  protected override drop(): DropoutOp {
    return dropout2d;
  }
}

/** Drops whole channels of [N, C, D, H, W] or [C, D, H, W]. */
export class Dropout3d extends DropoutLayer {
  protected override drop(): DropoutOp {
    return dropout3d;
  }
}

/** Dropout that keeps mean and variance, for networks of SELU. */
export class AlphaDropout extends DropoutLayer {
  protected override drop(): DropoutOp {
    return alphaDropout;
  }
}

/** {@link AlphaDropout} of whole channels. */
export class FeatureAlphaDropout extends DropoutLayer {
  protected override drop(): DropoutOp {
    return featureAlphaDropout;
  }
}
