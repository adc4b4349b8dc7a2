/** Dynamic quantized recurrent cells, one time step per call (`torch.ao.nn.quantized.dynamic`). Layers are in dynamic.ts. */
import type { DType } from "../../../core/dtype.ts";
import { qint8 } from "../../../core/dtype.ts";
import { OctetError, check } from "../../../core/errors.ts";
import { Module } from "../../../nn/module.ts";
import type { LSTMState } from "../../../nn/modules/rnn.ts";
import type { RNNCellBase as FloatCellBase, RNNCellOptions } from "../../../nn/modules/rnn-cells.ts";
import {
  GRUCell as FloatGRUCell,
  LSTMCell as FloatLSTMCell,
  RNNCell as FloatRNNCell,
} from "../../../nn/modules/rnn-cells.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { randn } from "../../../ops/random.ts";
import type { DynamicPackedParams } from "../../../ops/quantized/linear-fp16.ts";
import {
  quantizedGruCellDynamic,
  quantizedLstmCellDynamic,
  quantizedRnnReluCellDynamic,
  quantizedRnnTanhCellDynamic,
} from "../../../ops/quantized/rnn.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { dynamicWeightsOf, unpackedWeight } from "../dynamic-weight.ts";
import { unsupportedDtype } from "./dynamic.ts";
import { biasOf, loadPacked, packWeightBias, randomWeight, savePacked } from "./packed-params.ts";
import type {
  GRUCell as ReferenceGRUCell,
  LSTMCell as ReferenceLSTMCell,
  RNNCell as ReferenceRNNCell,
} from "./reference-cells.ts";

export interface DynamicCellOptions {
  /** Must be true, the default. */
  readonly bias?: boolean;
  /** Of the weights: qint8 (the default) or float16. */
  readonly dtype?: DType;
}

export interface DynamicRNNCellOptions extends DynamicCellOptions, Pick<RNNCellOptions, "nonlinearity"> {}

export interface CellWeights {
  /** [gates · hiddenSize, inputSize]. */
  readonly weight_ih: Tensor;
  /** [gates · hiddenSize, hiddenSize]. */
  readonly weight_hh: Tensor;
}

export interface CellBiases {
  readonly bias_ih: Tensor;
  readonly bias_hh: Tensor;
}

