/** Reference recurrent cells (`torch.ao.nn.quantized.reference`): float arithmetic on weights rounded to their grids. */
import type { DType } from "../../../core/dtype.ts";
import type { Module } from "../../../nn/module.ts";
import type { LSTMState } from "../../../nn/modules/rnn.ts";
import type { RNNCellBase, RNNCellBaseOptions, RNNCellOptions } from "../../../nn/modules/rnn-cells.ts";
import {
  GRUCell as FloatGRUCell,
  LSTMCell as FloatLSTMCell,
  RNNCell as FloatRNNCell,
} from "../../../nn/modules/rnn-cells.ts";
import { gruCell, lstmCell, rnnReluCell, rnnTanhCell } from "../../../ops/rnn.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { WeightGrid, WeightQparamsByName } from "./weight-grids.ts";
import { observedWeightQparams, weightGrids } from "./weight-grids.ts";

interface ReferenceOptions {
  /** How to quantize `weight_ih` and `weight_hh`; by default quint8 with scale 1. */
  readonly weightQparams?: WeightQparamsByName;
}

/** The two weights of a cell and their grids: what the three reference cells share. */
export class CellGrids {
  private readonly owner: RNNCellBase;
  private readonly grids: Readonly<Record<string, WeightGrid>>;

  constructor(owner: RNNCellBase, qparams: WeightQparamsByName | undefined) {
    this.owner = owner;
    this.grids = weightGrids(owner, qparams);
  }

  get dtype(): DType {
    return this.grids.weight_ih.qparams.dtype;
  }

  quantized(key: "weight_ih" | "weight_hh"): Tensor {
    return this.grids[key].quantized(this.owner[key]);
  }

  dequantized(key: "weight_ih" | "weight_hh"): Tensor {
    return this.grids[key].dequantized(this.owner[key]);
  }
}

function take<M extends RNNCellBase>(made: M, source: RNNCellBase): M {
  made.weight_ih = source.weight_ih;
  made.weight_hh = source.weight_hh;
  made.bias_ih = source.bias_ih;
  made.bias_hh = source.bias_hh;
  return made;
}

/** The float RNNCell with weights on their grids. */
export class RNNCell extends FloatRNNCell {
  readonly referenceWeights: CellGrids;

  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions & ReferenceOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.referenceWeights = new CellGrids(this, options.weightQparams);
  }

  /** The dtype that the weights are to be quantized to. */
  get weightDtype(): DType {
    return this.referenceWeights.dtype;
  }

  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    const cell = this.nonlinearity === "tanh" ? rnnTanhCell : rnnReluCell;
    const [ih, hh] = [this.getWeightIh(), this.getWeightHh()];
    return this.step(input, [h], (x, [state]) => [cell(x, state, ih, hh, this.bias_ih, this.bias_hh)])[0];
  }

  getQuantizedWeightIh(): Tensor {
    return this.referenceWeights.quantized("weight_ih");
  }

  getQuantizedWeightHh(): Tensor {
    return this.referenceWeights.quantized("weight_hh");
  }

  /** The weight quantized and dequantized. */
  getWeightIh(): Tensor {
    return this.referenceWeights.dequantized("weight_ih");
  }

  getWeightHh(): Tensor {
    return this.referenceWeights.dequantized("weight_hh");
  }

  /** `weightQparams` names the qparams of each weight; those that it leaves out are observed with the module's qconfig. */
  static fromFloat(module: Module, weightQparams: WeightQparamsByName = {}): RNNCell {
    const source = module as FloatRNNCell;
    const { inputSize, hiddenSize, bias, nonlinearity } = source;
    const qparams = observedWeightQparams(source, weightQparams);
    return take(new this(inputSize, hiddenSize, { bias, nonlinearity, weightQparams: qparams }), source);
  }

  override getName(): string {
    return "QuantizedRNNCell(Reference)";
  }
}

/** The float LSTMCell with weights on their grids. Methods as in {@link RNNCell}. */
export class LSTMCell extends FloatLSTMCell {
  readonly referenceWeights: CellGrids;

  constructor(inputSize: number, hiddenSize: number, options: RNNCellBaseOptions & ReferenceOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.referenceWeights = new CellGrids(this, options.weightQparams);
  }

  get weightDtype(): DType {
    return this.referenceWeights.dtype;
  }

  override forward(input: Tensor, states: LSTMState | null = null): LSTMState {
    const [ih, hh] = [this.getWeightIh(), this.getWeightHh()];
    const [h, c] = this.step(input, states ?? [null, null], (x, [h0, c0]) =>
      lstmCell(x, [h0, c0], ih, hh, this.bias_ih, this.bias_hh),
    );
    return [h, c];
  }

  getQuantizedWeightIh(): Tensor {
    return this.referenceWeights.quantized("weight_ih");
  }

  getQuantizedWeightHh(): Tensor {
    return this.referenceWeights.quantized("weight_hh");
  }

  getWeightIh(): Tensor {
    return this.referenceWeights.dequantized("weight_ih");
  }

  getWeightHh(): Tensor {
    return this.referenceWeights.dequantized("weight_hh");
  }

  static fromFloat(module: Module, weightQparams: WeightQparamsByName = {}): LSTMCell {
    const source = module as FloatLSTMCell;
    const { inputSize, hiddenSize, bias } = source;
    const qparams = observedWeightQparams(source, weightQparams);
    return take(new this(inputSize, hiddenSize, { bias, weightQparams: qparams }), source);
  }

  override getName(): string {
    return "QuantizedLSTMCell(Reference)";
  }
}

/** The float GRUCell with weights on their grids. Methods as in {@link RNNCell}. */
export class GRUCell extends FloatGRUCell {
  readonly referenceWeights: CellGrids;

  constructor(inputSize: number, hiddenSize: number, options: RNNCellBaseOptions & ReferenceOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.referenceWeights = new CellGrids(this, options.weightQparams);
  }

  get weightDtype(): DType {
    return this.referenceWeights.dtype;
  }

  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    const [ih, hh] = [this.getWeightIh(), this.getWeightHh()];
    return this.step(input, [h], (x, [state]) => [gruCell(x, state, ih, hh, this.bias_ih, this.bias_hh)])[0];
  }

  getQuantizedWeightIh(): Tensor {
    return this.referenceWeights.quantized("weight_ih");
  }

  getQuantizedWeightHh(): Tensor {
    return this.referenceWeights.quantized("weight_hh");
  }

  getWeightIh(): Tensor {
    return this.referenceWeights.dequantized("weight_ih");
  }

  getWeightHh(): Tensor {
    return this.referenceWeights.dequantized("weight_hh");
  }

  static fromFloat(module: Module, weightQparams: WeightQparamsByName = {}): GRUCell {
    const source = module as FloatGRUCell;
    const { inputSize, hiddenSize, bias } = source;
    const qparams = observedWeightQparams(source, weightQparams);
    return take(new this(inputSize, hiddenSize, { bias, weightQparams: qparams }), source);
  }

  override getName(): string {
    return "QuantizedGRUCell(Reference)";
  }
}
