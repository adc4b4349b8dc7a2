/** What the observers of a prepared model saw, and the ranges that they chose. */
import type { DType } from "../core/dtype.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import { attributeAt } from "../fx/graph.ts";
import { isNode } from "../fx/node.ts";
import type { Module } from "../nn/module.ts";
import { withWarnings } from "../core/warnings.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Qparams } from "../quantization/determine-qparams.ts";
import { FakeQuantizeBase } from "../quantization/fake-quantize.ts";
import { ObserverBase } from "../quantization/observers/observer-base.ts";
import type { Observation } from "./report.ts";

/** Bins to draw: neighbouring bins of an observer are added up. */
export const DRAWN_BINS = 64;

/** An observer that keeps the range of all values together. */
interface RangedObserver {
  readonly dtype: DType;
  readonly quantMin: number;
  readonly quantMax: number;
  readonly min_val: Tensor;
  readonly max_val: Tensor;
  readonly histogram?: Tensor;
  calculateQparams(): Qparams;
}

/** One entry for each observed value, in the order of computation; without those of per-channel and unused observers. */
export function observationsOf(prepared: GraphModule): Observation[] {
  const observations: Observation[] = [];
  for (const node of prepared.graph.nodes) {
    const [source] = node.args;
    if (node.op !== "call_module" || !isNode(source) || source.op === "get_attr") continue; // weights have theirs
    const observer = rangedObserver(attributeAt(prepared, String(node.target)));
    const seen = observer && observation(source.name, observer);
    if (seen) observations.push(seen);
  }
  return observations;
}

function rangedObserver(module: unknown): (Module & RangedObserver) | null {
  const observer =
    module instanceof FakeQuantizeBase
      ? (module as { activation_post_process?: unknown }).activation_post_process
      : module;
  if (!(observer instanceof ObserverBase) || observer.isDynamic) return null;
  const ranged = observer as ObserverBase & Partial<RangedObserver>;
  const isRanged = ranged.min_val?.numel() === 1 && ranged.max_val?.numel() === 1 && ranged.quantMin !== undefined;
  return isRanged ? (ranged as unknown as Module & RangedObserver) : null;
}

function observation(node: string, observer: Module & RangedObserver): Observation | null {
  const [min, max] = [observer.min_val.item(), observer.max_val.item()];
  if (!Number.isFinite(min) || !Number.isFinite(max)) return null;
  const [scale, zeroPoint] = withWarnings(
    () => {},
    () => observer.calculateQparams().map((tensor) => tensor.toNumbers()[0] as number),
  );
  const { quantMin, quantMax, histogram, dtype } = observer;
  const range = { low: (quantMin - zeroPoint) * scale, high: (quantMax - zeroPoint) * scale };
  const counts = histogram ? addUp(histogram.toNumbers() as ArrayLike<number>) : [];
  return { node, observer: observer.getName(), dtype: dtype.name, min, max, counts, range };
}

/** Equal groups of bins; numbers of bins that DRAWN_BINS does not divide are left as they are. */
function addUp(bins: ArrayLike<number>): number[] {
  const group = bins.length % DRAWN_BINS === 0 ? bins.length / DRAWN_BINS : 1;
  const counts = new Array<number>(bins.length / group).fill(0);
  for (let i = 0; i < bins.length; i++) counts[Math.floor(i / group)] += bins[i];
  // Moving a histogram into other bins leaves fractions that mean nothing.
  return counts.map((count) => Number(count.toPrecision(6)));
}
