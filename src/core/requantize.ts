/**
 * From an int32 sum of products back to the output's dtype, defined once. Every int8 kernel ends in one of these
 * epilogues; all intermediates are float32, as in PyTorch 2.6.
 *
 * For input qparams (sx, zx), weight scales sw per output channel and output qparams (so, zo), with
 * acc = Σ (x − zx)(w − zw):
 *
 *     float bias (engines x86, fbgemm, onednn)   q = clamp(zo + nearbyint((acc · (sx·sw) + bias) · (1/so)))
 *     int bias   (engine qnnpack, and ONNX)      q = clamp(zo + nearbyint((acc + bias_int) · (sx·sw/so)))
 *     dequantize (dynamic quantization)          y = acc · (sx·sw) + bias
 */
import type { FloatArray } from "./dtype.ts";
import { roundHalfEven } from "./rounding.ts";

/** A function applied to the real value before it is rounded to the output grid. */
export type EpilogueActivation = "none" | "tanh" | { readonly leakyRelu: number };

interface ToIntegers {
  readonly zeroPoint: number;
  /** Limits of the output; a fused ReLU raises `qmin` to the zero point. */
  readonly qmin: number;
  readonly qmax: number;
}

export interface FloatBiasEpilogue extends ToIntegers {
  readonly kind: "floatBias";
  /** sx · sw per output channel. */
  readonly scales: Float32Array;
  readonly bias: Float32Array | null;
  /** 1 / so. */
  readonly inverseOutScale: number;
  readonly activation: EpilogueActivation;
}

export interface IntBiasEpilogue extends ToIntegers {
  readonly kind: "intBias";
  /** sx · sw / so per output channel. */
  readonly multipliers: Float32Array;
  /** bias / (sx · sw), rounded half to even. */
  readonly bias: Int32Array | null;
}

export interface DequantizeEpilogue {
  readonly kind: "dequantize";
  /** sx · sw per output channel. */
  readonly scales: Float32Array;
  readonly bias: Float32Array | null;
  /** Multiplies and adds with one rounding (fbgemm, x86) instead of two (qnnpack). */
  readonly fused: boolean;
  /** Negative results become 0. */
  readonly relu: boolean;
}

export type Epilogue = FloatBiasEpilogue | IntBiasEpilogue | DequantizeEpilogue;

/**
 * Finishes one output channel: out[start + i · step] from acc[start + i · step], i < n. `channel` selects scale and bias.
 */
export function finishChannel(
  epilogue: Epilogue,
  channel: number,
  acc: Int32Array,
  out: Uint8Array | Int8Array | Int32Array | FloatArray,
  start: number,
  step: number,
  n: number,
): void {
  for (let i = 0, at = start; i < n; i++, at += step) out[at] = finishValue(epilogue, channel, acc[at]);
}

/** One output value from its sum. */
export function finishValue(epilogue: Epilogue, channel: number, acc: number): number {
  switch (epilogue.kind) {
    case "floatBias": {
      const { scales, bias, inverseOutScale, activation } = epilogue;
      const product = Math.fround(Math.fround(acc) * scales[channel]);
      const real = activate(bias ? Math.fround(product + bias[channel]) : product, activation);
      return clampToGrid(Math.fround(real * inverseOutScale), epilogue);
    }
    case "intBias": {
      const { multipliers, bias } = epilogue;
      const sum = bias ? (acc + bias[channel]) | 0 : acc;
      return clampToGrid(Math.fround(Math.fround(sum) * multipliers[channel]), epilogue);
    }
    case "dequantize": {
      const { scales, bias, fused, relu } = epilogue;
      const exact = Math.fround(acc) * scales[channel]; // 48 bits: exact in a double
      const product = fused ? exact : Math.fround(exact);
      const y = Math.fround(bias ? product + bias[channel] : product);
      return relu && y < 0 ? 0 : y;
    }
    default:
      return epilogue satisfies never;
  }
}

function activate(x: number, activation: EpilogueActivation): number {
  if (activation === "none") return x;
  if (activation === "tanh") return Math.fround(Math.tanh(x));
  return x < 0 ? Math.fround(x * Math.fround(activation.leakyRelu)) : x;
}

function clampToGrid(scaled: number, { zeroPoint, qmin, qmax }: ToIntegers): number {
  const q = zeroPoint + roundHalfEven(scaled);
  return q < qmin ? qmin : q > qmax ? qmax : q;
}
