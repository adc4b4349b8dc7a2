/**
 * Arithmetic between tensors as modules, so that it can be observed and swapped: FloatFunctional before conversion,
 * QFunctional after (`torch.ao.nn.quantized.FloatFunctional` and friends).
 */
import { OctetError } from "../../core/errors.ts";
import { Module } from "../../nn/module.ts";
import { Identity } from "../../nn/modules/identity.ts";
import { pythonFloat } from "../../nn/repr.ts";
import type { LoadContext, StateDict } from "../../nn/state-dict.ts";
import { relu } from "../../ops/activation.ts";
import { add, mul } from "../../ops/elementwise.ts";
import { matmul } from "../../ops/linear.ts";
import * as quantized from "../../ops/quantized/arithmetic.ts";
import { cat } from "../../ops/rearrange.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { loadOutputQparams, saveOutputQparams } from "./output-qparams.ts";
import type { Recipe } from "./recipe.ts";
import { outputQparams } from "./weight.ts";

function refuseForward(name: string): never {
  throw new OctetError(`${name} is not intended to use the 'forward'. Please use the underlying operation`);
}

/** Float arithmetic whose results an observer sees. The operations with a scalar are not observed, as in PyTorch. */
export class FloatFunctional extends Module {
  /** Identity until the model is prepared. */
  activation_post_process: Module = new Identity();

  override forward(_x: Tensor): Tensor {
    return refuseForward("FloatFunctional");
  }

  private observe(x: Tensor): Tensor {
    return this.activation_post_process(x) as Tensor;
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.observe(add(a, b));
  }

  addScalar(a: Tensor, b: number): Tensor {
    return add(a, b);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return this.observe(mul(a, b));
  }

  mulScalar(a: Tensor, b: number): Tensor {
    return mul(a, b);
  }

  cat(tensors: readonly Tensor[], dim = 0): Tensor {
    return this.observe(cat(tensors, dim));
  }

  addRelu(a: Tensor, b: Tensor): Tensor {
    return this.observe(relu(add(a, b)));
  }

  matmul(a: Tensor, b: Tensor): Tensor {
    return this.observe(matmul(a, b));
  }
}

/** {@link FloatFunctional} without observers, for graph mode, which observes the operators themselves. */
export class FXFloatFunctional extends Module {
  override forward(_x: Tensor): Tensor {
    return refuseForward("FloatFunctional");
  }

  add(a: Tensor, b: Tensor): Tensor {
    return add(a, b);
  }

  addScalar(a: Tensor, b: number): Tensor {
    return add(a, b);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return mul(a, b);
  }

  mulScalar(a: Tensor, b: number): Tensor {
    return mul(a, b);
  }

  cat(tensors: readonly Tensor[], dim = 0): Tensor {
    return cat(tensors, dim);
  }

  addRelu(a: Tensor, b: Tensor): Tensor {
    return relu(add(a, b));
  }

  matmul(a: Tensor, b: Tensor): Tensor {
    return matmul(a, b);
  }
}

/** Arithmetic on quantized tensors, rounded to the grid of `scale` and `zero_point`. */
export class QFunctional extends Module {
  scale = 1;
  zero_point = 0;
  /** Identity, unless results are to be looked at. A matrix product does not pass through it, as in PyTorch. */
  activation_post_process: Module = new Identity();

  override forward(_x: Tensor): Tensor {
    return refuseForward("Functional");
  }

  private observe(x: Tensor): Tensor {
    return this.activation_post_process(x) as Tensor;
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.observe(quantized.add(a, b, this.scale, this.zero_point));
  }

  /** The result's qparams follow from the scalar. */
  addScalar(a: Tensor, b: number): Tensor {
    return this.observe(quantized.addScalar(a, b));
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return this.observe(quantized.mul(a, b, this.scale, this.zero_point));
  }

  mulScalar(a: Tensor, b: number): Tensor {
    return this.observe(quantized.mulScalar(a, b));
  }

  cat(tensors: readonly Tensor[], dim = 0): Tensor {
    return this.observe(quantized.cat(tensors, dim, this.scale, this.zero_point));
  }

  addRelu(a: Tensor, b: Tensor): Tensor {
    return this.observe(quantized.addRelu(a, b, this.scale, this.zero_point));
  }

  matmul(a: Tensor, b: Tensor): Tensor {
    return quantized.matmul(a, b, this.scale, this.zero_point);
  }

  static fromFloat(module: Module): QFunctional {
    if (!(module instanceof FloatFunctional))
      throw new OctetError("QFunctional.fromFloat expects an instance of FloatFunctional");
    const made = new QFunctional();
    const { scale, zeroPoint } = outputQparams(module);
    made.scale = scale;
    made.zero_point = zeroPoint;
    return made;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    saveOutputQparams(this, state, prefix);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    return loadOutputQparams(this, context, prefix);
  }

  override extraRepr(): string {
    return `scale=${pythonFloat(this.scale)}, zero_point=${this.zero_point}`;
  }
}

export const functionalRecipes: readonly Recipe[] = [
  { float: FloatFunctional, quantized: QFunctional, observed: true },
].map((recipe) => Object.freeze(recipe));
