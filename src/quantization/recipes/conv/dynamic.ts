/** Dynamic quantized convolutions, plain and transposed (`torch.ao.nn.quantized.dynamic`): float in, float out. */
import type { Module } from "../../../nn/module.ts";
import type { ConvModuleOptions, ConvTransposeModuleOptions } from "../../../nn/modules/conv.ts";
import { convDynamic } from "../../../ops/quantized/conv.ts";
import type { SpatialRank, SpatialSize } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { FromFloatOptions } from "../recipe.ts";
import { observedWeight } from "../weight.ts";
import type { ConvClass, PackedConvOptions } from "./packed-conv.ts";
import { PackedConv, emptyLike } from "./packed-conv.ts";

/** A convolution of a float input quantized by its own range at every call. */
export abstract class DynamicConv extends PackedConv {
  /** 7-bit activations, on engines that honour it. */
  reduceRange = true;

  override forward(x: Tensor): Tensor {
    return convDynamic(this.padded(x), this.packed, this.reduceRange);
  }

  override getName(): string {
    return `DynamicQuantized${super.getName()}`;
  }
}

/** The classes of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface DynamicConvClasses {
  readonly Conv: ConvClass<DynamicConv, ConvModuleOptions>;
  readonly ConvTranspose: ConvClass<DynamicConv, ConvTransposeModuleOptions>;
}

function dynamicConv(rank: SpatialRank, transposed: boolean): ConvClass<DynamicConv, PackedConvOptions> {
  class Conv extends DynamicConv {
    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: PackedConvOptions = {}) {
      super(rank, transposed, inChannels, outChannels, kernelSize, options);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): Conv {
      const made = emptyLike(this, module);
      const { weight, bias } = observedWeight(module, options);
      made.setWeightBias(weight, bias);
      return made;
    }
  }
  return Object.defineProperty(Conv, "name", { value: `${transposed ? "ConvTranspose" : "Conv"}${rank}d` });
}

function convClasses(rank: SpatialRank): DynamicConvClasses {
  return { Conv: dynamicConv(rank, false), ConvTranspose: dynamicConv(rank, true) };
}

/** The classes of each rank; namespaces name them. */
export const dynamicConvs = Object.freeze({ 1: convClasses(1), 2: convClasses(2), 3: convClasses(3) });
