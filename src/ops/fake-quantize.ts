/**
 * Fake quantization: rounding to the grid of a quantized dtype while staying in float, with straight-through gradients.
 * Quantization-aware training is built from these (`torch.fake_quantize_*`).
 */
import { float32, int32 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { inverseScale } from "../core/quantize.ts";
import { roundHalfEven } from "../core/rounding.ts";
import type { ChannelLayout, ChannelQparams } from "../kernels/quantized-kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { Tensor } from "../tensor/tensor.ts";
import { primitive } from "./op.ts";
import type { Qparam } from "./quantize.ts";
import { channelLayoutAt, qparamValue } from "./quantize.ts";

/** x as float32, and which of its elements lie inside the range, for the gradient. */
function roundToGrid(x: Tensor, layout: ChannelLayout, qparams: ChannelQparams): [out: Tensor, inside: Tensor] {
  if (x.dtype !== float32) throw new OctetError(`fakeQuantize: expects a float32 tensor, got ${x.dtype.name}`);
  const out = new Float32Array(x.numel());
  const inside = new Uint8Array(x.numel());
  kernels().fakeQuantize(x.elements() as Float32Array, layout, qparams, out, inside);
  return [Tensor.fromArray(out, x.shape, float32), Tensor.fromArray(new Float32Array(inside), x.shape, float32)];
}

function checkRange(zeroPoints: ArrayLike<number>, quantMin: number, quantMax: number): void {
  if (quantMin > quantMax) throw new OctetError("`quant_min` should be less than or equal to `quant_max`.");
  for (let i = 0; i < zeroPoints.length; i++) {
    if (zeroPoints[i] < quantMin || zeroPoints[i] > quantMax) {
      throw new OctetError("`zero_point` must be between `quant_min` and `quant_max`.");
    }
  }
}

function gradientMask(gradient: Tensor, inside: Tensor): Tensor {
  const out = new Float32Array(gradient.numel());
  const layout = { shape: [out.length], aStrides: [1], bStrides: [1] };
  kernels().binary("mul", layout, gradient.elements(), inside.elements(), out);
  return Tensor.fromArray(out, gradient.shape, float32);
}

const perTensorCachemask = primitive(
  "fakeQuantizePerTensorAffine",
  (x: Tensor, scale: number, zeroPoint: number, quantMin: number, quantMax: number) =>
    roundToGrid(
      x,
      { outer: 1, channels: 1, inner: x.numel() },
      {
        scales: Float32Array.of(scale),
        zeroPoints: Float64Array.of(zeroPoint),
        floatZeroPoints: false,
        qmin: quantMin,
        qmax: quantMax,
      },
    ),
  ([, inside]) =>
    ([g]) => [g ? gradientMask(g, inside) : null],
);

/** dequantize(quantize(x)) over [quantMin, quantMax]. Outside that range the gradient is zero, bounds excluded. */
export function fakeQuantizePerTensorAffine(
  x: Tensor,
  scale: Qparam,
  zeroPoint: Qparam,
  quantMin: number,
  quantMax: number,
): Tensor {
  const zp = qparamValue(zeroPoint);
  checkRange([zp], quantMin, quantMax);
  return perTensorCachemask(x, qparamValue(scale), zp, quantMin, quantMax)[0];
}

const perChannelCachemask = primitive(
  "fakeQuantizePerChannelAffine",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor, axis: number, quantMin: number, quantMax: number) =>
    roundToGrid(x, channelLayoutAt(x.shape, axis), {
      scales: Float32Array.from(scale.elements()),
      zeroPoints: Float64Array.from(zeroPoint.elements()),
      floatZeroPoints: zeroPoint.dtype.isFloatingPoint,
      qmin: quantMin,
      qmax: quantMax,
    }),
  ([, inside]) =>
    ([g]) => [g ? gradientMask(g, inside) : null, null, null],
);

/** As {@link fakeQuantizePerTensorAffine} with qparams per index along `axis`; `zeroPoint` is int32 or float32. */
export function fakeQuantizePerChannelAffine(
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  axis: number,
  quantMin: number,
  quantMax: number,
): Tensor {
  if (zeroPoint.dtype !== int32 && zeroPoint.dtype !== float32) {
    throw new OctetError(`Zero-point must be Int32, Float or Half, found ${zeroPoint.dtype.name}`);
  }
  if (scale.numel() !== x.shape[axis] || zeroPoint.numel() !== x.shape[axis]) {
    throw new OctetError(
      `fakeQuantizePerChannelAffine: ${scale.numel()} scales and ${zeroPoint.numel()} zero points for ` +
        `${x.shape[axis]} channels along axis ${axis}`,
    );
  }
  if (zeroPoint.dtype === int32) checkRange(zeroPoint.elements(), quantMin, quantMax);
  return perChannelCachemask(x, scale, zeroPoint, axis, quantMin, quantMax)[0];
}

