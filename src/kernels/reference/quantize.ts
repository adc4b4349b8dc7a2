/** Quantization and fake quantization: loops around the formulas of core/quantize.ts. Statistics are in observe.ts. */
import type { FloatArray, NumericArray } from "../../core/dtype.ts";
import { fakeQuantizedInteger, inverseScale, quantizeValue, quantizeValueFloatZeroPoint } from "../../core/quantize.ts";
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

/**
 * Below 2^22 adding and subtracting 1.5 · 2^52 rounds half to even as roundHalfEven does, but without asking for the sign,
 * which a processor cannot guess; and sums with a zero point are exact in float32. Other values take the slow way.
 */
const SMALL = 2 ** 22;
const ROUNDER = 1.5 * 2 ** 52;

// The loops are functions of their own, so that everything they use is a local variable: engines then keep it in registers.

export function quantize(x: Float32Array, layout: ChannelLayout, qparams: ChannelQparams, out: NumericArray): void {
  const { scales, zeroPoints, floatZeroPoints, qmin, qmax } = qparams;
  const quantizeRun = floatZeroPoints ? quantizeFloatZeroPointRun : quantizeIntegerRun;
  forEachRun(layout, (c, start, end) =>
    quantizeRun(x, start, end, inverseScale(scales[c]), zeroPoints[c], qmin, qmax, out),
  );
}

function quantizeIntegerRun(
  x: Float32Array,
  start: number,
  end: number,
  inverse: number,
  zeroPoint: number,
  qmin: number,
  qmax: number,
  out: NumericArray,
): void {
  const wide = Math.abs(zeroPoint) >= SMALL;
  for (let i = start; i < end; i++) {
    const scaled = Math.fround(x[i] * inverse);
    if (!wide && scaled > -SMALL && scaled < SMALL) {
      const q = scaled + ROUNDER - ROUNDER + zeroPoint;
      out[i] = q < qmin ? qmin : q > qmax ? qmax : q;
    } else out[i] = quantizeValue(x[i], inverse, zeroPoint, qmin, qmax);
  }
}

function quantizeFloatZeroPointRun(
  x: Float32Array,
  start: number,
  end: number,
  inverse: number,
  zeroPoint: number,
  qmin: number,
  qmax: number,
  out: NumericArray,
): void {
  for (let i = start; i < end; i++) out[i] = quantizeValueFloatZeroPoint(x[i], inverse, zeroPoint, qmin, qmax);
}

export function dequantize(q: NumericArray, layout: ChannelLayout, qparams: ChannelQparams, out: Float32Array): void {
  const { scales, zeroPoints } = qparams;
  forEachRun(layout, (c, start, end) => dequantizeRun(q, start, end, Math.fround(scales[c]), zeroPoints[c], out));
}

/** dequantizeValue of core/quantize.ts; the store rounds the product. */
function dequantizeRun(
  q: NumericArray,
  start: number,
  end: number,
  scale: number,
  zeroPoint: number,
  out: Float32Array,
): void {
  for (let i = start; i < end; i++) out[i] = Math.fround(q[i] - zeroPoint) * scale;
}

export function fakeQuantize(
  x: FloatArray,
  layout: ChannelLayout,
  qparams: ChannelQparams,
  out: FloatArray,
  inside: Uint8Array | null,
): void {
  const mask = inside ?? new Uint8Array(0); // stores beyond its end are ignored
  forEachRun(layout, (channel, start, end) => fakeQuantizeRun(x, start, end, qparams, channel, out, mask));
}

function fakeQuantizeRun(
  x: FloatArray,
  start: number,
  end: number,
  qparams: ChannelQparams,
  channel: number,
  out: FloatArray,
  mask: Uint8Array,
): void {
  const { qmin, qmax, floatZeroPoints } = qparams;
  const scale = Math.fround(qparams.scales[channel]);
  const inverse = inverseScale(scale);
  const zeroPoint = qparams.zeroPoints[channel];
  const single = x instanceof Float32Array;
  const wholeZeroPoint = !floatZeroPoints && Math.abs(zeroPoint) < SMALL;
  for (let i = start; i < end; i++) {
    const scaled = single ? Math.fround(x[i] * inverse) : x[i] * inverse;
    const q =
      wholeZeroPoint && scaled > -SMALL && scaled < SMALL
        ? scaled + ROUNDER - ROUNDER + zeroPoint
        : fakeQuantizedInteger(x[i], inverse, zeroPoint, floatZeroPoints, single);
    mask[i] = q >= qmin && q <= qmax ? 1 : 0;
    out[i] = ((q < qmin ? qmin : q > qmax ? qmax : q) - zeroPoint) * scale;
  }
}
