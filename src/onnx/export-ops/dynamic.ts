/**
 * Dynamic quantization for ONNX: products of integers whose input was quantized by its own range at each call, and back to
 * floats with the product of both scales.
 */
import { float32, int32 } from "../../core/dtype.ts";
import type { Attributes } from "../export-builder.ts";
import type { CallContext, Operand } from "../export-context.ts";
import { smallTensor } from "../export-context.ts";
import type { QuantizedValue, TensorValue } from "../export-value.ts";

/** The integers of an input that was quantized dynamically; null for every other input. */
function dynamicInput(x: TensorValue): QuantizedValue | null {
  const { integers } = x;
  return integers && !integers.grid && !integers.unquantized ? integers : null;
}

const isSymmetric = (weight: QuantizedValue): boolean => weight.grid?.zeroPoints.every((value) => value === 0) ?? false;

/** The scales of a weight, in a shape that broadcasts with the product. */
function weightScale(c: CallContext, weight: QuantizedValue, shape: readonly number[]): Operand {
  const { scales } = weight.grid!; // stored weights have a grid
  if (scales.length === 1) return weight.scale;
  const key = `scale ${weight.path} ${shape.join()} ${scales.join()}`;
  return c.builder.constant(key, `${weight.path}_scale`, () =>
    smallTensor(
      scales,
      shape.map((size) => (size < 0 ? scales.length : size)),
      float32,
    ),
  );
}

function toFloat(c: CallContext, sums: TensorValue, x: QuantizedValue, scale: Operand): TensorValue {
  const product = c.node("Mul", [x.scale, scale], {}, float32);
  return c.node("Mul", [c.cast(sums, float32), product]);
}

/** x · weight for a weight [in, out]; null if x is not quantized dynamically. Without bias. */
export function dynamicMatMul(c: CallContext, x: TensorValue, weight: QuantizedValue): TensorValue | null {
  const input = dynamicInput(x);
  if (!input) return null;
  const zeroPoint = isSymmetric(weight) ? null : weight.zeroPoint;
  const sums = c.node("MatMulInteger", [input, weight, input.zeroPoint, zeroPoint], {}, int32);
  return toFloat(c, sums, input, weightScale(c, weight, [-1]));
}

/** A convolution with its bias; null if x is not quantized dynamically. */
export function dynamicConv(
  c: CallContext,
  x: TensorValue,
  weight: QuantizedValue,
  bias: TensorValue | null,
  attributes: Attributes,
): TensorValue | null {
  const input = dynamicInput(x);
  if (!input) return null;
  const spatial = c
    .shape(weight)
    .slice(2)
    .map(() => 1);
  const zeroPoint = isSymmetric(weight) ? null : weight.zeroPoint;
  const sums = c.node("ConvInteger", [input, weight, input.zeroPoint, zeroPoint], attributes, int32);
  const result = toFloat(c, sums, input, weightScale(c, weight, [1, -1, ...spatial]));
  return bias ? c.node("Add", [result, c.reshape(bias, [1, -1, ...spatial])]) : result;
}
