/** A whole sequence through one {@link LSTMCell}, in one direction or both (`_LSTMSingleLayer`, `_LSTMLayer`). */
import { Module } from "../../../nn/module.ts";
import type { LSTM as FloatLSTM } from "../../../nn/modules/rnn.ts";
import { cat, flip, select, stack, transpose } from "../../../ops/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { QConfig } from "../../qconfig.ts";
import { qconfigOf } from "./insides.ts";
import type { CellState, LSTMCellOptions } from "./lstm-cell.ts";
import { LSTMCell } from "./lstm-cell.ts";

type SplitOption = Pick<LSTMCellOptions, "splitGates">;

/** One direction: x [T, B, input] gives [output [T, B, H], the last state]. */
export class _LSTMSingleLayer extends Module {
  cell: LSTMCell;

  constructor(inputDim: number, hiddenDim: number, options: LSTMCellOptions = {}) {
    super();
    this.cell = new LSTMCell(inputDim, hiddenDim, options);
  }

  override forward(x: Tensor, hidden: CellState | null = null): [output: Tensor, last: CellState] {
    let state = hidden ?? this.cell.initializeHidden(x.shape[1], x.isQuantized);
    const outputs: Tensor[] = [];
    for (let step = 0; step < x.shape[0]; step++) {
      state = this.cell(select(x, 0, step), state);
      outputs.push(state[0]);
    }
    return [stack(outputs, 0), state];
  }

  /** Around {@link LSTMCell.fromParams}. */
  static fromParams(...params: Parameters<typeof LSTMCell.fromParams>): _LSTMSingleLayer {
    const cell = LSTMCell.fromParams(...params);
    const { inputSize, hiddenSize, bias, splitGates } = cell;
    const layer = new this(inputSize, hiddenSize, { bias, splitGates });
    layer.cell = cell;
    return layer;
  }
}

export interface LSTMLayerOptions extends LSTMCellOptions {
  /** x and the output are [B, T, …]. */
  readonly batchFirst?: boolean;
  readonly bidirectional?: boolean;
}

/** One layer of an LSTM: x [T, B, input] gives [output [T, B, D·H], [h, c]] for D directions; states [B, H], or [2, B, H]. */
export class _LSTMLayer extends Module {
  readonly batchFirst: boolean;
  readonly bidirectional: boolean;
  layer_fw: _LSTMSingleLayer;
  declare layer_bw?: _LSTMSingleLayer;

  constructor(inputDim: number, hiddenDim: number, options: LSTMLayerOptions = {}) {
    super();
    this.batchFirst = options.batchFirst ?? false;
    this.bidirectional = options.bidirectional ?? false;
    this.layer_fw = new _LSTMSingleLayer(inputDim, hiddenDim, options);
    if (this.bidirectional) this.layer_bw = new _LSTMSingleLayer(inputDim, hiddenDim, options);
  }

  override forward(x: Tensor, hidden: CellState | null = null): [output: Tensor, last: CellState] {
    const turn = (y: Tensor) => (this.batchFirst ? transpose(y, 0, 1) : y);
    const [output, last] = this.layer_bw
      ? this.bothWays(this.layer_bw, turn(x), hidden)
      : this.layer_fw(turn(x), hidden);
    return [turn(output), last];
  }

  private bothWays(backward: _LSTMSingleLayer, x: Tensor, hidden: CellState | null): [output: Tensor, last: CellState] {
    const stateOf = (direction: number): CellState | null =>
      hidden && [select(hidden[0], 0, direction), select(hidden[1], 0, direction)];
    const [fw, [hFw, cFw]] = this.layer_fw(x, stateOf(0));
    const [bw, [hBw, cBw]] = backward(flip(x, [0]), stateOf(1));
    return [cat([fw, flip(bw, [0])], fw.ndim - 1), [stack([hFw, hBw], 0), stack([cFw, cBw], 0)]];
  }

  /** Layer `layerIdx` of a float LSTM, whose weights it shares. */
  static fromFloat(
    float: FloatLSTM,
    layerIdx = 0,
    qconfig: QConfig | null = null,
    options: Pick<LSTMLayerOptions, "batchFirst" | "splitGates"> = {},
  ): _LSTMLayer {
    const { inputSize, hiddenSize, bias, bidirectional } = float;
    const { batchFirst = float.batchFirst, splitGates = false } = options;
    const layer = new this(inputSize, hiddenSize, { bias, batchFirst, bidirectional, splitGates });
    layer.qconfig = qconfigOf(float, qconfig);
    layer.layer_fw = directionOf(float, `l${layerIdx}`, { splitGates });
    if (bidirectional) layer.layer_bw = directionOf(float, `l${layerIdx}_reverse`, { splitGates });
    return layer;
  }
}

function directionOf(float: FloatLSTM, suffix: string, options: SplitOption): _LSTMSingleLayer {
  const { [`weight_ih_${suffix}` as "weight_ih_l0"]: wi, [`weight_hh_${suffix}` as "weight_hh_l0"]: wh } = float;
  if (!float.bias) return _LSTMSingleLayer.fromParams(wi, wh, null, null, options);
  const { [`bias_ih_${suffix}` as "bias_ih_l0"]: bi, [`bias_hh_${suffix}` as "bias_hh_l0"]: bh } = float;
  return _LSTMSingleLayer.fromParams(wi, wh, bi, bh, options);
}
