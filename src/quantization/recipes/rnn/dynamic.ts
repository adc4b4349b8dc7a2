/**
 * Dynamic quantized LSTM and GRU (`torch.ao.nn.quantized.dynamic`): float in, float out, 8-bit or float16 weights. Single
 * steps are in cells.ts, the arithmetic in ops/quantized/rnn.ts.
 */
import type { DType } from "../../../core/dtype.ts";
import { float16, qint8 } from "../../../core/dtype.ts";
import { OctetError, check, formatShape } from "../../../core/errors.ts";
import { warn } from "../../../core/warnings.ts";
import { Module } from "../../../nn/module.ts";
import { ModuleList } from "../../../nn/modules/container.ts";
import type { LSTMState, RNNBaseOptions } from "../../../nn/modules/rnn.ts";
import { GRU as FloatGRU, LSTM as FloatLSTM } from "../../../nn/modules/rnn.ts";
import type { RNNBase as FloatRNNBase } from "../../../nn/modules/rnn.ts";
import { pythonFloat } from "../../../nn/repr.ts";
import type { LoadContext } from "../../../nn/state-dict.ts";
import { PackedSequence } from "../../../nn/utils/rnn.ts";
import { indexSelect } from "../../../ops/indexing.ts";
import { randn } from "../../../ops/random.ts";
import type { QuantizedCellParams } from "../../../ops/quantized/rnn.ts";
import { quantizedGru, quantizedLstm } from "../../../ops/quantized/rnn.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { dynamicWeightsOf, unpackedWeight } from "../dynamic-weight.ts";
import { PackedParameter, biasOf, packWeightBias, randomWeight } from "./packed-params.ts";
import type { GRU as ReferenceGRU, LSTM as ReferenceLSTM } from "./reference.ts";

const GATES = { LSTM: 4, GRU: 3 } as const;

export interface DynamicRNNOptions extends RNNBaseOptions {
  /** Of the weights: qint8 (the default) or float16. */
  readonly dtype?: DType;
}

/** Quantized (or, for float16, float32) weights and float biases under the names of the float module. */
export type WeightsByName = Readonly<Record<string, Tensor>>;

/** `(1, 2, 3)` */
const tuple = (sizes: readonly number[]) => `(${sizes.join(", ")})`;

/** What both layers share (`torch.ao.nn.quantized.dynamic.modules.rnn.RNNBase`). */
export abstract class RNNBase extends Module {
  readonly mode: "LSTM" | "GRU";
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly dtype: DType;
  /** One {@link PackedParameter} per layer and direction. */
  _all_weight_values: ModuleList;

  constructor(mode: "LSTM" | "GRU", inputSize: number, hiddenSize: number, options: DynamicRNNOptions = {}) {
    super();
    this.mode = mode;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = options.numLayers ?? 1;
    this.bias = options.bias ?? true;
    this.batchFirst = options.batchFirst ?? false;
    this.dropout = options.dropout ?? 0;
    this.bidirectional = options.bidirectional ?? false;
    this.dtype = options.dtype ?? qint8;
    this.training = false;
    this.checkOptions();
    this._all_weight_values = this.packAll((inputs) => {
      const rows = GATES[mode] * hiddenSize;
      const [ih, hh] = [inputs, hiddenSize].map((depth) => randomWeight([rows, depth], this.dtype, 0.1));
      return { ih, hh, biasIh: randn([rows]), biasHh: randn([rows]) };
    });
  }

  private checkOptions(): void {
    const { dropout, mode } = this;
    if (!this.bias) throw new OctetError(`quantized ${mode} requires biases`);
    check(
      dropout >= 0 && dropout <= 1,
      () => "dropout should be a number in range [0, 1] representing the probability of an element being zeroed",
    );
    if (dropout > 0 && this.numLayers === 1) {
      warn(
        "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater " +
          `than 1, but got dropout=${pythonFloat(dropout)} and num_layers=1`,
      );
    }
    checkRnnDtype(this.dtype);
  }

  /** Packs what `weightsOf` gives for each layer and direction, whose names end in `suffix`. */
  private packAll(
    weightsOf: (inputs: number, suffix: string) => { ih: Tensor; hh: Tensor; biasIh: Tensor; biasHh: Tensor },
  ): ModuleList {
    const directions = this.bidirectional ? 2 : 1;
    return new ModuleList(
      this.suffixes().map((suffix, index) => {
        const inputs = index < directions ? this.inputSize : this.hiddenSize * directions;
        const { ih, hh, biasIh, biasHh } = weightsOf(inputs, suffix);
        return new PackedParameter(
          Object.freeze({
            ih: packWeightBias(ih, biasIh, this.dtype),
            hh: packWeightBias(hh, biasHh, this.dtype),
            reduceRange: true,
          }),
        );
      }),
    );
  }

  /** `l0`, `l0_reverse`, `l1`, …: ends of the weights' names, layer by layer. */
  private suffixes(): string[] {
    const ends = this.bidirectional ? ["", "_reverse"] : [""];
    return Array.from({ length: this.numLayers }, (_, layer) => ends.map((end) => `l${layer}${end}`)).flat();
  }

