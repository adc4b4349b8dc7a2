/** Another size in place. */
import { OctetError } from "../core/errors.ts";
import { isPerTensor } from "../core/qparams.ts";
import { checkShape, contiguousStrides, numelOf } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "./views.ts";
import { sizesOf } from "./views.ts";

/**
 * Gives the tensor another shape in place (`torch.Tensor.resize_`): it keeps the first elements of its storage in order, and
 * new ones are 0. Per-channel quantized tensors are refused.
 */
export function resize_(self: Tensor, ...sizes: Sizes): Tensor {
  const shape = sizesOf(sizes);
  checkShape("resize_", shape);
  if (self.requiresGrad) throw new OctetError("resize_: cannot resize variables that require grad");
  if (self.quantizer && !isPerTensor(self.quantizer)) {
    throw new OctetError("Can only resize quantized tensors with per-tensor schemes!");
  }
  const end = self.offset + numelOf(shape);
  if (end > self.storage.data.length) {
    const data = self.dtype.allocate(end);
    data.set(self.storage.data);
    self.storage.data = data;
  }
  self.shape = shape.slice();
  self.strides = contiguousStrides(shape);
  self.bumpVersion();
  return self;
}
