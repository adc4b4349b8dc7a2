/** Dropout and its relatives: random zeros in training, the identity in evaluation. The draws come from core/rng.ts. */
import { OctetError, formatShape } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { add_, mul_ } from "./in-place-arithmetic.ts";
import type { Op } from "./op.ts";
import { composite } from "./op.ts";
import { bernoulli_ } from "./random.ts";

export interface DropoutOptions {
  /** Probability of a zero, default 0.5. */
  readonly p?: number;
  /** False returns the input as it is. Default true; false for the two alpha dropouts, as in PyTorch. */
  readonly training?: boolean;
  /** Overwrites the input. */
  readonly inplace?: boolean;
}

export type DropoutOp = Op<[x: Tensor, options?: DropoutOptions], Tensor>;

interface Variant {
  /** One draw for each index of this many leading dimensions, instead of one for each element. */
  readonly leading?: number;
  /** Drops to the negative saturation value of selu and keeps mean and variance. */
  readonly alpha?: boolean;
}

/** −scale · alpha of selu is where dropped values go (Klambauer et al., 2017). */
const SATURATION = 1.7580993408473766;

function dropWith(name: string, variant: Variant, x: Tensor, options: DropoutOptions): Tensor {
  const { p = 0.5, training = !variant.alpha, inplace = false } = options;
  if (!(p >= 0 && p <= 1)) throw new OctetError(`${name}: dropout probability has to be between 0 and 1, but got ${p}`);
  if (!training || p === 0 || x.numel() === 0) return x;
  const [times, plus] = inplace ? [mul_, add_] : [mul, add];
  if (p === 1) return times(x, 0);
  const kept = bernoulli_(Tensor.zeros(noiseShape(name, x, variant), x.dtype), 1 - p);
  if (!variant.alpha) return times(x, mul(kept, 1 / (1 - p)));
  const scale = 1 / Math.sqrt((SATURATION ** 2 * p + 1) * (1 - p));
  const shift = add(mul(add(kept, -1), SATURATION * scale), SATURATION * scale * p);
  return plus(times(x, mul(kept, scale)), shift);
}

function noiseShape(name: string, x: Tensor, { leading = x.ndim }: Variant): number[] {
  if (x.ndim < leading)
    throw new OctetError(`${name}: expects at least ${leading} dimensions, got ${formatShape(x.shape)}`);
  return x.shape.map((size, d) => (d < leading ? size : 1));
}

function dropout_(name: string, variant: Variant): DropoutOp {
  return composite(name, (x: Tensor, options: DropoutOptions = {}) => dropWith(name, variant, x, options));
}

/** Drops whole channels of [N, C, …], or of [C, …] with `spatialDims` dimensions after the channels. */
function channelDropout(name: string, spatialDims: number): DropoutOp {
  return composite(name, (x: Tensor, options: DropoutOptions = {}) =>
    dropWith(name, { leading: x.ndim === spatialDims + 1 ? 1 : 2 }, x, options),
  );
}

/** Sets elements to 0 with probability p and scales the others by 1 / (1 − p). */
export const dropout = dropout_("dropout", {});

/** {@link dropout} of whole channels of [N, C, L] or [C, L]. */
export const dropout1d = channelDropout("dropout1d", 1);

/** {@link dropout} of whole channels of [N, C, H, W]. A three-dimensional input counts as [N, C, L], as in PyTorch. */
export const dropout2d = dropout_("dropout2d", { leading: 2 });

/** {@link dropout} of whole channels of [N, C, D, H, W] or [C, D, H, W]. */
export const dropout3d = channelDropout("dropout3d", 3);

/** Dropout for networks of selu: keeps mean 0 and variance 1. */
export const alphaDropout = dropout_("alphaDropout", { alpha: true });

/** {@link alphaDropout} of whole channels. */
export const featureAlphaDropout = dropout_("featureAlphaDropout", { alpha: true, leading: 2 });
