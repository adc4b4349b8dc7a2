/** Parameter: a tensor that a module owns and an optimizer trains. */
import { Tensor } from "../tensor/tensor.ts";

export class Parameter extends Tensor {
  /** Shares `tensor`'s storage. Integer tensors need `requiresGrad: false`. */
  constructor(tensor: Tensor, options: { requiresGrad?: boolean } = {}) {
    super({
      storage: tensor.storage,
      shape: tensor.shape,
      strides: tensor.strides,
      offset: tensor.offset,
      dtype: tensor.dtype,
    });
    this.requiresGrad = options.requiresGrad ?? true;
  }
}
