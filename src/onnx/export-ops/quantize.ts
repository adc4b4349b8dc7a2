/** Where floats become integers and integers floats. */
import type { DType } from "../../core/dtype.ts";
import { float16, float32, qint32 } from "../../core/dtype.ts";
import type { Quantize } from "../../quantization/recipes/quantize.ts";
import { quantizePerChannel, quantizePerTensor } from "../../ops/quantize.ts";
import type { CallContext, OpExports } from "../export-context.ts";
import {
  activationGrid,
  dequantize,
  integerWeight,
  leftFloat,
  quantize,
  quantizeDynamically,
  storeWeight,
} from "../export-quantized.ts";
import type { Argument, QuantizedValue, TensorValue } from "../export-value.ts";
import { isQuantizedValue, isTensorValue } from "../export-value.ts";

/** A constant qparam: a number, or a scalar that a buffer holds. */
function qparam(c: CallContext, position: number, key: string): number {
  const value = c.argument(position, key);
  if (typeof value === "number") return value;
  c.require(isTensorValue(value) && value.constant, `${key} must be constant`);
  return value.constant.tensor.item();
}

function perTensor(c: CallContext): QuantizedValue {
  const x = c.tensor(0);
  const dtype = c.argument(3, "dtype") as DType;
  const [scale, zeroPoint] = [qparam(c, 1, "scale"), qparam(c, 2, "zeroPoint")];
  if (x.constant && dtype !== qint32) {
    return constantWeight(c, x, (value) => quantizePerTensor(value, scale, zeroPoint, dtype));
  }
  return quantizeActivation(c, x, scale, zeroPoint, dtype);
}

function quantizeActivation(
  c: CallContext,
  x: TensorValue,
  scale: number,
  zeroPoint: number,
  dtype: DType,
): QuantizedValue {
  const { builder, origin } = c;
  const producer = builder.producerOf(x.id);
  if (builder.target.floatResults.includes(producer)) {
    builder.note(`${origin.name}: the result of ${producer} stays float for this target`);
    return leftFloat(c, x, nameOf(c, x));
  }
  c.require(dtype !== qint32, "activations of 32 bits have no form in ONNX");
  return quantize(c, x, activationGrid(c, scale, zeroPoint, dtype), nameOf(c, x));
}

/** Scales are called after what is quantized. */
function nameOf(c: CallContext, x: TensorValue): string {
  return c.builder.wishOf(c.id(x)!);
}

function constantWeight(
  c: CallContext,
  x: TensorValue,
  rounded: (value: NonNullable<TensorValue["constant"]>["tensor"]) => ReturnType<typeof quantizePerChannel>,
): QuantizedValue {
  const { path, tensor } = x.constant!; // callers have looked
  const integers = integerWeight(rounded(tensor.detach()));
  c.require(integers, "float zero points have no form in ONNX here");
  return storeWeight(c, integers, path);
}

function perChannel(c: CallContext): QuantizedValue {
  const x = c.tensor(0);
  const [scales, zeroPoints] = [c.tensor(1, "scales"), c.tensor(2, "zeroPoints")];
  c.require(x.constant && scales.constant && zeroPoints.constant, "only constants can be quantized by channel");
  const axis = c.number(3, "axis", 0);
  const dtype = c.argument(4, "dtype") as DType;
  const [scale, zeroPoint] = [scales.constant.tensor, zeroPoints.constant.tensor];
  return constantWeight(c, x, (value) => quantizePerChannel(value, scale, zeroPoint, axis, dtype));
}

function perTensorDynamic(c: CallContext): QuantizedValue | TensorValue {
  const x = c.tensor(0);
  if (c.argument(1, "dtype") === float16) return c.cast(x, float16);
  const { builder, origin } = c;
  if (builder.target.dynamic === "weight-only") {
    builder.note("activations that are quantized by the range of each call stay float for this target");
    return leftFloat(c, x, origin.name);
  }
  if (c.flag(2, "reduceRange")) {
    builder.note("DynamicQuantizeLinear uses all 8 bits, where the engine that the model was made for uses 7");
  }
  return quantizeDynamically(c, x, nameOf(c, x));
}

/** Also of what was never quantized, and of float16. */
function dequantizeAny(c: CallContext): Argument {
  const [x] = c.args;
  if (isQuantizedValue(x)) return dequantize(c, x);
  const value = c.tensor(0);
  return value.dtype === float16 ? c.cast(value, float32) : value;
}

export const quantizeExports: OpExports = {
  quantizePerTensor: perTensor,
  quantizePerChannel: perChannel,
  quantizePerTensorDynamic: perTensorDynamic,
  dequantize: dequantizeAny,
};

export function quantizeModule(c: CallContext, module: Quantize): QuantizedValue {
  return quantizeActivation(c, c.tensor(0), module.scale.item(), module.zero_point.item(), module.dtype);
}

export const dequantizeModule = dequantizeAny;
