/** The packed weight and bias of a quantized linear, as the submodule `_packed_params` that PyTorch's state dicts show. */
import { float32, qint8 } from "../../../core/dtype.ts";
import { sameShape } from "../../../core/shape.ts";
import { Module } from "../../../nn/module.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { sizeMismatch } from "../../../nn/state-dict.ts";
import { full } from "../../../ops/create.ts";
import { _emptyAffineQuantized } from "../../../ops/quantize.ts";
import type { DynamicPackedParams } from "../../../ops/quantized/linear-fp16.ts";
import { linearPrepack } from "../../../ops/quantized/linear.ts";
import type { PackedParams } from "../../../ops/quantized/packed-params.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/** Packs a weight [out, in] with its bias. */
export type LinearPacker<P> = (weight: Tensor, bias: Tensor | null) => P;

/**
 * PyTorch saves a (weight, bias) tuple under `_packed_params._packed_params`. A state dict here holds tensors only, so the
 * tuple's items stand under `….0` and `….1`; a weight of float16 precision is saved as float16. PyTorch's `dtype` beside
 * them is the weight's own.
 */
export class LinearPackedParams<P extends DynamicPackedParams = PackedParams> extends Module {
  packed: P;
  private readonly pack: LinearPacker<P>;

  constructor(weight: Tensor, bias: Tensor | null, pack: LinearPacker<P>) {
    super();
    this.pack = pack;
    this.packed = pack(weight, bias);
  }

  setWeightBias(weight: Tensor, bias: Tensor | null): void {
    this.packed = this.pack(weight, bias);
  }

  override stateVersion(): number {
    return 3;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    const { weight, bias } = this.packed;
    state.set(`${prefix}_packed_params.0`, weight);
    if (bias) state.set(`${prefix}_packed_params.1`, bias);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const keys = [`${prefix}_packed_params.0`, `${prefix}_packed_params.1`];
    const [weight, bias] = keys.map((key) => context.state.get(key));
    const own = this.packed.weight.shape;
    if (!weight) context.missingKeys.push(keys[0]);
    else if (sameShape(weight.shape, own)) this.packed = this.pack(weight, bias ?? null);
    else context.errors.push(sizeMismatch(keys[0], weight.shape, own));
    return keys;
  }
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/** What static and dynamic quantized linears share: sizes and the packed weight. */
export abstract class AnyPackedLinear<P extends DynamicPackedParams> extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  _packed_params: LinearPackedParams<P>;

  constructor(
    inFeatures: number,
    outFeatures: number,
    { bias = true }: LinearOptions,
    emptyWeight: Tensor,
    pack: LinearPacker<P>,
  ) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const zeros = bias ? full([outFeatures], 0, { dtype: float32 }) : null;
    this._packed_params = new LinearPackedParams(emptyWeight, zeros, pack);
  }

  /** The weight [out, in]. */
  abstract weight(): Tensor;

  /** The float bias [out], or null. */
  bias(): Tensor | null {
    return this._packed_params.packed.bias;
  }

  setWeightBias(weight: Tensor, bias: Tensor | null): void {
    this._packed_params.setWeightBias(weight, bias ? bias.detach() : null);
  }

  /** Version 1 held weight and bias itself, version 2 in the submodule, and version 3 has a tuple of both there. */
  override oldStateKeys(): Readonly<Record<string, string>> {
    const [weight, bias] = ["_packed_params._packed_params.0", "_packed_params._packed_params.1"];
    return { weight, bias, "_packed_params.weight": weight, "_packed_params.bias": bias };
  }

  /** One line: the packed weight is not shown. */
  override toString(): string {
    return `${this.getName()}(${this.extraRepr()})`;
  }
}

/** A linear of an 8-bit weight. */
export abstract class PackedLinear extends AnyPackedLinear<PackedParams> {
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    const empty = _emptyAffineQuantized([outFeatures, inFeatures], { dtype: qint8 });
    super(inFeatures, outFeatures, options, empty, linearPrepack);
  }

  /** The quantized weight [out, in]. */
  override weight(): Tensor {
    return this._packed_params.packed.weight;
  }
}
