/**
 * The integer half of the kernels interface: quantization, fake quantization, the statistics that observers collect, and
 * int8 arithmetic. Conventions as in kernels.ts. Results agree byte for byte between kernel sets; the formulas are those
 * of core/quantize.ts.
 */
import type { FloatArray, NumericArray } from "../core/dtype.ts";
import type { AddForm, MulForm } from "../core/quantized-binary.ts";
import type { Epilogue } from "../core/requantize.ts";
import type { ConvGeometry } from "./geometry.ts";

/** Integers of one byte. */
export type ByteArray = Uint8Array | Int8Array;

/** Integers of a quantized tensor: of one byte, or of qint32. */
export type IntegerArray = ByteArray | Int32Array;

/**
 * The weight of an int8 linear or convolution: `rows` output channels of `depth` values each, row-major. Kernel sets may
 * keep packed forms of it in a WeakMap; the record itself never changes.
 */
export interface Int8Weights {
  readonly data: ByteArray;
  readonly rows: number;
  readonly depth: number;
  /** One zero point per row; all 0 unless the weight is asymmetric. */
  readonly zeroPoints: Int32Array;
}

/** An int8 input and what its zero is. */
export interface Int8Input {
  readonly data: ByteArray;
  readonly zeroPoint: number;
}

/** An array seen as [outer, channels, inner]; per-tensor work has one channel. */
export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** Qparams of each channel, ready for arithmetic. */
export interface ChannelQparams {
  /** float32 scales. */
  readonly scales: Float32Array;
  /** Whole numbers, or any float32 if `floatZeroPoints`. */
  readonly zeroPoints: Float32Array | Float64Array;
  /** Zero points are added before rounding (`per_channel_affine_float_qparams`). */
  readonly floatZeroPoints: boolean;
  readonly qmin: number;
  readonly qmax: number;
}

export interface QuantizedKernels {
  /** out = integers that stand for the float32 values `x`. */
  quantize(x: Float32Array, layout: ChannelLayout, qparams: ChannelQparams, out: NumericArray): void;
  /** out = the float32 values that integers stand for. */
  dequantize(q: NumericArray, layout: ChannelLayout, qparams: ChannelQparams, out: Float32Array): void;
  /**
   * out = dequantize(quantize(x)); inside[i] = 1 where the unclamped integer lies within the range. Computes in double if
   * `x` is double. `out` may be `x`.
   */
  fakeQuantize(
    x: FloatArray,
    layout: ChannelLayout,
    qparams: ChannelQparams,
    out: FloatArray,
    inside: Uint8Array | null,
  ): void;
  /** Smallest and largest value of each channel. A NaN makes both NaN. */
  minMax(x: Float32Array, layout: ChannelLayout, min: Float32Array, max: Float32Array): void;
  /**
   * counts[b] += number of values in bin b of `counts.length` equal bins over [min, max], the last bin closed; values
   * outside are ignored (`torch.histc`).
   */
  histogram(x: Float32Array, min: number, max: number, counts: Float32Array): void;

  // ---- int8 arithmetic: sums are exact in 32 bits, then `epilogue` (core/requantize.ts) finishes each output channel
  /** out[m, rows] = epilogue(input[m, depth] · weightᵀ). */
  linearInt8(
    m: number,
    input: Int8Input,
    weights: Int8Weights,
    epilogue: Epilogue,
    out: ByteArray | Float32Array,
  ): void;
  /** out = epilogue(conv(input, weight)), layouts as in {@link ConvGeometry}; padding stands for real zeros. */
  convInt8(
    g: ConvGeometry,
    input: Int8Input,
    weights: Int8Weights,
    epilogue: Epilogue,
    out: ByteArray | Float32Array,
  ): void;
  /** out[i] = table[x[i]], the table indexed by x's bits as an unsigned byte. */
  lookup(x: ByteArray, table: ByteArray | Float32Array, out: ByteArray | Float32Array): void;
  /** out[i] = a[i] + b[i], each on its own grid, as `form` (core/quantized-binary.ts) says. `out` may be `a` or `b`. */
  addIntegers(a: IntegerArray, b: IntegerArray, form: AddForm, out: IntegerArray): void;
  /** out[i] = a[i] · b[i], likewise. */
  mulIntegers(a: IntegerArray, b: IntegerArray, form: MulForm, out: IntegerArray): void;
}
