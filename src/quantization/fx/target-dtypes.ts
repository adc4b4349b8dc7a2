/**
 * What each value of a graph is to be in the quantized model: for every node, which observers its inputs, weight, bias and
 * output call for. Where a value's producer and its user disagree, an observer goes between them.
 */
import type { DType } from "../../core/dtype.ts";
import { float16, float32 } from "../../core/dtype.ts";
import type { FxNode } from "../../fx/node.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { BackendConfig } from "../backend-config/backend-config.ts";
import { patternKey } from "../backend-config/pattern.ts";
import { PlaceholderObserver } from "../observers/index.ts";
import type { ObserverFactory, QConfig } from "../qconfig.ts";
import { _defaultFp32PlaceholderQconfig, _defaultQuint8PlaceholderQconfig, _isReuseInputQconfig } from "../qconfig.ts";
import { getQconfigDtypes } from "../qconfig-dtypes.ts";
import { nonTensorArguments } from "../recipes/operators.ts";
import { create } from "../with-args.ts";
import type { Match } from "./match.ts";
import { flattenNodes } from "./match.ts";
import type { NamedModules } from "./node-queries.ts";
import { argsHaveNoTensors } from "./node-queries.ts";

/** Makes an observer; null where the value is no float tensor and cannot be observed. */
type Wanted = ObserverFactory | null;

export interface TargetDtypes {
  input: Wanted;
  output: Wanted;
  readonly weight?: Wanted;
  readonly bias?: Wanted;
  /** Positions of weight and bias among the arguments of a function. */
  readonly weightIndex?: number;
  readonly biasIndex?: number;
  readonly reusesInput?: boolean;
  readonly sharesObserver?: boolean;
  readonly standalone?: boolean;
}

export type TargetDtypesByNode = Map<FxNode, TargetDtypes>;

function withDtype(dtype: DType): ObserverFactory {
  return PlaceholderObserver.withArgs({ dtype }) as unknown as ObserverFactory;
}

const floatBias = withDtype(float32);
const halfBias = withDtype(float16);
const notATensor: TargetDtypes = { input: null, output: null };

function placeholders(qconfig: QConfig): TargetDtypes {
  return { input: qconfig.activation as ObserverFactory, output: qconfig.activation as ObserverFactory };
}

export function floatTensor(): TargetDtypes {
  return placeholders(_defaultFp32PlaceholderQconfig);
}

export function quint8Tensor(): TargetDtypes {
  return placeholders(_defaultQuint8PlaceholderQconfig);
}

/** A probe of a factory: what the observers it makes would quantize to. */
export interface ObserverTraits {
  /** Null: not a tensor of floats. */
  readonly dtype: DType | null;
  readonly isDynamic: boolean;
}

const traits = new WeakMap<object, ObserverTraits>();

export function observerTraits(factory: Wanted | undefined): ObserverTraits {
  if (!factory) return { dtype: null, isDynamic: false };
  let known = traits.get(factory);
  if (!known) {
    const made = create(factory) as Module & { readonly dtype?: DType; readonly isDynamic?: boolean };
    known = { dtype: made.dtype ?? null, isDynamic: made.isDynamic ?? false };
    traits.set(factory, known);
  }
  return known;
}

/** What a node of a matched pattern wants under a qconfig. */
export function targetDtypes(
  node: FxNode,
  qconfig: QConfig,
  match: Match | null,
  modules: NamedModules,
  backendConfig: BackendConfig,
): TargetDtypes {
  if (argsHaveNoTensors(node, modules)) return { ...notATensor };
  const { dtype, isDynamic } = observerTraits(qconfig.activation as ObserverFactory);
  const halves = qconfig.weight !== null && dtype === float16 && getQconfigDtypes(qconfig)[1] === float16;
  const config =
    node.op === "call_function" ? backendConfig.patternConfig(patternKey(node.target as never)) : undefined;
  const indices = config?.inputTypeToIndex ?? {};
  return {
    input: qconfig.activation as ObserverFactory,
    output: qconfig.activation as ObserverFactory,
    weight: qconfig.weight as Wanted,
    bias: halves && !isDynamic ? halfBias : floatBias,
    weightIndex: indices.weight,
    biasIndex: indices.bias,
    reusesInput: _isReuseInputQconfig(qconfig),
    sharesObserver: match?.sharesObserver ?? false,
    standalone: match?.kind === "standalone module",
  };
}

export function isWeightOf(arg: unknown, node: FxNode, wants: TargetDtypes | undefined): boolean {
  if (!isNode(arg)) return false;
  const { weightIndex } = wants ?? {};
  return (weightIndex !== undefined && node.args[weightIndex] === arg) || node.kwargs.weight === arg;
}

export function isBiasOf(arg: unknown, node: FxNode, wants: TargetDtypes | undefined): boolean {
  if (!isNode(arg)) return false;
  const { biasIndex } = wants ?? {};
  return (biasIndex !== undefined && node.args[biasIndex] === arg) || node.kwargs.bias === arg;
}

/** Masks and sizes that reach an operator as values are not observed, nor is what they were reshaped from. */
export function markNonTensors(
  nodes: readonly FxNode[],
  wants: TargetDtypesByNode,
  matches: ReadonlyMap<FxNode, Match>,
): void {
  const mark = (node: unknown): void => {
    if (!isNode(node)) return;
    const info = wants.get(node);
    if (info) [info.input, info.output] = [null, null];
    if (matches.get(node)?.sharesObserver) mark(node.args[0]);
  };
  for (const node of nodes) {
    const positions = node.op === "call_method" ? nonTensorArguments(String(node.target)) : undefined;
    if (!positions) continue;
    node.args.forEach((arg, i) => {
      if (positions === "all but the first" ? i > 0 : positions.includes(i)) [arg].flat().forEach(mark);
    });
  }
}

/** The wishes of all nodes before any check against the backend. */
export function initialTargetDtypes(
  nodes: readonly FxNode[],
  matches: ReadonlyMap<FxNode, Match>,
  qconfigs: ReadonlyMap<string, QConfig | null>,
  modules: NamedModules,
  backendConfig: BackendConfig,
  quantized: { readonly inputs: readonly number[]; readonly outputs: readonly number[] },
): TargetDtypesByNode {
  const wants: TargetDtypesByNode = new Map(nodes.map((node) => [node, floatTensor()]));
  for (const match of new Set(matches.values())) {
    for (const node of flattenNodes(match.nodes)) {
      const qconfig = qconfigs.get(match.last.name);
      if (matches.get(node) === match && qconfig) {
        wants.set(node, targetDtypes(node, qconfig, match, modules, backendConfig));
      }
    }
  }
  let inputs = 0;
  for (const node of nodes) {
    if (node.op === "placeholder") {
      if (quantized.inputs.includes(inputs)) wants.set(node, quint8Tensor());
      inputs++;
    } else if (node.op === "output") {
      if (quantized.outputs.includes(0)) wants.set(node, quint8Tensor());
    } else if (node.op !== "get_attr" && argsHaveNoTensors(node, modules)) {
      wants.set(node, { ...notATensor });
    }
  }
  markNonTensors(nodes, wants, matches);
  return wants;
}
