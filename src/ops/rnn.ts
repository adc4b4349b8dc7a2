/**
 * Recurrent networks and cells (`torch.lstm`, `torch.gru`, `torch.rnn_tanh`, `torch.lstm_cell`, …): layers and directions
 * stacked from {@link rnnLayer}. Initial states are never left out here; the modules in nn/ fill in zeros.
 */
import { check, formatShape } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dropout } from "./dropout.ts";
import { composite } from "./op.ts";
import { cat, stack } from "./rearrange.ts";
import type { RnnMode } from "./rnn-cells.ts";
import { cellRules } from "./rnn-cells.ts";
import type { LayerWeights } from "./rnn-layer.ts";
import { rnnLayer } from "./rnn-layer.ts";
import type { Schedule } from "./rnn-passes.ts";
import { reshape, select, transpose } from "./shape.ts";

export interface RnnOptions {
  /** Each layer's weights include b_ih and b_hh; default true. */
  readonly hasBiases?: boolean;
  readonly numLayers?: number;
  /** Probability of dropping an element of a layer's output before the next layer, in training. */
  readonly dropout?: number;
  /** Training mode: dropout is active. Default false. */
  readonly train?: boolean;
  readonly bidirectional?: boolean;
  /** Input and output are [batch, time, features] instead of [time, batch, features]. */
  readonly batchFirst?: boolean;
  /** Makes the input packed: [rows of all steps, features], with this many rows per step, never more than in the step before. */
  readonly batchSizes?: readonly number[];
}

/**
 * LSTM over `input` [T, B, I] from `[h0 [L·D, B, P], c0 [L·D, B, H]]` (`torch.lstm`). `weights` lists per layer and direction
 * weight_ih [4H, I], weight_hh [4H, P], bias_ih, bias_hh, and weight_hr [P, H] if there is a projection. Gives the output
 * [T, B, D·P] and the last states.
 */
export const lstm = composite(
  "lstm",
  (
    input: Tensor,
    states: readonly [Tensor, Tensor],
    weights: readonly Tensor[],
    options: RnnOptions = {},
  ): readonly [output: Tensor, h: Tensor, c: Tensor] => {
    const { output, last } = runLayers("lstm", "lstm", input, states, weights, options);
    return [output, last[0], last[1]];
  },
);

function withoutCell(mode: RnnMode) {
  return composite(
    mode,
    (
      input: Tensor,
      h0: Tensor,
      weights: readonly Tensor[],
      options: RnnOptions = {},
    ): readonly [output: Tensor, h: Tensor] => {
      const { output, last } = runLayers(mode, mode, input, [h0], weights, options);
      return [output, last[0]];
    },
  );
}

/** GRU (`torch.gru`): as {@link lstm} with one state and weights of 3H rows. */
export const gru = withoutCell("gru");

/** Elman RNN with tanh (`torch.rnn_tanh`): as {@link lstm} with one state and weights of H rows. */
export const rnnTanh = withoutCell("rnnTanh");

/** Elman RNN with relu (`torch.rnn_relu`). */
export const rnnRelu = withoutCell("rnnRelu");

/** One step of an LSTM: input [B, I], states [h, c] of [B, H] each; gives the new states (`torch.lstm_cell`). */
export const lstmCell = composite(
  "lstmCell",
  (
    input: Tensor,
    states: readonly [Tensor, Tensor],
    weightIh: Tensor,
    weightHh: Tensor,
    biasIh: Tensor | null = null,
    biasHh: Tensor | null = null,
  ): readonly [h: Tensor, c: Tensor] => {
    const [, h, c] = runCell("lstmCell", "lstm", input, states, [weightIh, weightHh, biasIh, biasHh, null]);
    return [h, c];
  },
);

function cellOperator(op: string, mode: RnnMode) {
  return composite(
    op,
    (
      input: Tensor,
      h: Tensor,
      weightIh: Tensor,
      weightHh: Tensor,
      biasIh: Tensor | null = null,
      biasHh: Tensor | null = null,
    ): Tensor => runCell(op, mode, input, [h], [weightIh, weightHh, biasIh, biasHh, null])[1],
  );
}

