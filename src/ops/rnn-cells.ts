/**
 * The arithmetic of one time step of each recurrent cell, forward and backward, over typed arrays. Matrix products are not
 * here: rnn-layer.ts makes the gates' inputs with them before a forward step, and spreads a backward step's results after it.
 *
 * Every array is row-major with one row per sequence of the step; H is the hidden size. With σ the logistic function:
 *
 *     RNN    h' = tanh(g) or relu(g)                                     g = W_ih x + b_ih + W_hh h + b_hh
 *     LSTM   i, f, o = σ(g), c̃ = tanh(g), c' = f c + i c̃, h' = o tanh(c')      gates in the order i, f, c̃, o
 *     GRU    r, z = σ(g), n = tanh(gₙ + r sₙ), h' = (1 − z) n + z h            gates in the order r, z, n;
 *            s = W_hh h + b_hh stands apart from g = W_ih x + b_ih, because r multiplies one part of it
 */
import type { FloatArray } from "../core/dtype.ts";
import { sigmoid } from "../kernels/reference/special-functions.ts";

export type RnnMode = "rnnTanh" | "rnnRelu" | "lstm" | "gru";

export interface ForwardStep {
  readonly rows: number;
  readonly hidden: number;
  /** [rows, gates · H]: sums on entry, activations on return. */
  readonly gates: FloatArray;
  /** [rows, gates · H]: s, for cells that keep it apart from the gates' sums. */
  readonly recurrent: FloatArray;
  /** [rows, H]: h. May be `next`. */
  readonly previous: FloatArray;
  /** [rows, H]: h', on return. */
  readonly next: FloatArray;
  /** [rows, H]: c on entry, c' on return; empty for cells without. */
  readonly cell: FloatArray;
  /** [rows, kept · H]: what the backward step needs besides. */
  readonly kept: FloatArray;
}

export interface BackwardStep {
  readonly rows: number;
  readonly hidden: number;
  /** Activations, as the forward step left them. */
  readonly gates: FloatArray;
  readonly previous: FloatArray;
  readonly kept: FloatArray;
  /** [rows, H]: gradient of h' on entry; on return, if h reaches h' past W_hh (`recurrentApart`), that part of h's gradient. */
  readonly gradHidden: FloatArray;
  /** [rows, H]: gradient of c' on entry, of c on return. */
  readonly gradCell: FloatArray;
  /** [rows, gates · H]: gradient of g, on return. */
  readonly gradGates: FloatArray;
  /** [rows, gates · H]: gradient of s, on return; for cells that keep it apart. */
  readonly gradRecurrent: FloatArray;
}

export interface CellRule {
  readonly gates: number;
  /** Width of `kept`, in units of H. */
  readonly kept: number;
  /** s is not part of g, and h also reaches h' directly. */
  readonly recurrentApart: boolean;
  readonly hasCell: boolean;
  readonly forward: (step: ForwardStep) => void;
  readonly backward: (step: BackwardStep) => void;
}

const rnnTanh: CellRule = {
  gates: 1,
  kept: 0,
  recurrentApart: false,
  hasCell: false,
  forward: ({ rows, hidden, gates, next }) => {
    for (let i = 0; i < rows * hidden; i++) next[i] = gates[i] = Math.tanh(gates[i]);
  },
  backward: ({ rows, hidden, gates, gradHidden, gradGates }) => {
    for (let i = 0; i < rows * hidden; i++) gradGates[i] = gradHidden[i] * (1 - gates[i] * gates[i]);
  },
};

const rnnRelu: CellRule = {
  ...rnnTanh,
  forward: ({ rows, hidden, gates, next }) => {
    for (let i = 0; i < rows * hidden; i++) next[i] = gates[i] = gates[i] < 0 ? 0 : gates[i];
  },
  backward: ({ rows, hidden, gates, gradHidden, gradGates }) => {
    for (let i = 0; i < rows * hidden; i++) gradGates[i] = gates[i] > 0 ? gradHidden[i] : 0;
  },
};

