/**
 * Seeing a quantized tensor as its plain integers and back, so that operators which only move elements can run on them
 * as they are; and what such a move does to per-channel qparams.
 */
import { OctetError, formatShape } from "../../core/errors.ts";
import type { PerChannelQuantizer, Quantizer } from "../../core/qparams.ts";
import { isPerTensor, perChannelAffineFloatQparams, perTensorAffine } from "../../core/qparams.ts";
import type { Shape } from "../../core/shape.ts";
import { numelOf } from "../../core/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { integerDtypeOf, quantizerOf } from "../quantize.ts";

/** The integers of a quantized tensor over the same storage; values below eight bits are not packed. */
export function integersOf(x: Tensor): Tensor {
  const { storage, shape, strides, offset } = x;
  return new Tensor({ storage, shape, strides, offset, dtype: integerDtypeOf(x.dtype) });
}

/** `integers`, which an operator made from those of `x`, as a quantized tensor; a view of `x` if they share storage. */
export function relabelled(integers: Tensor, x: Tensor, quantizer: Quantizer = quantizerOf(x)): Tensor {
  const { storage, shape, strides, offset } = integers;
  const base = storage === x.storage ? (x.base ?? x) : null;
  return new Tensor({ storage, shape, strides, offset, dtype: x.dtype, quantizer, base });
}

/** Refuses per-channel qparams, in PyTorch's words for views that it cannot make of such tensors. */
export function uniform(quantizer: Quantizer): Quantizer {
  if (isPerTensor(quantizer)) return quantizer;
  throw new OctetError("Setting strides is possible only on uniformly quantized tensor");
}

/** The channel axis stands where `place` says. */
export function withAxis(quantizer: Quantizer, place: (axis: number) => number): Quantizer {
  return isPerTensor(quantizer) ? quantizer : Object.freeze({ ...quantizer, axis: place(quantizer.axis) });
}

/** Qparams of the channels at `positions`, in that order. */
function channelsAt(quantizer: PerChannelQuantizer, positions: readonly number[]): Quantizer {
  const pick = <T extends Float32Array | Float64Array>(from: T): T => {
    const out = from.slice(0, positions.length) as T;
    positions.forEach((position, i) => (out[i] = from[position]));
    return out;
  };
  return Object.freeze({ ...quantizer, scales: pick(quantizer.scales), zeroPoints: pick(quantizer.zeroPoints) });
}

/** Qparams of `count` entries of dimension `d` from `first` on, `step` apart. */
export function slicedQuantizer(
  quantizer: Quantizer,
  d: number,
  first: number,
  step: number,
  count: number,
): Quantizer {
  if (isPerTensor(quantizer) || quantizer.axis !== d) return quantizer;
  return channelsAt(
    quantizer,
    Array.from({ length: count }, (_, i) => first + i * step),
  );
}

/** Qparams of entry `at` of dimension `d`, which goes away: one channel is quantized per tensor. */
export function selectedQuantizer(quantizer: Quantizer, d: number, at: number): Quantizer {
  if (isPerTensor(quantizer)) return quantizer;
  const { axis, scales, zeroPoints, qscheme } = quantizer;
  if (axis !== d) return withAxis(quantizer, () => (axis > d ? axis - 1 : axis));
  if (qscheme === perChannelAffineFloatQparams) {
    throw new OctetError(`select: one channel of a ${qscheme.name} tensor cannot stand alone; dequantize it first`);
  }
  return Object.freeze({ qscheme: perTensorAffine, scale: scales[at], zeroPoint: zeroPoints[at] });
}

/**
 * Qparams after a change of shape from `from` to `to`: the channels must still be one whole dimension. (PyTorch keeps the
 * axis number whatever the shape, and gives elements the scales of other channels.)
 */
export function reshapedQuantizer(quantizer: Quantizer, from: Shape, to: Shape): Quantizer {
  if (isPerTensor(quantizer)) return quantizer;
  const { axis } = quantizer;
  const before = numelOf(from.slice(0, axis));
  const place = to.findIndex((size, d) => size === from[axis] && numelOf(to.slice(0, d)) === before);
  if (place < 0) {
    throw new OctetError(
      `view: ${formatShape(from)}, quantized per channel along axis ${axis}, has no dimension of its channels as ${formatShape(to)}`,
    );
  }
  return withAxis(quantizer, () => place);
}
