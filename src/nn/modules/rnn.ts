/** Recurrent layers: RNN, LSTM and GRU (`torch.nn.RNN`, …). Single steps are in rnn-cells.ts, the arithmetic in ops/rnn.ts. */
import { OctetError, check, formatShape } from "../../core/errors.ts";
import { indexSelect } from "../../ops/indexing.ts";
import type { RnnOptions } from "../../ops/rnn.ts";
import { gru, lstm, rnnRelu, rnnTanh } from "../../ops/rnn.ts";
import { squeeze, unsqueeze } from "../../ops/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { uniform_ } from "../init.ts";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { pythonFloat } from "../repr.ts";
import { PackedSequence } from "../utils/rnn.ts";
import { newParameter } from "./linear.ts";

export interface RNNBaseOptions {
  /** Default 1. */
  readonly numLayers?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Input and output are [batch, time, features]; states stay [layers · directions, batch, features]. Default false. */
  readonly batchFirst?: boolean;
  /** Probability of dropping an element of a layer's output before the next layer, in training; without a next layer, nothing. */
  readonly dropout?: number;
  /** Default false. */
  readonly bidirectional?: boolean;
}

export interface RNNOptions extends RNNBaseOptions {
  /** Default "tanh". */
  readonly nonlinearity?: "tanh" | "relu";
}

export interface LSTMOptions extends RNNBaseOptions {
  /** Size of the output and of h, if W_hr · h takes the place of h; 0 (the default) for no projection. */
  readonly projSize?: number;
}

/** Rows of weight_ih per hidden unit. */
const GATES = { RNN_TANH: 1, RNN_RELU: 1, LSTM: 4, GRU: 3 } as const;

const WITHOUT_CELL = { RNN_TANH: rnnTanh, RNN_RELU: rnnRelu, GRU: gru } as const;

/** PyTorch's names of the kinds of recurrent layer. */
export type RNNMode = keyof typeof GATES;

/** What all recurrent layers share: weights `weight_ih_l0`, `weight_hh_l0`, … under PyTorch's names, checks and layouts. */
export class RNNBase extends Module {
  /** `weight_ih_l{layer}`, `weight_hh_l{layer}` and, with projection, `weight_hr_l{layer}`; `_reverse` for the way back. */
  [weight: `weight_${"ih" | "hh" | "hr"}_l${string}`]: Parameter;
  /** `bias_ih_l{layer}` and `bias_hh_l{layer}`; `_reverse` for the way back. */
  [bias: `bias_${"ih" | "hh"}_l${string}`]: Parameter;
  readonly mode: RNNMode;
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;

  constructor(mode: RNNMode, inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    super();
    this.mode = mode;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = options.numLayers ?? 1;
    this.bias = options.bias ?? true;
    this.batchFirst = options.batchFirst ?? false;
    this.dropout = options.dropout ?? 0;
    this.bidirectional = options.bidirectional ?? false;
    this.projSize = options.projSize ?? 0;
    this.checkSizes();
    for (const { names, shapes } of this.weightGroups()) {
      names.forEach((key, i) => this.registerParameter(key, newParameter(...shapes[i])));
    }
    this.resetParameters();
  }

  /** Draws all weights uniformly from ±1/√hiddenSize, in the order of the state dict. */
  resetParameters(): void {
    const limit = 1 / Math.sqrt(this.hiddenSize);
    for (const parameter of this.parameters()) uniform_(parameter, -limit, limit);
  }

  /** The weights in the order that {@link lstm} and its siblings take them in, which is that of the state dict. */
  flatWeights(): Tensor[] {
    return this.weightGroups().flatMap(({ names }) => names.map((key) => this[key as "weight_ih_l0"]));
  }

  override extraRepr(): string {
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (this.projSize) parts.push(`proj_size=${this.projSize}`);
    if (this.numLayers !== 1) parts.push(`num_layers=${this.numLayers}`);
    if (!this.bias) parts.push("bias=False");
    if (this.batchFirst) parts.push("batch_first=True");
    if (this.dropout) parts.push(`dropout=${pythonFloat(this.dropout)}`);
    if (this.bidirectional) parts.push("bidirectional=True");
    return parts.join(", ");
  }

