/**
 * Recurrent networks whose matrix products are dynamic quantized linears (`torch.quantized_lstm`, `torch.quantized_gru` and
 * the cells of `torch.ops.quantized`): 8-bit or float16 weights, float states and gates. The input of a layer is quantized
 * by the range of all its steps, a state by the range of one step.
 */
import type { DType } from "../../core/dtype.ts";
import { float32, qint8 } from "../../core/dtype.ts";
import { withEngine } from "../../core/engine.ts";
import { OctetError, check, formatShape } from "../../core/errors.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { quantizePerTensorDynamic } from "../quantize.ts";
import type { RnnMode } from "../rnn-cells.ts";
import { cellRules } from "../rnn-cells.ts";
import type { Schedule } from "../rnn-passes.ts";
import { stepsOf } from "../rnn-passes.ts";
import type { RnnOptions } from "../rnn.ts";
import { layerCount, stackLayers, toRows } from "../rnn.ts";
import type { DynamicPackedParams, Fp16PackedParams } from "./linear-fp16.ts";
import { applyDynamic } from "./linear-fp16.ts";
import { linearPrepack } from "./linear.ts";
import { quantizedOperator } from "./operator.ts";
import type { PackedParams } from "./packed-params.ts";

/** The weights of one layer in one direction, packed with their biases: G·H rows for G gates. */
export interface QuantizedCellParams {
  /** From the input. */
  readonly ih: DynamicPackedParams;
  /** From the state. */
  readonly hh: DynamicPackedParams;
  /** 7-bit activations, on engines that honour it. */
  readonly reduceRange: boolean;
}

// ---------------------------------------------------------------- parameters

/**
 * Cell parameters from 8-bit packed weights. Their own biases are used; `biasIh` and `biasHh` stand where PyTorch has
 * them, and are not read there either.
 */
export function makeQuantizedCellParamsDynamic(
  wIh: PackedParams,
  wHh: PackedParams,
  _biasIh: Tensor | null = null,
  _biasHh: Tensor | null = null,
  reduceRange = false,
): QuantizedCellParams {
  return Object.freeze({ ih: wIh, hh: wHh, reduceRange });
}

/** Cell parameters from weights of float16 precision. */
export function makeQuantizedCellParamsFp16(wIh: Fp16PackedParams, wHh: Fp16PackedParams): QuantizedCellParams {
  return Object.freeze({ ih: wIh, hh: wHh, reduceRange: false });
}

/**
 * Cell parameters from float weights [G·H, *] and biases: weights become asymmetric 8-bit integers by their own range,
 * always under engine fbgemm, whose operators PyTorch uses here.
 */
export function makeQuantizedCellParams(wIh: Tensor, wHh: Tensor, bIh: Tensor, bHh: Tensor): QuantizedCellParams {
  const pack = (weight: Tensor, bias: Tensor): PackedParams =>
    withEngine("fbgemm", () => linearPrepack(quantizePerTensorDynamic(weight, qint8, false), bias));
  return makeQuantizedCellParamsDynamic(pack(wIh, bIh), pack(wHh, bHh));
}

function sizeOf(packed: DynamicPackedParams): readonly [rows: number, depth: number] {
  const [rows, depth] = packed.weight.shape;
  return [rows, depth];
}

function checkParams(op: string, mode: RnnMode, { ih, hh }: QuantizedCellParams, features: number): void {
  const [rows, inputs] = sizeOf(ih);
  const [stateRows, hidden] = sizeOf(hh);
  const { gates } = cellRules[mode];
  check(features === inputs, () => `${op}: input has ${features} features, expected ${inputs}`);
  check(
    rows === gates * hidden && stateRows === rows,
    () =>
      `${op}: weights have shapes ${formatShape(ih.weight.shape)} and ${formatShape(hh.weight.shape)}, expected ` +
      `${gates} rows per hidden unit in both`,
  );
}

// ---------------------------------------------------------------- one layer

/** Runs one layer in one direction over packed rows [N, I] from states [B, H]; gives the output [N, H] and the last states. */
function runLayer(
  mode: RnnMode,
  input: Tensor,
  initial: readonly Tensor[],
  params: QuantizedCellParams,
  schedule: Schedule,
): Tensor[] {
  const rule = cellRules[mode];
  const [batch, hidden] = initial[0].shape;
  const span = rule.gates * hidden;
  const apply = (x: Tensor, packed: DynamicPackedParams) =>
    applyDynamic(x, packed, params.reduceRange).elements() as Float32Array;
  const projected = apply(input, params.ih);
  const states = initial.map((state) => (state.elements() as Float32Array).slice());
  const [state, cell = new Float32Array(0)] = states;
  const output = new Float32Array(input.shape[0] * hidden);
  const kept = new Float32Array(batch * rule.kept * hidden);
  for (const { start, rows } of stepsOf(schedule)) {
    const h = state.subarray(0, rows * hidden);
    const recurrent = apply(Tensor.fromArray(h, [rows, hidden], float32), params.hh);
    const gates = projected.subarray(start * span, (start + rows) * span);
    if (!rule.recurrentApart) recurrent.forEach((value, i) => (gates[i] += value));
    rule.forward({ rows, hidden, gates, recurrent, previous: h, next: h, cell, kept });
    output.set(h, start * hidden);
  }
  return [
    Tensor.fromArray(output, [input.shape[0], hidden], float32),
    ...states.map((values) => Tensor.fromArray(values, [batch, hidden], float32)),
  ];
}

// ---------------------------------------------------------------- cells

