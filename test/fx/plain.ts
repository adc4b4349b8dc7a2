/** Results of networks in a form that can be compared. */
import { Tensor } from "../../src/tensor/tensor.ts";

/** `value` with tensors as their shape, dtype and exact elements. */
export function plain(value: unknown): unknown {
  if (value instanceof Tensor)
    return { shape: [...value.shape], dtype: value.dtype.name, values: [...value.toNumbers()] };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}
