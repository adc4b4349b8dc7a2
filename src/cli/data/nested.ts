/** Tensors from nested arrays of numbers, as JSON and JavaScript write them. */
import { dtypeFromName, float64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { checkedNumel } from "../../core/element-types.ts";
import { to } from "../../ops/conversions.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** `[[1, 2], [3, 4]]` as float64, which fitting to the model narrows; `where` begins the messages. */
export function fromNested(value: unknown, where: string): Tensor {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at); at = at[0] as unknown) shape.push(at.length);
  const elements: number[] = [];
  const visit = (part: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof part !== "number")
        throw new OctetError(`${where} holds ${describe(part)} at element ${elements.length}, not a number`);
      elements.push(part);
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[axis]) {
      const found = Array.isArray(part) ? `${part.length} elements` : describe(part);
      throw new OctetError(`${where} is not regular: axis ${axis} has ${shape[axis]} elements, then ${found}`);
    }
    for (const item of part) visit(item, axis + 1);
  };
  visit(value, 0);
  return Tensor.fromArray(Float64Array.from(elements), shape, float64);
}

/** `{"shape": [1, 3], "data": [1, 2, 3], "dtype": "int64"}`, the dtype as the model asks for where it is left out. */
export function fromDeclared(value: Readonly<Record<string, unknown>>, where: string): Tensor {
  const { shape, data, dtype } = value;
  const numel = Array.isArray(shape) ? checkedNumel(shape) : null;
  if (numel === null) throw new OctetError(`${where} has no valid "shape": ${JSON.stringify(shape) ?? "none"}`);
  if (!Array.isArray(data)) throw new OctetError(`${where} has no array "data" beside its "shape"`);
  if (data.length !== numel) {
    throw new OctetError(
      `${where} has ${data.length} elements in "data", but "shape" ${formatShape(shape as number[])} has ${numel}`,
    );
  }
  const flat = fromNested(data, where);
  const tensor = Tensor.fromArray(flat.elements(), shape as number[], float64);
  return typeof dtype === "string" ? to(tensor, dtypeFromName(dtype)) : tensor;
}

export function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return value === null || typeof value !== "object" ? (JSON.stringify(value) ?? String(value)) : "an object";
}
