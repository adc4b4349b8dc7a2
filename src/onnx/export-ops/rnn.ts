/**
 * Recurrent layers and cells for ONNX. Gates stand in another order there: LSTM i f g o → i o f g, GRU r z n → z r n. A
 * quantized weight keeps its integers, with DequantizeLinear in front of the layer; a cell is a layer of one step.
 */
import type { Module } from "../../nn/module.ts";
import type { RNNBase } from "../../nn/modules/rnn.ts";
import type { RNNCellBase } from "../../nn/modules/rnn-cells.ts";
import { float16 } from "../../core/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { CallContext } from "../export-context.ts";
import { fieldsOf } from "../export-context.ts";
import { dequantize, integerWeight, storeWeight } from "../export-quantized.ts";
import type { Argument, TensorValue } from "../export-value.ts";
import { isTensorValue } from "../export-value.ts";

type Mode = "LSTM" | "GRU" | "RNN";

/** Where each gate of ONNX is in PyTorch's order. */
const gateOrder: Readonly<Record<Mode, readonly number[]>> = { LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0] };

/** The weights of one direction of one layer. */
interface Weights {
  /** For names: `lstm.weight_ih_l0`. */
  readonly path: string;
  /** Integers or float16 of a reference module; else the float weight. */
  readonly ih: Tensor;
  readonly hh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;
}

/** Blocks of rows in ONNX's order. */
function reordered<
  T extends ArrayLike<number> & { slice(from: number, to: number): T; set(from: T, at: number): void },
>(mode: Mode, data: T, out: T): T {
  const order = gateOrder[mode];
  const block = data.length / order.length;
  order.forEach((from, to) => out.set(data.slice(from * block, (from + 1) * block), to * block));
  return out;
}

function reorderedTensor(mode: Mode, tensor: Tensor): Tensor {
  const data = tensor.detach().elements() as Float32Array;
  const out = tensor.dtype.allocate(data.length) as Float32Array;
  return Tensor.fromArray(reordered(mode, data, out), tensor.shape, tensor.dtype);
}

/** [1, rows, columns] in float. */
function weightInput(c: CallContext, mode: Mode, path: string, weight: Tensor): TensorValue {
  const integers = weight.isQuantized ? integerWeight(weight) : null;
  c.require(integers || !weight.isQuantized, `${path} has float zero points`);
  if (!integers) {
    const stored = c.parameter(path, reorderedTensor(mode, weight));
    return c.unsqueeze(weight.dtype === float16 ? c.cast(stored, c.tensor(0).dtype) : stored, [0]);
  }
  const { grid } = integers;
  const order = (values: readonly number[]): readonly number[] =>
    grid.axis === null
      ? values
      : Array.from(reordered(mode, Float64Array.from(values), new Float64Array(values.length)));
  const turned = {
    integers: reorderedTensor(mode, integers.integers),
    grid: { ...grid, scales: order(grid.scales), zeroPoints: order(grid.zeroPoints) },
  };
  return c.unsqueeze(dequantize(c, storeWeight(c, turned, path)), [0]);
}

/** [1, 2 · rows]: what goes with the input, then what goes with the state. Null without biases. */
function biasInput(c: CallContext, mode: Mode, { path, biasIh, biasHh }: Weights): TensorValue | null {
  if (!biasIh || !biasHh) return null;
  const halves = [biasIh, biasHh].map((bias) => reorderedTensor(mode, bias).elements() as Float32Array);
  const joined = Float32Array.from([...halves[0], ...halves[1]]);
  return c.parameter(`${path}.bias`, Tensor.fromArray(joined, [1, joined.length], biasIh.dtype));
}

function joined(c: CallContext, parts: readonly (TensorValue | null)[]): TensorValue | null {
  const present = parts.filter((part) => part !== null);
  if (present.length === 0) return null;
  return present.length === 1 ? present[0] : c.node("Concat", present, { axis: 0 });
}

interface LayerResult {
  /** [steps, directions, batch, hidden]. */
  readonly output: TensorValue;
  /** [directions, batch, hidden] each: h, and c of an LSTM. */
  readonly last: readonly TensorValue[];
}

/** One layer in all its directions on x [steps, batch, features]; null states are zeros. */
function layer(
  c: CallContext,
  mode: Mode,
  x: TensorValue,
  states: readonly (TensorValue | null)[],
  directions: readonly Weights[],
  relu: boolean,
): LayerResult {
  const hidden = directions[0].hh.shape[1];
  const inputs = [
    x,
    joined(
      c,
      directions.map((own) => weightInput(c, mode, `${own.path}.weight_ih`, own.ih)),
    ),
    joined(
      c,
      directions.map((own) => weightInput(c, mode, `${own.path}.weight_hh`, own.hh)),
    ),
    joined(
      c,
      directions.map((own) => biasInput(c, mode, own)),
    ),
    null,
    ...states,
  ];
  const attributes = {
    hidden_size: hidden,
    ...(directions.length === 2 ? { direction: "bidirectional" } : {}),
    ...(mode === "GRU" ? { linear_before_reset: 1 } : {}),
    ...(relu ? { activations: stringsAttribute(directions.map(() => "Relu")) } : {}),
  };
  const dtypes = new Array<typeof x.dtype>(mode === "LSTM" ? 3 : 2).fill(x.dtype);
  const [output, ...last] = c.nodes(mode, inputs, attributes, dtypes);
  return { output, last };
}

function stringsAttribute(values: readonly string[]) {
  return { name: "activations", type: "strings", value: values, docString: "", unknownFields: [] } as const;
}

