/**
 * Recurrent layers with constant weights: nn.LSTM, nn.GRU and nn.RNN. ONNX has other orders of gates, an axis for directions in
 * outputs, and a direction that only goes backwards.
 */
import * as nn from "../../nn/index.ts";
import { withoutInit } from "../../nn/init.ts";
import { Parameter } from "../../nn/parameter.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import type { SymbolicShape, Value } from "../import-value.ts";

interface Kind {
  /** Place here of each of PyTorch's gates. */
  readonly gates: readonly number[];
  readonly activations: readonly string[];
}

/** ONNX: i o f c, z r h; PyTorch: i f g o, r z n. */
const kinds: Readonly<Record<"LSTM" | "GRU" | "RNN", Kind>> = {
  LSTM: { gates: [0, 2, 3, 1], activations: ["Sigmoid", "Tanh", "Tanh"] },
  GRU: { gates: [1, 0, 2], activations: ["Sigmoid", "Tanh"] },
  RNN: { gates: [0], activations: ["Tanh"] },
};

interface RnnPlan {
  readonly directions: 1 | 2;
  readonly isReversed: boolean;
  readonly batchFirst: boolean;
  readonly hidden: number;
  readonly nonlinearity: "tanh" | "relu";
}

function planOf(c: NodeContext, kind: Kind): RnnPlan {
  const direction = c.text("direction", "forward");
  const directions = direction === "bidirectional" ? 2 : 1;
  const width = c.input(2).shape?.[2];
  const hidden = typeof width === "number" ? width : c.int("hidden_size", 0);
  c.require(hidden > 0, "the size of its state is not known");
  const activations = c.texts("activations") ?? [];
  const isUsual = activations.every((name, i) => name === kind.activations[i % kind.activations.length]);
  const isRelu = kind === kinds.RNN && activations.length > 0 && activations.every((name) => name === "Relu");
  c.require(isUsual || isRelu, `its activations are ${activations.join(", ")}`);
  c.require(!c.has("clip"), "it clips");
  c.require(c.int("input_forget", 0) === 0, "its input and forget gates are coupled");
  const lengths = c.optional(4);
  c.require(!lengths || isFullLength(c, lengths), "its sequences may have different lengths");
  return {
    directions,
    isReversed: direction === "reverse",
    batchFirst: c.int("layout", 0) === 1,
    hidden,
    nonlinearity: isRelu ? "relu" : "tanh",
  };
}

function isFullLength(c: NodeContext, { constant }: Value): boolean {
  const steps = c.input(0).shape?.[c.int("layout", 0)];
  return constant !== null && Array.from(constant.toNumbers()).every((length) => length === steps);
}

/** The rows of each gate in PyTorch's order. */
function reordered(weight: Tensor, gates: readonly number[]): Tensor {
  const blocks = ops.chunk(weight, gates.length, 0);
  return ops.cat(
    gates.map((gate) => blocks[gate]),
    0,
  );
}

type Rnn = nn.LSTM | nn.GRU | nn.RNN;

function setWeights(c: NodeContext, layer: Rnn, { gates }: Kind): void {
  const [input, recurrent, bias] = [c.constant(1), c.constant(2), c.optionalConstant(3)];
  for (let direction = 0; direction < input.shape[0]; direction++) {
    const suffix = direction ? "_l0_reverse" : "_l0";
    const set = (key: string, weight: Tensor): void => {
      const { requiresGrad } = layer[key as "weight_ih_l0"];
      layer[key as "weight_ih_l0"] = new Parameter(reordered(weight, gates), { requiresGrad });
    };
    set(`weight_ih${suffix}`, ops.select(input, 0, direction));
    set(`weight_hh${suffix}`, ops.select(recurrent, 0, direction));
    if (!bias) continue;
    const [inputBias, recurrentBias] = ops.chunk(ops.select(bias, 0, direction), 2, 0);
    set(`bias_ih${suffix}`, inputBias);
    set(`bias_hh${suffix}`, recurrentBias);
  }
}

/** [T, B, D·H] → [T, D, B, H]. */
const directionsApart = traceable("onnx.splitDirections", (y: Tensor, directions: number): Tensor => {
  const [steps, batch, features] = y.shape;
  return ops.permute(y.reshape([steps, batch, directions, features / directions]), [0, 2, 1, 3]);
});

/** [B, T, …] ↔ [T, B, …] of a tensor of `rank` dimensions. */
function swapped(c: NodeContext, value: Value, rank: number): Value {
  const order = Array.from({ length: rank }, (_, d) => (d < 2 ? 1 - d : d));
  return c.method("permute", [value, order], { shape: value.shape && order.map((d) => value.shape?.[d] ?? null) });
}

