/** Observers' options and state as plain JSON, exactly: infinities, NaN and −0 are strings. */
import type { DType } from "../../core/dtype.ts";
import { dtypeFromName, float16 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { QScheme } from "../../core/qparams.ts";
import {
  perChannelAffine,
  perChannelAffineFloatQparams,
  perChannelSymmetric,
  perTensorAffine,
  perTensorSymmetric,
} from "../../core/qparams.ts";
import { numberToHalf } from "../../core/half.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** A number that JSON can hold, or the name of one that it cannot. */
export type JsonNumber = number | "Infinity" | "-Infinity" | "NaN" | "-0";

export interface TensorJSON {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly JsonNumber[];
}

/** What an observer's `toJSON` gives. */
export interface ObserverJSON {
  readonly class: string;
  /** The constructor's options; dtypes and schemes by their printed names. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The state dict. */
  readonly state: Readonly<Record<string, TensorJSON>>;
  /** What the class keeps besides: the batches of a moving average, recorded tensors. */
  readonly history: unknown;
}

export function encodeNumber(value: number): JsonNumber {
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : (String(value) as JsonNumber);
}

export function encodeTensor(tensor: Tensor): TensorJSON {
  if (tensor.isQuantized) throw new OctetError("toJSON: an observer that recorded quantized tensors cannot be written");
  const values = Array.from(tensor.toNumbers() as ArrayLike<number>, encodeNumber);
  return { dtype: tensor.dtype.name, shape: [...tensor.shape], values };
}

export function decodeTensor(json: TensorJSON): Tensor {
  const dtype = dtypeFromName(json.dtype);
  const data = dtype.allocate(json.values.length);
  json.values.forEach((value, i) => (data[i] = dtype === float16 ? numberToHalf(Number(value)) : Number(value)));
  return Tensor.fromArray(data, [...json.shape], dtype);
}

export function encodeState(state: ReadonlyMap<string, Tensor>): Record<string, TensorJSON> {
  return Object.fromEntries([...state].map(([key, tensor]) => [key, encodeTensor(tensor)]));
}

export function encodeOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, encodeOption(key, value)]));
}

function encodeOption(key: string, value: unknown): unknown {
  if (key === "dtype" || key === "computeDtype") return (value as DType).toString();
  if (key === "qscheme") return (value as QScheme).toString();
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  throw new OctetError(`toJSON: the observer option "${key}" is a ${typeof value}, which JSON cannot hold`);
}

const qschemes: readonly QScheme[] = [
  perTensorAffine,
  perTensorSymmetric,
  perChannelAffine,
  perChannelSymmetric,
  perChannelAffineFloatQparams,
];

/** The scheme that prints as `name`, with or without the `torch.` prefix. */
export function qschemeFromName(name: string): QScheme {
  const found = qschemes.find((scheme) => scheme.name === name.replace(/^torch\./, ""));
  if (!found) throw new OctetError(`unknown qscheme "${name}"; known: ${qschemes.map((s) => s.name).join(", ")}`);
  return found;
}

export function decodeOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => {
      if (key === "dtype" || key === "computeDtype") return [key, dtypeFromName(value as string)];
      return [key, key === "qscheme" ? qschemeFromName(value as string) : value];
    }),
  );
}
