/**
 * Int8 linear, convolution, lookup, sums and products: the definition that every other kernel set equals byte for byte.
 * Linear and convolution sum (x − zeroPoint) · (w − zeroPoint) in int32; core/requantize.ts finishes the sums.
 */
import { numelOf } from "../../core/shape.ts";
import type { AddForm, MulForm } from "../../core/quantized-binary.ts";
import { addValue, mulValue } from "../../core/quantized-binary.ts";
import type { Epilogue } from "../../core/requantize.ts";
import { finishValue } from "../../core/requantize.ts";
import type { ConvGeometry } from "../kernels.ts";
import type { ByteArray, Int8Input, Int8Weights, IntegerArray } from "../quantized-kernels.ts";

export function linearInt8(
  m: number,
  input: Int8Input,
  weights: Int8Weights,
  epilogue: Epilogue,
  out: ByteArray | Float32Array,
): void {
  const { rows, depth } = weights;
  const centred = centre(input.data, input.zeroPoint);
  const w = centredWeights(weights);
  for (let i = 0; i < m; i++) {
    for (let r = 0; r < rows; r++) {
      out[i * rows + r] = finishValue(epilogue, r, dot(centred, i * depth, w, r * depth, depth));
    }
  }
}

export function convInt8(
  g: ConvGeometry,
  input: Int8Input,
  weights: Int8Weights,
  epilogue: Epilogue,
  out: ByteArray | Float32Array,
): void {
  const { depth } = weights;
  const positions = numelOf(g.outSize);
  const inGroup = (g.inChannels / g.groups) * numelOf(g.inSize);
  const outChannels = g.outChannels / g.groups;
  const centred = centre(input.data, input.zeroPoint);
  const w = centredWeights(weights);
  const windows = new Int16Array(positions * depth);
  for (let image = 0; image < g.batch * g.groups; image++) {
    unfold(g, centred.subarray(image * inGroup, (image + 1) * inGroup), windows);
    const firstChannel = (image % g.groups) * outChannels;
    for (let c = 0; c < outChannels; c++) {
      const channel = firstChannel + c;
      const start = (image * outChannels + c) * positions;
      for (let p = 0; p < positions; p++) {
        out[start + p] = finishValue(epilogue, channel, dot(windows, p * depth, w, channel * depth, depth));
      }
    }
  }
}

/** windows[p, k] = the input element that weight k of output position p meets; 0, the real zero, in the padding. */
function unfold(g: ConvGeometry, source: Int16Array, windows: Int16Array): void {
  const [inD, inH, inW] = g.inSize;
  const [kD, kH, kW] = g.kernel;
  const channels = g.inChannels / g.groups;
  let at = 0;
  for (let od = 0; od < g.outSize[0]; od++) {
    for (let oh = 0; oh < g.outSize[1]; oh++) {
      for (let ow = 0; ow < g.outSize[2]; ow++) {
        for (let tap = 0; tap < channels * kD * kH * kW; tap++) {
          const kw = tap % kW;
          const kh = Math.floor(tap / kW) % kH;
          const kd = Math.floor(tap / (kW * kH)) % kD;
          const channel = Math.floor(tap / (kW * kH * kD));
          const d = od * g.stride[0] - g.padding[0] + kd * g.dilation[0];
          const h = oh * g.stride[1] - g.padding[1] + kh * g.dilation[1];
          const w = ow * g.stride[2] - g.padding[2] + kw * g.dilation[2];
          const inside = d >= 0 && d < inD && h >= 0 && h < inH && w >= 0 && w < inW;
          windows[at++] = inside ? source[((channel * inD + d) * inH + h) * inW + w] : 0;
        }
      }
    }
  }
}

function dot(a: Int16Array, aStart: number, b: Int16Array, bStart: number, n: number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum = (sum + a[aStart + k] * b[bStart + k]) | 0;
  return sum;
}

function centre(data: ByteArray, zeroPoint: number): Int16Array {
  return Int16Array.from(data, (value) => value - zeroPoint);
}

function centredWeights({ data, rows, depth, zeroPoints }: Int8Weights): Int16Array {
  const out = new Int16Array(rows * depth);
  for (let r = 0; r < rows; r++) {
    for (let k = r * depth; k < (r + 1) * depth; k++) out[k] = data[k] - zeroPoints[r];
  }
  return out;
}

export function lookup(x: ByteArray, table: ByteArray | Float32Array, out: ByteArray | Float32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = table[x[i] & 255];
}

export function addIntegers(a: IntegerArray, b: IntegerArray, form: AddForm, out: IntegerArray): void {
  for (let i = 0; i < out.length; i++) out[i] = addValue(form, a[i], b[i]);
}

export function mulIntegers(a: IntegerArray, b: IntegerArray, form: MulForm, out: IntegerArray): void {
  for (let i = 0; i < out.length; i++) out[i] = mulValue(form, a[i], b[i]);
}
