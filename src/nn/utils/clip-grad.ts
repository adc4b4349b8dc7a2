/** Limits on the gradients of parameters (`torch.nn.utils.clip_grad`). Both functions change `grad` in place. */
import { float32 } from "../../core/dtype.ts";
import { check } from "../../core/errors.ts";
import { storeElements, tensorFromComputed } from "../../tensor/convert.ts";
import { Tensor } from "../../tensor/tensor.ts";

export interface ClipGradNormOptions {
  /** The p of the norm, default 2; Infinity gives the largest magnitude. */
  readonly normType?: number;
  /** Throws if the norm is NaN or infinite. */
  readonly errorIfNonfinite?: boolean;
}

/**
 * Scales all gradients by one factor so that their norm, taken over all of them as one vector, is at most `maxNorm`. Gives
 * the norm from before. Parameters without a gradient are passed over.
 */
export function clipGradNorm_(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = options;
  const gradients = gradientsOf(parameters);
  const total = pNorm(
    gradients.map((g) => pNorm(g.toNumbers(), normType)),
    normType,
  );
  check(
    !errorIfNonfinite || Number.isFinite(total),
    () =>
      `clipGradNorm_: the total norm of order ${normType} is ${total}; turn errorIfNonfinite off to clip regardless`,
  );
  // The small term, as in PyTorch, keeps the factor finite for zero gradients.
  const factor = Math.min(maxNorm / (total + 1e-6), 1);
  for (const gradient of gradients) mapInPlace(gradient, (value) => value * factor);
  const dtype = gradients[0]?.dtype ?? float32;
  const result = Tensor.zeros([], dtype);
  result.writeAt(0, total);
  return result;
}

/** Limits every element of every gradient to [−clipValue, clipValue]. */
export function clipGradValue_(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  for (const gradient of gradientsOf(parameters)) {
    mapInPlace(gradient, (value) => Math.min(Math.max(value, -clipValue), clipValue));
  }
}

function gradientsOf(parameters: Tensor | Iterable<Tensor>): Tensor[] {
  const list = parameters instanceof Tensor ? [parameters] : [...parameters];
  return list.flatMap(({ grad }) => (grad ? [grad] : []));
}

function pNorm(values: ArrayLike<number>, p: number): number {
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    largest = magnitude > largest || magnitude !== magnitude ? magnitude : largest;
    sum += p === 2 ? magnitude * magnitude : magnitude ** p;
  }
  return p === Infinity ? largest : sum ** (1 / p);
}

/** Replaces every element by f of it, in a gradient that may be a view. */
function mapInPlace(gradient: Tensor, f: (value: number) => number): void {
  const mapped = gradient.toNumbers().map(f);
  storeElements("clipGrad", gradient, tensorFromComputed(mapped, gradient.shape, gradient.dtype));
}
