/** Argument checks that the float layers (linear, conv, norm, pool, …) share. Their errors name the operator and the values. */
import type { DType } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { noQuantizedForm } from "./op.ts";

/** Tensors under the names that errors give them; null and undefined ones are left out. */
export type NamedTensors = Readonly<Record<string, Tensor | null | undefined>>;

/** The dtype that all of the named tensors have. Runs on every call of a layer, so it allocates nothing. */
export function sameDtype(op: string, tensors: NamedTensors): DType {
  let dtype: DType | undefined;
  let first = "";
  for (const name in tensors) {
    const tensor = tensors[name];
    if (!tensor) continue;
    if (!dtype) {
      dtype = tensor.dtype;
      first = name;
    } else if (tensor.dtype !== dtype) {
      if (dtype.isQuantized) throw noQuantizedForm(op);
      throw new OctetError(`${op}: ${first} is ${dtype.name} but ${name} is ${tensor.dtype.name}`);
    }
  }
  if (!dtype) throw new OctetError(`${op}: expects a tensor`);
  return dtype;
}

/** As {@link sameDtype}, and that dtype has to be a float. */
export function sameFloatDtype(op: string, tensors: NamedTensors): DType {
  const dtype = sameDtype(op, tensors);
  if (dtype.isQuantized) throw noQuantizedForm(op);
  if (!dtype.isFloatingPoint) throw new OctetError(`${op}: expects floating-point tensors, got ${dtype.name}`);
  return dtype;
}

/** Checks the shape of an optional vector, such as a bias. */
export function checkVector(op: string, name: string, vector: Tensor | null | undefined, length: number): void {
  if (vector && (vector.ndim !== 1 || vector.shape[0] !== length)) {
    throw new OctetError(`${op}: ${name} must have shape [${length}], got ${formatShape(vector.shape)}`);
  }
}
