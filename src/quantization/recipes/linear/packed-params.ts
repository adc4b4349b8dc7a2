/** The packed weight and bias of a quantized linear, as the submodule `_packed_params` that PyTorch's state dicts show. */
import { float32, qint8 } from "../../../core/dtype.ts";
import { Module } from "../../../nn/module.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { full } from "../../../ops/create.ts";
import { _emptyAffineQuantized } from "../../../ops/quantize.ts";
import { linearPrepack } from "../../../ops/quantized/linear.ts";
import type { PackedParams } from "../../../ops/quantized/packed-params.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/**
 * PyTorch saves a (weight, bias) tuple under `_packed_params._packed_params`. A state dict here holds tensors only, so the
 * tuple's items stand under `….0` and `….1`.
 */
export class LinearPackedParams extends Module {
  packed: PackedParams;

  constructor(weight: Tensor, bias: Tensor | null) {
    super();
    this.packed = linearPrepack(weight, bias);
  }

  setWeightBias(weight: Tensor, bias: Tensor | null): void {
    this.packed = linearPrepack(weight, bias);
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
    if (weight) this.packed = linearPrepack(weight, bias ?? null);
    else context.missingKeys.push(keys[0]);
    return keys;
  }
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/** What static and dynamic quantized linears share: sizes and the packed weight. */
export abstract class PackedLinear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  _packed_params: LinearPackedParams;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const weight = _emptyAffineQuantized([outFeatures, inFeatures], { dtype: qint8 });
    const bias = (options.bias ?? true) ? full([outFeatures], 0, { dtype: float32 }) : null;
    this._packed_params = new LinearPackedParams(weight, bias);
  }

  /** The quantized weight [out, in]. */
  weight(): Tensor {
    return this._packed_params.packed.weight;
  }

  /** The float bias [out], or null. */
  bias(): Tensor | null {
    return this._packed_params.packed.bias;
  }

  setWeightBias(weight: Tensor, bias: Tensor | null): void {
    this._packed_params.setWeightBias(weight, bias ? bias.detach() : null);
  }

  /** One line: the packed weight is not shown. */
  override toString(): string {
    return `${this.getName()}(${this.extraRepr()})`;
  }
}