/** One step of a GRU: input [B, I], h [B, H] (`torch.gru_cell`). */
export const gruCell = cellOperator("gruCell", "gru");
/** One step of an Elman RNN (`torch.rnn_tanh_cell`). */
export const rnnTanhCell = cellOperator("rnnTanhCell", "rnnTanh");
/** One step of an Elman RNN (`torch.rnn_relu_cell`). */
export const rnnReluCell = cellOperator("rnnReluCell", "rnnRelu");

function runCell(
  op: string,
  mode: RnnMode,
  input: Tensor,
  states: readonly Tensor[],
  weights: LayerWeights,
): readonly Tensor[] {
  check(input.ndim === 2, () => `${op}: input must have 2 dimensions, got shape ${formatShape(input.shape)}`);
  const batch = input.shape[0];
  checkWeights(op, mode, input, weights);
  checkStates(op, mode, states, [], batch, weights);
  return rnnLayer(mode, input, states, weights, { batchSizes: [batch], reverse: false });
}

function runLayers(
  op: string,
  mode: RnnMode,
  input: Tensor,
  states: readonly Tensor[],
  weights: readonly Tensor[],
  options: RnnOptions,
): { output: Tensor; last: readonly Tensor[] } {
  const groups = groupWeights(op, weights, layerCount(options), options.hasBiases ?? true);
  const packed = toRows(op, input, options);
  checkStates(op, mode, states, [groups.length], packed.batchSizes[0], groups[0]);
  return stackLayers(packed, states, options, (x, initial, index, schedule) => {
    checkWeights(op, mode, x, groups[index]);
    return rnnLayer(mode, x, initial, groups[index], schedule);
  });
}

/** Layers times directions: how many sets of weights there are. */
export function layerCount({ numLayers = 1, bidirectional = false }: RnnOptions): number {
  return numLayers * (bidirectional ? 2 : 1);
}

/** Runs one layer in one direction, the index-th, over packed rows: gives its output and its last states. */
export type LayerRunner = (
  rows: Tensor,
  initial: readonly Tensor[],
  index: number,
  schedule: Schedule,
) => readonly Tensor[];

/** Feeds each layer the output of the one before it, both directions side by side. Entry i of each state is layer i's. */
export function stackLayers(
  input: PackedRows,
  states: readonly Tensor[],
  options: RnnOptions,
  runLayer: LayerRunner,
): { output: Tensor; last: readonly Tensor[] } {
  const { numLayers = 1, bidirectional = false, train = false } = options;
  const { batchSizes } = input;
  const directions = bidirectional ? 2 : 1;
  const last: Tensor[][] = states.map(() => []);
  let x = input.rows;
  for (let layer = 0; layer < numLayers; layer++) {
    const outputs: Tensor[] = [];
    for (let direction = 0; direction < directions; direction++) {
      const index = layer * directions + direction;
      const initial = states.map((state) => select(state, 0, index));
      const [output, ...final] = runLayer(x, initial, index, { batchSizes, reverse: direction === 1 });
      outputs.push(output);
      last.forEach((list, i) => list.push(final[i]));
    }
    x = bidirectional ? cat(outputs, 1) : outputs[0];
    if (options.dropout && train && layer < numLayers - 1) x = dropout(x, { p: options.dropout, training: true });
  }
  return { output: input.restore(x), last: last.map((list) => stack(list, 0)) };
}

/** Splits the flat list of weights by layer and direction. */
function groupWeights(op: string, weights: readonly Tensor[], count: number, hasBiases: boolean): LayerWeights[] {
  const each = weights.length / count;
  const [plain, projected] = hasBiases ? [4, 5] : [2, 3];
  check(
    each === plain || each === projected,
    () =>
      `${op}: ${count} layers and directions need ${plain} weights each (${projected} with projection), got ${weights.length} in all`,
  );
  return Array.from({ length: count }, (_, i) => {
    const group = weights.slice(i * each, (i + 1) * each);
    const projection = each === projected ? group[each - 1] : null;
    return [group[0], group[1], hasBiases ? group[2] : null, hasBiases ? group[3] : null, projection] as const;
  });
}

/** A batch of sequences as packed rows [rows of all steps, features]. */
export interface PackedRows {
  readonly rows: Tensor;
  /** Rows of each step. */
  readonly batchSizes: readonly number[];
  /** Gives the output the input's layout again. */
  readonly restore: (output: Tensor) => Tensor;
}

