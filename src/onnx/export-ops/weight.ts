/** The weight of a module: float, or of a reference module the integers that it is rounded to. */
import { float16, float32 } from "../../core/dtype.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CallContext } from "../export-context.ts";
import { fieldsOf } from "../export-context.ts";
import { dequantize, integerWeight, storeWeight } from "../export-quantized.ts";
import type { QuantizedValue, TensorValue } from "../export-value.ts";

export interface WeightValue {
  /** In float, if need be dequantized. */
  readonly weight: TensorValue;
  readonly quantized: QuantizedValue | null;
}

/** The quantized weight of a reference module (or its float16 one); null for other modules. */
export function referenceWeight(module: Module): Tensor | null {
  const { getQuantizedWeight } = fieldsOf<{ getQuantizedWeight?: () => Tensor }>(module);
  return getQuantizedWeight ? getQuantizedWeight.call(module) : null;
}

/** `module.weight`, for operators that take it as it is. */
export function weightOf(c: CallContext, module: Module & { readonly weight: Tensor }, path: string): WeightValue {
  return storedWeight(c, `${path}.weight`, module.weight, referenceWeight(module));
}

/** A weight, and what a reference module makes of it (null for float modules). */
export function storedWeight(c: CallContext, path: string, weight: Tensor, rounded: Tensor | null): WeightValue {
  if (!rounded) return { weight: c.parameter(path, weight), quantized: null };
  if (rounded.dtype === float16) {
    const half = c.parameter(path, rounded);
    return { weight: { ...c.cast(half, float32), shape: weight.shape }, quantized: null };
  }
  const integers = integerWeight(rounded);
  c.require(integers, `weights of ${rounded.dtype.name} with float zero points have no form in ONNX here`);
  const quantized = storeWeight(c, integers, path);
  return { weight: dequantize(c, quantized), quantized };
}