// ---------------------------------------------------------------- layers

function weightsOf(module: RNNBase, path: string, index: number): Weights[] {
  const suffixes = module.bidirectional ? ["", "_reverse"] : [""];
  const own = new Map<string, Tensor>(module.ownParameters());
  const { getQuantizedWeightBiasDict } = fieldsOf<{ getQuantizedWeightBiasDict?: () => Record<string, Tensor> }>(
    module,
  );
  const rounded = getQuantizedWeightBiasDict?.call(module) ?? {};
  return suffixes.map((suffix) => {
    const key = `l${index}${suffix}`;
    const at = (name: string): Tensor => rounded[`${name}_${key}`] ?? own.get(`${name}_${key}`);
    const bias = (name: string) => (module.bias ? at(name) : null);
    const weights = { ih: at("weight_ih"), hh: at("weight_hh") };
    return { path: `${path}.${key}`, ...weights, biasIh: bias("bias_ih"), biasHh: bias("bias_hh") };
  });
}

/** The states of each layer: pieces of the given ones, or nulls. */
function statesByLayer(
  c: CallContext,
  states: readonly (TensorValue | null)[],
  layers: number,
  directions: number,
): (TensorValue | null)[][] {
  const pieces = states.map((state): (TensorValue | null)[] => {
    if (!state || layers === 1) return new Array<TensorValue | null>(layers).fill(state);
    const sizes = c.ints(new Array<number>(layers).fill(directions));
    return c.nodes("Split", [state, sizes], { axis: 0 }, new Array<typeof state.dtype>(layers).fill(state.dtype));
  });
  return Array.from({ length: layers }, (_, i) => pieces.map((piece) => piece[i]));
}

function givenStates(c: CallContext, mode: Mode, argument: Argument): (TensorValue | null)[] {
  const count = mode === "LSTM" ? 2 : 1;
  if (argument === undefined || argument === null) return new Array<null>(count).fill(null);
  const list = Array.isArray(argument) ? (argument as readonly Argument[]) : [argument];
  c.require(list.length === count && list.every(isTensorValue), "its states must be float tensors");
  return [...(list as readonly TensorValue[])];
}

export function rnnModule(c: CallContext, module: RNNBase, path: string): Argument {
  const mode: Mode = module.mode === "LSTM" || module.mode === "GRU" ? module.mode : "RNN";
  c.require(!module.projSize, "projections have no form in ONNX");
  const input = c.tensor(0);
  const isBatched = c.rank(input) === 3;
  const directions = module.bidirectional ? 2 : 1;
  const initial = givenStates(c, mode, c.args[1]).map((state) =>
    state && !isBatched ? c.unsqueeze(state, [1]) : state,
  );
  let x = isBatched ? input : c.unsqueeze(input, [1]);
  if (isBatched && module.batchFirst) x = c.transpose(x, [1, 0, 2]);
  const states = statesByLayer(c, initial, module.numLayers, directions);
  const results: LayerResult[] = [];
  const relu = fieldsOf<{ nonlinearity?: string }>(module).nonlinearity === "relu";
  for (let i = 0; i < module.numLayers; i++) {
    const result = layer(c, mode, x, states[i], weightsOf(module, path, i), relu);
    results.push(result);
    x = sideBySide(c, result.output, directions);
  }
  if (isBatched && module.batchFirst) x = c.transpose(x, [1, 0, 2]);
  const last = results[0].last.map(
    (_, s) =>
      joined(
        c,
        results.map((result) => result.last[s]),
      ) as TensorValue,
  );
  const outcome = isBatched ? [x, ...last] : [x, ...last].map((value) => c.squeeze(value, [1]));
  const [output, ...ends] = outcome;
  return [output, mode === "LSTM" ? ends : ends[0]];
}

/** [steps, directions, batch, hidden] → [steps, batch, directions · hidden]. */
function sideBySide(c: CallContext, output: TensorValue, directions: number): TensorValue {
  if (directions === 1) return c.squeeze(output, [1]);
  return c.reshape(c.transpose(output, [0, 2, 1, 3]), [0, 0, -1]);
}

// ---------------------------------------------------------------- cells

function cellWeights(module: RNNCellBase, path: string): Weights {
  const { weight_ih, weight_hh, bias_ih, bias_hh } = module;
  const own = fieldsOf<{ getQuantizedWeightIh?: () => Tensor; getQuantizedWeightHh?: () => Tensor }>(module);
  const ih = own.getQuantizedWeightIh?.call(module) ?? weight_ih;
  const hh = own.getQuantizedWeightHh?.call(module) ?? weight_hh;
  return { path, ih, hh, biasIh: bias_ih, biasHh: bias_hh };
}

function cellModule(mode: Mode) {
  return (c: CallContext, module: RNNCellBase & Module, path: string): Argument => {
    const x = c.tensor(0);
    c.require(c.rank(x) === 2, "only batches can be written");
    // A state with a leading dimension for the one direction; a step likewise.
    const states = givenStates(c, mode, c.args[1]).map((state) => state && c.unsqueeze(state, [0]));
    const relu = fieldsOf<{ nonlinearity?: string }>(module).nonlinearity === "relu";
    const { last } = layer(c, mode, c.unsqueeze(x, [0]), states, [cellWeights(module, path)], relu);
    const ends = last.map((value) => c.squeeze(value, [0]));
    return mode === "LSTM" ? ends : ends[0];
  };
}

export const lstmCellModule = cellModule("LSTM");
export const gruCellModule = cellModule("GRU");
export const rnnCellModule = cellModule("RNN");