  /** Packs weights `weight_ih_l0`, `weight_hh_l0`, … (qint8, or float32 for float16) and biases `bias_ih_l0`, …. */
  setWeightBias(weightBiasDict: WeightsByName): void {
    const named = (key: string) => {
      const found = weightBiasDict[key];
      if (!found) throw new OctetError(`${this.getName()}.setWeightBias: there is no ${key}`);
      return found;
    };
    this._all_weight_values = this.packAll((_, suffix) => ({
      ih: named(`weight_ih_${suffix}`),
      hh: named(`weight_hh_${suffix}`),
      biasIh: named(`bias_ih_${suffix}`),
      biasHh: named(`bias_hh_${suffix}`),
    }));
  }

  /** The weights by name: qint8, or float32 of float16 precision. */
  getWeight(): Record<string, Tensor> {
    return this.byName("weight", unpackedWeight);
  }

  /** The float biases by name. */
  getBias(): Record<string, Tensor> {
    return this.byName("bias", biasOf);
  }

  private byName(what: string, read: (packed: QuantizedCellParams["ih"]) => Tensor): Record<string, Tensor> {
    const params = this.cellParams();
    return Object.fromEntries(
      this.suffixes().flatMap((suffix, i) => [
        [`${what}_ih_${suffix}`, read(params[i].ih)],
        [`${what}_hh_${suffix}`, read(params[i].hh)],
      ]),
    );
  }

  private cellParams(): QuantizedCellParams[] {
    return [...this._all_weight_values].map((module) => (module as PackedParameter).param);
  }

  /** Runs all layers on a tensor or a packed batch; states are [h] or [h, c], null for zeros. */
  protected run(
    input: Tensor | PackedSequence,
    states: readonly Tensor[] | null,
  ): { output: Tensor | PackedSequence; last: readonly Tensor[] } {
    if (!(input instanceof PackedSequence)) return this.runLayers(input, states);
    const { sortedIndices, unsortedIndices } = input;
    const batchSizes = Array.from(input.batchSizes.toNumbers());
    const initial = states && states.map((state) => permuteBatch(state, sortedIndices));
    const { output, last } = this.runLayers(input.data, initial, batchSizes);
    return { output: input.withData(output), last: last.map((state) => permuteBatch(state, unsortedIndices)) };
  }

  private runLayers(
    input: Tensor,
    states: readonly Tensor[] | null,
    batchSizes?: readonly number[],
  ): { output: Tensor; last: readonly Tensor[] } {
    this.checkInput(input, batchSizes);
    const batch = batchSizes ? batchSizes[0] : input.shape[this.batchFirst ? 0 : 1];
    const initial = states ?? this.zeroStates(input, batch);
    this.checkStates(initial, batch);
    const { numLayers, dropout, bidirectional, batchFirst } = this;
    const options = { numLayers, dropout, train: this.training, bidirectional, batchFirst, batchSizes };
    if (this.mode === "GRU") {
      const [output, h] = quantizedGru(input, initial[0], this.cellParams(), options);
      return { output, last: [h] };
    }
    const [output, h, c] = quantizedLstm(input, initial, this.cellParams(), { ...options, dtype: this.dtype });
    return { output, last: [h, c] };
  }

  private stateShape(batch: number): number[] {
    return [this.numLayers * (this.bidirectional ? 2 : 1), batch, this.hiddenSize];
  }

  private zeroStates(input: Tensor, batch: number): Tensor[] {
    const count = this.mode === "LSTM" ? 2 : 1;
    return Array.from({ length: count }, () => Tensor.zeros(this.stateShape(batch), input.dtype));
  }

  private checkInput(input: Tensor, batchSizes?: readonly number[]): void {
    const ndim = batchSizes ? 2 : 3;
    check(input.ndim === ndim, () => `input must have ${ndim} dimensions, got ${input.ndim}`);
    const features = input.shape[ndim - 1];
    check(
      features === this.inputSize,
      () => `input.size(-1) must be equal to input_size. Expected ${this.inputSize}, got ${features}`,
    );
  }

  private checkStates(states: readonly Tensor[], batch: number): void {
    const expected = this.stateShape(batch);
    states.forEach(({ shape }, i) => {
      const place = this.mode === "LSTM" ? `[${i}]` : "";
      check(
        shape.join() === expected.join(),
        () => `Expected hidden${place} size ${tuple(expected)}, got ${formatShape(shape)}`,
      );
    });
  }

  override stateVersion(): number {
    return 2;
  }

  /** Before version 2, activations had all 8 bits. A state without versions is taken for a new one. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const version = context.metadata.get(prefix.slice(0, -1))?.version ?? 1;
    const reduceRange = context.metadata.size === 0 || version >= 2;
    for (const module of this._all_weight_values) {
      const layer = module as PackedParameter;
      layer.param = Object.freeze({ ...layer.param, reduceRange });
    }
    return [];
  }

  override getName(): string {
    return `DynamicQuantized${this.mode}`;
  }

  override extraRepr(): string {
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (this.numLayers !== 1) parts.push(`num_layers=${this.numLayers}`);
    if (this.batchFirst) parts.push("batch_first=True");
    if (this.dropout) parts.push(`dropout=${pythonFloat(this.dropout)}`);
    if (this.bidirectional) parts.push("bidirectional=True");
    return parts.join(", ");
  }

  /** One line: the packed weights are not shown. */
  override toString(): string {
    return `${this.getName()}(${this.extraRepr()})`;
  }
}

