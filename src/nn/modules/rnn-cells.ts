/** Recurrent cells, one time step per call: RNNCell, LSTMCell, GRUCell (`torch.nn`). */
import { check, formatShape } from "../../core/errors.ts";
import { gruCell, lstmCell, rnnReluCell, rnnTanhCell } from "../../ops/rnn.ts";
import { squeeze, unsqueeze } from "../../ops/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { uniform_ } from "../init.ts";
import { Module } from "../module.ts";
import type { Parameter } from "../parameter.ts";
import { newParameter } from "./linear.ts";
import type { LSTMState } from "./rnn.ts";

export interface RNNCellBaseOptions {
  /** Default true. */
  readonly bias?: boolean;
}

export interface RNNCellOptions extends RNNCellBaseOptions {
  /** Default "tanh". */
  readonly nonlinearity?: "tanh" | "relu";
}

/** What the cells share: weights of `gates` rows per hidden unit, and the handling of unbatched inputs and missing states. */
export class RNNCellBase extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly bias: boolean;
  weight_ih: Parameter;
  weight_hh: Parameter;
  bias_ih: Parameter | null;
  bias_hh: Parameter | null;

  constructor(inputSize: number, hiddenSize: number, gates: number, options: RNNCellBaseOptions = {}) {
    super();
    for (const [key, size] of Object.entries({ inputSize, hiddenSize })) {
      check(
        Number.isInteger(size) && size > 0,
        () => `${this.getName()}: ${key} must be a positive whole number, got ${size}`,
      );
    }
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.bias = options.bias ?? true;
    this.weight_ih = newParameter(gates * hiddenSize, inputSize);
    this.weight_hh = newParameter(gates * hiddenSize, hiddenSize);
    this.bias_ih = this.bias ? newParameter(gates * hiddenSize) : null;
    this.bias_hh = this.bias ? newParameter(gates * hiddenSize) : null;
    this.resetParameters();
  }

  /** Draws all weights uniformly from ±1/√hiddenSize, in the order of the state dict. */
  resetParameters(): void {
    const limit = 1 / Math.sqrt(this.hiddenSize);
    for (const parameter of this.parameters()) uniform_(parameter, -limit, limit);
  }

  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.bias ? "" : ", bias=False"}`;
  }

  /** Calls `cell` on a batched input and states (zeros where null), and takes the batch off again if there was none. */
  protected step(
    input: Tensor,
    states: readonly (Tensor | null)[],
    cell: (input: Tensor, states: readonly Tensor[]) => readonly Tensor[],
  ): readonly Tensor[] {
    const op = this.getName();
    const { ndim } = input;
    check(
      ndim === 1 || ndim === 2,
      () => `${op}: input must have 1 or 2 dimensions, got shape ${formatShape(input.shape)}`,
    );
    const features = input.shape[ndim - 1];
    check(features === this.inputSize, () => `${op}: input has ${features} features, expected ${this.inputSize}`);
    const expected = [...input.shape.slice(0, -1), this.hiddenSize];
    const given = states.map((state, i) => {
      if (!state) return Tensor.zeros(expected, input.dtype);
      check(
        state.ndim === ndim && expected.every((size, d) => size === state.shape[d]),
        () => `${op}: ${i ? "c" : "h"} has shape ${formatShape(state.shape)}, expected ${formatShape(expected)}`,
      );
      return state;
    });
    if (ndim === 2) return cell(input, given);
    const batched = given.map((state) => unsqueeze(state, 0));
    return cell(unsqueeze(input, 0), batched).map((state) => squeeze(state, 0));
  }
}

/** One step of an Elman network (`torch.nn.RNNCell`): input [B, inputSize] or [inputSize], h of hiddenSize or null for zeros. */
export class RNNCell extends RNNCellBase {
  readonly nonlinearity: "tanh" | "relu";

  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    const { nonlinearity = "tanh" } = options;
    check(
      nonlinearity === "tanh" || nonlinearity === "relu",
      () => `RNNCell: nonlinearity must be tanh or relu, got ${String(nonlinearity)}`,
    );
    super(inputSize, hiddenSize, 1, options);
    this.nonlinearity = nonlinearity;
  }

  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    const cell = this.nonlinearity === "tanh" ? rnnTanhCell : rnnReluCell;
    const { weight_ih, weight_hh, bias_ih, bias_hh } = this;
    return this.step(input, [h], (x, [state]) => [cell(x, state, weight_ih, weight_hh, bias_ih, bias_hh)])[0];
  }

  override extraRepr(): string {
    return super.extraRepr() + (this.nonlinearity === "tanh" ? "" : `, nonlinearity=${this.nonlinearity}`);
  }
}

/** One step of an LSTM (`torch.nn.LSTMCell`): gives [h, c], each as wide as hiddenSize. */
export class LSTMCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: RNNCellBaseOptions = {}) {
    super(inputSize, hiddenSize, 4, options);
  }

  override forward(input: Tensor, states: LSTMState | null = null): LSTMState {
    const { weight_ih, weight_hh, bias_ih, bias_hh } = this;
    const [h, c] = this.step(input, states ?? [null, null], (x, [h0, c0]) =>
      lstmCell(x, [h0, c0], weight_ih, weight_hh, bias_ih, bias_hh),
    );
    return [h, c];
  }
}

/** One step of a gated recurrent unit (`torch.nn.GRUCell`). */
export class GRUCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: RNNCellBaseOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    const { weight_ih, weight_hh, bias_ih, bias_hh } = this;
    return this.step(input, [h], (x, [state]) => [gruCell(x, state, weight_ih, weight_hh, bias_ih, bias_hh)])[0];
  }
}
