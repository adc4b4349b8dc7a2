/** Methods of tensors that are no operators of their own: the autograd ones, and the transposes written as properties. */
import type { BackwardOptions } from "../autograd/backward.ts";
import { backward as backwardFrom } from "../autograd/backward.ts";
import { OctetError } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { permute, transpose } from "./views.ts";

export { registerHook, retainGrad } from "../autograd/backward.ts";

/** Adds the gradient of `self` to `grad` of every leaf. A tensor of several elements needs a `gradient` to start from. */
export function backward(self: Tensor, gradient?: Tensor | null, options: BackwardOptions = {}): void {
  backwardFrom([self], [gradient ?? null], options);
}

/** Takes `self` out of its graph, in place; it becomes a leaf. Views cannot be detached in place. */
export function detach_(self: Tensor): Tensor {
  if (self.base) throw new OctetError("detach_: can't detach views in-place; use detach() instead");
  self.gradFn = null;
  self.outputIndex = 0;
  self.leafRequiresGrad = false;
  return self;
}

/** `x.T`. */
export function reversed(x: Tensor): Tensor {
  return permute(
    x,
    x.shape.map((_, d) => x.ndim - 1 - d),
  );
}

/** `x.mT`. */
export function matrixTransposed(x: Tensor): Tensor {
  if (x.ndim < 2)
    throw new OctetError(`mT: only supported on matrices or batches of matrices, got a ${x.ndim}-D tensor`);
  return transpose(x, -2, -1);
}
