/**
 * Normalizations of quantized tensors (`torch.ops.quantized`), bit for bit as PyTorch 2.6 computes them, in float32 but for
 * what is said to be double; fma multiplies and adds with one rounding. Inputs and outputs have qparams (sx, zx), (so, zo).
 *
 *     batch norm    k     = fl(1 / fl(√fl(var + eps)))
 *                   alpha = fl(fl(k · weight) · (sx / so))                     quotient and product in double
 *                   beta  = fl(fl(bias − fl(fl(mean · k) · weight)) / so)      division in double
 *                   q'    = zo + nearbyint(fma(alpha, q − zx, beta))
 *
 *     the others    over a group of n integers, S = Σ q and S2 = Σ q²:
 *                   mean  = fl(fl(S) / n),  var = max(fma(−mean, mean, fl(fl(S2) / n)), 0)
 *                   r     = fl(sx / √(fl(fl(var · sx) · sx) + eps))             root and division in double
 *                   d     = fl((q − zx) − fl(mean − zx))
 *                   y     = fma(d, fl(r · weight), bias) per channel; fma(fl(d · r), weight, bias) per element
 *                   q'    = quantize(y)
 *
 * The float operators have no quantized form, as in PyTorch.
 */
import type { DType } from "../../core/dtype.ts";
import { float32 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import type { PerTensorQuantizer } from "../../core/qparams.ts";
import { perTensorQuantizer } from "../../core/qparams.ts";
import { inverseScale, quantizeValue } from "../../core/quantize.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { numelOf, sameShape } from "../../core/shape.ts";
import type { IntegerArray } from "../../kernels/quantized-kernels.ts";
import { floatElements } from "../../tensor/convert.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Op } from "../op.ts";
import { composite } from "../op.ts";
import { fromIntegers, perTensorOf } from "../quantize.ts";
import { checkQuantized, quantizedOperator } from "./operator.ts";

const { fround } = Math;

/** a · b + c of float32 values; their product is exact in double precision. */
function fma(a: number, b: number, c: number): number {
  return fround(a * b + c);
}

/** The float32 values of a weight or bias, or null. */
function valuesOf(tensor: Tensor | null): Float32Array | null {
  return tensor && (floatElements(tensor, float32) as Float32Array);
}

// ---------------------------------------------------------------- batch normalization

/** (x [N, C, *], weight, bias, running mean, running variance, eps, scale, zeroPoint), all of [C]. */
export type QuantizedBatchNorm = Op<
  [
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    mean: Tensor,
    variance: Tensor,
    eps: number,
    scale: number,
    zeroPoint: number,
  ],
  Tensor
>;

/** The batch normalization called `name` of inputs with one of `ranks` dimensions; `torchName` is PyTorch's. */
function batchNormOf(name: string, torchName: string, ranks: readonly number[], relu: boolean): QuantizedBatchNorm {
  return quantizedOperator(name, (x, weight, bias, mean, variance, eps, scale, zeroPoint): Tensor => {
    checkQuantized(torchName, x);
    if (!ranks.includes(x.ndim)) {
      throw new OctetError(
        `quantized::${torchName}: expecting the input tensor of rank ${ranks.join(" or ")}, got shape ${formatShape(x.shape)}`,
      );
    }
    if (!weight || !bias) {
      throw new OctetError(`quantized::${torchName}: ${weight ? "Bias" : "Weight"} must be provided`);
    }
    const channels = x.shape[1];
    for (const [what, { shape }] of Object.entries({ weight, bias, mean, variance })) {
      if (shape.length === 1 && shape[0] === channels) continue;
      throw new OctetError(
        `quantized::${torchName}: ${what} must have the ${channels} values of the input's channels, got shape ${formatShape(shape)}`,
      );
    }
    const output = perTensorQuantizer(`quantized::${torchName}`, scale, zeroPoint, x.dtype);
    const factors = affineFactors(perTensorOf(x), output, weight, bias, mean, variance, eps);
    return fromIntegers(affineIntegers(x, factors, output, relu), x.shape, x.dtype, output);
  });
}

interface AffineFactors {
  readonly alpha: Float32Array;
  readonly beta: Float32Array;
}

/** alpha and beta of every channel. */
function affineFactors(
  input: PerTensorQuantizer,
  output: PerTensorQuantizer,
  weight: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  eps: number,
): AffineFactors {
  const [gain, offset, centre, spread] = [weight, bias, mean, variance].map((t) => floatElements(t, float32));
  const [alpha, beta] = [new Float32Array(gain.length), new Float32Array(gain.length)];
  const ratio = input.scale / output.scale;
  for (let c = 0; c < gain.length; c++) {
    const inverse = fround(1 / fround(Math.sqrt(fround(spread[c] + fround(eps)))));
    alpha[c] = fround(inverse * gain[c]) * ratio;
    beta[c] = fround(offset[c] - fround(fround(centre[c] * inverse) * gain[c])) / output.scale;
  }
  return { alpha, beta };
}

function affineIntegers(x: Tensor, { alpha, beta }: AffineFactors, output: PerTensorQuantizer, relu: boolean) {
  const q = x.elements() as IntegerArray;
  const out = x.dtype.allocate(q.length) as IntegerArray;
  const inner = numelOf(x.shape.slice(2));
  const { zeroPoint: zx } = perTensorOf(x);
  const { zeroPoint: zo } = output;
  const lowest = relu ? Math.max(zo, x.dtype.min) : x.dtype.min;
  for (let start = 0, plane = 0; start < q.length; start += inner, plane++) {
    const [a, b] = [alpha[plane % alpha.length], beta[plane % alpha.length]];
    for (let i = start; i < start + inner; i++) {
      out[i] = Math.min(Math.max(zo + roundHalfEven(fma(a, q[i] - zx, b)), lowest), x.dtype.max);
    }
  }
  return out;
}

/** Inputs of two to five dimensions. */
export const batchNorm = batchNormOf("batchNorm", "batch_norm", [2, 3, 4, 5], false);
/** Inputs [N, C] or [N, C, L]. */
export const batchNorm1d = batchNormOf("batchNorm1d", "batch_norm1d", [2, 3], false);
/** Inputs [N, C, H, W]. */
export const batchNorm2d = batchNormOf("batchNorm2d", "batch_norm2d", [4], false);
/** Inputs [N, C, D, H, W]. */
export const batchNorm3d = batchNormOf("batchNorm3d", "batch_norm3d", [5], false);
export const batchNormRelu = batchNormOf("batchNormRelu", "batch_norm_relu", [2, 3, 4, 5], true);
export const batchNorm1dRelu = batchNormOf("batchNorm1dRelu", "batch_norm1d_relu", [2, 3], true);
export const batchNorm2dRelu = batchNormOf("batchNorm2dRelu", "batch_norm2d_relu", [4], true);
export const batchNorm3dRelu = batchNormOf("batchNorm3dRelu", "batch_norm3d_relu", [5], true);

/** {@link batchNorm} under the name that it has beside the float operators (`torch.quantized_batch_norm`). */
export const quantizedBatchNorm: QuantizedBatchNorm = composite("quantizedBatchNorm", (...args) => batchNorm(...args));

// ---------------------------------------------------------------- layer, group and instance normalization

/** fl(mean − zx), and r, of the `n` integers from `start` on. */
function momentsOf(q: IntegerArray, start: number, n: number, { scale, zeroPoint }: PerTensorQuantizer, eps: number) {
  let [sum, squares] = [0, 0];
  for (let i = start; i < start + n; i++) {
    sum += q[i];
    squares += q[i] * q[i];
  }
  const mean = fround(fround(sum) / n);
  const variance = Math.max(fma(-mean, mean, fround(fround(squares) / n)), 0);
  const sx = fround(scale);
  const r = fround(sx / Math.sqrt(fround(fround(variance * sx) * sx) + eps));
  return { mean: fround(mean - zeroPoint), r };
}

/** Rounds real values to the output's grid. */
function rounder({ scale, zeroPoint }: PerTensorQuantizer, { min, max }: DType): (y: number) => number {
  const inverse = inverseScale(scale);
  return (y) => quantizeValue(y, inverse, zeroPoint, min, max);
}

/** Normalizes over the last dimensions, whose sizes are `normalizedShape`; `weight` and `bias` have them too. */
export const layerNorm = quantizedOperator(
  "layerNorm",
  (
    x: Tensor,
    normalizedShape: readonly number[],
    weight: Tensor | null,
    bias: Tensor | null,
    eps: number,
    scale: number,
    zeroPoint: number,
  ): Tensor => {
    checkQuantized("layer_norm", x);
    checkNormalizedShape(x, normalizedShape, { weight, bias });
    const input = perTensorOf(x);
    const output = perTensorQuantizer("quantized::layer_norm", scale, zeroPoint, x.dtype);
    const [gain, offset] = [valuesOf(weight), valuesOf(bias)];
    const q = x.elements() as IntegerArray;
    const out = x.dtype.allocate(q.length) as IntegerArray;
    const n = numelOf(normalizedShape);
    const round = rounder(output, x.dtype);
    for (let start = 0; start < q.length; start += n) {
      const { mean, r } = momentsOf(q, start, n, input, eps);
      for (let j = 0; j < n; j++) {
        const y = fround(fround(q[start + j] - input.zeroPoint - mean) * r);
        out[start + j] = round(fma(y, gain ? gain[j] : 1, offset ? offset[j] : 0));
      }
    }
    return fromIntegers(out, x.shape, x.dtype, output);
  },
);

function checkNormalizedShape(
  x: Tensor,
  normalizedShape: readonly number[],
  affine: Readonly<Record<string, Tensor | null>>,
): void {
  const last = x.shape.slice(Math.max(x.ndim - normalizedShape.length, 0));
  if (normalizedShape.length === 0 || !sameShape(last, normalizedShape)) {
    throw new OctetError(
      `quantized::layer_norm: Given normalized_shape=${formatShape(normalizedShape)}, expected input whose shape ends ` +
        `with it, but got input of size ${formatShape(x.shape)}`,
    );
  }
  for (const [what, tensor] of Object.entries(affine)) {
    if (!tensor || sameShape(tensor.shape, normalizedShape)) continue;
    throw new OctetError(
      `quantized::layer_norm: Expected ${what} to be of same shape as normalized_shape, but got ${what} of shape ` +
        `${formatShape(tensor.shape)} and normalized_shape = ${formatShape(normalizedShape)}`,
    );
  }
}

/** Normalizes groups of channels of [N, C, *], image by image; `weight` and `bias` are per channel. */
export const groupNorm = quantizedOperator(
  "groupNorm",
  (
    x: Tensor,
    numGroups: number,
    weight: Tensor | null,
    bias: Tensor | null,
    eps: number,
    scale: number,
    zeroPoint: number,
  ): Tensor => normalizeGroups("group_norm", x, numGroups, weight, bias, eps, scale, zeroPoint),
);

/** Normalizes each channel of each image of [N, C, *]. */
export const instanceNorm = quantizedOperator(
  "instanceNorm",
  (x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number, scale: number, zeroPoint: number): Tensor =>
    normalizeGroups("instance_norm", x, x.shape[1], weight, bias, eps, scale, zeroPoint),
);

function normalizeGroups(
  op: string,
  x: Tensor,
  numGroups: number,
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
  scale: number,
  zeroPoint: number,
): Tensor {
  checkQuantized(op, x);
  checkGroups(op, x, numGroups, { weight, bias });
  const input = perTensorOf(x);
  const output = perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, x.dtype);
  const [gain, offset] = [valuesOf(weight), valuesOf(bias)];
  const q = x.elements() as IntegerArray;
  const out = x.dtype.allocate(q.length) as IntegerArray;
  const channels = x.shape[1];
  const inner = numelOf(x.shape.slice(2));
  const perGroup = (channels / numGroups) * inner;
  const round = rounder(output, x.dtype);
  for (let start = 0; start < q.length; start += perGroup) {
    const { mean, r } = momentsOf(q, start, perGroup, input, eps);
    for (let plane = start; plane < start + perGroup; plane += inner) {
      const c = (plane / inner) % channels;
      const factor = gain ? fround(r * gain[c]) : r;
      const shift = offset ? offset[c] : 0;
      for (let i = plane; i < plane + inner; i++) {
        out[i] = round(fma(fround(q[i] - input.zeroPoint - mean), factor, shift));
      }
    }
  }
  return fromIntegers(out, x.shape, x.dtype, output);
}

function checkGroups(op: string, x: Tensor, numGroups: number, affine: Readonly<Record<string, Tensor | null>>): void {
  if (x.ndim < 3) {
    throw new OctetError(
      `quantized::${op}: expects an input of at least 3 dimensions, got shape ${formatShape(x.shape)}`,
    );
  }
  const channels = x.shape[1];
  if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
    throw new OctetError(
      `quantized::${op}: Expected channels to be divisible by groups, got ${channels} channels and ${numGroups} groups`,
    );
  }
  for (const [what, tensor] of Object.entries(affine)) {
    if (!tensor || tensor.numel() === channels) continue;
    throw new OctetError(
      `quantized::${op}: ${what} must have one value per channel, ${channels}, got shape ${formatShape(tensor.shape)}`,
    );
  }
}
