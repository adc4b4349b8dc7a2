/** Reference convolutions (`torch.ao.nn.quantized.reference`): float arithmetic on a weight rounded to its grid. */
import type { Module } from "../../../nn/module.ts";
import type {
  ConvModuleOptions,
  ConvNd,
  ConvTransposeModuleOptions,
  ConvTransposeNd,
} from "../../../nn/modules/conv.ts";
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../../../nn/modules/conv.ts";
import { Parameter } from "../../../nn/parameter.ts";
import type { SpatialSize } from "../../../ops/spatial.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { WeightQparams } from "../recipe.ts";
import { ReferenceWeight } from "../reference-weight.ts";
import { weighted } from "../weight.ts";

// As in qat.ts: rank 2 stands for each rank in the types.
type AnyConv = typeof Conv1d | typeof Conv2d | typeof Conv3d;
type AnyConvTranspose = typeof ConvTranspose1d | typeof ConvTranspose2d | typeof ConvTranspose3d;

export interface Qparams {
  readonly weightQparams?: WeightQparams;
}

export interface HasReferenceWeight {
  readonly referenceWeight: ReferenceWeight;
  /** The weight quantized and dequantized. */
  getWeight(): Tensor;
  getQuantizedWeight(): Tensor;
}

export interface ReferenceConvClass<M extends Module, O> {
  new (inChannels: number, outChannels: number, kernelSize: SpatialSize, options?: O & Qparams): M & HasReferenceWeight;
  fromFloat(module: Module, weightQparams: WeightQparams): Module;
  readonly isReference: boolean;
}

/** The classes of one rank. (Named, because declaration files cannot describe classes made in functions.) */
export interface ReferenceConvClasses {
  readonly Conv: ReferenceConvClass<ConvNd, ConvModuleOptions>;
  readonly ConvTranspose: ReferenceConvClass<ConvTransposeNd, ConvTransposeModuleOptions>;
}

// eslint-disable-next-line typescript/no-explicit-any -- what TypeScript asks of a class to be extended by a function
type Extensible = new (...args: any[]) => ConvNd | ConvTransposeNd;
// eslint-disable-next-line typescript/no-explicit-any -- as above
type AddsReferenceWeight = (new (...args: any[]) => HasReferenceWeight) & { readonly isReference: boolean };

/** The class `Float` with qparams of its weight, from the last argument of its constructor. */
function withReferenceWeight<C extends Extensible>(Float: C): C & AddsReferenceWeight {
  const made = class extends (Float as unknown as typeof Conv2d) implements HasReferenceWeight {
    static readonly isReference = true;
    readonly referenceWeight: ReferenceWeight;

    constructor(
      inChannels: number,
      outChannels: number,
      kernelSize: SpatialSize,
      options: ConvModuleOptions & Qparams = {},
    ) {
      super(inChannels, outChannels, kernelSize, options);
      this.referenceWeight = new ReferenceWeight(this, options.weightQparams);
    }

    getWeight(): Tensor {
      return this.referenceWeight.dequantized(this.weight);
    }

    getQuantizedWeight(): Tensor {
      return this.referenceWeight.quantized(this.weight);
    }

    override getName(): string {
      return `Quantized${super.getName()}(Reference)`;
    }
  };
  return made as unknown as C & AddsReferenceWeight;
}

function referenceConvs(
  rank: 1 | 2 | 3,
  convClass: AnyConv,
  convTransposeClass: AnyConvTranspose,
): ReferenceConvClasses {
  class Conv extends withReferenceWeight(convClass as unknown as typeof Conv2d) {
    override forward(x: Tensor): Tensor {
      return this.convForward(x, this.getWeight(), this.bias);
    }

    static fromFloat(module: Module, weightQparams: WeightQparams): Module {
      const source = weighted<ConvNd>(module);
      const { stride, padding, dilation, groups, paddingMode } = source;
      const options = { stride, padding, dilation, groups, paddingMode, bias: source.bias !== null, weightQparams };
      return adopt(new this(source.inChannels, source.outChannels, source.kernelSize, options), source);
    }
  }

  class ConvTranspose extends withReferenceWeight(convTransposeClass as unknown as typeof ConvTranspose2d) {
    override forward(x: Tensor, outputSize?: readonly number[]): Tensor {
      // The base class reads its own weight: it lends the rounded one for the length of this call.
      const trained = this.weight;
      this.weight = new Parameter(this.getWeight(), { requiresGrad: false });
      try {
        return super.forward(x, outputSize);
      } finally {
        this.weight = trained;
      }
    }

    static fromFloat(module: Module, weightQparams: WeightQparams): Module {
      const source = weighted<ConvTransposeNd>(module);
      const { stride, padding, dilation, groups, outputPadding } = source;
      const options = { stride, padding, dilation, groups, outputPadding, bias: source.bias !== null, weightQparams };
      return adopt(new this(source.inChannels, source.outChannels, source.kernelSize, options), source);
    }
  }
  const classes = { Conv, ConvTranspose };
  for (const [name, made] of Object.entries(classes)) Object.defineProperty(made, "name", { value: `${name}${rank}d` });
  return classes;
}

function adopt<M extends ConvNd | ConvTransposeNd>(target: M, source: ConvNd | ConvTransposeNd): M {
  target.weight = source.weight;
  target.bias = source.bias;
  return target;
}

/** The classes of each rank; recipes and namespaces name them. */
export const referenceConvClasses = Object.freeze({
  1: referenceConvs(1, Conv1d, ConvTranspose1d),
  2: referenceConvs(2, Conv2d, ConvTranspose2d),
  3: referenceConvs(3, Conv3d, ConvTranspose3d),
});
