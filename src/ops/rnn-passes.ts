/**
 * One recurrent layer in one direction over typed arrays: the pass over all time steps and the pass back. The expensive
 * products are few and large:
 *
 *     forward    gates[N, G·H] = input[N, I] · W_ihᵀ + biases        once, over the N rows of all steps
 *                gates_t      += state[rows, P] · W_hhᵀ              per step, then the cell's arithmetic
 *     backward   gradState     = gradRecurrent_t · W_hh              per step, last step first
 *                gradInput     = gradGates · W_ih                    once
 *                gradW_ih      = gradGatesᵀ · input,  gradW_hh = gradRecurrentᵀ · previous        once
 *
 * Rows are packed: step t holds one row for each of the first batchSizes[t] sequences, and batch sizes never grow. The
 * running state has one row per sequence; a step reads and writes the first of them, so sequences that have ended (or, in
 * reverse, not begun) keep theirs untouched. G counts the gates, H is the hidden size, P that of the state: it differs from
 * H only in an LSTM with projection, whose output is W_hr · h'.
 */
import type { FloatArray } from "../core/dtype.ts";
import type { GemmSpec } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import type { CellRule } from "./rnn-cells.ts";

/** When each packed row is processed. */
export interface Schedule {
  readonly batchSizes: readonly number[];
  readonly reverse: boolean;
}

/** The rows of one time step. */
export interface Step {
  readonly start: number;
  readonly rows: number;
}

/** The steps of a schedule in processing order. */
export function stepsOf({ batchSizes, reverse }: Schedule): Step[] {
  let start = 0;
  const steps = batchSizes.map((rows) => {
    start += rows;
    return { start: start - rows, rows };
  });
  return reverse ? steps.reverse() : steps;
}

export interface LayerSizes {
  /** N: rows of all steps together. */
  readonly rows: number;
  /** Sequences: rows of the first step. */
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
  /** P. */
  readonly state: number;
}

/** W_ih [G·H, I], W_hh [G·H, P], b_ih [G·H], b_hh [G·H], W_hr [P, H]. */
export interface WeightArrays {
  readonly inputHidden: FloatArray;
  readonly hiddenHidden: FloatArray;
  readonly inputBias: FloatArray | null;
  readonly hiddenBias: FloatArray | null;
  readonly projection: FloatArray | null;
}

/** What the backward pass reads of the forward one. */
export interface PassRecord {
  /** [N, G·H]: activations. */
  readonly gates: FloatArray;
  /** [N, P]: the state before each step. */
  readonly previous: FloatArray;
  /** [N, kept · H]: what the cell keeps. */
  readonly kept: FloatArray;
  /** [N, H]: h' before the projection; empty without one. */
  readonly unprojected: FloatArray;
}

export class ForwardPass implements PassRecord {
  readonly gates: FloatArray;
  readonly previous: FloatArray;
  readonly kept: FloatArray;
  readonly unprojected: FloatArray;
  /** [N, P]. */
  readonly output: FloatArray;
  /** [batch, P]: updated by each step. */
  readonly state: FloatArray;
  /** [batch, H], or empty: updated by each step. */
  readonly cell: FloatArray;
  readonly #rule: CellRule;
  readonly #sizes: LayerSizes;
  readonly #weights: WeightArrays;
  /** [batch, G·H] scratch of cells that keep W_hh h + b_hh apart. */
  readonly #recurrent: FloatArray;

  /** `state` and `cell` hold the initial values and are overwritten. */
  constructor(
    rule: CellRule,
    sizes: LayerSizes,
    weights: WeightArrays,
    input: FloatArray,
    state: FloatArray,
    cell: FloatArray,
  ) {
    const { rows, batch, hidden } = sizes;
    this.#rule = rule;
    this.#sizes = sizes;
    this.#weights = weights;
    this.state = state;
    this.cell = cell;
    this.gates = projectInputs(rule, sizes, weights, input);
    this.previous = zeros(input, rows * sizes.state);
    this.output = zeros(input, rows * sizes.state);
    this.kept = zeros(input, rows * rule.kept * hidden);
    this.unprojected = zeros(input, weights.projection ? rows * hidden : 0);
    this.#recurrent = zeros(input, rule.recurrentApart ? batch * rule.gates * hidden : 0);
  }

