/** The weights of reference recurrent modules: float, each with the grid that it is to be rounded to. */
import type { DType } from "../../../core/dtype.ts";
import { float16, float32, int32, quint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import { perTensorAffine } from "../../../core/qparams.ts";
import type { Module } from "../../../nn/module.ts";
import { asDtype } from "../../../ops/arithmetic.ts";
import { full } from "../../../ops/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Factory } from "../../with-args.ts";
import { create } from "../../with-args.ts";
import type { FromFloatOptions, WeightQparams } from "../recipe.ts";
import { ReferenceWeight } from "../reference-weight.ts";
import { observedQparams } from "../weight.ts";

/** How each weight of a module is to be quantized, by the weight's name. */
export interface WeightQparamsByName extends FromFloatOptions {
  readonly [weight: `weight_${string}`]: WeightQparams;
}

/** What a reference module asks of one of its weights. */
export interface WeightGrid {
  readonly qparams: { readonly dtype: DType };
  /** The integers, or float16. */
  quantized(weight: Tensor): Tensor;
  /** The float values of the integers. A float16 weight is used unrounded, as in PyTorch. */
  dequantized(weight: Tensor): Tensor;
}

/** Without buffers, which PyTorch registers for the float16 weights of other reference modules. */
export const float16Grid: WeightGrid = Object.freeze({
  qparams: Object.freeze({ dtype: float16 }),
  quantized: (weight: Tensor) => asDtype(weight.detach(), float16),
  dequantized: (weight: Tensor) => weight,
});

const unquantized: WeightQparams = {
  scale: full([], 1, { dtype: float32 }),
  zeroPoint: full([], 0, { dtype: int32 }),
  qscheme: perTensorAffine,
  dtype: quint8,
};

/**
 * Registers the qparams of all weights of `owner` as buffers `weight_…_scale`, `…_zero_point` and `…_axis`, and gives the
 * grids by name. Without qparams: quint8, scale 1, zero point 0.
 */
export function weightGrids(
  owner: Module,
  qparams: WeightQparamsByName | undefined,
): Readonly<Record<string, WeightGrid>> {
  const entries = weightNames(owner).map((key): [string, WeightGrid] => {
    const own = qparams ? qparams[key] : unquantized;
    if (!own) throw new OctetError(`${owner.getName()}: there are no qparams for ${key}`);
    return [key, own.dtype === float16 ? float16Grid : new ReferenceWeight(owner, own, key)];
  });
  return Object.fromEntries(entries);
}

/** Names of the parameters that are weights, in the order of the state dict. */
export function weightNames(owner: Module): `weight_${string}`[] {
  return [...owner.ownParameters()]
    .map(([key]) => key)
    .filter((key) => key.startsWith("weight_")) as `weight_${string}`[];
}

/**
 * Qparams for the weights of a float module that `given` does not name, from observers of its qconfig. (In PyTorch only
 * graph-mode conversion makes recurrent reference modules, and gives all of them.)
 */
export function observedWeightQparams(module: Module, given: WeightQparamsByName): WeightQparamsByName {
  const parameters = new Map<string, Tensor>(module.ownParameters());
  const entries = weightNames(module).map((key) => [key, given[key] ?? observe(module, parameters.get(key) as Tensor)]);
  return Object.fromEntries(entries) as WeightQparamsByName;
}

function observe(module: Module, weight: Tensor): WeightQparams {
  if (!module.qconfig?.weight) {
    throw new OctetError(`${module.getName()}: Input float module must have qconfig defined`);
  }
  return observedQparams(weight, create(module.qconfig.weight as Factory<Module>));
}
