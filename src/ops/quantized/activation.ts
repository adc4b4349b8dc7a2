/**
 * Activation functions of quantized tensors: `torch.ops.quantized.*`, and what the operators of activation.ts do with them.
 *
 * Limits (relu, clamp, …) compare integers. Every other function of one value is a table of 256 entries: each integer's real
 * value goes through the float function and is rounded to the output's grid. The table's real values are
 * fma(q, scale, fl(scale · −zeroPoint)), as in PyTorch's vector code; its scalar code, which does the last few elements of
 * a tensor, uses (q − zeroPoint) · scale, and may round a tie the other way.
 */
import type { DType } from "../../core/dtype.ts";
import { float32, qint32, qint8, quint8 } from "../../core/dtype.ts";
import { getEngine } from "../../core/engine.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import type { PerTensorQuantizer } from "../../core/qparams.ts";
import { perTensorQuantizer } from "../../core/qparams.ts";
import { inverseScale, quantizeValue } from "../../core/quantize.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { numelOf } from "../../core/shape.ts";
import type { ByteArray } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import { storeElements } from "../../tensor/convert.ts";
import { Tensor } from "../../tensor/tensor.ts";
import * as float from "../activation.ts";
import { mul, sigmoid as floatSigmoid, tanh as floatTanh, where } from "../arithmetic.ts";
import { clamp as floatClamp } from "../combinations.ts";
import { gt } from "../comparison.ts";
import { quantizedForm } from "../op.ts";
import { dequantize, fromIntegers, perTensorOf, quantizePerTensor } from "../quantize.ts";
import { softmax as floatSoftmax } from "../softmax.ts";
import { checkQuantized, quantizedOperator } from "./operator.ts";

// ---------------------------------------------------------------- by table

/** Every value of an 8-bit dtype, in the order of its bits as an unsigned byte. */
function everyByte(dtype: DType): ByteArray {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  return dtype.isSigned ? new Int8Array(bytes.buffer) : bytes;
}

/** A tensor over new integers, one for each of those of `x`: `all` maps an array of integers, whole or as a table. */
function mapped(
  x: Tensor,
  quantizer: PerTensorQuantizer,
  all: (q: ByteArray | Int32Array) => ByteArray | Int32Array,
): Tensor {
  const q = x.elements() as ByteArray | Int32Array;
  if (x.dtype.bits < 8) throw new OctetError(`${x.dtype.name} tensors have no activation functions`);
  if (q instanceof Int32Array) return fromIntegers(all(q), x.shape, x.dtype, quantizer);
  const out = x.dtype.allocate(q.length) as ByteArray;
  kernels().lookup(q, all(everyByte(x.dtype)) as ByteArray, out);
  return fromIntegers(out, x.shape, x.dtype, quantizer);
}

/** fma(q, scale, fl(scale · −zeroPoint)). */
function fusedRealValues(q: ByteArray | Int32Array, { scale, zeroPoint }: PerTensorQuantizer): Float32Array {
  const single = Math.fround(scale);
  const offset = Math.fround(single * -zeroPoint);
  return Float32Array.from(q, (value) => value * single + offset);
}

/** f of the real values, on the grid of (scale, zeroPoint). */
function throughFloat(op: string, x: Tensor, f: (real: Tensor) => Tensor, scale: number, zeroPoint: number): Tensor {
  checkQuantized(op, x);
  const input = perTensorOf(x);
  const output = perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, x.dtype);
  return mapped(x, output, (q) => {
    const real = Tensor.fromArray(fusedRealValues(q, input), [q.length], float32);
    return quantizePerTensor(f(real), scale, zeroPoint, x.dtype).elements() as ByteArray | Int32Array;
  });
}

/** {@link throughFloat} on the grid of the input. */
function onOwnGrid(op: string, x: Tensor, f: (real: Tensor) => Tensor): Tensor {
  checkQuantized(op, x);
  const { scale, zeroPoint } = perTensorOf(x);
  return throughFloat(op, x, f, scale, zeroPoint);
}

// ---------------------------------------------------------------- limits

/** min(max(q, low), high) on integers. */
function limited(x: Tensor, low: number, high: number): Tensor {
  return mapped(x, perTensorOf(x), (q) => q.map((value) => Math.min(Math.max(value, low), high)));
}

function limitedToReal(op: string, x: Tensor, min: number, max: number): Tensor {
  checkQuantized(op, x);
  const { scale, zeroPoint } = perTensorOf(x);
  const { min: qmin, max: qmax } = x.dtype;
  const integer = (real: number) => quantizeValue(Math.fround(real), inverseScale(scale), zeroPoint, qmin, qmax);
  return limited(x, min === -Infinity ? qmin : integer(min), max === Infinity ? qmax : integer(max));
}

