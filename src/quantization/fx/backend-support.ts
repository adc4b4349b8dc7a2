/** Whether a backend can run a pattern as its qconfig asks, and if not, why. */
import type { DType } from "../../core/dtype.ts";
import { float32 } from "../../core/dtype.ts";
import { isNode } from "../../fx/node.ts";
import type { Module } from "../../nn/module.ts";
import type { DTypeConfig, DTypeWithConstraints } from "../backend-config/dtype-config.ts";
import { FakeQuantizeBase, FixedQParamsFakeQuantize } from "../fake-quantize.ts";
import { FixedQParamsObserver } from "../observers/index.ts";
import type { ObserverFactory, QConfig } from "../qconfig.ts";
import { float16DynamicQconfig, float16StaticQconfig, qconfigEquals } from "../qconfig.ts";
import { create } from "../with-args.ts";
import type { Match } from "./match.ts";
import type { TargetDtypes, TargetDtypesByNode } from "./target-dtypes.ts";
import { isBiasOf, isWeightOf, observerTraits } from "./target-dtypes.ts";

/** Null if one of the pattern's dtype configs serves the qconfig; else what speaks against the first of them. */
export function whyUnsupported(match: Match, qconfig: QConfig | null, wants: TargetDtypesByNode): string | null {
  const configs = match.config?.dtypeConfigs;
  if (!configs) return null;
  const problems = configs.map((config) => problemWith(config, match, qconfig, wants));
  if (problems.includes(null)) return null;
  return problems[0] ?? "the backend lists no dtypes for this pattern";
}

function problemWith(
  config: DTypeConfig,
  match: Match,
  qconfig: QConfig | null,
  wants: TargetDtypesByNode,
): string | null {
  const inputs = [...match.root.args, ...Object.values(match.root.kwargs)].flat(Infinity);
  for (const arg of inputs) {
    const problem = isNode(arg) ? inputProblem(arg, config, match, qconfig, wants) : null;
    if (problem) return problem;
  }
  return outputProblem(config, wants.get(match.last), qconfig);
}

function inputProblem(
  arg: unknown,
  config: DTypeConfig,
  match: Match,
  qconfig: QConfig | null,
  wants: TargetDtypesByNode,
): string | null {
  const info = wants.get(match.root);
  if (isWeightOf(arg, match.root, info)) {
    const { dtype } = observerTraits(info?.weight);
    if (!config.weightDtype) return null;
    if (dtype !== config.weightDtype) return disagreement("weight", dtype, config.weightDtype);
    return constraintProblem(qconfig, config.weightDtypeWithConstraints, "weight");
  }
  if (isBiasOf(arg, match.root, info)) {
    const { dtype } = observerTraits(info?.bias);
    return !config.biasDtype || dtype === config.biasDtype ? null : disagreement("bias", dtype, config.biasDtype);
  }
  if (!config.inputDtype) return null;
  const { dtype, isDynamic } = observerTraits(info?.input);
  if (dtype !== config.inputDtype) return disagreement("input", dtype, config.inputDtype);
  if (isDynamic !== (config.isDynamic ?? false)) {
    return isDynamic
      ? "the backend does not quantize its input dynamically"
      : "the backend quantizes its input only dynamically";
  }
  return constraintProblem(qconfig, config.inputDtypeWithConstraints, "activation");
}

function outputProblem(config: DTypeConfig, info: TargetDtypes | undefined, qconfig: QConfig | null): string | null {
  if (!config.outputDtype) return null;
  const traits = observerTraits(info?.output);
  // A qconfig has one activation for input and output, and what is quantized dynamically gives floats.
  const dtype = traits.isDynamic ? float32 : traits.dtype;
  if (dtype !== config.outputDtype) return disagreement("output", dtype, config.outputDtype);
  return constraintProblem(qconfig, config.outputDtypeWithConstraints, "activation");
}

function disagreement(what: string, asked: DType | null, served: DType): string {
  return `the qconfig asks for ${asked ?? "no tensor"} as ${what}, the backend has ${served}`;
}

/** Checks ranges of integers, smallest scales and fixed qparams, if the dtypes are equal at all. */
export function constraintProblem(
  qconfig: QConfig | null,
  constraints: DTypeWithConstraints,
  what: "activation" | "weight",
): string | null {
  const factory = what === "activation" ? qconfig?.activation : qconfig?.weight;
  if (!factory || !qconfig || !constraints.dtype) return null;
  const made = create(factory as ObserverFactory) as ObserverLike;
  if (made.dtype !== constraints.dtype) return null;
  const observer =
    made instanceof FakeQuantizeBase
      ? (made as { activation_post_process?: ObserverLike }).activation_post_process
      : made;
  if (!observer) return null;
  return (
    rangeProblem(observer, constraints, what) ??
    scaleProblem(observer, constraints, what) ??
    fixedQparamsProblem(made, observer, constraints, qconfig)
  );
}

type ObserverLike = Module & {
  readonly dtype?: DType;
  readonly quantMin?: number | null;
  readonly quantMax?: number | null;
  readonly eps?: number | { item(): number };
  readonly scale?: { item(): number };
  readonly zero_point?: { item(): number };
};

function rangeProblem({ quantMin, quantMax }: ObserverLike, limits: DTypeWithConstraints, what: string): string | null {
  const { quantMinLowerBound: low, quantMaxUpperBound: high } = limits;
  if (low === null || high === null) return null;
  if (typeof quantMin !== "number" || typeof quantMax !== "number") {
    return `the qconfig's ${what} must specify quantMin and quantMax`;
  }
  if (quantMin >= low && quantMax <= high) return null;
  return `the qconfig's ${what} range [${quantMin}, ${quantMax}] exceeds the backend's [${low}, ${high}]`;
}

function scaleProblem({ eps }: ObserverLike, limits: DTypeWithConstraints, what: string): string | null {
  const smallest = limits.scaleMinLowerBound;
  if (smallest === null) return null;
  const own = typeof eps === "number" ? eps : eps?.item();
  if (own === undefined) return `the qconfig's ${what} must specify eps`;
  return own >= smallest ? null : `the qconfig's ${what} eps ${own} is below the backend's smallest scale ${smallest}`;
}

function fixedQparamsProblem(
  made: ObserverLike,
  observer: ObserverLike,
  { scaleExactMatch: scale, zeroPointExactMatch: zeroPoint }: DTypeWithConstraints,
  qconfig: QConfig,
): string | null {
  if (scale === null || zeroPoint === null) return null;
  if ([float16StaticQconfig, float16DynamicQconfig].some((accepted) => qconfigEquals(qconfig, accepted))) return null;
  if (!(made instanceof FixedQParamsObserver || made instanceof FixedQParamsFakeQuantize)) {
    return (
      "an operator with a known output range needs a FixedQParamsObserver or FixedQParamsFakeQuantize, " +
      "which getDefaultQconfigMapping and getDefaultQatQconfigMapping provide"
    );
  }
  const [ownScale, ownZeroPoint] = [observer.scale?.item(), observer.zero_point?.item()];
  if (ownScale === scale && ownZeroPoint === zeroPoint) return null;
  return (
    `the qconfig's fixed scale ${ownScale} and zero point ${ownZeroPoint} are not the backend's ` +
    `${scale} and ${zeroPoint}`
  );
}