  step(step: Step): void {
    const { rows } = step;
    const { hidden, state: width } = this.#sizes;
    const { hiddenHidden, hiddenBias, projection } = this.#weights;
    const rule = this.#rule;
    const span = rule.gates * hidden;
    const state = this.state.subarray(0, rows * width);
    const gates = rowsOf(this.gates, step, span);
    rowsOf(this.previous, step, width).set(state);
    const recurrent = rule.recurrentApart ? this.#recurrent.subarray(0, rows * span) : gates;
    if (rule.recurrentApart) fillRows(recurrent, hiddenBias);
    gemm({ m: rows, n: span, k: width, transB: true, accumulate: true }, state, hiddenHidden, recurrent);
    const next = projection ? rowsOf(this.unprojected, step, hidden) : state;
    const cell = this.cell.subarray(0, rows * hidden);
    const kept = rowsOf(this.kept, step, rule.kept * hidden);
    rule.forward({ rows, hidden, gates, recurrent, previous: state, next, cell, kept });
    if (projection) gemm({ m: rows, n: width, k: hidden, transB: true }, next, projection, state);
    rowsOf(this.output, step, width).set(state);
  }
}

/** input · W_ihᵀ + b_ih, plus b_hh where the recurrent part is added to it. */
function projectInputs(rule: CellRule, sizes: LayerSizes, weights: WeightArrays, input: FloatArray): FloatArray {
  const span = rule.gates * sizes.hidden;
  const gates = zeros(input, sizes.rows * span);
  const { inputBias, hiddenBias } = weights;
  const bias = zeros(input, inputBias ? span : 0);
  for (let i = 0; i < bias.length; i++) {
    bias[i] = (inputBias?.[i] ?? 0) + (rule.recurrentApart ? 0 : (hiddenBias?.[i] ?? 0));
  }
  fillRows(gates, inputBias && bias);
  gemm({ m: sizes.rows, n: span, k: sizes.input, transB: true, accumulate: true }, input, weights.inputHidden, gates);
  return gates;
}

/** Gradients of a layer's results; null where a result was not used. */
export interface ResultGradients {
  readonly output: FloatArray | null;
  readonly state: FloatArray | null;
  readonly cell: FloatArray | null;
}

export class BackwardPass {
  /** [batch, P]: after the last step, the gradient of the initial state. */
  readonly gradState: FloatArray;
  /** [batch, H], or empty: likewise. */
  readonly gradCell: FloatArray;
  readonly #rule: CellRule;
  readonly #sizes: LayerSizes;
  readonly #weights: WeightArrays;
  readonly #record: PassRecord;
  readonly #gradOutput: FloatArray | null;
  /** [N, G·H]. */
  readonly #gradGates: FloatArray;
  /** [N, G·H]: the same array where the cell does not keep the two parts of a gate apart. */
  readonly #gradRecurrent: FloatArray;
  /** [N, P]: gradient of each step's output, all paths together; empty without projection. */
  readonly #gradProjected: FloatArray;
  /** [batch, H] scratch with projection. */
  readonly #gradUnprojected: FloatArray;

  constructor(
    rule: CellRule,
    sizes: LayerSizes,
    weights: WeightArrays,
    record: PassRecord,
    gradients: ResultGradients,
  ) {
    const { rows, batch, hidden, state } = sizes;
    const like = record.gates;
    this.#rule = rule;
    this.#sizes = sizes;
    this.#weights = weights;
    this.#record = record;
    this.#gradOutput = gradients.output;
    this.gradState = gradients.state?.slice() ?? zeros(like, batch * state);
    this.gradCell = gradients.cell?.slice() ?? zeros(like, rule.hasCell ? batch * hidden : 0);
    this.#gradGates = zeros(like, rows * rule.gates * hidden);
    this.#gradRecurrent = rule.recurrentApart ? zeros(like, rows * rule.gates * hidden) : this.#gradGates;
    this.#gradProjected = zeros(like, weights.projection ? rows * state : 0);
    this.#gradUnprojected = zeros(like, weights.projection ? batch * hidden : 0);
  }