/** x limited to [0, 6]; `inplace` overwrites it. */
export const relu6 = quantizedOperator("relu6", (x: Tensor, inplace: boolean = false): Tensor =>
  written("relu6", x, limitedToReal("relu6", x, 0, 6), inplace),
);

/** x limited to [min, max], each of which may be left out. */
export const clamp = quantizedOperator(
  "clamp",
  (x: Tensor, min: number | null = null, max: number | null = null): Tensor => {
    if (min === null && max === null) throw new OctetError("quantized::clamp: at least one of min and max is needed");
    return limitedToReal("clamp", x, min ?? -Infinity, max ?? Infinity);
  },
);

/** x where x > limit, else `value`, on the grid of x. */
export const threshold = quantizedOperator("threshold", (x: Tensor, limit: number, value: number): Tensor =>
  onOwnGrid("threshold", x, (real) => float.threshold(real, limit, value)),
);

function written(name: string, x: Tensor, out: Tensor, inplace: boolean): Tensor {
  if (!inplace) return out;
  storeElements(name, x, out);
  return x;
}

// ---------------------------------------------------------------- functions with output qparams

export const sigmoid = quantizedOperator("sigmoid", (x: Tensor, scale: number, zeroPoint: number): Tensor =>
  throughFloat("sigmoid", x, floatSigmoid, scale, zeroPoint),
);

/** x · relu6(x + 3) / 6. Engine qnnpack adds the zero point of quint8 before it rounds. */
export const hardswish = quantizedOperator("hardswish", (x: Tensor, scale: number, zeroPoint: number): Tensor => {
  checkQuantized("hardswish", x);
  if (getEngine() !== "qnnpack" || x.dtype !== quint8)
    return throughFloat("hardswish", x, float.hardswish, scale, zeroPoint);
  const output = perTensorQuantizer("quantized::hardswish", scale, zeroPoint, x.dtype);
  const inverse = inverseScale(scale);
  return mapped(x, output, (q) => {
    const real = dequantize(fromIntegers(q, [q.length], x.dtype, perTensorOf(x)));
    const y = float.hardswish(real).elements();
    return q.map((_, i) => clampedTo(x.dtype, roundHalfEven(Math.fround(Math.fround(y[i] * inverse) + zeroPoint))));
  });
});

function clampedTo(dtype: DType, q: number): number {
  return Math.min(Math.max(q, dtype.min), dtype.max);
}

/** scale · x, or scale · alpha · (exp(inputScale · x) − 1) where x is negative. */
export const elu = quantizedOperator(
  "elu",
  (
    x: Tensor,
    outScale: number,
    zeroPoint: number,
    alpha: number = 1,
    scale: number = 1,
    inputScale: number = 1,
  ): Tensor => {
    const f = (real: Tensor) => {
      const negative = float.elu(mul(real, inputScale), { alpha: alpha * scale });
      return where(gt(real, 0), mul(real, scale), negative);
    };
    return throughFloat("elu", x, f, outScale, zeroPoint);
  },
);

/** x, or alpha · (exp(x / alpha) − 1) where x is negative. */
export const celu = quantizedOperator(
  "celu",
  (x: Tensor, scale: number, zeroPoint: number, alpha: number = 1): Tensor =>
    throughFloat("celu", x, (real) => float.celu(real, { alpha }), scale, zeroPoint),
);

/** x, or negativeSlope · x where x is negative. PyTorch ignores `inplace`. */
export const leakyRelu = quantizedOperator(
  "leaky_relu",
  (x: Tensor, negativeSlope: number, _inplace: boolean, scale: number, zeroPoint: number): Tensor =>
    throughFloat("leaky_relu", x, (real) => float.leakyRelu(real, { negativeSlope }), scale, zeroPoint),
);

/** exp(x) / Σ exp(x) along `dim`. */
export const softmax = quantizedOperator(
  "softmax",
  (x: Tensor, dim: number, scale: number, zeroPoint: number): Tensor => {
    checkQuantized("softmax", x);
    return quantizePerTensor(floatSoftmax(dequantize(x), dim), scale, zeroPoint, x.dtype);
  },
);

/**
 * x, or weight · x where x is negative; one quantized weight for all, or one per channel (dimension 1). In integers, for
 * p = q − zx: nearbyint(max(p, 0) · fl(sx / so) + min(p, 0) · (w − zw) · fl(sx · sw / so)) + zo.
 *
 * PyTorch multiplies positive values by 1 rounded to the weight's grid: one that only reaches 0.25, as an observer gives it
 * for a weight of 0.25, makes them smaller by as much. Here they stay what they are.
 */
