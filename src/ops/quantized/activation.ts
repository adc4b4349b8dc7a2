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
import { dequantizeValue, inverseScale, quantizeValue } from "../../core/quantize.ts";
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
import { copyQuantized_ } from "./copy.ts";
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

/** In float32, step by step. */
function hardswishOf(x: number): number {
  const gate = Math.min(Math.max(Math.fround(x + 3), 0), 6);
  return Math.fround(Math.fround(x * gate) / 6);
}

/**
 * x · relu6(x + 3) / 6. PyTorch takes the inverse of the output's scale in double precision here; its engine qnnpack adds the
 * zero point of quint8 before it rounds.
 */
export const hardswish = quantizedOperator("hardswish", (x: Tensor, scale: number, zeroPoint: number): Tensor => {
  checkQuantized("hardswish", x);
  const output = perTensorQuantizer("quantized::hardswish", scale, zeroPoint, x.dtype);
  const input = perTensorOf(x);
  const { min, max } = x.dtype;
  if (getEngine() !== "qnnpack" || x.dtype !== quint8) {
    const inverse = Math.fround(1 / scale);
    const rounded = (real: number) => quantizeValue(hardswishOf(real), inverse, zeroPoint, min, max);
    return mapped(x, output, (q) => {
      const real = fusedRealValues(q, input);
      return q.map((_, i) => rounded(real[i]));
    });
  }
  const inverse = inverseScale(scale);
  return mapped(x, output, (q) =>
    q.map((value) => {
      const y = hardswishOf(dequantizeValue(value, input.scale, input.zeroPoint));
      return clampedTo(x.dtype, roundHalfEven(Math.fround(Math.fround(y * inverse) + zeroPoint)));
    }),
  );
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
 * p = q − zx: nearbyint((max(p, 0) · one + min(p, 0) · (w − zw)) · fl(fl(sx · sw) · fl(1 / so))) + zo, where `one` is 1 rounded
 * to the weight's grid.
 *
 * Where that grid does not reach 1 (an observer that saw a weight of 0.25 makes one up to 0.25), PyTorch makes positive
 * values smaller by as much. Here they stay what they are: nearbyint(p · fl(sx · fl(1 / so))) + zo.
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
    const product = Math.fround(Math.fround(Math.fround(input.scale) * Math.fround(slope.scale)) * inverse);
    const one = roundHalfEven(inverseScale(slope.scale));
    const hasOne = slope.zeroPoint + one <= x.dtype.max;
    const [positive, steps] = hasOne ? [product, one] : [Math.fround(Math.fround(input.scale) * inverse), 1];
    const [q, w] = [x.elements(), weight.elements()];
    const out = x.dtype.allocate(q.length);
    for (let i = 0; i < out.length; i++) {
      const p = q[i] - input.zeroPoint;
      const factor = w[channels === 1 ? 0 : Math.floor(i / inner) % channels] - slope.zeroPoint;
      const scaled = p > 0 ? Math.fround(p * steps * positive) : Math.fround(p * factor * product);
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
quantizedForm(float.hardsigmoid, (x, { inplace = false } = {}) => {
  const out = throughFloat("hardsigmoid", x, (real) => float.hardsigmoid(real), ...fixedGrid(x.dtype, false));
  return inplace ? copyQuantized_(x, out) : out; // x gets the fixed qparams
});
quantizedForm(float.prelu, (x, weight) => {
  if (!x.isQuantized || !weight.isQuantized) {
    throw new OctetError(`prelu: Type promoting not supported. Got ${x.dtype.name} and ${weight.dtype.name}`);
  }
  const { scale, zeroPoint } = perTensorOf(x);
  return prelu(x, weight, scale, zeroPoint);
});