/** The input as packed rows. */
export function toRows(op: string, input: Tensor, { batchFirst = false, batchSizes }: RnnOptions): PackedRows {
  if (batchSizes) {
    check(input.ndim === 2, () => `${op}: packed input must have 2 dimensions, got shape ${formatShape(input.shape)}`);
    checkBatchSizes(op, input.shape[0], batchSizes);
    return { rows: input, batchSizes, restore: (output: Tensor) => output };
  }
  check(input.ndim === 3, () => `${op}: input must have 3 dimensions, got shape ${formatShape(input.shape)}`);
  const timeMajor = batchFirst ? transpose(input, 0, 1) : input;
  const [time, batch, features] = timeMajor.shape;
  check(time > 0, () => `${op}: the sequence is empty (input shape ${formatShape(input.shape)})`);
  return {
    rows: reshape(timeMajor, time * batch, features),
    batchSizes: new Array<number>(time).fill(batch),
    restore: (output: Tensor) => {
      const shaped = reshape(output, time, batch, output.shape[1]);
      return batchFirst ? transpose(shaped, 0, 1) : shaped;
    },
  };
}

function checkBatchSizes(op: string, rows: number, batchSizes: readonly number[]): void {
  check(batchSizes.length > 0, () => `${op}: batchSizes is empty`);
  batchSizes.forEach((size, t) => {
    const limit = t ? batchSizes[t - 1] : Infinity;
    check(
      size > 0 && size <= limit,
      () => `${op}: batchSizes must be positive and never grow, got ${formatShape(batchSizes)}`,
    );
  });
  const total = batchSizes.reduce((sum, size) => sum + size, 0);
  check(total === rows, () => `${op}: batchSizes add up to ${total}, the packed input has ${rows} rows`);
}

const WEIGHT_NAMES = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"] as const;

function checkWeights(op: string, mode: RnnMode, input: Tensor, weights: LayerWeights): void {
  const { dtype } = input;
  const features = input.shape[1];
  const [inputHidden, , , , projection] = weights;
  check(dtype.isFloatingPoint, () => `${op}: input must be floating point, got ${dtype.name}`);
  check(
    features === inputHidden.shape[1],
    () => `${op}: input has ${features} features, expected ${inputHidden.shape[1]}`,
  );
  const { gates } = cellRules[mode];
  const rows = inputHidden.shape[0];
  check(rows % gates === 0, () => `${op}: weight_ih needs ${gates} rows per hidden unit, got ${rows} rows`);
  const hidden = rows / gates;
  const state = projection ? projection.shape[0] : hidden;
  const expected = [[rows, features], [rows, state], [rows], [rows], [state, hidden]];
  weights.forEach((weight, i) => {
    if (!weight) return;
    const name = WEIGHT_NAMES[i];
    check(
      weight.ndim === expected[i].length && weight.shape.every((size, d) => size === expected[i][d]),
      () => `${op}: ${name} has shape ${formatShape(weight.shape)}, expected ${formatShape(expected[i])}`,
    );
    check(weight.dtype === dtype, () => `${op}: input is ${dtype.name}, ${name} is ${weight.dtype.name}`);
  });
}

/** h must be [...lead, batch, P], c [...lead, batch, H]. */
function checkStates(
  op: string,
  mode: RnnMode,
  states: readonly Tensor[],
  lead: readonly number[],
  batch: number,
  [inputHidden, hiddenHidden]: LayerWeights,
): void {
  const widths = [hiddenHidden.shape[1], inputHidden.shape[0] / cellRules[mode].gates];
  states.forEach(({ shape, dtype }, i) => {
    const expected = [...lead, batch, widths[i]];
    const name = `${i ? "c" : "h"}${lead.length ? "0" : ""}`;
    check(
      shape.length === expected.length && expected.every((size, d) => size === shape[d]),
      () => `${op}: ${name} has shape ${formatShape(shape)}, expected ${formatShape(expected)}`,
    );
    check(
      dtype === inputHidden.dtype,
      () => `${op}: ${name} is ${dtype.name}, the weights are ${inputHidden.dtype.name}`,
    );
  });
}