export const prelu = quantizedOperator(
  "prelu",
  (x: Tensor, weight: Tensor, scale: number, zeroPoint: number): Tensor => {
    checkQuantized("prelu", x);
    checkQuantized("prelu", weight);
    const [input, slope] = [perTensorOf(x), perTensorOf(weight)];
    const output = perTensorQuantizer("quantized::prelu", scale, zeroPoint, x.dtype);
    const channels = weight.numel();
    if (channels !== 1 && channels !== x.shape[1]) {
      throw new OctetError(`quantized::prelu: ${channels} weights for an input of shape ${formatShape(x.shape)}`);
    }
    const inner = numelOf(x.shape.slice(2));
    const inverse = inverseScale(scale);
    const positive = Math.fround(Math.fround(input.scale) * inverse);
    const negative = Math.fround(Math.fround(Math.fround(input.scale) * Math.fround(slope.scale)) * inverse);
    const [q, w] = [x.elements(), weight.elements()];
    const out = x.dtype.allocate(q.length);
    for (let i = 0; i < out.length; i++) {
      const p = q[i] - input.zeroPoint;
      const factor = w[channels === 1 ? 0 : Math.floor(i / inner) % channels] - slope.zeroPoint;
      const scaled = p > 0 ? Math.fround(p * positive) : Math.fround(p * factor * negative);
      out[i] = clampedTo(x.dtype, roundHalfEven(scaled) + zeroPoint);
    }
    return fromIntegers(out, x.shape, x.dtype, output);
  },
);

/** The tensor itself: dropout does nothing to a quantized model, which only infers. */
export const dropout = quantizedOperator(
  "dropout",
  (x: Tensor, _scale: number, _zeroPoint: number, _p = 0.5, _training = false): Tensor => {
    checkQuantized("dropout", x);
    return x;
  },
);

// ---------------------------------------------------------------- what the float operators do with quantized tensors

/** The grid of a function whose values lie in [0, 1] (sigmoid), or in [−1, 1] if `signed` (tanh). */
function fixedGrid(dtype: DType, signed: boolean): [scale: number, zeroPoint: number] {
  const width = signed ? 2 : 1;
  if (dtype === qint32) return [width * 2 ** -32, 0];
  const lowest = dtype === qint8 ? -128 : 0;
  return [width / 256, signed ? lowest + 128 : lowest];
}

function refuseInPlace(name: string, inplace: boolean | undefined): void {
  if (!inplace) return;
  throw new OctetError(`Could not run 'aten::${name}_' with arguments from the 'QuantizedCPU' backend`);
}

quantizedForm(float.relu, (x, { inplace = false } = {}) =>
  written("relu_", x, limited(x, perTensorOf(x).zeroPoint, x.dtype.max), inplace),
);
quantizedForm(float.relu6, (x, { inplace = false } = {}) => relu6(x, inplace));
quantizedForm(float.hardtanh, (x, { minVal = -1, maxVal = 1, inplace = false } = {}) =>
  written("hardtanh_", x, limitedToReal("hardtanh", x, minVal, maxVal), inplace),
);
quantizedForm(floatClamp, (x, { min, max }) => {
  if (min instanceof Tensor || max instanceof Tensor) {
    throw new OctetError("Could not run 'aten::clamp.Tensor' with arguments from the 'QuantizedCPU' backend");
  }
  return clamp(x, min === undefined ? null : +min, max === undefined ? null : +max);
});
quantizedForm(float.threshold, (x, limit, value, { inplace } = {}) => {
  refuseInPlace("threshold", inplace);
  return threshold(x, limit, value);
});
quantizedForm(float.leakyRelu, (x, { negativeSlope, inplace = false } = {}) =>
  written(
    "leaky_relu_",
    x,
    onOwnGrid("leaky_relu", x, (real) => float.leakyRelu(real, { negativeSlope })),
    inplace,
  ),
);
quantizedForm(float.gelu, (x, options) => {
  const { scale, zeroPoint } = perTensorOf(x);
  // The only operator of PyTorch that gives the scale back as float32.
  return throughFloat("gelu", x, (real) => float.gelu(real, options), Math.fround(scale), zeroPoint);
});
quantizedForm(floatSigmoid, (x) => sigmoid(x as Tensor, ...fixedGrid((x as Tensor).dtype, false)));
quantizedForm(floatTanh, (x) => throughFloat("tanh", x as Tensor, floatTanh, ...fixedGrid((x as Tensor).dtype, true)));
quantizedForm(float.hardsigmoid, (x, { inplace } = {}) => {
  refuseInPlace("hardsigmoid", inplace);
  return throughFloat("hardsigmoid", x, float.hardsigmoid, ...fixedGrid(x.dtype, false));
});
