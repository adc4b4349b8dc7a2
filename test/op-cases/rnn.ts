/** How recurrent modules are called (with states, packed, keeping only the last state), and the packing functions. */
import type { Module } from "../../src/nn/module.ts";
import { GRU, LSTM, RNN } from "../../src/nn/modules/rnn.ts";
import { LSTMCell } from "../../src/nn/modules/rnn-cells.ts";
import type { PackPaddedOptions, PackedSequence, PadOptions } from "../../src/nn/utils/rnn.ts";
import { packPaddedSequence, packSequence, padPackedSequence, padSequence } from "../../src/nn/utils/rnn.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Inputs, Kwargs, OpCase, OpTable } from "./types.ts";

/** What every recurrent module of this file is, as far as these tables call it. */
type Recurrent = (input: Tensor | PackedSequence, states: Tensor | readonly Tensor[] | null) => unknown;

function callWithStates(module: Module, input: Tensor | PackedSequence, { h0, c0 }: Inputs): unknown {
  const takesPair = module instanceof LSTM || module instanceof LSTMCell;
  return (module as unknown as Recurrent)(input, h0 ? (takesPair ? [h0, c0] : h0) : null);
}

/** `lengths` packs the input and pads the output with −1; `sorted_lengths` does so without sorting. */
function run(module: Module, inputs: Inputs): unknown {
  const { input, lengths, sorted_lengths: sorted } = inputs;
  if (!lengths && !sorted) return callWithStates(module, input, inputs);
  const { batchFirst } = module as LSTM;
  const packed = packPaddedSequence(input, lengths ?? sorted, { batchFirst, enforceSorted: !lengths });
  const [output, last] = callWithStates(module, packed, inputs) as [PackedSequence, unknown];
  return [padPackedSequence(output, { batchFirst, paddingValue: -1 }), last];
}

/** The same module of which only the last state is used, so that no gradient reaches the output. */
function lastStateOf(layer: new (...args: [number, number, Kwargs]) => Module): OpCase {
  return {
    make: (args, kwargs) => new layer(args[0] as number, args[1] as number, kwargs),
    run: (module, inputs) => (run(module, inputs) as [unknown, unknown])[1],
  };
}

export const rnnCases: OpTable = {
  RNN: { run },
  LSTM: { run },
  GRU: { run },
  "RNN.lastState": lastStateOf(RNN),
  "LSTM.lastState": lastStateOf(LSTM),
  "GRU.lastState": lastStateOf(GRU),
  RNNCell: { run },
  LSTMCell: { run },
  GRUCell: { run },
  packPaddedSequence: {
    call: ({ input, lengths }, kwargs) => {
      const packed = packPaddedSequence(input, lengths, kwargs as PackPaddedOptions);
      return [packed.data, packed.batchSizes, packed.sortedIndices, packed.unsortedIndices];
    },
  },
  padPackedSequence: {
    call: ({ input, lengths }, kwargs) =>
      padPackedSequence(packPaddedSequence(input, lengths, { enforceSorted: false }), kwargs as PadOptions),
  },
  padSequence: { call: (inputs, kwargs) => padSequence(Object.values(inputs), kwargs as PadOptions) },
  packSequence: { call: (inputs, kwargs) => packSequence(Object.values(inputs), kwargs as PackPaddedOptions) },
};
