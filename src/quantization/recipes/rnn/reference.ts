/**
 * Reference LSTM and GRU (`torch.ao.nn.quantized.reference`): float arithmetic on weights rounded to their grids. Cells are
 * in reference-cells.ts.
 */
import type { DType } from "../../../core/dtype.ts";
import { int32 } from "../../../core/dtype.ts";
import type { Module } from "../../../nn/module.ts";
import type { LSTMOptions, RNNBase, RNNBaseOptions } from "../../../nn/modules/rnn.ts";
import { GRU as FloatGRU, LSTM as FloatLSTM } from "../../../nn/modules/rnn.ts";
import type { Parameter } from "../../../nn/parameter.ts";
import { asDtype } from "../../../ops/arithmetic.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { WeightGrid, WeightQparamsByName } from "./weight-grids.ts";
import { observedWeightQparams, weightGrids } from "./weight-grids.ts";

interface ReferenceOptions {
  /** How to quantize `weight_ih_l0`, `weight_hh_l0`, …; by default quint8 with scale 1. */
  readonly weightQparams?: WeightQparamsByName;
}

type Grids = Readonly<Record<string, WeightGrid>>;

/** The weights and biases in the order of the state dict; weights as `read` gives them. */
function flatEntries(
  module: Module,
  grids: Grids,
  read: (grid: WeightGrid, weight: Tensor) => Tensor,
): [string, Tensor][] {
  return [...module.ownParameters()].map(([key, value]) => [key, key in grids ? read(grids[key], value) : value]);
}

/** Zero points are int32 here, whatever the observer gave. */
function withInt32ZeroPoints(qparams: WeightQparamsByName | undefined): WeightQparamsByName | undefined {
  if (!qparams) return undefined;
  const entries = Object.entries(qparams).map(([key, own]) => {
    return [key, typeof own === "object" ? { ...own, zeroPoint: asDtype(own.zeroPoint, int32) } : own];
  });
  return Object.fromEntries(entries) as WeightQparamsByName;
}

/** The reference module takes the float module's parameters themselves. */
function takeParameters(made: RNNBase, source: RNNBase): void {
  for (const [key, value] of source.ownParameters()) (made as unknown as Record<string, Parameter>)[key] = value;
}

function optionsOf(module: RNNBase, weightQparams: WeightQparamsByName): RNNBaseOptions & ReferenceOptions {
  const { numLayers, bias, batchFirst, dropout, bidirectional } = module;
  const complete = observedWeightQparams(module, weightQparams);
  return { numLayers, bias, batchFirst, dropout, bidirectional, weightQparams: complete };
}

/** The float LSTM with weights on their grids. */
export class LSTM extends FloatLSTM {
  readonly referenceWeights: Grids;

  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions & ReferenceOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.referenceWeights = weightGrids(this, withInt32ZeroPoints(options.weightQparams));
  }

  /** The dtype that the weights are to be quantized to. */
  get weightDtype(): DType {
    return this.referenceWeights.weight_ih_l0.qparams.dtype;
  }

  override flatWeights(): Tensor[] {
    return this.getFlatWeights();
  }

  /** Weights quantized and dequantized, and biases, in the order of the state dict. */
  getFlatWeights(): Tensor[] {
    return flatEntries(this, this.referenceWeights, (grid, weight) => grid.dequantized(weight)).map(
      ([, value]) => value,
    );
  }

  /** Quantized weights and float biases by name. */
  getQuantizedWeightBiasDict(): Record<string, Tensor> {
    return Object.fromEntries(flatEntries(this, this.referenceWeights, (grid, weight) => grid.quantized(weight)));
  }

  /** `weightQparams` names the qparams of each weight; those that it leaves out are observed with the module's qconfig. */
  static fromFloat(module: Module, weightQparams: WeightQparamsByName = {}): LSTM {
    const source = module as FloatLSTM;
    const options = { ...optionsOf(source, weightQparams), projSize: source.projSize };
    const made = new this(source.inputSize, source.hiddenSize, options);
    takeParameters(made, source);
    return made;
  }

  override getName(): string {
    return "QuantizedLSTM(Reference)";
  }
}

/** The float GRU with weights on their grids. */
export class GRU extends FloatGRU {
  readonly referenceWeights: Grids;

  constructor(inputSize: number, hiddenSize: number, options: RNNBaseOptions & ReferenceOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.referenceWeights = weightGrids(this, withInt32ZeroPoints(options.weightQparams));
  }

  /** As {@link LSTM.weightDtype}. */
  get weightDtype(): DType {
    return this.referenceWeights.weight_ih_l0.qparams.dtype;
  }

  override flatWeights(): Tensor[] {
    return this.getFlatWeights();
  }

  /** As {@link LSTM.getFlatWeights}. */
  getFlatWeights(): Tensor[] {
    return flatEntries(this, this.referenceWeights, (grid, weight) => grid.dequantized(weight)).map(
      ([, value]) => value,
    );
  }

  /** As {@link LSTM.getQuantizedWeightBiasDict}. */
  getQuantizedWeightBiasDict(): Record<string, Tensor> {
    return Object.fromEntries(flatEntries(this, this.referenceWeights, (grid, weight) => grid.quantized(weight)));
  }

  /** As {@link LSTM.fromFloat}. */
  static fromFloat(module: Module, weightQparams: WeightQparamsByName = {}): GRU {
    const source = module as FloatGRU;
    const made = new this(source.inputSize, source.hiddenSize, optionsOf(source, weightQparams));
    takeParameters(made, source);
    return made;
  }

  override getName(): string {
    return "QuantizedGRU(Reference)";
  }
}
