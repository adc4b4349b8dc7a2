/** LSTM made of parts that can be observed (`torch.ao.nn.quantizable.LSTM`). The parts: lstm-layer.ts, lstm-cell.ts. */
import { OctetError, check, formatShape } from "../../../core/errors.ts";
import { float32 } from "../../../core/dtype.ts";
import { warn } from "../../../core/warnings.ts";
import { Module } from "../../../nn/module.ts";
import { ModuleList } from "../../../nn/modules/container.ts";
import { LSTM as FloatLSTM } from "../../../nn/modules/rnn.ts";
import { full } from "../../../ops/create.ts";
import { quantizePerTensor } from "../../../ops/quantize.ts";
import { reshape, select, squeeze, stack, transpose } from "../../../ops/shape.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import type { QConfig } from "../../qconfig.ts";
import { prepareInsides, qconfigOf, refuseStep } from "./insides.ts";
import type { CellState } from "./lstm-cell.ts";
import { _LSTMLayer } from "./lstm-layer.ts";

export interface QuantizableLSTMOptions {
  /** Default 1. */
  readonly numLayers?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Input and output are [batch, time, features]. */
  readonly batchFirst?: boolean;
  /** Accepted and ignored, with a warning: train a float LSTM if you need dropout. */
  readonly dropout?: number;
  readonly bidirectional?: boolean;
  /** One pair of linear layers per gate. */
  readonly splitGates?: boolean;
}

/** States [layers · D, B, H] for D directions, or one [h, c] per layer ([B, H], or [2, B, H] with two directions). */
export type LSTMStates = CellState | readonly CellState[];

/**
 * As `nn.LSTM`: input [T, B, inputSize] ([B, T, …] with `batchFirst`) gives [output [T, B, D·H], [h, c]]. Without initial
 * states it starts from zeros; a quantized one from zeros of scale 1 and zero point 0. Batches are needed: unbatched and packed
 * inputs are refused, and so are float LSTMs with a projection.
 */
export class LSTM extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  layers: ModuleList;

  constructor(inputSize: number, hiddenSize: number, options: QuantizableLSTMOptions = {}) {
    super();
    const { bias = true, bidirectional = false, splitGates = false, dropout = 0 } = options;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = options.numLayers ?? 1;
    this.bias = bias;
    this.batchFirst = options.batchFirst ?? false;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    checkDropout(dropout, this.numLayers);
    // PyTorch gives the layers after the first H features to take in two directions too, where they get 2H.
    const between = bidirectional ? 2 * hiddenSize : hiddenSize;
    this.layers = new ModuleList(
      Array.from(
        { length: this.numLayers },
        (_, i) => new _LSTMLayer(i === 0 ? inputSize : between, hiddenSize, { bias, bidirectional, splitGates }),
      ),
    );
    this.training = false; // as in PyTorch: to train one, say so
  }

  override forward(input: Tensor, hidden: LSTMStates | null = null): [output: Tensor, states: CellState] {
    this.checkInput(input);
    let x = this.batchFirst ? transpose(input, 0, 1) : input;
    const initial = hidden ? this.statesPerLayer(hidden, x.shape[1]) : this.zeroStates(x);
    const last: CellState[] = [];
    for (let i = 0; i < this.numLayers; i++) {
      const [output, state] = (this.layers.get(i) as _LSTMLayer)(x, initial[i]);
      x = output;
      last.push(state);
    }
    const joined = (which: 0 | 1) => {
      const states = stack(last.map((state) => state[which]));
      return reshape(states, [-1, ...states.shape.slice(-2)]);
    };
    return [this.batchFirst ? transpose(x, 0, 1) : x, [joined(0), joined(1)]];
  }

  private checkInput(input: Tensor): void {
    const given = input instanceof Tensor ? `shape ${formatShape(input.shape)}` : "a packed sequence";
    check(
      input instanceof Tensor && input.ndim === 3,
      () => `${this.getName()}: input must be a tensor of 3 dimensions [time, batch, features], got ${given}`,
    );
  }

  private zeroStates(x: Tensor): CellState[] {
    const directions = this.bidirectional ? [2] : [];
    const zeros = full([...directions, x.shape[1], this.hiddenSize], 0, { dtype: float32 });
    const state = x.isQuantized ? quantizePerTensor(zeros, 1, 0, x.dtype) : zeros;
    return Array.from({ length: this.numLayers }, () => [state, state]);
  }

  private statesPerLayer(hidden: LSTMStates, batch: number): readonly CellState[] {
    if (!isPair(hidden)) return hidden;
    const shape = [this.numLayers, this.bidirectional ? 2 : 1, batch, this.hiddenSize];
    const [h, c] = hidden.map((state) => reshape(state, shape));
    const layer = (states: Tensor, i: number) => {
      const own = select(states, 0, i);
      return this.bidirectional ? own : squeeze(own, 0);
    };
    return Array.from({ length: this.numLayers }, (_, i) => [layer(h, i), layer(c, i)]);
  }

  override getName(): string {
    return "QuantizableLSTM";
  }

  /**
   * From a float LSTM with a qconfig (or the one given): its parts are observed, and in training mode fake-quantized. It shares
   * the weights.
   *
   * @throws if `module` is no float LSTM, has no qconfig, or has a projection (which PyTorch drops in silence).
   */
  static fromFloat(
    module: Module,
    options: { readonly qconfig?: QConfig | null; readonly splitGates?: boolean } = {},
  ): LSTM {
    if (!(module instanceof FloatLSTM)) {
      throw new OctetError(`LSTM.fromFloat: expected a float LSTM, got ${module.getName()}`);
    }
    check(module.projSize === 0, () => `LSTM.fromFloat: projSize ${module.projSize} is not supported`);
    const { numLayers, bias, batchFirst, dropout, bidirectional } = module;
    const { splitGates = false } = options;
    const observed = new this(module.inputSize, module.hiddenSize, {
      numLayers,
      bias,
      batchFirst,
      dropout,
      bidirectional,
      splitGates,
    });
    observed.qconfig = qconfigOf(module, options.qconfig);
    for (let i = 0; i < numLayers; i++) {
      observed.layers.set(i, _LSTMLayer.fromFloat(module, i, options.qconfig, { batchFirst: false, splitGates }));
    }
    observed.train(module.training);
    prepareInsides(observed);
    return observed;
  }

  /** Always throws: `nn.quantized.LSTM.fromObserved` is the step from observed to quantized. */
  static fromObserved(_observed: Module): LSTM {
    return refuseStep("nn.quantizable.LSTM", "non-quantizable LSTM", "See nn.quantized.LSTM.fromObserved.");
  }
}

function isPair(hidden: LSTMStates): hidden is CellState {
  return hidden[0] instanceof Tensor;
}

function checkDropout(dropout: number, numLayers: number): void {
  check(
    dropout >= 0 && dropout <= 1,
    () =>
      `LSTM: dropout should be a number in range [0, 1] representing the probability of an element being zeroed, got ${dropout}`,
  );
  if (dropout === 0) return;
  warn(
    "dropout option for quantizable LSTM is ignored. If you are training, please, use nn.LSTM version followed by " +
      "`prepare` step.",
  );
  if (numLayers > 1) return;
  warn(
    "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects numLayers greater " +
      `than 1, but got dropout=${dropout} and numLayers=${numLayers}`,
  );
}
