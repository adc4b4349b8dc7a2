/** Static quantized convolutions, plain and transposed (`torch.ao.nn.quantized`). */
import type { Module } from "../../../nn/module.ts";
import type { ConvModuleOptions, ConvNd, ConvTransposeModuleOptions } from "../../../nn/modules/conv.ts";
import { pythonFloat } from "../../../nn/repr.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { conv, convRelu } from "../../../ops/quantized/conv.ts";
import type { SpatialRank, SpatialSize } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { loadOutputQparams, saveOutputQparams } from "../output-qparams.ts";
import type { FromFloatOptions } from "../recipe.ts";
import { observedWeight, outputQparams, weighted } from "../weight.ts";
import type { ConvClass, PackedConvOptions } from "./packed-conv.ts";
import { PackedConv, emptyLike } from "./packed-conv.ts";
import type { HasReferenceWeight } from "./reference.ts";

/** A convolution of 8-bit tensors, rounded to the grid of `scale` and `zero_point`. */
export abstract class QuantizedConv extends PackedConv {
  /** Qparams of the output. */
  scale = 1;
  zero_point = 0;

  override forward(x: Tensor): Tensor {
    return conv(this.padded(x), this.packed, this.scale, this.zero_point);
  }

  override getName(): string {
    return `Quantized${super.getName()}`;
  }

  protected override qparamsRepr(): string[] {
    return [`scale=${pythonFloat(this.scale)}`, `zero_point=${this.zero_point}`];
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    super.saveToStateDict(state, prefix);
    saveOutputQparams(this, state, prefix);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const keys = loadOutputQparams(this, context, prefix);
    return [...super.loadFromStateDict(context, prefix), ...keys];
  }
}

export interface StaticConvClass<O> extends ConvClass<QuantizedConv, O> {
  /** From a reference module, or a fused one around it, and the qparams of the output. */
  fromReference(reference: Module, outputScale: number, outputZeroPoint: number): QuantizedConv;
}

/** The classes of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface QuantizedConvClasses {
  readonly Conv: StaticConvClass<ConvModuleOptions>;
  readonly ConvReLU: StaticConvClass<ConvModuleOptions>;
  readonly ConvTranspose: StaticConvClass<ConvTransposeModuleOptions>;
}

function staticConv(rank: SpatialRank, transposed: boolean) {
  return class extends QuantizedConv {
    constructor(inChannels: number, outChannels: number, kernelSize: SpatialSize, options: PackedConvOptions = {}) {
      super(rank, transposed, inChannels, outChannels, kernelSize, options);
    }

    static fromFloat(module: Module, options: FromFloatOptions = {}): QuantizedConv {
      const { weight, bias } = observedWeight(module, options);
      const { scale, zeroPoint } = outputQparams(module);
      return filled(emptyLike(this, module), weight, bias, scale, zeroPoint);
    }

    static fromReference(reference: Module, scale: number, zeroPoint: number): QuantizedConv {
      const source = weighted<ConvNd & HasReferenceWeight>(reference);
      return filled(emptyLike(this, reference), source.getQuantizedWeight(), source.bias, scale, zeroPoint);
    }
  };
}

function filled(
  made: QuantizedConv,
  weight: Tensor,
  bias: Tensor | null,
  scale: number,
  zeroPoint: number,
): QuantizedConv {
  made.setWeightBias(weight, bias);
  made.scale = scale;
  made.zero_point = zeroPoint;
  return made;
}

function convClasses(rank: SpatialRank): QuantizedConvClasses {
  const [Conv, ConvTranspose] = [staticConv(rank, false), staticConv(rank, true)];

  class ConvReLU extends Conv {
    override forward(x: Tensor): Tensor {
      return convRelu(this.padded(x), this.packed, this.scale, this.zero_point);
    }
  }
  const classes = { Conv, ConvReLU, ConvTranspose };
  for (const [name, made] of Object.entries(classes)) Object.defineProperty(made, "name", { value: `${name}${rank}d` });
  return classes;
}

/** The classes of each rank; recipes and namespaces name them. */
export const quantizedConvs = Object.freeze({ 1: convClasses(1), 2: convClasses(2), 3: convClasses(3) });
