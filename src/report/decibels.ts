/** Signal and noise: sums that grow by one tensor at a time, and their ratio in decibels. */
import { float64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { sameShape } from "../core/shape.ts";
import { floatElements } from "../tensor/convert.ts";
import { dequantize } from "../ops/quantize.ts";
import type { FloatArray } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Decibels } from "./report.ts";

/** 10 · log10(signal / noise), of energies. */
export function decibels(signal: number, noise: number): Decibels {
  if (noise === 0) return "inf";
  return toDecibels(10 * Math.log10(signal / noise));
}

export function toDecibels(value: number): Decibels {
  if (Number.isNaN(value)) return "nan";
  if (Number.isFinite(value)) return value;
  return value > 0 ? "inf" : "-inf";
}

/** As a number to sort and draw by; "nan" is the worst there is. */
export function fromDecibels(value: Decibels): number {
  if (typeof value === "number") return value;
  return value === "inf" ? Infinity : -Infinity;
}

/** The real values of a tensor, quantized or not. */
export function realValues(tensor: Tensor): FloatArray {
  return floatElements(tensor.isQuantized ? dequantize(tensor) : tensor, float64);
}

/** Sums over any number of pairs of arrays of equal length. */
export class ErrorSums {
  signal = 0;
  noise = 0;

  /** Counts `actual` against what it should be. */
  add(expected: FloatArray, actual: FloatArray): void {
    for (let i = 0; i < expected.length; i++) {
      const difference = expected[i] - actual[i];
      this.signal += expected[i] * expected[i];
      this.noise += difference * difference;
    }
  }

  get sqnrDb(): Decibels {
    return decibels(this.signal, this.noise);
  }
}

/** @throws unless both tensors have one shape. */
export function checkSameShape(what: string, float: Tensor, quantized: Tensor): void {
  if (sameShape(float.shape, quantized.shape)) return;
  throw new OctetError(
    `measure: ${what} has shape ${formatShape(float.shape)} in the float model, ${formatShape(quantized.shape)} in the quantized one`,
  );
}