// ---------------------------------------------------------------- learnable qparams

/** Zero points as the arithmetic uses them: rounded, then limited to the range. */
function roundedZeroPoints(zeroPoint: Tensor, quantMin: number, quantMax: number): Float64Array {
  return Float64Array.from(zeroPoint.elements(), (z) => Math.min(Math.max(roundHalfEven(z), quantMin), quantMax));
}

/**
 * Gradients by x, scale and zero point (learned step size quantization, Esser et al., 2020): inside the range
 * dx = g, dscale = g · (fq(x) − x) / scale; below and above dscale = g · (limit − zp), dzp = −g · scale. Inside is
 * judged on round(zp + x / scale), unlike the plain operator.
 */
function learnableGradients(
  g: Tensor,
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  layout: ChannelLayout,
  quantMin: number,
  quantMax: number,
  gradFactor: number,
): [Tensor, Tensor, Tensor] {
  const { outer, channels, inner } = layout;
  const [values, gradients, scales] = [x.elements(), g.elements(), scale.elements()];
  const zeroPoints = roundedZeroPoints(zeroPoint, quantMin, quantMax);
  const dx = new Float32Array(values.length);
  const dScale = new Float64Array(channels);
  const dZero = new Float64Array(channels);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const [s, inverse, zp] = [scales[c], inverseScale(scales[c]), zeroPoints[c]];
      const start = (o * channels + c) * inner;
      for (let i = start; i < start + inner; i++) {
        const q = roundHalfEven(Math.fround(zp + Math.fround(values[i] * inverse)));
        if (q >= quantMin && q <= quantMax) {
          dx[i] = gradients[i];
          const grid = Math.fround((q - zp) * s);
          dScale[c] += Math.fround(gradients[i] * Math.fround(Math.fround(grid - values[i]) * inverse)) * gradFactor;
        } else {
          const limit = q < quantMin ? quantMin : quantMax;
          dScale[c] += gradients[i] * (limit - zp) * gradFactor;
          dZero[c] -= gradients[i] * s * gradFactor;
        }
      }
    }
  }
  const like = (d: Float64Array, t: Tensor) => Tensor.fromArray(Float32Array.from(d), t.shape, float32);
  return [Tensor.fromArray(dx, x.shape, float32), like(dScale, scale), like(dZero, zeroPoint)];
}

const learnable = primitive(
  "_fakeQuantizeLearnable",
  (
    x: Tensor,
    scale: Tensor,
    zeroPoint: Tensor,
    axis: number | null,
    quantMin: number,
    quantMax: number,
    _gradFactor: number,
  ) => {
    const qparams = {
      scales: Float32Array.from(scale.elements()),
      zeroPoints: roundedZeroPoints(zeroPoint, quantMin, quantMax),
      floatZeroPoints: false,
      qmin: quantMin,
      qmax: quantMax,
    };
    return roundToGrid(x, learnableLayout(x, axis), qparams)[0];
  },
  (_out, x, scale, zeroPoint, axis, quantMin, quantMax, gradFactor) => {
    const layout = learnableLayout(x, axis);
    const [x_, scale_, zeroPoint_] = [x.detach(), scale.detach(), zeroPoint.detach()];
    return (g) => learnableGradients(g, x_, scale_, zeroPoint_, layout, quantMin, quantMax, gradFactor);
  },
);

function learnableLayout(x: Tensor, axis: number | null): ChannelLayout {
  return axis === null ? { outer: 1, channels: 1, inner: x.numel() } : channelLayoutAt(x.shape, axis);
}

/** Fake quantization whose one-element `scale` and `zeroPoint` get gradients too, multiplied by `gradFactor`. */
export function _fakeQuantizeLearnablePerTensorAffine(
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  quantMin: number,
  quantMax: number,
  gradFactor: number,
): Tensor {
  return learnable(x, scale, zeroPoint, null, quantMin, quantMax, gradFactor);
}

/** As {@link _fakeQuantizeLearnablePerTensorAffine} with a scale and zero point per index along `axis`. */
export function _fakeQuantizeLearnablePerChannelAffine(
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  axis: number,
  quantMin: number,
  quantMax: number,
  gradFactor: number,
): Tensor {
  return learnable(x, scale, zeroPoint, axis, quantMin, quantMax, gradFactor);
}