  step(step: Step): void {
    const { rows } = step;
    const { hidden, state: width } = this.#sizes;
    const { hiddenHidden, projection } = this.#weights;
    const rule = this.#rule;
    const span = rule.gates * hidden;
    const gradState = this.gradState.subarray(0, rows * width);
    if (this.#gradOutput) kernels().axpy(1, rowsOf(this.#gradOutput, step, width), gradState);
    let gradHidden = gradState;
    if (projection) {
      rowsOf(this.#gradProjected, step, width).set(gradState);
      gradHidden = this.#gradUnprojected.subarray(0, rows * hidden);
      gemm({ m: rows, n: hidden, k: width }, gradState, projection, gradHidden);
    }
    const gradRecurrent = rowsOf(this.#gradRecurrent, step, span);
    rule.backward({
      rows,
      hidden,
      gates: rowsOf(this.#record.gates, step, span),
      previous: rowsOf(this.#record.previous, step, width),
      kept: rowsOf(this.#record.kept, step, rule.kept * hidden),
      gradHidden,
      gradCell: this.gradCell.subarray(0, rows * hidden),
      gradGates: rowsOf(this.#gradGates, step, span),
      gradRecurrent,
    });
    gemm({ m: rows, n: width, k: span, accumulate: rule.recurrentApart }, gradRecurrent, hiddenHidden, gradState);
  }

  gradInput(): FloatArray {
    const { rows, input, hidden } = this.#sizes;
    const out = zeros(this.#gradGates, rows * input);
    gemm({ m: rows, n: input, k: this.#rule.gates * hidden }, this.#gradGates, this.#weights.inputHidden, out);
    return out;
  }

  gradWeights(input: FloatArray): WeightArrays {
    const { hidden, state } = this.#sizes;
    const { inputBias, hiddenBias, projection } = this.#weights;
    const span = this.#rule.gates * hidden;
    return {
      inputHidden: this.#overRows(this.#gradGates, span, input, this.#sizes.input),
      hiddenHidden: this.#overRows(this.#gradRecurrent, span, this.#record.previous, state),
      inputBias: inputBias && this.#columnSums(this.#gradGates, span),
      hiddenBias: hiddenBias && this.#columnSums(this.#gradRecurrent, span),
      projection: projection && this.#overRows(this.#gradProjected, state, this.#record.unprojected, hidden),
    };
  }

  /** leftᵀ · right, summed over all N rows. */
  #overRows(left: FloatArray, m: number, right: FloatArray, n: number): FloatArray {
    const out = zeros(left, m * n);
    gemm({ m, n, k: this.#sizes.rows, transA: true }, left, right, out);
    return out;
  }

  #columnSums(x: FloatArray, columns: number): FloatArray {
    const out = zeros(x, columns);
    kernels().reduce("sum", x, 1, this.#sizes.rows, columns, out);
    return out;
  }
}

function zeros(like: FloatArray, length: number): FloatArray {
  return like instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/** The rows of one step in an [N, width] array. */
function rowsOf(array: FloatArray, { start, rows }: Step, width: number): FloatArray {
  return array.subarray(start * width, (start + rows) * width);
}

/** Sets every row to `row`; null stands for zeros. */
function fillRows(array: FloatArray, row: FloatArray | null): void {
  if (!row) array.fill(0);
  else for (let start = 0; start < array.length; start += row.length) array.set(row, start);
}

type Product = Pick<GemmSpec, "m" | "n" | "k"> & Partial<GemmSpec>;

/** C = op(A) · op(B), or C += with `accumulate`; empty products are nothing to a kernel and are handled here. */
function gemm(product: Product, a: FloatArray, b: FloatArray, c: FloatArray): void {
  const spec = { transA: false, transB: false, accumulate: false, ...product };
  if (spec.m * spec.n * spec.k > 0) kernels().gemm(spec, a, b, c);
  else if (!spec.accumulate) c.fill(0);
}
