/** Argument checks that the float layers (linear, conv, norm, pool, …) share. Their errors name the operator and the values. */
import type { DType } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The dtype that all of the named tensors have; null and undefined ones are left out. */
export function sameDtype(op: string, tensors: Readonly<Record<string, Tensor | null | undefined>>): DType {
  const given = Object.entries(tensors).filter((entry): entry is [string, Tensor] => !!entry[1]);
  const [firstName, first] = given[0];
  for (const [name, tensor] of given) {
    if (tensor.dtype !== first.dtype) {
      throw new OctetError(`${op}: ${firstName} is ${first.dtype.name} but ${name} is ${tensor.dtype.name}`);
    }
  }
  return first.dtype;
}

/** As {@link sameDtype}, and that dtype has to be a float. */
export function sameFloatDtype(op: string, tensors: Readonly<Record<string, Tensor | null | undefined>>): DType {
  const dtype = sameDtype(op, tensors);
  if (!dtype.isFloatingPoint) throw new OctetError(`${op}: expects floating-point tensors, got ${dtype.name}`);
  return dtype;
}

/** Checks the shape of an optional vector, such as a bias. */
export function checkVector(op: string, name: string, vector: Tensor | null | undefined, length: number): void {
  if (vector && (vector.ndim !== 1 || vector.shape[0] !== length)) {
    throw new OctetError(`${op}: ${name} must have shape [${length}], got ${formatShape(vector.shape)}`);
  }
}