  private checkSizes(): void {
    const { inputSize, hiddenSize, numLayers, projSize, dropout } = this;
    const op = this.getName();
    for (const [key, size] of Object.entries({ inputSize, hiddenSize, numLayers })) {
      check(Number.isInteger(size) && size > 0, () => `${op}: ${key} must be a positive whole number, got ${size}`);
    }
    check(dropout >= 0 && dropout <= 1, () => `${op}: dropout must be a probability in [0, 1], got ${dropout}`);
    check(
      Number.isInteger(projSize) && projSize >= 0 && projSize < hiddenSize,
      () =>
        `${op}: projSize must be a whole number of at least 0 and less than hiddenSize ${hiddenSize}, got ${projSize}`,
    );
  }

  /** Names and shapes of the weights, per layer and direction. */
  private weightGroups(): { names: string[]; shapes: number[][] }[] {
    const { hiddenSize, projSize, bias } = this;
    const rows = GATES[this.mode] * hiddenSize;
    const state = projSize || hiddenSize;
    const suffixes = this.bidirectional ? ["", "_reverse"] : [""];
    return Array.from({ length: this.numLayers }, (_, layer) => layer).flatMap((layer) =>
      suffixes.map((suffix) => {
        const inputs = layer === 0 ? this.inputSize : state * suffixes.length;
        const group: [string, number[]][] = [
          ["weight_ih", [rows, inputs]],
          ["weight_hh", [rows, state]],
        ];
        if (bias) group.push(["bias_ih", [rows]], ["bias_hh", [rows]]);
        if (projSize) group.push(["weight_hr", [projSize, hiddenSize]]);
        return { names: group.map(([key]) => `${key}_l${layer}${suffix}`), shapes: group.map(([, shape]) => shape) };
      }),
    );
  }

  /** Runs all layers on a tensor or a packed batch; states are [h] or [h, c], null for zeros. */
  protected run<S extends Tensor | PackedSequence>(
    input: S,
    states: readonly Tensor[] | null,
  ): { output: S; last: readonly Tensor[] };
  protected run(
    input: Tensor | PackedSequence,
    states: readonly Tensor[] | null,
  ): { output: Tensor | PackedSequence; last: readonly Tensor[] } {
    if (!(input instanceof PackedSequence)) return this.runTensor(input, states);
    const batchSizes = Array.from(input.batchSizes.toNumbers());
    const { sortedIndices, unsortedIndices } = input;
    this.checkFeatures(input.data);
    const initial = states?.map((state) => permuteBatch(state, sortedIndices));
    const { output, last } = this.runLayers(
      input.data,
      initial ?? this.zeroStates(input.data, batchSizes[0]),
      batchSizes,
    );
    return { output: input.withData(output), last: last.map((state) => permuteBatch(state, unsortedIndices)) };
  }

  private runTensor(input: Tensor, states: readonly Tensor[] | null): { output: Tensor; last: readonly Tensor[] } {
    const op = this.getName();
    if (input.ndim !== 2 && input.ndim !== 3) {
      throw new OctetError(`${op}: input must have 2 or 3 dimensions, got shape ${formatShape(input.shape)}`);
    }
    this.checkFeatures(input);
    for (const state of states ?? []) {
      check(
        state.ndim === input.ndim,
        () =>
          `${op}: initial states need ${input.ndim} dimensions as the input has, got shape ${formatShape(state.shape)}`,
      );
    }
    const batchDim = this.batchFirst ? 0 : 1;
    const batched = input.ndim === 3 ? input : unsqueeze(input, batchDim);
    const initial = input.ndim === 3 ? states : states?.map((state) => unsqueeze(state, 1));
    const result = this.runLayers(batched, initial ?? this.zeroStates(input, batched.shape[batchDim]));
    if (input.ndim === 3) return result;
    return { output: squeeze(result.output, batchDim), last: result.last.map((state) => squeeze(state, 1)) };
  }

  private runLayers(
    input: Tensor,
    states: readonly Tensor[],
    batchSizes?: readonly number[],
  ): { output: Tensor; last: readonly Tensor[] } {
    const options: RnnOptions = {
      hasBiases: this.bias,
      numLayers: this.numLayers,
      dropout: this.dropout,
      train: this.training,
      bidirectional: this.bidirectional,
      batchFirst: this.batchFirst,
      batchSizes,
    };
    const weights = this.flatWeights();
    if (this.mode === "LSTM") {
      const [output, h, c] = lstm(input, [states[0], states[1]], weights, options);
      return { output, last: [h, c] };
    }
    const [output, h] = WITHOUT_CELL[this.mode](input, states[0], weights, options);
    return { output, last: [h] };
  }

