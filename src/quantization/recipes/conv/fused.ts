/** Float convolutions fused with what follows them, for one, two and three dimensions (`torch.ao.nn.intrinsic`). */
import { OctetError } from "../../../core/errors.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import type { ConvNd } from "../../../nn/modules/conv.ts";
import { Conv1d, Conv2d, Conv3d } from "../../../nn/modules/conv.ts";
import type { RunningNorm } from "../../../nn/modules/norm.ts";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from "../../../nn/modules/norm.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { ModuleClass } from "../recipe.ts";
import { FusedModule, fusedClass } from "../fused-module.ts";

function fusedConvs(rank: 1 | 2 | 3, conv: ModuleClass<ConvNd>, bn: ModuleClass<RunningNorm>) {
  return {
    ConvReLU: fusedClass<[ConvNd, ReLU]>(`ConvReLU${rank}d`, [conv, ReLU]),
    ConvBn: fusedClass<[ConvNd, RunningNorm]>(`ConvBn${rank}d`, [conv, bn]),
    ConvBnReLU: fusedClass<[ConvNd, RunningNorm, ReLU]>(`ConvBnReLU${rank}d`, [conv, bn, ReLU]),
  };
}

export const { ConvReLU: ConvReLU1d, ConvBn: ConvBn1d, ConvBnReLU: ConvBnReLU1d } = fusedConvs(1, Conv1d, BatchNorm1d);
export const { ConvReLU: ConvReLU2d, ConvBn: ConvBn2d, ConvBnReLU: ConvBnReLU2d } = fusedConvs(2, Conv2d, BatchNorm2d);
export const { ConvReLU: ConvReLU3d, ConvBn: ConvBn3d, ConvBnReLU: ConvBnReLU3d } = fusedConvs(3, Conv3d, BatchNorm3d);

/** The second input of a module that adds it to a convolution; it is optional only in the type. */
export function addendOf(op: string, addend: Tensor | undefined): Tensor {
  if (addend) return addend;
  throw new OctetError(`${op}: takes two inputs, that of the convolution and the tensor to add`);
}

/** Adds two tensors: an operator, or a module. */
export type Adder = (a: Tensor, b: Tensor) => Tensor;

/** add(conv(x), addend). Graph mode makes it for engine onednn. */
export class ConvAdd2d extends FusedModule {
  static override readonly parts: readonly ModuleClass[] = [Conv2d];
  readonly add: Adder;

  constructor(conv: ConvNd, add: Adder) {
    super(conv);
    this.add = add;
  }

  override forward(x: Tensor, addend?: Tensor): Tensor {
    return this.add(super.forward(x), addendOf(this.getName(), addend));
  }
}

/** relu(add(conv(x), addend)). */
export class ConvAddReLU2d extends ConvAdd2d {
  readonly relu: ReLU;

  constructor(conv: ConvNd, add: Adder, relu: ReLU) {
    super(conv, add);
    this.relu = relu;
  }

  override forward(x: Tensor, addend?: Tensor): Tensor {
    return this.relu(super.forward(x, addend));
  }
}
