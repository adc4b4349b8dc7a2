/** The recipes of the stubs: where floats become integers, and integers floats. */
import { float32, int64, quint8 } from "../../core/dtype.ts";
import type { DType } from "../../core/dtype.ts";
import { Module } from "../../nn/module.ts";
import { tensor } from "../../ops/create.ts";
import { dequantize, quantizePerTensor } from "../../ops/quantize.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { observerOf } from "../observed-module.ts";
import { DeQuantStub, QuantStub } from "../stubs.ts";
import type { Recipe } from "./recipe.ts";
import { outputQparams } from "./weight.ts";

/** Quantizes its input with fixed qparams, which are saved (`torch.ao.nn.quantized.Quantize`). */
export class Quantize extends Module {
  declare scale: Tensor;
  declare zero_point: Tensor;
  readonly dtype: DType;

  constructor(scale: number, zeroPoint: number, dtype: DType = quint8) {
    super();
    this.registerBuffer("scale", tensor([scale], { dtype: float32 }));
    this.registerBuffer("zero_point", tensor([zeroPoint], { dtype: int64 }));
    this.dtype = dtype;
  }

  override forward(x: Tensor): Tensor {
    return quantizePerTensor(x, this.scale.item(), this.zero_point.item(), this.dtype);
  }

  static fromFloat(module: Module): Quantize {
    const { scale, zeroPoint } = outputQparams(module);
    const { dtype } = observerOf(module) as unknown as { dtype: DType };
    return new Quantize(scale, zeroPoint, dtype);
  }

  override extraRepr(): string {
    return `scale=${String(this.scale)}, zero_point=${String(this.zero_point)}, dtype=${String(this.dtype)}`;
  }
}

/** Gives the real values of a quantized input (`torch.ao.nn.quantized.DeQuantize`). */
export class DeQuantize extends Module {
  override forward(x: Tensor): Tensor {
    return dequantize(x);
  }

  static fromFloat(_module: Module): DeQuantize {
    return new DeQuantize();
  }
}

export const stubRecipes: readonly Recipe[] = [
  { float: QuantStub, quantized: Quantize, reference: Quantize, observed: true },
  { float: DeQuantStub, quantized: DeQuantize, reference: DeQuantize, observed: true },
].map((recipe) => Object.freeze(recipe));
