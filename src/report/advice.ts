/**
 * What to try next, derived from what was measured. Each sentence names the numbers that it rests on; where the answers are
 * good by the limits below, it says so.
 */
import { fromDecibels } from "./decibels.ts";
import { formatDecibels, formatPercent, plural } from "./format.ts";
import type { Advice, LayerReport, Observation, OutputReport, Recipe, Report } from "./report.ts";

/** From here on an answer counts as kept: share of rows with the same answer, loss of accuracy, SQNR in dB. */
const GOOD = { agreement: 0.99, accuracyLoss: 0.005, sqnrDb: 30 } as const;

/** Fewer calibration samples than this are worth a second try with more. A judgement, as GOOD is. */
const FEW_CALIBRATION_SAMPLES = 100;

/** Number of layers that are proposed to stay float. */
const SKIPS = 3;

/** A layer is proposed only if it makes the SQNR of what it reads smaller by this much: then half of its noise is its own. */
const SKIP_FALL_DB = 3;

export interface AdviceFacts extends Pick<Report, "outputs" | "layers" | "leftovers" | "observations" | "recipe"> {
  readonly hasPerTensorWeights: boolean;
}

/** The best first. */
export function adviceFor(facts: AdviceFacts): Advice[] {
  const { outputs, layers, recipe, observations } = facts;
  const broken = outputs.find(({ nonFinite }) => nonFinite.quantized > nonFinite.float);
  if (outputs.length && outputs.every(isGood) && !broken) return [doneAdvice(outputs), ...leftoverAdvice(facts)];
  const advice: Advice[] = broken ? [nonFiniteAdvice(broken)] : [];
  advice.push(...calibrationAdvice(recipe), ...skipAdvice(layers));
  if (facts.hasPerTensorWeights) advice.push(perChannelAdvice());
  advice.push(...histogramAdvice(observations), ...staticAdvice(facts));
  if (!recipe.mode.includes("qat")) {
    advice.push(general("qat", "if nothing else helps, train on with fake quantization (prepareQatFx)"));
  }
  return advice;
}

function general(kind: Advice["kind"], text: string): Advice {
  return { kind, node: null, text };
}

export function isGood({ top1, rows, sqnrDb }: OutputReport): boolean {
  if (!rows) return false;
  if (!top1) return fromDecibels(sqnrDb) >= GOOD.sqnrDb;
  if (top1.labelled) return (top1.labelled.float - top1.labelled.quantized) / top1.labelled.rows <= GOOD.accuracyLoss;
  return top1.agreed / rows >= GOOD.agreement;
}

function doneAdvice(outputs: readonly OutputReport[]): Advice {
  const limits = outputs.some(({ top1 }) => top1)
    ? outputs.some(({ top1 }) => top1?.labelled)
      ? `at most ${formatPercent(GOOD.accuracyLoss)} of accuracy lost`
      : `at least ${formatPercent(GOOD.agreement)} same answers`
    : `at least ${GOOD.sqnrDb} dB`;
  return general("done", `nothing is needed: the answers survived (${limits})`);
}

function nonFiniteAdvice({ name, nonFinite }: OutputReport): Advice {
  const rows = plural(nonFinite.quantized, "row");
  return general("non-finite", `find out why "${name}" has NaN or infinity in ${rows} of the quantized model`);
}

function calibrationAdvice({ calibrationSamples, mode }: Recipe): Advice[] {
  if (calibrationSamples === null || calibrationSamples >= FEW_CALIBRATION_SAMPLES || !/static/.test(mode)) return [];
  const seen = plural(calibrationSamples, "sample");
  return [general("calibration", `calibrate with more data: the ranges come from ${seen}`)];
}

/** Layers in which the SQNR falls most, from what they read to what they give. */
function skipAdvice(layers: readonly LayerReport[]): Advice[] {
  return layers
    .map((layer) => ({ layer, fall: fallOf(layer) }))
    .filter(({ layer, fall }) => fall >= SKIP_FALL_DB && fromDecibels(layer.sqnrDb) < GOOD.sqnrDb)
    .toSorted((a, b) => b.fall - a.fall)
    .slice(0, SKIPS)
    .map(({ layer: { node, sqnrDb, inputSqnrDb } }): Advice => {
      const from = inputSqnrDb === null ? "" : ` from ${formatDecibels(inputSqnrDb)}`;
      const text = `keep ${node} in float (--skip ${node}): the SQNR falls${from} to ${formatDecibels(sqnrDb)} there`;
      return { kind: "skip", node, text };
    });
}

/** Decibels lost in a layer. One that reads the model's inputs loses what is missing to a good layer. */
export function fallOf({ sqnrDb, inputSqnrDb }: LayerReport): number {
  const before = inputSqnrDb === null || inputSqnrDb === "inf" ? GOOD.sqnrDb : fromDecibels(inputSqnrDb);
  const after = fromDecibels(sqnrDb);
  return before === after ? 0 : before - after;
}

function perChannelAdvice(): Advice {
  return general("per-channel", "give each output channel of the weights its own scale: some weights have one for all");
}

function histogramAdvice(observations: readonly Observation[]): Advice[] {
  const plain = observations.filter(({ observer }) => observer.endsWith("MinMaxObserver")).length;
  if (!plain) return [];
  const text = `choose ranges by HistogramObserver, which may cut off outliers: ${plain} of ${observations.length} are the plain minimum and maximum`;
  return [general("histogram", text)];
}

function staticAdvice({ recipe, leftovers }: AdviceFacts): Advice[] {
  if (recipe.mode !== "dynamic" || !leftovers.length) return [];
  const text = `quantize statically, with calibration data: ${plural(leftovers.length, "operator")} stayed float`;
  return [general("static", text)];
}

function leftoverAdvice({ leftovers }: AdviceFacts): Advice[] {
  if (!leftovers.length) return [];
  const text = `for more speed, look at what stayed float: ${plural(leftovers.length, "operator")}`;
  return [{ kind: "leftover", node: leftovers[0].node, text }];
}