function checkRnnDtype(dtype: DType): void {
  if (dtype !== qint8 && dtype !== float16) throw new OctetError(unsupportedDtype(dtype));
}

/** PyTorch's words for weights that are neither qint8 nor float16. */
export function unsupportedDtype(dtype: DType): string {
  return `Unsupported dtype for dynamic RNN quantization: ${String(dtype)}`;
}

/** Reorders the sequences of a state [layers, batch, features]. */
function permuteBatch(state: Tensor, order: Tensor | null): Tensor {
  return order ? indexSelect(state, 1, order) : state;
}

/** The weights of a float layer as its qconfig wants them. */
function observedWeights(module: FloatRNNBase): { dtype: DType; weights: WeightsByName } {
  if (!module.bias) throw new OctetError(`quantized ${module.mode} requires biases`);
  if (module.projSize) throw new OctetError("quantized LSTM with projections is not supported");
  const { dtype, convert } = dynamicWeightsOf(module, unsupportedDtype);
  const entries = [...module.ownParameters()].map(([key, value]) => [
    key,
    key.startsWith("weight") ? convert(value) : value.detach(),
  ]);
  return { dtype, weights: Object.fromEntries(entries) as Record<string, Tensor> };
}

/** The constructor's options of a float or reference layer. */
function optionsOf(module: FloatRNNBase, dtype: DType): DynamicRNNOptions {
  const { numLayers, bias, batchFirst, dropout, bidirectional } = module;
  return { numLayers, bias, batchFirst, dropout, bidirectional, dtype };
}

function wrongClass(): OctetError {
  return new OctetError("nn.quantized.dynamic.RNNBase.from_float only works for nn.LSTM and nn.GRU");
}

// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- the call signatures follow `forward`
export interface LSTM {
  (input: PackedSequence, hx?: LSTMState | null): [output: PackedSequence, states: LSTMState];
  (input: Tensor, hx?: LSTMState | null): [output: Tensor, states: LSTMState];
}

/**
 * Dynamic quantized LSTM: input [T, B, inputSize] ([B, T, …] with `batchFirst`, or packed) gives [output [T, B, D·H], [h, c]]
 * with states [layers · D, B, H] for D directions. There are no projections, and biases are required.
 */
export class LSTM extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, options: DynamicRNNOptions = {}) {
    super("LSTM", inputSize, hiddenSize, options);
  }

  override forward(input: PackedSequence, hx?: LSTMState | null): [output: PackedSequence, states: LSTMState];
  override forward(input: Tensor, hx?: LSTMState | null): [output: Tensor, states: LSTMState];
  override forward(
    input: Tensor | PackedSequence,
    hx: LSTMState | null = null,
  ): [output: Tensor | PackedSequence, states: LSTMState] {
    const { output, last } = this.run(input, hx);
    return [output, [last[0], last[1]]];
  }

  static fromFloat(module: Module): LSTM {
    if (!(module instanceof FloatLSTM)) throw wrongClass();
    const { dtype, weights } = observedWeights(module);
    const made = new this(module.inputSize, module.hiddenSize, optionsOf(module, dtype));
    made.setWeightBias(weights);
    return made;
  }

  static fromReference(reference: ReferenceLSTM): LSTM {
    const options = optionsOf(reference, reference.weightDtype);
    const made = new this(reference.inputSize, reference.hiddenSize, options);
    made.setWeightBias(reference.getQuantizedWeightBiasDict());
    return made;
  }
}

// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- the call signatures follow `forward`
export interface GRU {
  (input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, h: Tensor];
  (input: Tensor, hx?: Tensor | null): [output: Tensor, h: Tensor];
}

/** Dynamic quantized GRU, as {@link LSTM} with the one state h. */
export class GRU extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, options: DynamicRNNOptions = {}) {
    super("GRU", inputSize, hiddenSize, options);
  }

  override forward(input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, h: Tensor];
  override forward(input: Tensor, hx?: Tensor | null): [output: Tensor, h: Tensor];
  override forward(
    input: Tensor | PackedSequence,
    hx: Tensor | null = null,
  ): [output: Tensor | PackedSequence, h: Tensor] {
    const { output, last } = this.run(input, hx && [hx]);
    return [output, last[0]];
  }

  static fromFloat(module: Module): GRU {
    if (!(module instanceof FloatGRU)) throw wrongClass();
    const { dtype, weights } = observedWeights(module);
    const made = new this(module.inputSize, module.hiddenSize, optionsOf(module, dtype));
    made.setWeightBias(weights);
    return made;
  }

  static fromReference(reference: ReferenceGRU): GRU {
    const options = optionsOf(reference, reference.weightDtype);
    const made = new this(reference.inputSize, reference.hiddenSize, options);
    made.setWeightBias(reference.getQuantizedWeightBiasDict());
    return made;
  }
}
