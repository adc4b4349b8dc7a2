/** Layers that multiply by a matrix: Linear and Bilinear (`torch.nn`). */
import { getDefaultDtype } from "../../core/dtype.ts";
import { bilinear, linear } from "../../ops/index.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from "../init.ts";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";
import { pythonBool } from "../repr.ts";

/** A parameter of zeros in the default dtype. */
export function newParameter(...shape: number[]): Parameter {
  return new Parameter(Tensor.zeros(shape, getDefaultDtype()));
}

/** PyTorch's default for linear and convolution layers: uniform in ±1 / √fanIn, weight and bias alike. */
export function resetWeightAndBias(weight: Parameter, bias: Parameter | null): void {
  kaimingUniform_(weight, { a: Math.sqrt(5) });
  const { fanIn } = calculateFanInAndFanOut(weight);
  if (bias && fanIn > 0) uniform_(bias, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/** x · weightᵀ + bias: [*, inFeatures] → [*, outFeatures]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [outFeatures, inFeatures]. */
  weight: Parameter;
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = newParameter(outFeatures, inFeatures);
    this.bias = (options.bias ?? true) ? newParameter(outFeatures) : null;
    this.resetParameters();
  }

  resetParameters(): void {
    resetWeightAndBias(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, this.bias);
  }

  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pythonBool(this.bias !== null)}`;
  }
}

/** x1ᵀ · weightₒ · x2 + biasₒ: [*, in1Features] and [*, in2Features] → [*, outFeatures]. */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  /** [outFeatures, in1Features, in2Features]. */
  weight: Parameter;
  bias: Parameter | null;

  constructor(in1Features: number, in2Features: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = newParameter(outFeatures, in1Features, in2Features);
    this.bias = (options.bias ?? true) ? newParameter(outFeatures) : null;
    this.resetParameters();
  }

  /** Uniform in ±1 / √in1Features. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias) uniform_(this.bias, -bound, bound);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return (
      `in1_features=${in1Features}, in2_features=${in2Features}, out_features=${outFeatures}, ` +
      `bias=${pythonBool(bias !== null)}`
    );
  }
}