/** What the cells share (`torch.ao.nn.quantized.dynamic.modules.rnn.RNNCellBase`). */
export abstract class RNNCellBase extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly bias: boolean;
  readonly weightDtype: DType;
  _packed_weight_ih: DynamicPackedParams;
  _packed_weight_hh: DynamicPackedParams;

  constructor(inputSize: number, hiddenSize: number, gates: number, options: DynamicCellOptions = {}) {
    super();
    const { bias = true, dtype = qint8 } = options;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.bias = bias;
    this.weightDtype = dtype;
    if (!bias) throw biasRequired(this);
    const rows = gates * hiddenSize;
    const [biasIh, biasHh] = [randn([rows]), randn([rows])];
    this._packed_weight_ih = packWeightBias(randomWeight([rows, inputSize], dtype, 1), biasIh, dtype);
    this._packed_weight_hh = packWeightBias(randomWeight([rows, hiddenSize], dtype, 1), biasHh, dtype);
  }

  /** Packs quantized weights (float32 ones for float16) and their biases. */
  setWeightBias({ weight, bias }: { readonly weight: CellWeights; readonly bias: CellBiases }): void {
    this._packed_weight_ih = packWeightBias(weight.weight_ih, bias.bias_ih, this.weightDtype);
    this._packed_weight_hh = packWeightBias(weight.weight_hh, bias.bias_hh, this.weightDtype);
  }

  /** qint8, or float32 of float16 precision. */
  getWeight(): CellWeights {
    const [weight_ih, weight_hh] = [this._packed_weight_ih, this._packed_weight_hh].map(unpackedWeight);
    return { weight_ih, weight_hh };
  }

  getBias(): CellBiases {
    return { bias_ih: biasOf(this._packed_weight_ih), bias_hh: biasOf(this._packed_weight_hh) };
  }

  /** The states, zeros if they were left out, of a batch [B, inputSize]. */
  protected states(input: Tensor, given: readonly Tensor[] | null, count: number): Tensor[] {
    check(input.ndim === 2, () => `${this.getName()}: input must have 2 dimensions, got ${input.ndim}`);
    const [batch, features] = input.shape;
    check(
      features === this.inputSize,
      () => `input has inconsistent input_size: got ${features}, expected ${this.inputSize}`,
    );
    if (!given) return Array.from({ length: count }, () => Tensor.zeros([batch, this.hiddenSize], input.dtype));
    given.forEach(({ shape }, i) => {
      const label = `hidden${count > 1 ? `[${i}]` : ""}`;
      check(shape[0] === batch, () => `Input batch size ${batch} doesn't match ${label} batch size ${shape[0]}`);
      check(
        shape.length === 2 && shape[1] === this.hiddenSize,
        () => `${label} has inconsistent hidden_size: got ${shape[1]}, expected ${this.hiddenSize}`,
      );
    });
    return [...given];
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    savePacked(state, `${prefix}_packed_weight_ih`, this._packed_weight_ih);
    savePacked(state, `${prefix}_packed_weight_hh`, this._packed_weight_hh);
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const ih = loadPacked(context, `${prefix}_packed_weight_ih`, this._packed_weight_ih);
    const hh = loadPacked(context, `${prefix}_packed_weight_hh`, this._packed_weight_hh);
    this._packed_weight_ih = ih.packed;
    this._packed_weight_hh = hh.packed;
    return [...ih.keys, ...hh.keys];
  }

  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}`;
  }
}

function biasRequired(module: Module): OctetError {
  return new OctetError(`quantized ${module.getName().replace("DynamicQuantized", "")} requires biases`);
}

/** Quantizes and packs the weights of a float cell into the dynamic one that `make` gives for its dtype. */
function fillFromFloat<M extends RNNCellBase>(source: FloatCellBase, make: (dtype: DType) => M): M {
  const { weight_ih, weight_hh, bias_ih, bias_hh } = source;
  if (!bias_ih || !bias_hh) throw biasRequired(source);
  const { dtype, convert } = dynamicWeightsOf(source, unsupportedDtype);
  const made = make(dtype);
  const weight = { weight_ih: convert(weight_ih), weight_hh: convert(weight_hh) };
  made.setWeightBias({ weight, bias: { bias_ih, bias_hh } });
  return made;
}

function fillFromReference<M extends RNNCellBase>(
  made: M,
  source: ReferenceRNNCell | ReferenceLSTMCell | ReferenceGRUCell,
): M {
  const { bias_ih, bias_hh } = source;
  if (!bias_ih || !bias_hh) throw biasRequired(made);
  const weight = { weight_ih: source.getQuantizedWeightIh(), weight_hh: source.getQuantizedWeightHh() };
  made.setWeightBias({ weight, bias: { bias_ih, bias_hh } });
  return made;
}

function wrongClass(): OctetError {
  return new OctetError(
    "nn.quantized.dynamic.RNNCellBase.from_float only works for nn.LSTMCell, nn.GRUCell and nn.RNNCell",
  );
}

/** One step of an Elman network: input [B, inputSize], h [B, hiddenSize] or null for zeros. */
export class RNNCell extends RNNCellBase {
  readonly nonlinearity: "tanh" | "relu";

  constructor(inputSize: number, hiddenSize: number, options: DynamicRNNCellOptions = {}) {
    super(inputSize, hiddenSize, 1, options);
    const { nonlinearity = "tanh" } = options;
    check(nonlinearity === "tanh" || nonlinearity === "relu", () => `Unknown nonlinearity: ${String(nonlinearity)}`);
    this.nonlinearity = nonlinearity;
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    const cell = this.nonlinearity === "tanh" ? quantizedRnnTanhCellDynamic : quantizedRnnReluCellDynamic;
    const [h] = this.states(input, hx && [hx], 1);
    return cell(input, h, this._packed_weight_ih, this._packed_weight_hh);
  }

  static fromFloat(module: Module): RNNCell {
    if (!(module instanceof FloatRNNCell)) throw wrongClass();
    const { inputSize, hiddenSize, nonlinearity } = module;
    return fillFromFloat(module, (dtype) => new this(inputSize, hiddenSize, { nonlinearity, dtype }));
  }

  static fromReference(reference: ReferenceRNNCell): RNNCell {
    const { inputSize, hiddenSize, nonlinearity, weightDtype: dtype } = reference;
    return fillFromReference(new this(inputSize, hiddenSize, { nonlinearity, dtype }), reference);
  }

  override getName(): string {
    return "DynamicQuantizedRNNCell";
  }

  override extraRepr(): string {
    return super.extraRepr() + (this.nonlinearity === "tanh" ? "" : `, nonlinearity=${this.nonlinearity}`);
  }
}

/** One step of an LSTM: gives [h, c], each [B, hiddenSize]. */
export class LSTMCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: DynamicCellOptions = {}) {
    super(inputSize, hiddenSize, 4, options);
  }

  override forward(input: Tensor, hx: LSTMState | null = null): LSTMState {
    const [h, c] = this.states(input, hx, 2);
    return quantizedLstmCellDynamic(input, [h, c], this._packed_weight_ih, this._packed_weight_hh);
  }

  static fromFloat(module: Module): LSTMCell {
    if (!(module instanceof FloatLSTMCell)) throw wrongClass();
    return fillFromFloat(module, (dtype) => new this(module.inputSize, module.hiddenSize, { dtype }));
  }

  static fromReference(reference: ReferenceLSTMCell): LSTMCell {
    const { inputSize, hiddenSize, weightDtype: dtype } = reference;
    return fillFromReference(new this(inputSize, hiddenSize, { dtype }), reference);
  }

  override getName(): string {
    return "DynamicQuantizedLSTMCell";
  }
}

/** One step of a gated recurrent unit. */
export class GRUCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: DynamicCellOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    const [h] = this.states(input, hx && [hx], 1);
    return quantizedGruCellDynamic(input, h, this._packed_weight_ih, this._packed_weight_hh);
  }

  static fromFloat(module: Module): GRUCell {
    if (!(module instanceof FloatGRUCell)) throw wrongClass();
    return fillFromFloat(module, (dtype) => new this(module.inputSize, module.hiddenSize, { dtype }));
  }

  static fromReference(reference: ReferenceGRUCell): GRUCell {
    const { inputSize, hiddenSize, weightDtype: dtype } = reference;
    return fillFromReference(new this(inputSize, hiddenSize, { dtype }), reference);
  }

  override getName(): string {
    return "DynamicQuantizedGRUCell";
  }
}
