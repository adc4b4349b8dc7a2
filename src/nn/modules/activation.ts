/** Activation layers (`torch.nn`). The functions are in ops/activation.ts and ops/softmax.ts. */
import { getDefaultDtype } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import * as F from "../../ops/activation.ts";
import { sigmoid, tanh } from "../../ops/arithmetic.ts";
import { fill_ } from "../../ops/copy.ts";
import { logSoftmax, softmax, softmin } from "../../ops/softmax.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";
import { pythonFloat } from "../repr.ts";
import { leadingOption } from "./options.ts";

/** What activations share that can overwrite their input. */
abstract class InplaceActivation extends Module {
  readonly inplace: boolean;

  constructor(options: F.InplaceOptions = {}) {
    super();
    this.inplace = options.inplace ?? false;
  }

  /** What is printed before `inplace=True`. */
  protected parametersRepr(): string {
    return "";
  }

  override extraRepr(): string {
    const parts = [this.parametersRepr(), this.inplace ? "inplace=True" : ""];
    return parts.filter((part) => part !== "").join(", ");
  }
}

// ---------------------------------------------------------------- piecewise linear

/** max(x, 0). */
export class ReLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.relu(input, { inplace: this.inplace });
  }
}

export interface HardtanhModuleOptions extends F.HardtanhOptions, F.InplaceOptions {}

/** Limits to [minVal, maxVal]. */
export class Hardtanh extends InplaceActivation {
  readonly minVal: number;
  readonly maxVal: number;

  constructor(options: HardtanhModuleOptions = {}) {
    super(options);
    this.minVal = options.minVal ?? -1;
    this.maxVal = options.maxVal ?? 1;
    if (!(this.maxVal > this.minVal)) {
      throw new OctetError(`Hardtanh: maxVal ${this.maxVal} must be greater than minVal ${this.minVal}`);
    }
  }

  override forward(input: Tensor): Tensor {
    const { minVal, maxVal, inplace } = this;
    return F.hardtanh(input, { minVal, maxVal, inplace });
  }

  protected override parametersRepr(): string {
    return `min_val=${pythonFloat(this.minVal)}, max_val=${pythonFloat(this.maxVal)}`;
  }
}

/** Limits to [0, 6]. */
export class ReLU6 extends Hardtanh {
  constructor(options: F.InplaceOptions = {}) {
    super({ ...options, minVal: 0, maxVal: 6 });
  }

  override forward(input: Tensor): Tensor {
    return F.relu6(input, { inplace: this.inplace });
  }

  protected override parametersRepr(): string {
    return "";
  }
}

/** relu6(x + 3) / 6. */
export class Hardsigmoid extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.hardsigmoid(input, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return "";
  }
}

/** x · relu6(x + 3) / 6. */
export class Hardswish extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.hardswish(input, { inplace: this.inplace });
  }

  override extraRepr(): string {
    return "";
  }
}

export interface LeakyReLUOptions extends F.LeakyReluOptions, F.InplaceOptions {}

/** x, or negativeSlope · x where x is negative. */
export class LeakyReLU extends InplaceActivation {
  readonly negativeSlope: number;

  constructor(negativeSlope?: number, options?: F.InplaceOptions);
  constructor(options: LeakyReLUOptions);
  constructor(first: number | LeakyReLUOptions = {}, rest?: F.InplaceOptions) {
    const options = leadingOption<LeakyReLUOptions, "negativeSlope">("negativeSlope", first, rest);
    super(options);
    this.negativeSlope = options.negativeSlope ?? 0.01;
  }

  override forward(input: Tensor): Tensor {
    const { negativeSlope, inplace } = this;
    return F.leakyRelu(input, { negativeSlope, inplace });
  }

  protected override parametersRepr(): string {
    return `negative_slope=${pythonFloat(this.negativeSlope)}`;
  }
}

export interface PReLUOptions {
  /** One slope for all (1, the default), or one per channel. */
  readonly numParameters?: number;
  /** Initial slope, default 0.25. */
  readonly init?: number;
}

/** x, or weight · x where x is negative; the weights are learned. */
export class PReLU extends Module {
  weight: Parameter;
  readonly numParameters: number;
  readonly init: number;

  constructor(numParameters?: number, options?: Pick<PReLUOptions, "init">);
  constructor(options: PReLUOptions);
  constructor(first: number | PReLUOptions = {}, rest?: Pick<PReLUOptions, "init">) {
    super();
    const options = leadingOption<PReLUOptions, "numParameters">("numParameters", first, rest);
    this.numParameters = options.numParameters ?? 1;
    this.init = options.init ?? 0.25;
    this.weight = new Parameter(Tensor.zeros([this.numParameters], getDefaultDtype()));
    this.resetParameters();
  }

  resetParameters(): void {
    noGrad(() => fill_(this.weight, this.init));
  }

  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }

  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}

/** x where x > threshold, else `value`. */
export class Threshold extends InplaceActivation {
  readonly threshold: number;
  readonly value: number;

  constructor(threshold: number, value: number, options: F.InplaceOptions = {}) {
    super(options);
    this.threshold = threshold;
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    return F.threshold(input, this.threshold, this.value, { inplace: this.inplace });
  }

  protected override parametersRepr(): string {
    return `threshold=${this.threshold}, value=${this.value}`;
  }
}