function runCell(
  op: string,
  mode: RnnMode,
  input: Tensor,
  states: readonly Tensor[],
  ih: DynamicPackedParams,
  hh: DynamicPackedParams,
): Tensor[] {
  check(input.ndim === 2, () => `${op}: input must have 2 dimensions, got shape ${formatShape(input.shape)}`);
  const params: QuantizedCellParams = { ih, hh, reduceRange: true };
  checkParams(op, mode, params, input.shape[1]);
  checkStates(op, states, [input.shape[0], sizeOf(hh)[1]]);
  return runLayer(mode, input, states, params, { batchSizes: [input.shape[0]], reverse: false });
}

function checkStates(op: string, states: readonly Tensor[], expected: readonly number[]): void {
  for (const { shape, dtype } of states) {
    check(
      shape.length === expected.length && expected.every((size, d) => size === shape[d]),
      () => `${op}: a state has shape ${formatShape(shape)}, expected ${formatShape(expected)}`,
    );
    check(dtype === float32, () => `${op}: states must be float32 tensors, got ${dtype.name}`);
  }
}

/**
 * One step of an LSTM: input [B, I] and [h, c] of [B, H] each give the new states. The biases are those packed with the
 * weights; `bIh` and `bHh` stand where PyTorch has them, and are not read there either.
 */
export const quantizedLstmCellDynamic = quantizedOperator(
  "quantizedLstmCellDynamic",
  (
    input: Tensor,
    hx: readonly [h: Tensor, c: Tensor],
    wIh: DynamicPackedParams,
    wHh: DynamicPackedParams,
    _bIh: Tensor | null = null,
    _bHh: Tensor | null = null,
  ): readonly [h: Tensor, c: Tensor] => {
    const [, h, c] = runCell("quantized_lstm_cell_dynamic", "lstm", input, hx, wIh, wHh);
    return [h, c];
  },
);

function cellOperator(name: string, op: string, mode: RnnMode) {
  return quantizedOperator(
    name,
    (
      input: Tensor,
      hx: Tensor,
      wIh: DynamicPackedParams,
      wHh: DynamicPackedParams,
      _bIh: Tensor | null = null,
      _bHh: Tensor | null = null,
    ): Tensor => runCell(op, mode, input, [hx], wIh, wHh)[1],
  );
}

/** One step of a GRU: input [B, I], h [B, H]. Biases as in {@link quantizedLstmCellDynamic}. */
export const quantizedGruCellDynamic = cellOperator("quantizedGruCellDynamic", "quantized_gru_cell_dynamic", "gru");
/** One step of an Elman RNN with relu. */
export const quantizedRnnReluCellDynamic = cellOperator(
  "quantizedRnnReluCellDynamic",
  "quantized_rnn_relu_cell_dynamic",
  "rnnRelu",
);
/** One step of an Elman RNN with tanh. */
export const quantizedRnnTanhCellDynamic = cellOperator(
  "quantizedRnnTanhCellDynamic",
  "quantized_rnn_tanh_cell_dynamic",
  "rnnTanh",
);

// ---------------------------------------------------------------- layers

export interface QuantizedRnnOptions extends RnnOptions {
  /** What the weights were packed as, qint8 or float16; only compared with them. */
  readonly dtype?: DType;
}

function runLayers(
  op: string,
  mode: "lstm" | "gru",
  input: Tensor,
  states: readonly Tensor[],
  params: readonly QuantizedCellParams[],
  options: RnnOptions,
): { output: Tensor; last: readonly Tensor[] } {
  const count = layerCount(options);
  const { hasBiases = true } = options;
  check(hasBiases, () => `quantized ${mode.toUpperCase()} requires biases`);
  check(
    params.length === count,
    () => `${op}: ${count} layers and directions need as many params, got ${params.length}`,
  );
  const packed = toRows(op, input, options);
  checkStates(op, states, [count, packed.batchSizes[0], sizeOf(params[0].hh)[1]]);
  return stackLayers(packed, states, options, (rows, initial, index, schedule) => {
    checkParams(op, mode, params[index], rows.shape[1]);
    return runLayer(mode, rows, initial, params[index], schedule);
  });
}

function checkDtype(dtype: DType | undefined, params: readonly QuantizedCellParams[]): void {
  const other = dtype && params.find(({ ih }) => ih.weight.dtype !== dtype);
  if (other) {
    throw new OctetError(
      `dtype is not supported: quantized_lstm got ${dtype.name}, weights are ${other.ih.weight.dtype.name}`,
    );
  }
}

/**
 * LSTM over `input` [T, B, I] from `[h0, c0]` [L·D, B, H] each, with one set of params per layer and direction
 * (`torch.quantized_lstm`). Gives the output [T, B, D·H] and the last states. Options as for `lstm`: `batchFirst`,
 * `batchSizes` for packed rows, `bidirectional`, `dropout` in training. There are no projections.
 */
export const quantizedLstm = quantizedOperator(
  "quantizedLstm",
  (
    input: Tensor,
    hx: readonly Tensor[],
    params: readonly QuantizedCellParams[],
    options: QuantizedRnnOptions = {},
  ): readonly [output: Tensor, h: Tensor, c: Tensor] => {
    check(hx.length === 2, () => "lstm expects two hidden states");
    check(hx[0].shape[2] === hx[1].shape[2], () => "quantized LSTM with projections is not supported");
    checkDtype(options.dtype, params);
    const { output, last } = runLayers("quantized_lstm", "lstm", input, hx, params, options);
    return [output, last[0], last[1]];
  },
);

/** GRU, as {@link quantizedLstm} with one state (`torch.quantized_gru`). */
export const quantizedGru = quantizedOperator(
  "quantizedGru",
  (
    input: Tensor,
    hx: Tensor,
    params: readonly QuantizedCellParams[],
    options: RnnOptions = {},
  ): readonly [output: Tensor, h: Tensor] => {
    const { output, last } = runLayers("quantized_gru", "gru", input, [hx], params, options);
    return [output, last[0]];
  },
);