/** The sequence as the layer takes it: time first, and backwards for a layer that only goes that way. */
function sequenceOf(c: NodeContext, plan: RnnPlan): Value {
  const x = plan.batchFirst ? swapped(c, c.input(0), 3) : c.input(0);
  return plan.isReversed ? c.call(ops.flip, [x, [0]], { shape: x.shape }) : x;
}

function stateOf(c: NodeContext, index: number, plan: RnnPlan): Value | null {
  const state = c.optional(index);
  return state && plan.batchFirst ? swapped(c, state, 3) : state;
}

/** The outputs Y, Y_h and, for LSTM, Y_c from what the layer gave. */
function outputsOf(c: NodeContext, plan: RnnPlan, x: Value, y: Value, states: readonly Value[]): Value[] {
  const { directions, hidden } = plan;
  const [steps, batch] = [x.shape?.[0] ?? null, x.shape?.[1] ?? null];
  const forward = plan.isReversed ? c.call(ops.flip, [y, [0]], { shape: y.shape }) : y;
  const shape: SymbolicShape = [steps, directions, batch, hidden];
  const apart =
    directions === 1
      ? c.call(ops.unsqueeze, [forward, 1], { shape })
      : c.call(directionsApart, [forward, 2], { shape });
  if (!plan.batchFirst) return [apart, ...states];
  const order = [2, 0, 1, 3];
  const first = c.method("permute", [apart, order], { shape: order.map((d) => shape[d]) });
  return [first, ...states.map((state) => swapped(c, state, 3))];
}

function layerOf(name: "LSTM" | "GRU" | "RNN", inputs: number, plan: RnnPlan, bias: boolean): Rnn {
  const options = { bias, bidirectional: plan.directions === 2 };
  switch (name) {
    case "LSTM":
      return new nn.LSTM(inputs, plan.hidden, options);
    case "GRU":
      return new nn.GRU(inputs, plan.hidden, options);
    default:
      return new nn.RNN(inputs, plan.hidden, { ...options, nonlinearity: plan.nonlinearity });
  }
}

function recurrent(name: "LSTM" | "GRU" | "RNN", since: readonly number[]): OnnxOp {
  const kind = kinds[name];
  return {
    since,
    import(c: NodeContext) {
      const plan = planOf(c, kind);
      c.require(name !== "LSTM" || !c.optional(7), "it has peepholes");
      if (name === "GRU" && c.int("linear_before_reset", 0) === 0) return gruWithEarlyReset(c, plan);
      if ([1, 2, 3].some((index) => c.optional(index) && !c.optional(index)?.constant))
        return withComputedWeights(c, name, plan);
      const layer = withoutInit(() => layerOf(name, c.constant(1).shape[2], plan, c.optional(3) !== null));
      setWeights(c, layer, kind);
      const x = sequenceOf(c, plan);
      const states = (name === "LSTM" ? [5, 6] : [5]).map((index) => stateOf(c, index, plan));
      const [steps, batch] = [x.shape?.[0] ?? null, x.shape?.[1] ?? null];
      const tuple = c.module(layer, [x, ...initialStates(c, name, states)], { weight: c.input(1).name });
      const yShape = [steps, batch, plan.directions * plan.hidden];
      const stateFacts = { dtype: x.dtype, shape: [plan.directions, batch, plan.hidden] };
      const [y, last] = c.items(tuple, [{ dtype: x.dtype, shape: yShape }, stateFacts]);
      const all = name === "LSTM" ? c.items(last, [stateFacts, stateFacts]) : [last];
      return outputsOf(c, plan, x, y, all);
    },
  };
}

interface CallOptions {
  readonly name: "LSTM" | "GRU" | "RNN";
  readonly directions: number;
  readonly nonlinearity: "tanh" | "relu";
}

/** A layer whose weights are values: W, R and perhaps B in ONNX's order of gates. */
const recurrentOf = traceable(
  "onnx.recurrent",
  (x: Tensor, weights: readonly (Tensor | null)[], states: readonly (Tensor | null)[], options: CallOptions) => {
    const { name, directions, nonlinearity } = options;
    const { gates } = kinds[name];
    const [input, recurrentWeight, bias] = weights as [Tensor, Tensor, Tensor | null];
    const flat = Array.from({ length: directions }, (_, d) => [
      ...[input, recurrentWeight].map((weight) => reordered(ops.select(weight, 0, d), gates)),
      ...(bias ? ops.chunk(ops.select(bias, 0, d), 2, 0).map((part) => reordered(part, gates)) : []),
    ]).flat();
    const zeros = Tensor.zeros([directions, x.shape[1], recurrentWeight.shape[2]], x.dtype);
    const [h, cell] = [states[0] ?? zeros, states[1] ?? zeros];
    const layer = { hasBiases: bias !== null, bidirectional: directions === 2 };
    if (name === "LSTM") return ops.lstm(x, [h, cell], flat, layer);
    const run = name === "GRU" ? ops.gru : nonlinearity === "relu" ? ops.rnnRelu : ops.rnnTanh;
    return run(x, h, flat, layer);
  },
);

