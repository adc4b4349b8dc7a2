/** One step of an LSTM, written with modules that can each be observed and quantized (`torch.ao.nn.quantizable.LSTMCell`). */
import { float32, quint8 } from "../../../core/dtype.ts";
import type { DType } from "../../../core/dtype.ts";
import { noGrad } from "../../../autograd/grad-mode.ts";
import { OctetError } from "../../../core/errors.ts";
import { Module } from "../../../nn/module.ts";
import { Sigmoid, Tanh } from "../../../nn/modules/activation.ts";
import { ModuleDict } from "../../../nn/modules/container.ts";
import { Linear } from "../../../nn/modules/linear.ts";
import { LSTMCell as FloatLSTMCell } from "../../../nn/modules/rnn-cells.ts";
import { Parameter } from "../../../nn/parameter.ts";
import { tanh } from "../../../ops/elementwise.ts";
import { full } from "../../../ops/create.ts";
import { quantizePerTensor } from "../../../ops/quantize.ts";
import { chunk } from "../../../ops/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { FloatFunctional } from "../functional.ts";
import { qconfigOf } from "./insides.ts";

/** h and c, [B, H] each. */
export type CellState = readonly [h: Tensor, c: Tensor];

export interface LSTMCellOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** One pair of linear layers per gate instead of one pair for all four, which saves cutting up their sum. */
  readonly splitGates?: boolean;
}

/** The gates in the order of the weights' rows. */
const GATES = ["input", "forget", "cell", "output"] as const;

/**
 * c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c') with the gates i, f, g, o from linear layers on x [B, inputDim] and h:
 * gives [h', c'].
 */
export class LSTMCell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly bias: boolean;
  readonly splitGates: boolean;
  /** One linear layer of 4H rows, or with `splitGates` one of H rows per gate. */
  igates: Module;
  hgates: Module;
  /** The sum (or sums) of both. */
  gates: Module;
  input_gate = new Sigmoid();
  forget_gate = new Sigmoid();
  cell_gate = new Tanh();
  output_gate = new Sigmoid();
  fgate_cx = new FloatFunctional();
  igate_cgate = new FloatFunctional();
  fgate_cx_igate_cgate = new FloatFunctional();
  ogate_cy = new FloatFunctional();
  /** The grid of the zeros that a quantized cell starts from, if it is given no state. */
  initialHiddenStateQparams: readonly [scale: number, zeroPoint: number] = [1, 0];
  initialCellStateQparams: readonly [scale: number, zeroPoint: number] = [1, 0];
  hiddenStateDtype: DType = quint8;
  cellStateDtype: DType = quint8;

  constructor(inputDim: number, hiddenDim: number, options: LSTMCellOptions = {}) {
    super();
    const { bias = true, splitGates = false } = options;
    this.inputSize = inputDim;
    this.hiddenSize = hiddenDim;
    this.bias = bias;
    this.splitGates = splitGates;
    if (splitGates) {
      const perGate = (make: () => Module) => new ModuleDict(GATES.map((gate) => [gate, make()] as const));
      this.igates = perGate(() => new Linear(inputDim, hiddenDim, { bias }));
      this.hgates = perGate(() => new Linear(hiddenDim, hiddenDim, { bias }));
      this.gates = perGate(() => new FloatFunctional());
    } else {
      this.igates = new Linear(inputDim, 4 * hiddenDim, { bias });
      this.hgates = new Linear(hiddenDim, 4 * hiddenDim, { bias });
      this.gates = new FloatFunctional();
    }
  }

  override forward(x: Tensor, hidden: CellState | null = null): CellState {
    const [hx, cx] = hidden ?? this.initializeHidden(x.shape[0], x.isQuantized);
    const [input, forget, cell, output] = this.gateSums(x, hx);
    const kept = this.fgate_cx.mul(this.forget_gate(forget), cx);
    const added = this.igate_cgate.mul(this.input_gate(input), this.cell_gate(cell));
    const cy = this.fgate_cx_igate_cgate.add(kept, added);
    return [this.ogate_cy.mul(this.output_gate(output), tanh(cy)), cy];
  }

  /** The four gates before their activation, [B, H] each. */
  private gateSums(x: Tensor, hx: Tensor): readonly Tensor[] {
    const sum = (name: string) => {
      const [igates, hgates, gates] = [this.igates, this.hgates, this.gates].map((m) => m.getSubmodule(name));
      return (gates as FloatFunctional).add(igates(x) as Tensor, hgates(hx) as Tensor);
    };
    return this.splitGates ? GATES.map(sum) : chunk(sum(""), 4, 1);
  }

  /** Zeros for both states; for a quantized input on the grids of the `initial…Qparams`. */
  initializeHidden(batchSize: number, isQuantized = false): CellState {
    const zeros = full([batchSize, this.hiddenSize], 0, { dtype: float32 });
    if (!isQuantized) return [zeros, zeros];
    return [
      quantizePerTensor(zeros, ...this.initialHiddenStateQparams, this.hiddenStateDtype),
      quantizePerTensor(zeros, ...this.initialCellStateQparams, this.cellStateDtype),
    ];
  }

  override getName(): string {
    return "QuantizableLSTMCell";
  }

  /**
   * A cell with these weights ([4H, input] and [4H, H]) and biases ([4H], both or none), which it shares.
   *
   * @throws if only one bias is given.
   */
  static fromParams(
    wi: Tensor,
    wh: Tensor,
    bi: Tensor | null = null,
    bh: Tensor | null = null,
    options: Pick<LSTMCellOptions, "splitGates"> = {},
  ): LSTMCell {
    if ((bi === null) !== (bh === null)) {
      throw new OctetError("LSTMCell.fromParams: bi and bh must both be given, or neither");
    }
    const { splitGates = false } = options;
    const cell = new this(wi.shape[1], wh.shape[1], { bias: bi !== null, splitGates });
    cell.shareWeights(cell.igates, wi, bi);
    cell.shareWeights(cell.hgates, wh, bh);
    return cell;
  }

  private shareWeights(target: Module, weight: Tensor, bias: Tensor | null): void {
    const layers = (this.splitGates ? [...target.children()] : [target]) as Linear[];
    const parts = (x: Tensor) =>
      noGrad(() => chunk(x, layers.length, 0)).map((part) => new Parameter(part, { requiresGrad: x.requiresGrad }));
    parts(weight).forEach((part, i) => (layers[i].weight = part));
    if (bias) parts(bias).forEach((part, i) => (layers[i].bias = part));
  }

  /** From a float LSTMCell with a qconfig; its parts have the qconfig, and are not observed yet. */
  static fromFloat(module: Module, options: Pick<LSTMCellOptions, "splitGates"> = {}): LSTMCell {
    if (!(module instanceof FloatLSTMCell)) {
      throw new OctetError(`LSTMCell.fromFloat: expected a float LSTMCell, got ${module.getName()}`);
    }
    const qconfig = qconfigOf(module);
    const { weight_ih, weight_hh, bias_ih, bias_hh } = module;
    const cell = this.fromParams(weight_ih, weight_hh, bias_ih, bias_hh, options);
    for (const part of [cell, cell.igates, cell.hgates]) part.qconfig = qconfig;
    if (options.splitGates) {
      for (const gate of [...cell.igates.children(), ...cell.hgates.children()]) gate.qconfig = qconfig;
    }
    return cell;
  }
}
