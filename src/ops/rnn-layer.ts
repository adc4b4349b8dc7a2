/** One recurrent layer in one direction as a differentiable operator; rnn-passes.ts has the arithmetic. */
import type { DType, FloatArray } from "../core/dtype.ts";
import { saved } from "../autograd/node.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { primitive } from "./op.ts";
import type { RnnMode } from "./rnn-cells.ts";
import { cellRules } from "./rnn-cells.ts";
import type { LayerSizes, PassRecord, Schedule, WeightArrays } from "./rnn-passes.ts";
import { BackwardPass, ForwardPass, stepsOf } from "./rnn-passes.ts";

/** W_ih [G·H, I], W_hh [G·H, P], b_ih [G·H], b_hh [G·H], W_hr [P, H]; the last three may be null. */
export type LayerWeights = readonly [Tensor, Tensor, Tensor | null, Tensor | null, Tensor | null];

/**
 * Runs a layer over packed rows `input` [N, I] from `states`: [h0 [B, P]], for the LSTM [h0, c0 [B, H]]. Gives the output
 * [N, P], the last h, the last c (empty for other cells), and behind these the {@link PassRecord} that backward needs.
 */
export const rnnLayer = primitive(
  "rnnLayer",
  (
    mode: RnnMode,
    input: Tensor,
    states: readonly Tensor[],
    weights: LayerWeights,
    schedule: Schedule,
  ): readonly Tensor[] => {
    const dtype = computeDtype(input.dtype);
    const rule = cellRules[mode];
    const sizes = sizesOf(mode, input, states, weights);
    const [state, cell] = states.map((tensor) => floatElements(tensor, dtype).slice());
    const noCell = dtype.allocate(0) as FloatArray;
    const pass = new ForwardPass(
      rule,
      sizes,
      weightArrays(weights, dtype),
      floatElements(input, dtype),
      state,
      cell ?? noCell,
    );
    for (const step of stepsOf(schedule)) pass.step(step);
    const { rows, batch, hidden, state: width } = sizes;
    return [
      tensorFromComputed(pass.output, [rows, width], input.dtype),
      tensorFromComputed(pass.state, [batch, width], input.dtype),
      tensorFromComputed(pass.cell, rule.hasCell ? [batch, hidden] : [0], input.dtype),
      Tensor.fromArray(pass.gates, [pass.gates.length], dtype),
      Tensor.fromArray(pass.previous, [pass.previous.length], dtype),
      Tensor.fromArray(pass.kept, [pass.kept.length], dtype),
      Tensor.fromArray(pass.unprojected, [pass.unprojected.length], dtype),
    ];
  },
  ([, , , ...record], mode, input, states, weights, schedule) => {
    const sizes = sizesOf(mode, input, states, weights);
    const savedInput = saved(input);
    const shapes = weights.map((weight) => weight?.shape ?? []);
    const savedWeights = weights.map((weight) => weight && saved(weight));
    const savedRecord = record.map(saved);
    const { dtype } = input;
    return ([gradOutput, gradState, gradCell], [, needInput, , needWeights]) => {
      const compute = computeDtype(dtype);
      const elements = (gradient: Tensor | undefined) => (gradient ? floatElements(gradient, compute) : null);
      const inputs = () => floatElements(savedInput(), compute);
      const given = { output: elements(gradOutput), state: elements(gradState), cell: elements(gradCell) };
      const arrays = weightArrays(savedWeights.map((weight) => weight && weight()) as unknown as LayerWeights, compute);
      const pass = new BackwardPass(cellRules[mode], sizes, arrays, recordOf(savedRecord), given);
      for (const step of stepsOf(schedule).reverse()) pass.step(step);
      const { rows, batch, hidden, state } = sizes;
      const result = (data: FloatArray, shape: readonly number[]) => tensorFromComputed(data, shape, dtype);
      const gradCell0 = pass.gradCell.length ? result(pass.gradCell, [batch, hidden]) : null;
      return [
        null,
        needInput ? result(pass.gradInput(), [rows, sizes.input]) : null,
        [result(pass.gradState, [batch, state]), gradCell0],
        needWeights ? inOrder(pass.gradWeights(inputs())).map((data, i) => data && result(data, shapes[i])) : null,
        null,
      ];
    };
  },
);

function sizesOf(mode: RnnMode, input: Tensor, [h0]: readonly Tensor[], [inputHidden]: LayerWeights): LayerSizes {
  return {
    rows: input.shape[0],
    batch: h0.shape[0],
    input: input.shape[1],
    hidden: inputHidden.shape[0] / cellRules[mode].gates,
    state: h0.shape[1],
  };
}

function weightArrays(weights: LayerWeights, dtype: DType): WeightArrays {
  const array = (weight: Tensor | null) => weight && floatElements(weight, dtype);
  const [inputHidden, hiddenHidden, inputBias, hiddenBias, projection] = weights;
  return {
    inputHidden: floatElements(inputHidden, dtype),
    hiddenHidden: floatElements(hiddenHidden, dtype),
    inputBias: array(inputBias),
    hiddenBias: array(hiddenBias),
    projection: array(projection),
  };
}

/** In the order of {@link LayerWeights}. */
function inOrder({
  inputHidden,
  hiddenHidden,
  inputBias,
  hiddenBias,
  projection,
}: WeightArrays): (FloatArray | null)[] {
  return [inputHidden, hiddenHidden, inputBias, hiddenBias, projection];
}

function recordOf(tensors: readonly (() => Tensor)[]): PassRecord {
  const [gates, previous, kept, unprojected] = tensors.map((tensor) => tensor().elements() as FloatArray);
  return { gates, previous, kept, unprojected };
}
