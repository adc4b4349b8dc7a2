/**
 * The packed weights of dynamic recurrent modules, and how they stand in state dicts. Where PyTorch saves script objects,
 * the tensors inside stand under the same keys with numbers behind them, as for a quantized linear: `.0` is the weight and
 * `.1` the bias of a packed weight; the two packed weights of a layer, from the input and from the state, are `.0` and `.1`.
 *
 *     _packed_weight_ih.0               a cell's weight from the input
 *     _all_weight_values.2.param.1.0    the third layer's weight from the state
 */
import type { DType } from "../../../core/dtype.ts";
import { float32, qint8 } from "../../../core/dtype.ts";
import { OctetError, formatShape } from "../../../core/errors.ts";
import { Module } from "../../../nn/module.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { randn } from "../../../ops/random.ts";
import { quantizePerTensor } from "../../../ops/quantize.ts";
import type { DynamicPackedParams } from "../../../ops/quantized/linear-fp16.ts";
import type { QuantizedCellParams } from "../../../ops/quantized/rnn.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { packDynamic } from "../dynamic-weight.ts";

/** Packs a weight for a dynamic linear: a quantized one for qint8, a float32 one for float16. */
export function packWeightBias(weight: Tensor, bias: Tensor | null, dtype: DType): DynamicPackedParams {
  if (weight.isQuantized !== (dtype === qint8)) {
    throw new OctetError(`packWeightBias: a ${weight.dtype.name} weight cannot be packed as ${dtype.name}`);
  }
  return packDynamic(weight, bias);
}

/** A normal random weight, quantized with `scale` if the dtype is qint8: what a module holds until it gets its own. */
export function randomWeight(shape: readonly number[], dtype: DType, scale: number): Tensor {
  const values = randn([...shape]);
  return dtype === qint8 ? quantizePerTensor(values, scale, 0, qint8) : values;
}

export function savePacked(state: StateDict, key: string, { weight, bias }: DynamicPackedParams): void {
  state.set(`${key}.0`, weight);
  if (bias) state.set(`${key}.1`, bias);
}

/** The packed weight that a state dict holds under `key`; `present`, whose sizes it must have, if there is none. */
export function loadPacked(
  context: LoadContext,
  key: string,
  present: DynamicPackedParams,
): { packed: DynamicPackedParams; keys: string[] } {
  const keys = [`${key}.0`, `${key}.1`];
  const [weight, bias] = keys.map((name) => context.state.get(name));
  const reject = (problem: string) => {
    context.errors.push(problem);
    return { packed: present, keys };
  };
  if (!weight) {
    context.missingKeys.push(keys[0]);
    return { packed: present, keys };
  }
  if (weight.shape.join() !== present.weight.shape.join()) {
    const [given, own] = [weight, present.weight].map(({ shape }) => formatShape(shape));
    return reject(`size mismatch for ${keys[0]}: the state dict has shape ${given}, the module ${own}.`);
  }
  if (weight.isQuantized !== present.weight.isQuantized) {
    const [given, own] = [weight, present.weight].map(({ dtype }) => dtype.name);
    return reject(`dtype mismatch for ${keys[0]}: ${given} cannot be loaded into ${own}.`);
  }
  return { packed: packDynamic(weight, bias ?? null), keys };
}

/** Holds the weights of one layer in one direction (`torch.ao.nn.quantized.dynamic.modules.rnn.PackedParameter`). */
export class PackedParameter extends Module {
  param: QuantizedCellParams;

  constructor(param: QuantizedCellParams) {
    super();
    this.param = param;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    savePacked(state, `${prefix}param.0`, this.param.ih);
    savePacked(state, `${prefix}param.1`, this.param.hh);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const ih = loadPacked(context, `${prefix}param.0`, this.param.ih);
    const hh = loadPacked(context, `${prefix}param.1`, this.param.hh);
    this.param = Object.freeze({ ...this.param, ih: ih.packed, hh: hh.packed });
    return [...ih.keys, ...hh.keys];
  }
}

/** Biases as packed: float32. */
export function biasOf(packed: DynamicPackedParams): Tensor {
  if (packed.bias?.dtype !== float32) throw new OctetError("a recurrent layer's packed weight has no bias");
  return packed.bias;
}
