/**
 * Quantized activation layers (`torch.ao.nn.quantized`). `fromFloat` takes a calibrated module; `fromReference` takes a float
 * one and the qparams of its output, which is how graph mode makes those that PyTorch makes there.
 */
import { quint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import { warn } from "../../../core/warnings.ts";
import { Module } from "../../../nn/module.ts";
import * as float from "../../../nn/modules/activation.ts";
import { Dropout as FloatDropout } from "../../../nn/modules/dropout.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { noGrad } from "../../../autograd/grad-mode.ts";
import type { InplaceOptions } from "../../../ops/activation.ts";
import { _emptyAffineQuantized, quantizePerTensor } from "../../../ops/quantize.ts";
import * as quantized from "../../../ops/quantized/activation.ts";
import { implicitDim } from "../../../ops/softmax.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { create } from "../../with-args.ts";
import type { Factory } from "../../with-args.ts";
import { observedGrid, onGrid } from "../on-grid.ts";
import type { WeightObserver } from "../weight.ts";

// ---------------------------------------------------------------- on the grid of the input

/** Limits to [0, 6]. */
export class ReLU6 extends float.ReLU6 {
  override forward(x: Tensor): Tensor {
    return quantized.relu6(x, this.inplace);
  }

  override getName(): string {
    return "QuantizedReLU6";
  }

  static fromFloat({ inplace }: float.ReLU6): ReLU6 {
    return new ReLU6({ inplace });
  }
}

/** The identity, in training too. */
export class Dropout extends FloatDropout {
  override forward(x: Tensor): Tensor {
    return x;
  }

  override getName(): string {
    return "QuantizedDropout";
  }

  static fromFloat({ p, inplace }: FloatDropout): Dropout {
    return new Dropout(p, { inplace });
  }

  static fromReference(module: FloatDropout): Dropout {
    return Dropout.fromFloat(module);
  }
}

// ---------------------------------------------------------------- on a grid of their own

/** x · relu6(x + 3) / 6. */
export class Hardswish extends onGrid(float.Hardswish) {
  constructor(scale: number, zeroPoint: number) {
    super();
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    return quantized.hardswish(x, this.scale, this.zero_point);
  }

  static fromFloat(module: float.Hardswish): Hardswish {
    return Hardswish.fromReference(module, ...observedGrid(module));
  }

  static fromReference(_module: float.Hardswish, scale: number, zeroPoint: number): Hardswish {
    return new Hardswish(scale, zeroPoint);
  }
}

/** x, or alpha · (exp(x) − 1) where x is negative. */
export class ELU extends onGrid(float.ELU, { savedByPyTorch: false }) {
  constructor(scale: number, zeroPoint: number, alpha = 1) {
    super(alpha);
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    return quantized.elu(x, this.scale, this.zero_point, this.alpha);
  }

  static fromFloat(module: float.ELU): ELU {
    return ELU.fromReference(module, ...observedGrid(module));
  }

  static fromReference({ alpha }: float.ELU, scale: number, zeroPoint: number): ELU {
    return new ELU(scale, zeroPoint, alpha);
  }
}

/** x, or negativeSlope · x where x is negative. */
export class LeakyReLU extends onGrid(float.LeakyReLU) {
  constructor(scale: number, zeroPoint: number, negativeSlope = 0.01, options: InplaceOptions = {}) {
    super(negativeSlope, options);
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    return quantized.leakyRelu(x, this.negativeSlope, this.inplace, this.scale, this.zero_point);
  }

  static fromFloat(module: float.LeakyReLU): LeakyReLU {
    return LeakyReLU.fromReference(module, ...observedGrid(module));
  }

  static fromReference({ negativeSlope, inplace }: float.LeakyReLU, scale: number, zeroPoint: number): LeakyReLU {
    return new LeakyReLU(scale, zeroPoint, negativeSlope, { inplace });
  }
}

/** 1 / (1 + exp(−x)). Printed without "Quantized", as in PyTorch. */
export class Sigmoid extends onGrid(float.Sigmoid, { savedByPyTorch: false }) {
  constructor(outputScale: number, outputZeroPoint: number) {
    super();
    this.setOutputQparams(outputScale, outputZeroPoint);
  }

  override forward(x: Tensor): Tensor {
    return quantized.sigmoid(x, this.scale, this.zero_point);
  }

  override getName(): string {
    return "Sigmoid";
  }

  static fromFloat(module: float.Sigmoid): Sigmoid {
    return new Sigmoid(...observedGrid(module));
  }
}

/** exp(x) / Σ exp(x) along `dim`; without one, PyTorch's old rule chooses (see ops/softmax.ts). */
export class Softmax extends onGrid(float.Softmax, { savedByPyTorch: false }) {
  constructor(dim: number | null = null, { scale = 1, zeroPoint = 0 }: { scale?: number; zeroPoint?: number } = {}) {
    super(dim);
    this.setOutputQparams(scale, zeroPoint);
  }

  override forward(x: Tensor): Tensor {
    return quantized.softmax(x, this.dim ?? implicitDim(x), this.scale, this.zero_point);
  }

  static fromFloat(module: float.Softmax): Softmax {
    return Softmax.fromReference(module, ...observedGrid(module));
  }

  static fromReference({ dim }: float.Softmax, scale: number, zeroPoint: number): Softmax {
    return new Softmax(dim, { scale, zeroPoint });
  }
}

/** x, or weight · x where x is negative; the weight is quint8. Its state holds the weight, which PyTorch's leaves out. */
export class PReLU extends onGrid(Module, { savedByPyTorch: false }) {
  readonly numParameters: number;
  weight: Tensor;

  constructor(outputScale: number, outputZeroPoint: number, numParameters = 1) {
    super();
    this.numParameters = numParameters;
    this.weight = _emptyAffineQuantized([numParameters]);
    this.setOutputQparams(outputScale, outputZeroPoint);
  }

  setWeight(weight: Tensor): void {
    this.weight = weight;
  }

  override forward(x: Tensor): Tensor {
    return quantized.prelu(x, this.weight, this.scale, this.zero_point);
  }

  static fromFloat(module: float.PReLU): PReLU {
    return PReLU.fromReference(module, ...observedGrid(module));
  }

  static fromReference(module: float.PReLU, scale: number, zeroPoint: number): PReLU {
    const made = new PReLU(scale, zeroPoint, module.numParameters);
    made.setWeight(quantizedSlope(module));
    return made;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    state.set(`${prefix}weight`, this.weight);
    super.saveToStateDict(state, prefix);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const key = `${prefix}weight`;
    const weight = context.state.get(key);
    if (weight) this.setWeight(weight);
    return [key, ...super.loadFromStateDict(context, prefix)];
  }
}

/** The slopes as quint8, with the qparams that an observer of the module's qconfig gives them. */
function quantizedSlope(module: float.PReLU): Tensor {
  if (!module.qconfig) throw new OctetError("PReLU: Input float module must have qconfig defined");
  const observer = create(module.qconfig.weight as Factory<Module>) as WeightObserver & Module;
  const weight = module.weight.detach();
  noGrad(() => observer(weight));
  if (observer.dtype !== quint8) {
    // A symmetric qint8 observer puts zero at the lower end of quint8: negative slopes become 0.
    warn(`PReLU's weight observer should have dtype quint8 but got torch.${observer.dtype.name}`);
  }
  const [scale, zeroPoint] = observer.calculateQparams();
  return quantizePerTensor(weight, scale.item(), zeroPoint.item(), quint8);
}
