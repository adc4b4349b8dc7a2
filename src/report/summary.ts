/** The report in six lines, for a terminal: what it cost, what it kept, what is left to do. */
import { fromDecibels } from "./decibels.ts";
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatMs,
  formatPercent,
  formatPoints,
  formatRatio,
  plural,
} from "./format.ts";
import { isGood } from "./advice.ts";
import type { LayerReport, Leftover, OutputReport, Report, RuntimeReport } from "./report.ts";
import { plainText } from "./safe-text.ts";

export interface SummaryOptions {
  /** Escape sequences for colours; default false. See {@link wantsColor}. */
  readonly color?: boolean;
  /** Longest line; default 100. */
  readonly columns?: number;
}

type Tone = "good" | "bad" | "plain";

export interface SummaryLine {
  readonly label: string;
  readonly text: string;
  readonly tone: Tone;
}

const LABEL_WIDTH = 11;

/** The six lines, without a line break at the end. */
export function formatSummary(report: Report, options: SummaryOptions = {}): string {
  const { color = false, columns = 100 } = options;
  return summaryLines(report)
    .map(({ label, text, tone }) => {
      const shown = truncate(plainText(text), columns - LABEL_WIDTH);
      const padded = label.padEnd(LABEL_WIDTH);
      return color ? `\u001b[1m${padded}\u001b[0m${painted(shown, tone)}` : `${padded}${shown}`;
    })
    .join("\n");
}

/** Whether a stream is a terminal that shows colours; https://no-color.org is respected. */
export function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  const host = globalThis as { process?: { env?: Readonly<Record<string, string | undefined>> } };
  const { NO_COLOR, TERM } = host.process?.env ?? {};
  return stream.isTTY === true && !NO_COLOR && TERM !== "dumb";
}

function painted(text: string, tone: Tone): string {
  const code = { good: "32", bad: "33", plain: "" }[tone];
  return code ? `\u001b[${code}m${text}\u001b[0m` : text;
}

function truncate(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

/** The lines in parts, which the page shows too. */
export function summaryLines(report: Report): readonly SummaryLine[] {
  const { outputs, advice } = report;
  const isKept = outputs.length > 0 && outputs.every(isGood);
  return [
    { label: "size", text: sizeText(report), tone: "plain" },
    { label: "agreement", text: agreementText(report), tone: isKept ? "good" : "bad" },
    { label: "latency", text: latencyText(report.runtimes), tone: "plain" },
    { label: "worst", text: worstText(report.layers), tone: "plain" },
    { label: "in float", text: leftoverText(report), tone: "plain" },
    { label: "next", text: advice.length ? advice[0].text : "nothing to propose", tone: "plain" },
  ];
}

function sizeText({ size }: Report): string {
  const { float, quantized } = size.files ?? { float: size.floatBytes, quantized: size.quantizedBytes };
  return `${formatBytes(float)} → ${formatBytes(quantized)} (${smaller(float / quantized)})`;
}

function smaller(ratio: number): string {
  return ratio >= 1 ? `${formatRatio(ratio)} smaller` : `${formatRatio(1 / ratio)} larger`;
}

function agreementText({ outputs, samples }: Report): string {
  // The output that has labels tells most, then one with answers.
  const main = outputs.find(({ top1 }) => top1?.labelled) ?? outputs.find(({ top1 }) => top1) ?? worstOutput(outputs);
  if (!main) return "the models have no outputs to compare";
  const others = outputs.length > 1 ? ` (output "${main.name}" of ${outputs.length})` : "";
  return `${outputText(main, samples)}${others}`;
}

/** One output in one line. */
export function outputText(output: OutputReport, samples: number): string {
  const { top1, rows, cosine, sqnrDb, nonFinite } = output;
  const of = rows === samples ? plural(samples, "sample") : plural(rows, "row");
  const broken = nonFinite.quantized ? `, NaN or infinity in ${formatCount(nonFinite.quantized)}` : "";
  if (top1?.labelled) {
    const { rows: labelled, float, quantized } = top1.labelled;
    const [before, after] = [float / labelled, quantized / labelled];
    const change = `${formatPercent(before)} → ${formatPercent(after)} (${formatPoints(after - before)})`;
    return `top-1 ${change}, same answer in ${formatPercent(top1.agreed / rows)} of ${of}${broken}`;
  }
  const close = `SQNR ${formatDecibels(sqnrDb)}`;
  if (top1) return `same answer in ${formatPercent(top1.agreed / rows)} of ${of}, ${close}${broken}`;
  const angle = cosine ? `, cosine ${cosine.mean.toFixed(4)} (lowest ${cosine.min.toFixed(4)})` : "";
  return `${close}${angle} over ${of}${broken}`;
}

function worstOutput(outputs: readonly OutputReport[]): OutputReport | undefined {
  return outputs.toSorted((a, b) => compareDecibels(a, b))[0];
}

function compareDecibels(a: Pick<LayerReport, "sqnrDb">, b: Pick<LayerReport, "sqnrDb">): number {
  const [x, y] = [fromDecibels(a.sqnrDb), fromDecibels(b.sqnrDb)];
  return x === y ? 0 : x < y ? -1 : 1;
}

function latencyText(runtimes: readonly RuntimeReport[]): string {
  if (!runtimes.length) return "not measured";
  return runtimes
    .map(({ name, floatMs, quantizedMs }) => {
      const ratio = floatMs / quantizedMs;
      const verdict = ratio >= 1 ? `${formatRatio(ratio)} faster` : `${formatRatio(1 / ratio)} slower`;
      return `${formatMs(floatMs)} → ${formatMs(quantizedMs)} (${verdict}) on ${name}`;
    })
    .join(" · ");
}

function worstText(layers: readonly LayerReport[]): string {
  if (!layers.length) return "no layer was compared";
  const worst = layers.toSorted(compareDecibels).slice(0, 3);
  return worst.map(({ node, sqnrDb }) => `${node} ${formatDecibels(sqnrDb)}`).join(" · ");
}

function leftoverText({ leftovers, operators }: Report): string {
  if (!operators.total) return "unknown: the model does not tell";
  if (!leftovers.length) return `nothing: all ${operators.total} operators are quantized`;
  const groups = groupByReason(leftovers).map(({ reason, nodes }) => `${listed(nodes)} (${reason})`);
  return `${leftovers.length} of ${plural(operators.total, "operator")}: ${groups.join("; ")}`;
}

function listed(nodes: readonly string[]): string {
  return nodes.length > 2 ? `${nodes.slice(0, 2).join(", ")} and ${nodes.length - 2} more` : nodes.join(", ");
}

export function groupByReason(leftovers: readonly Leftover[]): { reason: string; nodes: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const { reason, node } of leftovers) groups.set(reason, [...(groups.get(reason) ?? []), node]);
  return [...groups].map(([reason, nodes]) => ({ reason, nodes })).toSorted((a, b) => b.nodes.length - a.nodes.length);
}
