/**
 * LSTMs that are quantized as custom modules give a tuple of tuples, (output, (hidden, cell)), which cannot be dequantized
 * as a whole: it is taken apart, each tensor passes through a DeQuantStub, and it is put together again.
 */
import { getitem, tuple } from "../../fx/operators.ts";
import type { Graph } from "../../fx/graph.ts";
import type { Argument, FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import { LSTM as FloatLSTM } from "../../nn/modules/rnn.ts";
import type { QConfigAny } from "../qconfig.ts";
import { activationIsStaticallyQuantized } from "../qconfig-dtypes.ts";
import { LSTM as QuantizableLSTM } from "../recipes/quantizable/lstm.ts";
import { DeQuantStub } from "../stubs.ts";
import type { NamedModules } from "./node-queries.ts";
import { freeAttribute, moduleOf } from "./node-queries.ts";
import type { PrepareContext } from "./prepare-context.ts";

export function isStaticLstm(module: Module | undefined, qconfig: QConfigAny): boolean {
  return module instanceof FloatLSTM && qconfig !== null && activationIsStaticallyQuantized(qconfig);
}

export function isQuantizableLstm(module: Module | undefined): boolean {
  return module instanceof QuantizableLSTM;
}

/** The observed LSTM whose (part of an) output a value is, if it went through the stubs. */
export function lstmBehind(value: FxNode, modules: NamedModules): FxNode | null {
  let at: unknown = value;
  let dequantized = false;
  for (;;) {
    if (!isNode(at)) return null;
    const module = moduleOf(at, modules);
    if (isQuantizableLstm(module)) return dequantized ? at : null;
    if (module instanceof DeQuantStub) dequantized = true;
    else if (at.target !== getitem && at.target !== tuple) return null;
    const [first] = at.args;
    at = Array.isArray(first) ? first[0] : first;
  }
}

/** lstm → (stub(lstm[0]), (stub(lstm[1][0]), stub(lstm[1][1]))), read by all who read the LSTM before. */
export function insertDequantStubs(lstm: FxNode, context: PrepareContext): void {
  const { graph } = context.model;
  const after = (node: FxNode, make: () => FxNode): FxNode => graph.insertingAfter(node, make);
  const item = (node: FxNode, index: number, place: FxNode): FxNode =>
    after(place, () => graph.callFunction(getitem, [node, index]));
  const join = (parts: Argument[], place: FxNode): FxNode => after(place, () => graph.callFunction(tuple, [parts]));
  const output = item(lstm, 0, lstm);
  const outputStub = insertStub(output, context);
  const states = item(lstm, 1, outputStub);
  const hidden = item(states, 0, states);
  const hiddenStub = insertStub(hidden, context);
  const cell = item(states, 1, hiddenStub);
  const cellStub = insertStub(cell, context);
  const statesTuple = join([hiddenStub, cellStub], cellStub);
  const whole = join([outputStub, statesTuple], statesTuple);
  lstm.replaceAllUsesWith(whole, { deleteUserCb: (user) => user !== output && user !== states });
  skipTuples(graph);
}

function insertStub(node: FxNode, { model, modules }: PrepareContext): FxNode {
  const path = freeAttribute(model, "dequant_stub_");
  const stub = new DeQuantStub();
  model.setChild(path, stub);
  modules.set(path, stub);
  return model.graph.insertingAfter(node, () => model.graph.callModule(path, [node]));
}

/** Reads an item of a tuple where it was made: getitem(tuple([a, b]), 1) is b. */
function skipTuples(graph: Graph): void {
  for (const node of graph.nodes) {
    if (node.target !== getitem) continue;
    const [holder, index] = node.args;
    if (!isNode(holder) || holder.target !== tuple) continue;
    const part = (holder.args[0] as Argument[])[index as number];
    if (isNode(part)) node.replaceAllUsesWith(part);
  }
}
