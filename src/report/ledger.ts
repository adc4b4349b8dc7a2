/** Where the bytes of both models are, tensor by tensor. */
import type { GraphModule } from "../fx/graph-module.ts";
import { attributeAt } from "../fx/graph.ts";
import type { FxNode } from "../fx/node.ts";
import type { Module } from "../nn/module.ts";
import { isPerTensor } from "../core/qparams.ts";
import { isPacked } from "../ops/quantized/packed-forms.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { NodePair } from "./pairs.ts";
import type { LedgerRow } from "./report.ts";

/** One row for the many scales and zero points that quantization adds. */
export const QPARAMS_ROW = "(scales and zero points)";

interface Holding {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
}

/** Parameters and buffers of both; what became of a weight stands in the weight's row. Largest float tensors first. */
export function ledgerOf(float: Module, quantized: Module, pairs: readonly NodePair[]): LedgerRow[] {
  const before = holdingsOf(float.stateDict());
  const { weights, qparams } = splitQparams(quantized.stateDict(), before);
  const packed = packedNames(float, quantized, pairs);
  const after = new Map<string, Holding>();
  for (const [key, holding] of holdingsOf(weights)) after.set(floatNameOf(key, packed, before, after), holding);
  const rows = [...new Set([...before.keys(), ...after.keys()])].map((name) =>
    rowOf(name, before.get(name), after.get(name)),
  );
  if (qparams.size) rows.push(qparamsRow(qparams));
  return rows.toSorted((a, b) => b.floatBytes - a.floatBytes || b.quantizedBytes - a.quantizedBytes);
}

function rowOf(name: string, float: Holding | undefined, quantized: Holding | undefined): LedgerRow {
  return {
    name,
    shape: [...((float ?? quantized)?.shape ?? [])],
    floatDtype: float?.dtype ?? null,
    quantizedDtype: quantized?.dtype ?? null,
    floatBytes: float?.bytes ?? 0,
    quantizedBytes: quantized?.bytes ?? 0,
  };
}

/** Tensors that share their elements with an earlier one take no bytes. */
function holdingsOf(state: ReadonlyMap<string, Tensor>): Map<string, Holding> {
  const seen = new Set<object>();
  const holdings = new Map<string, Holding>();
  for (const [key, tensor] of state) {
    const bytes = seen.has(tensor.storage) ? 0 : bytesOf(tensor);
    seen.add(tensor.storage);
    holdings.set(key, { shape: tensor.shape, dtype: tensor.dtype.name, bytes });
  }
  return holdings;
}

/** Elements, and the scale and zero point of each channel. */
export function bytesOf(tensor: Tensor): number {
  const { quantizer } = tensor;
  const elements = Math.ceil((tensor.numel() * tensor.dtype.bits) / 8);
  if (!quantizer || isPerTensor(quantizer)) return elements;
  return elements + quantizer.scales.byteLength + quantizer.zeroPoints.byteLength;
}

/** Scalars that only the quantized model has are qparams of activations. */
function splitQparams(
  state: ReadonlyMap<string, Tensor>,
  before: ReadonlyMap<string, Holding>,
): { weights: Map<string, Tensor>; qparams: Map<string, Tensor> } {
  const [weights, qparams] = [new Map<string, Tensor>(), new Map<string, Tensor>()];
  for (const [key, tensor] of state) {
    const isQparam = tensor.ndim === 0 && !before.has(key) && /(^|[._])(scale|zero_point)(_\d+)?$/.test(key);
    (isQparam ? qparams : weights).set(key, tensor);
  }
  return { weights, qparams };
}

function qparamsRow(qparams: ReadonlyMap<string, Tensor>): LedgerRow {
  const bytes = [...qparams.values()].reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  return {
    name: QPARAMS_ROW,
    shape: [qparams.size],
    floatDtype: null,
    quantizedDtype: "float32, int64",
    floatBytes: 0,
    quantizedBytes: bytes,
  };
}

/** How quantized modules name what was `weight` and `bias`. */
const moduleKeys: readonly (readonly [RegExp, string])[] = [
  [/\._packed_params\._packed_params\.0$/, ".weight"],
  [/\._packed_params\._packed_params\.1$/, ".bias"],
  [/\._packed_params\._packed_weight$/, ".weight"],
  [/\.0\.(weight|bias)$/, ".$1"], // a fused module that stayed float
];

/** The float tensor that a tensor of the quantized model was made from, or the tensor's own key. */
function floatNameOf(
  key: string,
  packed: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, Holding>,
  taken: ReadonlyMap<string, Holding>,
): string {
  const candidates = [key, packed.get(key), ...moduleKeys.map(([pattern, name]) => key.replace(pattern, name))];
  return candidates.find((name) => name !== undefined && before.has(name) && !taken.has(name)) ?? key;
}

/** The keys of packed weights that functions read, with the names of the float tensors that those functions read. */
function packedNames(float: Module, quantized: Module, pairs: readonly NodePair[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { operator, quantizedOperator } of pairs) {
    const packed = attributesRead(quantizedOperator).find((path) => isPacked(attributeAt(quantized, path)));
    if (packed === undefined) continue;
    const [weight, bias] = attributesRead(operator).filter((path) => attributeAt(float, path) !== undefined);
    if (weight !== undefined) names.set(`${packed}.0`, weight);
    if (bias !== undefined) names.set(`${packed}.1`, bias);
  }
  return names;
}

function attributesRead(node: FxNode): string[] {
  return node.allInputNodes.filter(({ op }) => op === "get_attr").map(({ target }) => String(target));
}

/** True if some weight of several output channels has one scale for all. */
export function hasPerTensorWeights(quantized: GraphModule): boolean {
  for (const [, tensor] of quantized.stateDict()) {
    if (tensor.quantizer && isPerTensor(tensor.quantizer) && tensor.ndim >= 2 && tensor.shape[0] > 1) return true;
  }
  return false;
}
