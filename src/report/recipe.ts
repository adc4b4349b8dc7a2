/** What made the quantized model: as far as the caller tells, and as far as the models know it themselves. */
import { getEngine } from "../core/engine.ts";
import type { GraphModule } from "../fx/graph-module.ts";
import type { Explanation } from "../quantization/fx/explain.ts";
import { isPrepared, observedGraph } from "../quantization/fx/observed-graph.ts";
import type { QConfigMapping } from "../quantization/qconfig-mapping.ts";
import type { Recipe } from "./report.ts";

/** What a caller may tell; each has a default that is found out or left empty. */
export interface RecipeOptions {
  readonly mode?: string;
  readonly backend?: string;
  readonly calibrationSamples?: number;
  /** The mapping that was given to the preparation, or any text. */
  readonly qconfigMapping?: QConfigMapping | string;
  readonly command?: string;
}

export function recipeOf(
  given: RecipeOptions,
  explanations: readonly Explanation[],
  prepared: GraphModule | undefined,
): Recipe {
  const remembered = prepared && isPrepared(prepared) ? observedGraph(prepared) : null;
  return {
    mode: given.mode ?? (remembered?.isQat ? "qat" : modesOf(explanations)),
    backend: given.backend ?? getEngine(),
    calibrationSamples: given.calibrationSamples ?? null,
    qconfigMapping: String(given.qconfigMapping ?? remembered?.qconfigMapping ?? ""),
    command: given.command ?? "",
  };
}

/** The words before the colon in the details of quantized operators, each once. */
function modesOf(explanations: readonly Explanation[]): string {
  const modes = explanations
    .filter(({ quantized }) => quantized)
    .map(({ detail }) => detail.slice(0, detail.indexOf(":")));
  return [...new Set(modes)].toSorted().join(", ");
}
