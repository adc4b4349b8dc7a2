/**
 * Linear on weights of float16 precision (`torch.ops.quantized.linear_*_fp16`): weights take half the memory on disk, the
 * arithmetic is float32. Not the linear of 8-bit weights, which is in linear.ts.
 */
import { float16, float32 } from "../../core/dtype.ts";
import { engineFor } from "../../core/engine.ts";
import { OctetError, check, formatShape } from "../../core/errors.ts";
import { warn } from "../../core/warnings.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { relu } from "../activation.ts";
import { asDtype } from "../arithmetic.ts";
import { linear } from "../linear.ts";
import { linearDynamic } from "./linear.ts";
import { quantizedOperator } from "./operator.ts";
import type { PackedParams } from "./packed-params.ts";

/** The largest finite float16. */
const FLOAT16_MAX = 65504;

/** A weight [out, in] rounded to float16, with its float32 bias [out], as `torch.ops.quantized.linear_prepack_fp16` makes. */
export interface Fp16PackedParams {
  /** float16. */
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  /** The same weight as float32, which is what kernels take. */
  readonly widened: Tensor;
}

/** A packed weight for linears with float input and output. */
export type DynamicPackedParams = PackedParams | Fp16PackedParams;

/**
 * A copy of a float32 weight whose values beyond ±65504, the largest of float16, are cut off there, with a warning
 * (`torch._saturate_weight_to_fp16`). Rounds nothing; NaN stays.
 */
export const _saturateWeightToFp16 = quantizedOperator("_saturateWeightToFp16", (weight: Tensor): Tensor => {
  check(
    weight.dtype === float32,
    () => `_saturate_weight_to_fp16: weight must be a float32 tensor, got ${weight.dtype.name}`,
  );
  const data = (weight.elements() as Float32Array).slice();
  let outOfRange = false;
  data.forEach((value, i) => {
    if (Math.abs(value) <= FLOAT16_MAX || Number.isNaN(value)) return;
    data[i] = Math.sign(value) * FLOAT16_MAX;
    outOfRange = true;
  });
  if (outOfRange) warn("FOUND weight out of range");
  return Tensor.fromArray(data, weight.shape, float32);
});

/**
 * Packs a float32 weight [out, in] and its bias [out] for {@link linearDynamicFp16}: cut off at ±65504, then rounded half to
 * even. A weight that is float16 already is kept. Every engine but "none" can do it (in PyTorch only fbgemm and x86).
 */
export const linearPrepackFp16 = quantizedOperator(
  "linearPrepackFp16",
  (weight: Tensor, bias: Tensor | null = null): Fp16PackedParams => {
    engineFor("linear_prepack_fp16");
    const op = "quantized::linear_prepack_fp16";
    check(weight.ndim === 2, () => `${op}: weight must have 2 dimensions, got ${formatShape(weight.shape)}`);
    const [rows] = weight.shape;
    if (bias && (bias.dtype !== float32 || bias.ndim !== 1 || bias.shape[0] !== rows)) {
      throw new OctetError(
        `${op}: bias should be a float32 vector of ${rows} elements, got ${bias.dtype.name} ${formatShape(bias.shape)}`,
      );
    }
    const half = weight.dtype === float16 ? weight.detach() : asDtype(_saturateWeightToFp16(weight.detach()), float16);
    return Object.freeze({ weight: half, bias: bias && bias.detach(), widened: asDtype(half, float32) });
  },
);

/** The rounded weight as float32, and the bias. */
export function linearUnpackFp16(packed: Fp16PackedParams): [weight: Tensor, bias: Tensor | null] {
  return [packed.widened, packed.bias];
}

function runFp16(op: string, x: Tensor, packed: Fp16PackedParams): Tensor {
  check(x.dtype === float32, () => `quantized::${op}: input must be a float32 tensor, got ${x.dtype.name}`);
  return linear(x, packed.widened, packed.bias);
}

/** x · weightᵀ + bias in float32, with a weight of float16 precision. */
export const linearDynamicFp16 = quantizedOperator("linearDynamicFp16", (x: Tensor, packed: Fp16PackedParams): Tensor =>
  runFp16("linear_dynamic_fp16", x, packed),
);

/** {@link linearDynamicFp16} followed by ReLU. */
export const linearReluDynamicFp16 = quantizedOperator(
  "linearReluDynamicFp16",
  (x: Tensor, packed: Fp16PackedParams): Tensor => relu(runFp16("linear_relu_dynamic_fp16", x, packed)),
);

/** {@link linearDynamicFp16} with a float32 weight, which is rounded at every call. */
export const linearDynamicFp16UnpackedWeight = quantizedOperator(
  "linearDynamicFp16UnpackedWeight",
  (x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor =>
    runFp16("linear_dynamic_fp16_unpacked_weight", x, linearPrepackFp16(weight, bias)),
);

/** Tells weights of float16 precision from 8-bit ones. */
export function isFp16Packed(packed: DynamicPackedParams): packed is Fp16PackedParams {
  return "widened" in packed;
}

/** Float in, float out, with whatever weight was packed. `reduceRange` is for 8-bit ones. */
export function applyDynamic(x: Tensor, packed: DynamicPackedParams, reduceRange: boolean): Tensor {
  return isFp16Packed(packed) ? linearDynamicFp16(x, packed) : linearDynamic(x, packed, reduceRange);
}
