/** Dynamic quantized linears (`torch.ao.nn.quantized.dynamic.Linear`): float in, float out, 8-bit or float16 weights. */
import type { DType } from "../../../core/dtype.ts";
import { float16, float32, qint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import type { Module } from "../../../nn/module.ts";
import type { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import { full } from "../../../ops/create.ts";
import { _emptyAffineQuantized } from "../../../ops/quantize.ts";
import type { DynamicPackedParams } from "../../../ops/quantized/linear-fp16.ts";
import { applyDynamic, isFp16Packed, linearReluDynamicFp16 } from "../../../ops/quantized/linear-fp16.ts";
import { linearReluDynamic } from "../../../ops/quantized/linear.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { dynamicWeightsOf, packDynamic, unpackedWeight } from "../dynamic-weight.ts";
import { loadOutputQparams, saveOutputQparams } from "../output-qparams.ts";
import { weighted } from "../weight.ts";
import type { LinearOptions } from "./packed-params.ts";
import { AnyPackedLinear } from "./packed-params.ts";
import type { Linear as ReferenceLinear } from "./reference.ts";

export interface DynamicLinearOptions extends LinearOptions {
  /** Of the weight: qint8 (the default) or float16. */
  readonly dtype?: DType;
}

function refusal(dtype: DType): string {
  return `The only supported dtypes for dynamic quantized linear are qint8 and float16 got: ${String(dtype)}`;
}

function emptyWeight(shape: readonly number[], dtype: DType): Tensor {
  if (dtype === float16) return full(shape, 0, { dtype: float32 });
  if (dtype === qint8) return _emptyAffineQuantized(shape, { dtype });
  throw new OctetError(refusal(dtype));
}

/** x · weightᵀ + bias in float32. With 8-bit weights, x is quantized by its own range at every call. */
export class Linear extends AnyPackedLinear<DynamicPackedParams> {
  /** 7-bit activations, on engines that honour it; always so for modules made by this version. */
  reduceRange = true;

  constructor(inFeatures: number, outFeatures: number, options: DynamicLinearOptions = {}) {
    const empty = emptyWeight([outFeatures, inFeatures], options.dtype ?? qint8);
    super(inFeatures, outFeatures, options, empty, packDynamic);
  }

  /** The weight [out, in]: qint8, or float32 of float16 precision. */
  override weight(): Tensor {
    return unpackedWeight(this._packed_params.packed);
  }

  override forward(x: Tensor): Tensor {
    return applyDynamic(x, this._packed_params.packed, this.reduceRange);
  }

  static fromFloat(module: Module): Linear {
    const source = weighted<FloatLinear>(module);
    const { dtype, convert } = dynamicWeightsOf(source.qconfig === undefined ? module : source, refusal);
    const made = new this(source.inFeatures, source.outFeatures, { dtype });
    made.setWeightBias(convert(source.weight), source.bias);
    return made;
  }

  /** From a reference linear, whose weight qparams are known, or a fused module around it. */
  static fromReference(module: Module): Linear {
    const reference = weighted<ReferenceLinear>(module);
    const { dtype } = reference.referenceWeight.qparams;
    const made = new this(reference.inFeatures, reference.outFeatures, { dtype });
    made.setWeightBias(reference.getQuantizedWeight(), reference.bias);
    return made;
  }

  override stateVersion(): number {
    return 4;
  }

  /** As in PyTorch, the output qparams of a static linear are there, and mean nothing. */
  override saveToStateDict(state: StateDict, prefix: string): void {
    saveOutputQparams({ scale: 1, zero_point: 0 }, state, prefix);
  }

  /** Before version 4, activations had all 8 bits. A state without versions is taken for a new one. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const version = context.metadata.get(prefix.slice(0, -1))?.version ?? 1;
    this.reduceRange = context.metadata.size === 0 || version >= 4;
    return loadOutputQparams({ scale: 1, zero_point: 0 }, context, prefix);
  }

  override getName(): string {
    return "DynamicQuantizedLinear";
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures } = this;
    const { weight } = this._packed_params.packed;
    const qscheme = weight.quantizer ? `, qscheme=${String(weight.quantizer.qscheme)}` : "";
    return `in_features=${inFeatures}, out_features=${outFeatures}, dtype=${String(weight.dtype)}${qscheme}`;
  }
}

/** {@link Linear} followed by ReLU, in one pass. */
export class LinearReLU extends Linear {
  override forward(x: Tensor): Tensor {
    const { packed } = this._packed_params;
    return isFp16Packed(packed) ? linearReluDynamicFp16(x, packed) : linearReluDynamic(x, packed, this.reduceRange);
  }

  override getName(): string {
    return "DynamicQuantizedLinearReLU";
  }
}
