/** Quantized tensors as text, exactly as PyTorch prints them: the real values, then the dtype, scheme and qparams. */
import type { DType } from "./dtype.ts";
import { float32, float64, int64 } from "./dtype.ts";
import { formatElements, formatTensor, withSuffixes } from "./printing.ts";
import { pythonFloat } from "./python-float.ts";
import type { PerChannelQuantizer, Quantizer } from "./qparams.ts";
import { isPerTensor } from "./qparams.ts";
import type { Shape } from "./shape.ts";

/** `real` are the values that the integers stand for, in row-major order. */
export function formatQuantized(real: Float32Array, shape: Shape, dtype: DType, quantizer: Quantizer): string {
  const prefix = "tensor(";
  const body = real.length === 0 ? "[]" : formatElements(real, shape, float32, prefix.length);
  const size = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const what = [`size=${size}`, `dtype=${dtype.toString()}`, `quantization_scheme=${quantizer.qscheme.toString()}`];
  const qparams = isPerTensor(quantizer)
    ? [`scale=${pythonFloat(quantizer.scale)}`, `zero_point=${quantizer.zeroPoint}`]
    : perChannel(quantizer);
  return withSuffixes(prefix + body, [...what, ...qparams], prefix.length);
}

function perChannel({ scales, zeroPoints, axis }: PerChannelQuantizer): string[] {
  const vector = (values: Float32Array | Float64Array, ofDoubles: DType) => {
    const dtype = values instanceof Float32Array ? float32 : ofDoubles;
    return formatTensor({ shape: [values.length], dtype, values, suffixes: [] });
  };
  return [`scale=${vector(scales, float64)}`, `zero_point=${vector(zeroPoints, int64)}`, `axis=${axis}`];
}
