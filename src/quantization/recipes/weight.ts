/** What every module with a weight does at conversion: observe the weight, choose its integers, read the output's qparams. */
import { float16, float32, float64, int64, qint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import type { RunningNorm } from "../../nn/modules/norm.ts";
import type { Foldable } from "../../nn/utils/fusion.ts";
import { fuseBnWeights } from "../../nn/utils/fusion.ts";
import { asDtype } from "../../ops/elementwise.ts";
import { quantizePerChannel, quantizePerTensor } from "../../ops/quantize.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { FakeQuantizeBase } from "../fake-quantize.ts";
import type { ActivationPostProcess } from "../observed-module.ts";
import { observerOf } from "../observed-module.ts";
import type { UniformQuantizationObserverBase } from "../observers/observer-base.ts";
import { create } from "../with-args.ts";
import type { Factory } from "../with-args.ts";
import type { WeightQparams } from "./recipe.ts";
import { float16Weight } from "./reference-weight.ts";

/** An observer or fake quantization of a weight: both tell range, scheme and qparams. */
export type WeightObserver = Pick<UniformQuantizationObserverBase, "dtype" | "qscheme" | "quantMin" | "quantMax"> &
  ActivationPostProcess & { readonly chAxis?: number };

/** The module whose weight is quantized: the first one of a fused module, else the module itself. */
export function weighted<M>(module: Module): M {
  if ((module as { weight?: unknown }).weight !== undefined) return module as M;
  const [first] = module.children();
  return first as M;
}

/** The QAT module's fake quantization of its weight, or a fresh observer from the qconfig. */
export function weightObserverOf(module: Module): WeightObserver {
  const trained = (module as { weight_fake_quant?: WeightObserver }).weight_fake_quant;
  if (trained) return trained;
  const qconfig = weighted<Module>(module).qconfig ?? module.qconfig;
  if (!qconfig) throw new OctetError(`${module.getName()}: Input float module must have qconfig defined`);
  return create(qconfig.weight as Factory<Module>) as WeightObserver;
}

/** Qparams of a weight as an observer that is run on it sees it, for reference modules. */
export function observedQparams(weight: Tensor, observer: Module): WeightQparams {
  const { dtype, qscheme, quantMin, quantMax, chAxis } = observer as WeightObserver;
  if (dtype === float16) return float16Weight;
  noGrad(() => observer(weight));
  const [scale, zeroPoint] = (observer as WeightObserver).calculateQparams();
  return { scale, zeroPoint, qscheme, dtype, quantMin, quantMax, axis: qscheme.isPerChannel ? chAxis : undefined };
}

/** {@link observedQparams} of a module's weight. */
export function weightQparamsOf(module: Module, observer: Module): WeightQparams {
  return observedQparams((weighted(module) as Module & { weight: Tensor }).weight, observer);
}

/**
 * A float weight as integers of the observer's range (`_quantize_weight`). The integers are clamped to that range where it
 * is narrower than the dtype's: quantization itself clamps only to the dtype.
 */
export function quantizeWeight(weight: Tensor, observer: WeightObserver): Tensor {
  const [scale, zeroPoint] = observer.calculateQparams();
  const value = asDtype(weight.detach(), float32);
  const { qscheme } = observer;
  if (!qscheme.isPerChannel)
    return clampIntegers(quantizePerTensor(value, scale.item(), zeroPoint.item(), qint8), observer);
  const axis = observer.chAxis ?? 0;
  const floatQparams = zeroPoint.dtype.isFloatingPoint;
  const [scales, zeroPoints] = floatQparams
    ? [asDtype(scale, float32), asDtype(zeroPoint, float32)]
    : [asDtype(scale, float64), asDtype(zeroPoint, int64)];
  const dtype = floatQparams ? observer.dtype : qint8;
  return clampIntegers(quantizePerChannel(value, scales, zeroPoints, axis, dtype), observer);
}

function clampIntegers(quantized: Tensor, observer: WeightObserver): Tensor {
  const { quantMin, quantMax } =
    observer instanceof FakeQuantizeBase ? (observerOf(observer) as WeightObserver) : observer;
  const data = quantized.storage.data;
  if (quantMin <= quantized.dtype.min && quantMax >= quantized.dtype.max) return quantized;
  for (let i = 0; i < data.length; i++) data[i] = Math.min(Math.max(data[i], quantMin), quantMax);
  return quantized;
}

/** Scale and zero point of what the module gives, from its observer. */
export function outputQparams(module: Module): { scale: number; zeroPoint: number } {
  const observer = observerOf(module);
  if (!observer) {
    throw new OctetError(`${module.getName()}: has no observer; prepare the model and calibrate it before converting`);
  }
  const [scale, zeroPoint] = observer.calculateQparams();
  return { scale: scale.item(), zeroPoint: zeroPoint.item() };
}

/** A module's float weight and bias as they will be used: with the batch norm of a QAT module folded in. */
function foldedWeight(module: Module): { weight: Tensor; bias: Tensor | null } {
  const source = weighted<Foldable & { readonly bn?: RunningNorm }>(module);
  if (!source.bn) return source;
  const [weight, bias] = fuseBnWeights(source.weight, source.bias, source.bn, {});
  return { weight, bias };
}

/** The quantized weight and the float bias of a float, fused or QAT module. */
export function observedWeight(
  module: Module,
  options: { usePrecomputedFakeQuant?: boolean } = {},
): { weight: Tensor; bias: Tensor | null } {
  const observer = weightObserverOf(module);
  const { weight, bias } = foldedWeight(module);
  if (!options.usePrecomputedFakeQuant) noGrad(() => observer(weight));
  if (observer.dtype !== qint8) {
    throw new OctetError(
      `${module.getName()}: Weight observer must have dtype torch.qint8, got torch.${observer.dtype.name}`,
    );
  }
  return { weight: quantizeWeight(weight, observer), bias };
}
