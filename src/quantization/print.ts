/** Tensors inside printed modules and messages, as Python's format prints them. */
import { pythonFloat } from "../nn/repr.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A scalar as a plain number, anything else as a tensor: `-1.5`, `tensor([1.])`. */
export function printTensor(tensor: Tensor): string {
  if (tensor.ndim > 0) return tensor.toString();
  return tensor.dtype.isFloatingPoint ? pythonFloat(tensor.item()) : String(tensor.item());
}
