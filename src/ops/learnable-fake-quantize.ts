/**
 * Fake quantization whose scale and zero point are trained too: learned step size quantization (Esser et al., 2020), as
 * `torch._fake_quantize_learnable_per_tensor_affine` and its per-channel form compute it.
 */
import { roundHalfEven } from "../core/rounding.ts";
import { fakeQuantizedInteger, inverseScale } from "../core/quantize.ts";
import type { ChannelLayout } from "../kernels/quantized-kernels.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { saved } from "../autograd/node.ts";
import { checkGrid, roundToGrid } from "./fake-quantize.ts";
import { primitive } from "./op.ts";
import { channelLayoutAt } from "./quantize.ts";

/** The range of integers, and what the gradients of scale and zero point are multiplied by. */
interface Grid {
  readonly quantMin: number;
  readonly quantMax: number;
  readonly gradFactor: number;
}

function roundedZeroPoints(zeroPoint: Tensor, { quantMin, quantMax }: Grid): Float64Array {
  const values = zeroPoint.toNumbers() as ArrayLike<number>;
  return Float64Array.from(values, (z) => Math.min(Math.max(roundHalfEven(z), quantMin), quantMax));
}

/**
 * The zero points that the gradient of the per-tensor operator uses: clamp(zp + 0.5), truncated, in PyTorch. It rounds
 * positive ones (half up), but is one too large for whole negative ones. Per-channel zero points are rounded as forward.
 */
function backwardZeroPoints(zeroPoint: Tensor, axis: number | null, grid: Grid): Float64Array {
  if (axis !== null) return roundedZeroPoints(zeroPoint, grid);
  const shifted = Math.fround(zeroPoint.item() + 0.5);
  return Float64Array.of(Math.trunc(Math.min(Math.max(shifted, grid.quantMin), grid.quantMax)));
}

/** a · b · c · d, each product rounded to float32. */
function floatProduct(a: number, b: number, c: number, d: number): number {
  return Math.fround(Math.fround(Math.fround(a * b) * c) * Math.fround(d));
}

function layoutOf(x: Tensor, axis: number | null): ChannelLayout {
  return axis === null ? { outer: 1, channels: 1, inner: x.numel() } : channelLayoutAt(x.shape, axis);
}

/**
 * Inside the range dx = g and dscale = g · (fq(x) − x) / scale; below and above it dscale = g · (limit − zp) and
 * dzp = −g · scale. Inside is judged on round(zp + x / scale), added and rounded as one, unlike the plain operator, which adds zp after rounding.
 */
function learnableGradients(
  g: Tensor,
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  axis: number | null,
  grid: Grid,
): [dx: Tensor, dScale: Tensor, dZeroPoint: Tensor] {
  const { outer, channels, inner } = layoutOf(x, axis);
  const dtype = computeDtype(x.dtype);
  const [values, gradients] = [floatElements(x, dtype), floatElements(g, dtype)];
  const scales = scale.toNumbers() as ArrayLike<number>;
  const zeroPoints = backwardZeroPoints(zeroPoint, axis, grid);
  const single = values instanceof Float32Array;
  const dx = dtype.allocate(values.length);
  const dScale = new Float64Array(channels);
  const dZero = new Float64Array(channels);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const [s, inverse, zp] = [scales[c], inverseScale(scales[c]), zeroPoints[c]];
      const start = (o * channels + c) * inner;
      for (let i = start; i < start + inner; i++) {
        const q = fakeQuantizedInteger(values[i], inverse, zp, true, single);
        const inside = q >= grid.quantMin && q <= grid.quantMax;
        dx[i] = gradients[i] * (inside ? 1 : 0);
        if (inside) {
          const distance = Math.fround((q - zp) * s - values[i]); // one fused multiply-add
          dScale[c] += floatProduct(gradients[i], distance, inverse, grid.gradFactor);
        } else {
          const limit = q > grid.quantMax ? grid.quantMax : grid.quantMin;
          dScale[c] += floatProduct(gradients[i], limit - zp, 1, grid.gradFactor);
          dZero[c] -= floatProduct(gradients[i], s, 1, grid.gradFactor);
        }
      }
    }
  }
  const like = (d: Float64Array, t: Tensor) => tensorFromComputed(Float32Array.from(d), t.shape, t.dtype);
  return [tensorFromComputed(dx, x.shape, x.dtype), like(dScale, scale), like(dZero, zeroPoint)];
}

const learnable = primitive(
  "_fakeQuantizeLearnable",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor, axis: number | null, grid: Grid) => {
    const qparams = {
      scales: Float32Array.from(scale.toNumbers() as ArrayLike<number>),
      zeroPoints: roundedZeroPoints(zeroPoint, grid),
      floatZeroPoints: false,
      qmin: grid.quantMin,
      qmax: grid.quantMax,
    };
    return roundToGrid(x, layoutOf(x, axis), qparams)[0];
  },
  (_out, x, scale, zeroPoint, axis, grid) => {
    const [keptX, keptScale, keptZeroPoint] = [saved(x), saved(scale), saved(zeroPoint)];
    return (g) => learnableGradients(g, keptX(), keptScale(), keptZeroPoint(), axis, grid);
  },
);

/** Fake quantization whose one-element `scale` and `zeroPoint` get gradients too, multiplied by `gradFactor`. */
export function _fakeQuantizeLearnablePerTensorAffine(
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  quantMin: number,
  quantMax: number,
  gradFactor: number,
): Tensor {
  checkGrid([], quantMin, quantMax);
  return learnable(x, scale, zeroPoint, null, { quantMin, quantMax, gradFactor });
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
  checkGrid([], quantMin, quantMax);
  return learnable(x, scale, zeroPoint, axis, { quantMin, quantMax, gradFactor });
}
