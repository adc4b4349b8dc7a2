/** What the arguments of an fx node are while it is exported: values of the ONNX graph among plain data. */
import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ValueId } from "./export-builder.ts";

/** A tensor of the ONNX graph. Sizes and shapes are int64 tensors too. */
export interface TensorValue {
  readonly kind: "tensor";
  /** Null for a constant that has not been needed yet. */
  readonly id: ValueId | null;
  readonly dtype: DType;
  /** As in the example; null if not known. */
  readonly shape: readonly number[] | null;
  readonly constant: { readonly path: string; readonly tensor: Tensor } | null;
  /** The integers that it was dequantized from. */
  readonly integers: QuantizedValue | null;
}

/** How integers stand for real numbers: (q − zeroPoint) · scale, for all or by channel. */
export interface Grid {
  readonly type: "uint8" | "int8" | "int32";
  /** float32 values: one, or one for each index along `axis`. */
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number | null;
}

/** A quantized tensor. */
export interface QuantizedValue {
  readonly kind: "quantized";
  readonly id: ValueId;
  readonly scale: ValueId;
  readonly zeroPoint: ValueId;
  /** Null if scale and zero point are computed at each call. */
  readonly grid: Grid | null;
  readonly shape: readonly number[] | null;
  /** The integers themselves, where they are constant. */
  readonly constant: Tensor | null;
  /** The real numbers that were not quantized after all, because the target does not ask for it. */
  readonly unquantized: TensorValue | null;
  /** The name that scales and integers are called after. */
  readonly path: string;
}

export type Argument =
  | TensorValue
  | QuantizedValue
  | DType
  | number
  | string
  | boolean
  | null
  | undefined
  | readonly Argument[]
  | ArgumentRecord;

export interface ArgumentRecord {
  readonly [key: string]: Argument;
}

export function isTensorValue(value: unknown): value is TensorValue {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "tensor";
}

export function isQuantizedValue(value: unknown): value is QuantizedValue {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "quantized";
}