  private zeroStates(input: Tensor, batch: number): Tensor[] {
    const count = this.numLayers * (this.bidirectional ? 2 : 1);
    const h = Tensor.zeros([count, batch, this.projSize || this.hiddenSize], input.dtype);
    return this.mode === "LSTM" ? [h, Tensor.zeros([count, batch, this.hiddenSize], input.dtype)] : [h];
  }

  private checkFeatures(input: Tensor): void {
    const features = input.shape[input.ndim - 1];
    check(
      features === this.inputSize,
      () => `${this.getName()}: input has ${features} features, expected ${this.inputSize}`,
    );
  }
}

/** Reorders the sequences of a state [layers, batch, features]. */
function permuteBatch(state: Tensor, order: Tensor | null): Tensor {
  return order ? indexSelect(state, 1, order) : state;
}

/** [layers · directions, batch, H]; without the batch for an unbatched input. */
type HiddenState = Tensor | null;

/** h as {@link HiddenState} (P wide with projection), and c. */
export type LSTMState = readonly [h: Tensor, c: Tensor];

// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- the call signatures follow `forward`
export interface LSTM {
  (input: PackedSequence, states?: LSTMState | null): [output: PackedSequence, states: LSTMState];
  (input: Tensor, states?: LSTMState | null): [output: Tensor, states: LSTMState];
}

/**
 * Long short-term memory (`torch.nn.LSTM`): input [T, B, inputSize] ([B, T, …] with `batchFirst`, [T, …] unbatched, or
 * packed) gives [output [T, B, D·H], [h, c]] with states [layers · D, B, H] for D directions. Throws if the input's
 * features or a state's shape do not fit.
 */
export class LSTM extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    super("LSTM", inputSize, hiddenSize, options);
  }

  override forward(input: PackedSequence, states?: LSTMState | null): [output: PackedSequence, states: LSTMState];
  override forward(input: Tensor, states?: LSTMState | null): [output: Tensor, states: LSTMState];
  override forward(
    input: Tensor | PackedSequence,
    states: LSTMState | null = null,
  ): [output: Tensor | PackedSequence, states: LSTMState] {
    const { output, last } = this.run(input, states);
    return [output, [last[0], last[1]]];
  }
}

/** The forward pass of the layers with one state. */
// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- the call signatures follow `forward`
interface SingleStateLayer {
  (input: PackedSequence, h0?: HiddenState): [output: PackedSequence, h: Tensor];
  (input: Tensor, h0?: HiddenState): [output: Tensor, h: Tensor];
}

// eslint-disable-next-line typescript/no-unsafe-declaration-merging -- see the interface
class SingleStateLayer extends RNNBase {
  override forward(input: PackedSequence, h0?: HiddenState): [output: PackedSequence, h: Tensor];
  override forward(input: Tensor, h0?: HiddenState): [output: Tensor, h: Tensor];
  override forward(
    input: Tensor | PackedSequence,
    h0: HiddenState = null,
  ): [output: Tensor | PackedSequence, h: Tensor] {
    const { output, last } = this.run(input, h0 && [h0]);
    return [output, last[0]];
  }
}

/** Elman network (`torch.nn.RNN`): as {@link LSTM} with the one state h. */
export class RNN extends SingleStateLayer {
  readonly nonlinearity: "tanh" | "relu";

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    const { nonlinearity = "tanh" } = options;
    check(
      nonlinearity === "tanh" || nonlinearity === "relu",
      () => `RNN: nonlinearity must be tanh or relu, got ${String(nonlinearity)}`,
    );
    super(nonlinearity === "tanh" ? "RNN_TANH" : "RNN_RELU", inputSize, hiddenSize, withoutProjection("RNN", options));
    this.nonlinearity = nonlinearity;
  }
}

/** Gated recurrent unit (`torch.nn.GRU`): as {@link LSTM} with the one state h. */
export class GRU extends SingleStateLayer {
  constructor(inputSize: number, hiddenSize: number, options: RNNBaseOptions = {}) {
    super("GRU", inputSize, hiddenSize, withoutProjection("GRU", options));
  }
}

function withoutProjection(op: string, options: LSTMOptions): LSTMOptions {
  check(!options.projSize, () => `${op}: projSize is only supported for LSTM, got ${options.projSize}`);
  return options;
}