// ---------------------------------------------------------------- exponential

/** 1 / (1 + exp(−x)). */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return sigmoid(input);
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return tanh(input);
  }
}

export interface ELUOptions extends F.AlphaScaleOptions, F.InplaceOptions {}

/** What ELU and CELU share. */
abstract class AlphaActivation extends InplaceActivation {
  readonly alpha: number;

  constructor(alpha?: number, options?: F.InplaceOptions);
  constructor(options: ELUOptions);
  constructor(first: number | ELUOptions = {}, rest?: F.InplaceOptions) {
    const options = leadingOption<ELUOptions, "alpha">("alpha", first, rest);
    super(options);
    this.alpha = options.alpha ?? 1;
  }

  protected override parametersRepr(): string {
    return `alpha=${pythonFloat(this.alpha)}`;
  }
}

/** x, or alpha · (exp(x) − 1) where x is negative. */
export class ELU extends AlphaActivation {
  override forward(input: Tensor): Tensor {
    const { alpha, inplace } = this;
    return F.elu(input, { alpha, inplace });
  }
}

/** x, or alpha · (exp(x / alpha) − 1) where x is negative. */
export class CELU extends AlphaActivation {
  override forward(input: Tensor): Tensor {
    const { alpha, inplace } = this;
    return F.celu(input, { alpha, inplace });
  }
}

/** ELU with the constants that keep activations normalized. */
export class SELU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.selu(input, { inplace: this.inplace });
  }
}

/** x · Φ(x). */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(options: F.GeluOptions = {}) {
    super();
    this.approximate = options.approximate ?? "none";
  }

  override forward(input: Tensor): Tensor {
    return F.gelu(input, { approximate: this.approximate });
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** x · sigmoid(x). */
export class SiLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.silu(input, { inplace: this.inplace });
  }
}

/** x · tanh(softplus(x)). */
export class Mish extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.mish(input, { inplace: this.inplace });
  }
}

/** log(sigmoid(x)). */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.logsigmoid(input);
  }
}

/** log(1 + exp(beta · x)) / beta. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor(options: F.SoftplusOptions = {}) {
    super();
    this.beta = options.beta ?? 1;
    this.threshold = options.threshold ?? 20;
  }

  override forward(input: Tensor): Tensor {
    const { beta, threshold } = this;
    return F.softplus(input, { beta, threshold });
  }

  override extraRepr(): string {
    return `beta=${pythonFloat(this.beta)}, threshold=${pythonFloat(this.threshold)}`;
  }
}

// ---------------------------------------------------------------- shrinking

/** x / (1 + |x|). */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return F.softsign(input);
  }
}

/** x − tanh(x). */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanhshrink(input);
  }
}

/** What Hardshrink and Softshrink share. */
abstract class Shrink extends Module {
  readonly lambd: number;

  constructor(first: number | F.ShrinkOptions = {}) {
    super();
    this.lambd = leadingOption<F.ShrinkOptions, "lambd">("lambd", first).lambd ?? 0.5;
  }

  override extraRepr(): string {
    return pythonFloat(this.lambd);
  }
}

/** x, or 0 where |x| ≤ lambd. */
export class Hardshrink extends Shrink {
  override forward(input: Tensor): Tensor {
    return F.hardshrink(input, { lambd: this.lambd });
  }
}

/** x moved towards 0 by lambd. */
export class Softshrink extends Shrink {
  override forward(input: Tensor): Tensor {
    return F.softshrink(input, { lambd: this.lambd });
  }
}

// ---------------------------------------------------------------- along a dimension

export interface DimOptions {
  /** Counted from the end if negative. */
  readonly dim?: number | null;
}

/** What the softmax layers share. Without `dim`, PyTorch's old rule chooses one (see ops/softmax.ts). */
abstract class AlongDim extends Module {
  readonly dim: number | null;

  constructor(first: number | DimOptions | null = null) {
    super();
    this.dim = leadingOption<DimOptions, "dim">("dim", first).dim ?? null;
  }

  override extraRepr(): string {
    return `dim=${this.dim ?? "None"}`;
  }
}

/** exp(x) / Σ exp(x) along `dim`. */
export class Softmax extends AlongDim {
  override forward(input: Tensor): Tensor {
    return softmax(input, this.dim);
  }
}

/** log(softmax(x)). */
export class LogSoftmax extends AlongDim {
  override forward(input: Tensor): Tensor {
    return logSoftmax(input, this.dim);
  }
}

/** softmax(−x). */
export class Softmin extends AlongDim {
  override forward(input: Tensor): Tensor {
    return softmin(input, this.dim);
  }
}

/** Softmax over the channels of [N, C, H, W] or [C, H, W]. */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 3 && input.ndim !== 4) {
      throw new OctetError(`Softmax2d: expected input to be 3D or 4D, got shape ${formatShape(input.shape)}`);
    }
    return softmax(input, -3);
  }
}

/** a · sigmoid(b), a and b the two halves along `dim`. */
export class GLU extends Module {
  readonly dim: number;

  constructor(first: number | { readonly dim?: number } = {}) {
    super();
    this.dim = leadingOption<{ readonly dim?: number }, "dim">("dim", first).dim ?? -1;
  }

  override forward(input: Tensor): Tensor {
    return F.glu(input, this.dim);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
