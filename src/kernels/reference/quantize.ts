/** Quantization, fake quantization and observer statistics: loops around the formulas of core/quantize.ts. */
import type { NumericArray } from "../../core/dtype.ts";
import { dequantizeValue, inverseScale, quantizeValue, quantizeValueFloatZeroPoint } from "../../core/quantize.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import type { ChannelLayout, ChannelQparams } from "../quantized-kernels.ts";

/** Calls `run` with each maximal run of elements of one channel. */
function forEachRun(layout: ChannelLayout, run: (channel: number, start: number, end: number) => void): void {
  const { outer, channels, inner } = layout;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const start = (o * channels + c) * inner;
      run(c, start, start + inner);
    }
  }
}

export function quantize(x: Float32Array, layout: ChannelLayout, qparams: ChannelQparams, out: NumericArray): void {
  const { scales, zeroPoints, floatZeroPoints, qmin, qmax } = qparams;
  const one = floatZeroPoints ? quantizeValueFloatZeroPoint : quantizeValue;
  forEachRun(layout, (channel, start, end) => {
    const inverse = inverseScale(scales[channel]);
    const zeroPoint = zeroPoints[channel];
    for (let i = start; i < end; i++) out[i] = one(x[i], inverse, zeroPoint, qmin, qmax);
  });
}

export function dequantize(q: NumericArray, layout: ChannelLayout, qparams: ChannelQparams, out: Float32Array): void {
  const { scales, zeroPoints } = qparams;
  forEachRun(layout, (channel, start, end) => {
    const scale = scales[channel];
    const zeroPoint = zeroPoints[channel];
    for (let i = start; i < end; i++) out[i] = dequantizeValue(q[i], scale, zeroPoint);
  });
}

export function fakeQuantize(
  x: Float32Array,
  layout: ChannelLayout,
  qparams: ChannelQparams,
  out: Float32Array,
  inside: Uint8Array | null,
): void {
  const { scales, zeroPoints, floatZeroPoints, qmin, qmax } = qparams;
  forEachRun(layout, (channel, start, end) => {
    const scale = scales[channel];
    const inverse = inverseScale(scale);
    const zeroPoint = zeroPoints[channel];
    for (let i = start; i < end; i++) {
      const scaled = Math.fround(x[i] * inverse);
      const q = floatZeroPoints ? roundHalfEven(Math.fround(scaled + zeroPoint)) : zeroPoint + roundHalfEven(scaled);
      if (inside) inside[i] = q >= qmin && q <= qmax ? 1 : 0;
      const clamped = q >= qmin ? Math.min(q, qmax) : qmin; // NaN goes to qmin
      out[i] = dequantizeValue(clamped, scale, zeroPoint);
    }
  });
}

export function minMax(x: Float32Array, layout: ChannelLayout, min: Float32Array, max: Float32Array): void {
  min.fill(Infinity);
  max.fill(-Infinity);
  forEachRun(layout, (channel, start, end) => {
    let low = min[channel];
    let high = max[channel];
    for (let i = start; i < end; i++) {
      const value = x[i];
      // Written so that a NaN, once met, stays: every comparison with it is false.
      if (!(value >= low)) low = low !== low ? low : value;
      if (!(value <= high)) high = high !== high ? high : value;
    }
    min[channel] = low;
    max[channel] = high;
  });
}

export function histogram(x: Float32Array, min: number, max: number, counts: Float32Array): void {
  const bins = counts.length;
  const width = Math.fround(max - min);
  for (let i = 0; i < x.length; i++) {
    const value = x[i];
    if (!(value >= min && value <= max)) continue;
    const scaled = Math.fround(Math.fround(value - min) * bins); // float32, in this order, as torch.histc
    const bin = Math.trunc(Math.fround(scaled / width));
    counts[Math.min(bin, bins - 1)]++;
  }
}
