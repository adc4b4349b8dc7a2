/**
 * Fake quantization: rounding to the grid of a quantized dtype while staying in float, with straight-through gradients.
 * Quantization-aware training is built from these (`torch.fake_quantize_*`). Learnable qparams are in
 * learnable-fake-quantize.ts, observation in the same step in fused-fake-quantize.ts.
 */
import { bool, float16, float32, int32 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { wrapDim } from "../core/shape.ts";
import type { ChannelLayout, ChannelQparams } from "../kernels/quantized-kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { saved } from "../autograd/node.ts";
import { composite, primitive } from "./op.ts";
import type { Qparam } from "./quantize.ts";
import { channelLayoutAt, qparamValue } from "./quantize.ts";

/**
 * x rounded to the grid, and a bool tensor of which elements lie inside the range. float64 is computed in double, float16
 * in float32.
 */
export function roundToGrid(x: Tensor, layout: ChannelLayout, qparams: ChannelQparams): [out: Tensor, inside: Tensor] {
  if (!x.dtype.isFloatingPoint)
    throw new OctetError(`fakeQuantize: expects a floating-point tensor, got ${x.dtype.name}`);
  const dtype = computeDtype(x.dtype);
  const out = dtype.allocate(x.numel()) as Float32Array | Float64Array;
  const inside = new Uint8Array(x.numel());
  kernels().fakeQuantize(floatElements(x, dtype), layout, qparams, out, inside);
  return [tensorFromComputed(out, x.shape, x.dtype), Tensor.fromArray(inside, x.shape, bool)];
}

/** Refuses ranges that are empty and zero points outside of them. */
export function checkGrid(zeroPoints: ArrayLike<number>, quantMin: number, quantMax: number): void {
  if (quantMin > quantMax) throw new OctetError("`quant_min` should be less than or equal to `quant_max`.");
  for (let i = 0; i < zeroPoints.length; i++) {
    if (zeroPoints[i] < quantMin || zeroPoints[i] > quantMax) {
      throw new OctetError("`zero_point` must be between `quant_min` and `quant_max`.");
    }
  }
}

/** gradient · inside, in the gradient's dtype. */
function maskGradient(gradient: Tensor, inside: Tensor): Tensor {
  const dtype = computeDtype(gradient.dtype);
  const mask = inside.elements();
  const masked = floatElements(gradient, dtype).map((g, i) => g * mask[i]);
  return tensorFromComputed(masked, gradient.shape, gradient.dtype);
}

const perTensorCachemask = primitive(
  "fakeQuantizePerTensorAffineCachemask",
  (x: Tensor, scale: number, zeroPoint: number, quantMin: number, quantMax: number) => {
    const scales = Float32Array.of(scale);
    const qparams = {
      scales,
      zeroPoints: Float64Array.of(zeroPoint),
      floatZeroPoints: false,
      qmin: quantMin,
      qmax: quantMax,
    };
    return roundToGrid(x, { outer: 1, channels: 1, inner: x.numel() }, qparams);
  },
  ([, inside]) => {
    const mask = saved(inside);
    return ([g]) => [g ? maskGradient(g, mask()) : null];
  },
);

/**
 * dequantize(quantize(x)) over [quantMin, quantMax] (`torch.fake_quantize_per_tensor_affine`). The gradient passes where
 * the integer before clamping lies inside, bounds included. What exceeds 64-bit integers, ±∞ and NaN give quantMin. A zero point that is
 * a number must lie within the range; one in a tensor is not checked.
 */
export const fakeQuantizePerTensorAffine = composite(
  "fakeQuantizePerTensorAffine",
  (x: Tensor, scale: Qparam, zeroPoint: Qparam, quantMin: number, quantMax: number): Tensor => {
    const zp = qparamValue(zeroPoint);
    checkGrid(typeof zeroPoint === "number" ? [zp] : [], quantMin, quantMax);
    return perTensorCachemask(x, qparamValue(scale), zp, quantMin, quantMax)[0];
  },
);

const perChannelCachemask = primitive(
  "fakeQuantizePerChannelAffineCachemask",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor, axis: number, quantMin: number, quantMax: number) =>
    roundToGrid(x, channelLayoutAt(x.shape, axis), {
      scales: Float32Array.from(scale.elements()),
      zeroPoints: Float64Array.from(zeroPoint.toNumbers() as ArrayLike<number>),
      floatZeroPoints: zeroPoint.dtype.isFloatingPoint,
      qmin: quantMin,
      qmax: quantMax,
    }),
  ([, inside]) => {
    const mask = saved(inside);
    return ([g]) => [g ? maskGradient(g, mask()) : null, null, null];
  },
);

/**
 * As {@link fakeQuantizePerTensorAffine} with qparams per index along `axis`
 * (`torch.fake_quantize_per_channel_affine`). `zeroPoint` is int32, or a float that is added before rounding.
 */
export const fakeQuantizePerChannelAffine = composite(
  "fakeQuantizePerChannelAffine",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor, axis: number, quantMin: number, quantMax: number): Tensor => {
    if (scale.dtype !== float32) throw new OctetError(`Scale must be Float, found ${scale.dtype.name}`);
    if (![int32, float32, float16].includes(zeroPoint.dtype)) {
      throw new OctetError(`Zero-point must be Int32, Float or Half, found ${zeroPoint.dtype.name}`);
    }
    if (scale.numel() !== zeroPoint.numel())
      throw new OctetError("scale and zero-point need to have the same dimensions");
    const channels = wrapDim("fakeQuantizePerChannelAffine", axis, x.ndim);
    if (axis < 0) throw new OctetError("`axis` must be between 0 and number of dimensions of input");
    if (scale.numel() !== x.shape[channels]) {
      throw new OctetError("dimensions of scale and zero-point are not consistent with input tensor");
    }
    checkGrid(zeroPoint.dtype === int32 ? zeroPoint.elements() : [], quantMin, quantMax);
    return perChannelCachemask(x, scale, zeroPoint, axis, quantMin, quantMax)[0];
  },
);
