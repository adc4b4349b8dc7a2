/** How dynamic modules get their weights: 8-bit integers as the qconfig's observer chooses, or float16. */
import type { DType } from "../../core/dtype.ts";
import { float16, float32, qint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import type { Module } from "../../nn/module.ts";
import { asDtype } from "../../ops/arithmetic.ts";
import type { DynamicPackedParams } from "../../ops/quantized/linear-fp16.ts";
import { isFp16Packed, linearPrepackFp16, linearUnpackFp16 } from "../../ops/quantized/linear-fp16.ts";
import { linearPrepack } from "../../ops/quantized/linear.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defaultDynamicQconfig } from "../qconfig.ts";
import type { Factory } from "../with-args.ts";
import { create } from "../with-args.ts";
import type { WeightObserver } from "./weight.ts";
import { quantizeWeight } from "./weight.ts";

export interface DynamicWeights {
  /** qint8 or float16. */
  readonly dtype: DType;
  /** The weight to pack: observed and quantized, or float32 for float16. Each weight has an observer of its own. */
  readonly convert: (weight: Tensor) => Tensor;
}

/**
 * What the qconfig of a float module says of its weights; without one for weights, what `defaultDynamicQconfig` says.
 * Throws if the module has no qconfig, or `refusal` if the dtype is neither qint8 nor float16.
 */
export function dynamicWeightsOf(module: Module, refusal: (dtype: DType) => string): DynamicWeights {
  const { qconfig } = module;
  if (qconfig === undefined) {
    throw new OctetError(`${module.getName()}: Input float module must have qconfig defined`);
  }
  const factory = (qconfig?.weight ?? defaultDynamicQconfig.weight) as Factory<Module>;
  const observer = () => create(factory) as Module & WeightObserver;
  const { dtype } = observer();
  if (dtype !== qint8 && dtype !== float16) throw new OctetError(refusal(dtype));
  const convert = (weight: Tensor): Tensor => {
    if (dtype === float16) return asDtype(weight.detach(), float32);
    const own = observer();
    noGrad(() => own(weight));
    return quantizeWeight(weight, own);
  };
  return { dtype, convert };
}

/** Packs a quantized weight as integers, a float one as float16. */
export function packDynamic(weight: Tensor, bias: Tensor | null): DynamicPackedParams {
  const own = bias && bias.detach();
  return weight.isQuantized ? linearPrepack(weight, own) : linearPrepackFp16(weight, own);
}

/** The weight as it was packed: quantized, or float32 of float16 precision. */
export function unpackedWeight(packed: DynamicPackedParams): Tensor {
  return isFp16Packed(packed) ? linearUnpackFp16(packed)[0] : packed.weight;
}