function withComputedWeights(c: NodeContext, name: "LSTM" | "GRU" | "RNN", plan: RnnPlan): Value[] {
  const x = sequenceOf(c, plan);
  const weights = [1, 2, 3].map((index) => c.optional(index));
  const states = (name === "LSTM" ? [5, 6] : [5]).map((index) => stateOf(c, index, plan));
  const { directions, nonlinearity, hidden } = plan;
  const tuple = c.call(recurrentOf, [x, weights, states], { kwargs: { name, directions, nonlinearity } });
  const [steps, batch] = [x.shape?.[0] ?? null, x.shape?.[1] ?? null];
  const state = { dtype: x.dtype, shape: [directions, batch, hidden] };
  const [y, ...last] = c.items(tuple, [
    { dtype: x.dtype, shape: [steps, batch, directions * hidden] },
    ...states.map(() => state),
  ]);
  return outputsOf(c, plan, x, y, last);
}

/** What the layer takes for initial states: nothing for zeros. */
function initialStates(c: NodeContext, name: string, states: readonly (Value | null)[]) {
  if (name !== "LSTM") return states[0] ? [states[0]] : [];
  const [h, cell] = states;
  const known = h ?? cell;
  if (!known) return [];
  const zeros = (): Value => c.call(ops.zerosLike, [known], { shape: known.shape });
  return [[h ?? zeros(), cell ?? zeros()]];
}

/**
 * A GRU that resets the state before it is multiplied, unlike PyTorch's: h̃ = tanh(x·W + (r ∘ h)·R + b). One direction.
 * `weights` are W [1, 3H, I], R [1, 3H, H] and perhaps both biases [1, 6H], with the gates z, r, h.
 */
const gruStepsOf = traceable(
  "onnx.gru",
  (x: Tensor, h0: Tensor | null, weights: readonly (Tensor | null)[]): readonly [Tensor, Tensor] => {
    const [input, recurrentWeight, bias] = weights.map((weight) => weight && ops.select(weight, 0, 0)) as [
      Tensor,
      Tensor,
      Tensor | null,
    ];
    const hidden = recurrentWeight.shape[1];
    const biases = bias && ops.chunk(bias, 2, 0);
    const projected = ops.linear(x, input, biases && ops.add(biases[0], biases[1]));
    const [gateWeights, candidateWeights] = ops.split(recurrentWeight, [2 * hidden, hidden], 0);
    let h = h0 ? ops.select(h0, 0, 0) : Tensor.zeros([x.shape[1], hidden], x.dtype);
    const steps = ops.unbind(projected).map((step) => {
      const [fromInput, candidate] = ops.split(step, [2 * hidden, hidden], 1);
      const [z, r] = ops.chunk(ops.sigmoid(ops.add(fromInput, ops.linear(h, gateWeights))), 2, 1);
      const proposed = ops.tanh(ops.add(candidate, ops.linear(ops.mul(r, h), candidateWeights)));
      h = ops.add(proposed, ops.mul(z, ops.sub(h, proposed)));
      return h;
    });
    return [ops.stack(steps), ops.unsqueeze(h, 0)];
  },
);

function gruWithEarlyReset(c: NodeContext, plan: RnnPlan): Value[] {
  c.require(plan.directions === 1, "it has two directions and resets before the product (linear_before_reset = 0)");
  const x = sequenceOf(c, plan);
  const weights = [1, 2, 3].map((index) => c.optional(index));
  const tuple = c.call(gruStepsOf, [x, stateOf(c, 5, plan), weights]);
  const [steps, batch] = [x.shape?.[0] ?? null, x.shape?.[1] ?? null];
  const [y, last] = c.items(tuple, [
    { dtype: x.dtype, shape: [steps, batch, plan.hidden] },
    { dtype: x.dtype, shape: [1, batch, plan.hidden] },
  ]);
  return outputsOf(c, plan, x, y, [last]);
}

export const rnnOps: OnnxOps = {
  GRU: recurrent("GRU", [7, 14]),
  LSTM: recurrent("LSTM", [7, 14]),
  RNN: recurrent("RNN", [7, 14]),
};
