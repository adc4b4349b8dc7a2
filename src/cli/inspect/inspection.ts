/** What `octet inspect` finds out about a file, whatever its format. */
import type { Quantizer } from "../../core/qparams.ts";
import { isPerTensor } from "../../core/qparams.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { formatNumber } from "../text.ts";

export interface Inspection {
  /** Facts beyond the tensors, in the order to show them: `opset`, `13`. */
  readonly facts: ReadonlyMap<string, string>;
  readonly tensors: readonly TensorFacts[];
  /** How often each operator occurs; null for files without a graph. */
  readonly operators: ReadonlyMap<string, number> | null;
}

export interface TensorFacts {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** In the file. */
  readonly bytes: number;
  /** Null for a tensor of plain numbers. */
  readonly quantization: QuantizationFacts | null;
}

export interface QuantizationFacts {
  readonly scheme: "per tensor" | "per channel";
  /** Null for one scale in all. */
  readonly axis: number | null;
  /** Least and largest. */
  readonly scales: readonly [number, number];
}

export function factsOfScales(scales: ArrayLike<number>, axis: number | null): QuantizationFacts {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < scales.length; i++) [low, high] = [Math.min(low, scales[i]), Math.max(high, scales[i])];
  return { scheme: axis === null ? "per tensor" : "per channel", axis, scales: [low, high] };
}

export function factsOfQuantizer(quantizer: Quantizer): QuantizationFacts {
  if (isPerTensor(quantizer)) return factsOfScales([quantizer.scale], null);
  return factsOfScales(quantizer.scales, quantizer.axis);
}

export function factsOfTensor(name: string, tensor: Tensor): TensorFacts {
  const { dtype, shape, quantizer } = tensor;
  const bytes = Math.ceil((tensor.numel() * dtype.bits) / 8);
  return { name, shape, dtype: dtype.name, bytes, quantization: quantizer ? factsOfQuantizer(quantizer) : null };
}

/** `per channel (axis 0), scale 0.0012 to 0.034` */
export function formatQuantization({ scheme, axis, scales }: QuantizationFacts): string {
  const [low, high] = scales.map(formatNumber);
  const where = axis === null ? "" : ` (axis ${axis})`;
  return `${scheme}${where}, scale ${low === high ? low : `${low} to ${high}`}`;
}

/** Counts of the values of `items`, the most frequent first. */
export function countsOf(items: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return new Map([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}
