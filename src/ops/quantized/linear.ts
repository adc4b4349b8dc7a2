/** Quantized linear: static and dynamic (`torch.ops.quantized.linear*`). */
import { float32, quint8 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { perTensorQuantizer } from "../../core/qparams.ts";
import type { EpilogueActivation } from "../../core/requantize.ts";
import { numelOf } from "../../core/shape.ts";
import type { ByteArray, Int8Input } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { fromIntegers, perTensorOf, quantizePerTensor, quantizePerTensorDynamic } from "../quantize.ts";
import type { PackedParams } from "./packed-params.ts";
import { checkFloatInput, quantizedOperator } from "./operator.ts";
import { dynamicEpilogue, int8Input, packParams, staticEpilogue } from "./packed-params.ts";

/** Packs a weight [out, in] and its bias [out] for {@link linear} and {@link linearDynamic}. */
export const linearPrepack = quantizedOperator(
  "linearPrepack",
  (weight: Tensor, bias: Tensor | null = null): PackedParams => {
    if (weight.ndim !== 2) {
      throw new OctetError(
        `quantized::linear_prepack: weight must have 2 dimensions, got ${formatShape(weight.shape)}`,
      );
    }
    return packParams("linear_prepack", weight, bias);
  },
);

/** The weight and bias that were packed. */
export function linearUnpack(packed: PackedParams): [weight: Tensor, bias: Tensor | null] {
  return [packed.weight, packed.bias];
}

interface Fused {
  readonly relu?: boolean;
  readonly activation?: EpilogueActivation;
}

function runLinear(
  op: string,
  x: Tensor,
  packed: PackedParams,
  scale: number,
  zeroPoint: number,
  fused: Fused,
): Tensor {
  const input = int8Input(op, x);
  const { rows, depth } = packed.int8;
  checkDepth(op, x, depth);
  const output = { scale, zeroPoint, qmin: x.dtype.min, qmax: x.dtype.max };
  const epilogue = staticEpilogue(input.scale, packed, output, fused);
  const shape = [...x.shape.slice(0, -1), rows];
  const out = x.dtype.allocate(numelOf(shape)) as ByteArray;
  kernels().linearInt8(x.numel() / depth, input, packed.int8, epilogue, out);
  return fromIntegers(out, shape, x.dtype, perTensorQuantizer(`quantized::${op}`, scale, zeroPoint, x.dtype));
}

function checkDepth(op: string, x: Tensor, depth: number): void {
  if (x.ndim === 0 || x.shape[x.ndim - 1] !== depth) {
    throw new OctetError(
      `quantized::${op}: weight expects ${depth} input features, input has shape ${formatShape(x.shape)}`,
    );
  }
}

/** x · weightᵀ + bias, rounded to the grid of (scale, zeroPoint) in x's dtype. */
export const linear = quantizedOperator(
  "linear",
  (x: Tensor, packed: PackedParams, scale: number, zeroPoint: number): Tensor =>
    runLinear("linear", x, packed, scale, zeroPoint, {}),
);

/** {@link linear} followed by ReLU. */
export const linearRelu = quantizedOperator(
  "linearRelu",
  (x: Tensor, packed: PackedParams, scale: number, zeroPoint: number): Tensor =>
    runLinear("linear_relu", x, packed, scale, zeroPoint, { relu: true }),
);

/** {@link linear} followed by a leaky ReLU. (PyTorch has it for engine onednn only.) */
export const linearLeakyRelu = quantizedOperator(
  "linearLeakyRelu",
  (x: Tensor, packed: PackedParams, scale: number, zeroPoint: number, negativeSlope: number): Tensor =>
    runLinear("linear_leaky_relu", x, packed, scale, zeroPoint, { activation: { leakyRelu: negativeSlope } }),
);

/** {@link linear} followed by tanh. (PyTorch has it for engine onednn only.) */
export const linearTanh = quantizedOperator(
  "linearTanh",
  (x: Tensor, packed: PackedParams, scale: number, zeroPoint: number): Tensor =>
    runLinear("linear_tanh", x, packed, scale, zeroPoint, { activation: "tanh" }),
);

// ---------------------------------------------------------------- dynamic

/** A float activation quantized to 8 bits by its own range, as dynamic operators do it at every call. */
export function quantizeDynamically(op: string, x: Tensor, reduceRange: boolean): RoundedInput {
  checkFloatInput(op, x);
  if (x.numel() === 0) return { data: new Uint8Array(0), zeroPoint: 0, scale: 1 }; // an empty batch has no range
  const quantized = quantizePerTensorDynamic(x, quint8, reduceRange);
  const { scale, zeroPoint } = perTensorOf(quantized);
  return { data: quantized.elements() as Uint8Array, zeroPoint, scale: Math.fround(scale) };
}

/** Integers of a float activation, and their scale. */
type RoundedInput = Int8Input & { readonly scale: number };

function runDynamic(op: string, x: Tensor, packed: PackedParams, reduceRange: boolean, relu: boolean): Tensor {
  checkDepth(op, x, packed.int8.depth);
  const input = quantizeDynamically(op, x, reduceRange && packed.engine !== "qnnpack");
  return toFloat(x, input, packed, relu);
}

/** The product of `input`, the rounded x, and a packed weight, in float32. */
function toFloat(x: Tensor, input: RoundedInput, packed: PackedParams, relu: boolean): Tensor {
  const { rows, depth } = packed.int8;
  const shape = [...x.shape.slice(0, -1), rows];
  const out = new Float32Array(numelOf(shape));
  kernels().linearInt8(x.numel() / depth, input, packed.int8, dynamicEpilogue(input.scale, packed, relu), out);
  return Tensor.fromArray(out, shape, float32);
}

/** x · weightᵀ + bias in float32, with x quantized by its own range. Engine qnnpack ignores `reduceRange`, as in PyTorch. */
export const linearDynamic = quantizedOperator(
  "linearDynamic",
  (x: Tensor, packed: PackedParams, reduceRange: boolean = false): Tensor =>
    runDynamic("linear_dynamic", x, packed, reduceRange, false),
);

/** {@link linearDynamic} followed by ReLU. */
export const linearReluDynamic = quantizedOperator(
  "linearReluDynamic",
  (x: Tensor, packed: PackedParams, reduceRange: boolean = false): Tensor =>
    runDynamic("linear_relu_dynamic", x, packed, reduceRange, true),
);

// ---------------------------------------------------------------- float, with qparams that are given

function runOnGrid(op: string, x: Tensor, scale: number, zeroPoint: number, packed: PackedParams, relu: boolean) {
  checkFloatInput(op, x);
  checkDepth(op, x, packed.int8.depth);
  const rounded = quantizePerTensor(x, scale, zeroPoint, quint8);
  const input = { data: rounded.elements() as Uint8Array, zeroPoint, scale: Math.fround(scale) };
  return toFloat(x, input, packed, relu);
}

/** x · weightᵀ + bias in float32, with x rounded to the quint8 grid of (scale, zeroPoint). (PyTorch has it for fbgemm only.) */
export const linearWithInputQDqQweightDqOutputFp32 = quantizedOperator(
  "linearWithInputQDqQweightDqOutputFp32",
  (x: Tensor, scale: number, zeroPoint: number, packed: PackedParams): Tensor =>
    runOnGrid("linear_with_input_q_dq_qweight_dq_output_fp32", x, scale, zeroPoint, packed, false),
);

/** {@link linearWithInputQDqQweightDqOutputFp32} followed by ReLU. */
export const linearWithInputQDqQweightDqReluOutputFp32 = quantizedOperator(
  "linearWithInputQDqQweightDqReluOutputFp32",
  (x: Tensor, scale: number, zeroPoint: number, packed: PackedParams): Tensor =>
    runOnGrid("linear_with_input_q_dq_qweight_dq_relu_output_fp32", x, scale, zeroPoint, packed, true),
);