/** Keeps c and tanh(c'), side by side in one row of 2 H. */
const lstm: CellRule = {
  gates: 4,
  kept: 2,
  recurrentApart: false,
  hasCell: true,
  forward: ({ rows, hidden, gates, next, cell, kept }) => {
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < hidden; j++) {
        const at = row * hidden + j;
        const gate = row * 4 * hidden + j;
        const keep = row * 2 * hidden + j;
        const input = sigmoid(gates[gate]);
        const forget = sigmoid(gates[gate + hidden]);
        const candidate = Math.tanh(gates[gate + 2 * hidden]);
        const output = sigmoid(gates[gate + 3 * hidden]);
        kept[keep] = cell[at];
        const updated = forget * cell[at] + input * candidate;
        const squashed = Math.tanh(updated);
        cell[at] = updated;
        kept[keep + hidden] = squashed;
        next[at] = output * squashed;
        gates[gate] = input;
        gates[gate + hidden] = forget;
        gates[gate + 2 * hidden] = candidate;
        gates[gate + 3 * hidden] = output;
      }
    }
  },
  backward: ({ rows, hidden, gates, kept, gradHidden, gradCell, gradGates }) => {
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < hidden; j++) {
        const at = row * hidden + j;
        const gate = row * 4 * hidden + j;
        const keep = row * 2 * hidden + j;
        const input = gates[gate];
        const forget = gates[gate + hidden];
        const candidate = gates[gate + 2 * hidden];
        const output = gates[gate + 3 * hidden];
        const squashed = kept[keep + hidden];
        const gradOutput = gradHidden[at] * squashed;
        const gradUpdated = gradCell[at] + gradHidden[at] * output * (1 - squashed * squashed);
        gradGates[gate] = gradUpdated * candidate * input * (1 - input);
        gradGates[gate + hidden] = gradUpdated * kept[keep] * forget * (1 - forget);
        gradGates[gate + 2 * hidden] = gradUpdated * input * (1 - candidate * candidate);
        gradGates[gate + 3 * hidden] = gradOutput * output * (1 - output);
        gradCell[at] = gradUpdated * forget;
      }
    }
  },
};

/** Keeps sₙ. */
const gru: CellRule = {
  gates: 3,
  kept: 1,
  recurrentApart: true,
  hasCell: false,
  forward: ({ rows, hidden, gates, recurrent, previous, next, kept }) => {
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < hidden; j++) {
        const at = row * hidden + j;
        const gate = row * 3 * hidden + j;
        const reset = sigmoid(gates[gate] + recurrent[gate]);
        const update = sigmoid(gates[gate + hidden] + recurrent[gate + hidden]);
        const hiddenPart = recurrent[gate + 2 * hidden];
        const candidate = Math.tanh(gates[gate + 2 * hidden] + reset * hiddenPart);
        kept[at] = hiddenPart;
        next[at] = candidate + update * (previous[at] - candidate);
        gates[gate] = reset;
        gates[gate + hidden] = update;
        gates[gate + 2 * hidden] = candidate;
      }
    }
  },
  backward: ({ rows, hidden, gates, previous, kept, gradHidden, gradGates, gradRecurrent }) => {
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < hidden; j++) {
        const at = row * hidden + j;
        const gate = row * 3 * hidden + j;
        const reset = gates[gate];
        const update = gates[gate + hidden];
        const candidate = gates[gate + 2 * hidden];
        const g = gradHidden[at];
        const gradCandidate = g * (1 - update) * (1 - candidate * candidate);
        const gradUpdate = g * (previous[at] - candidate) * update * (1 - update);
        const gradReset = gradCandidate * kept[at] * reset * (1 - reset);
        gradGates[gate] = gradRecurrent[gate] = gradReset;
        gradGates[gate + hidden] = gradRecurrent[gate + hidden] = gradUpdate;
        gradGates[gate + 2 * hidden] = gradCandidate;
        gradRecurrent[gate + 2 * hidden] = gradCandidate * reset;
        gradHidden[at] = g * update;
      }
    }
  },
};

export const cellRules: Readonly<Record<RnnMode, CellRule>> = Object.freeze({ rnnTanh, rnnRelu, lstm, gru });
