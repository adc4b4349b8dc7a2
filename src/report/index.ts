/** Proof of what quantization did to a model: measured, in six lines, as a page, as JSON. */
export { measure } from "./measure.ts";
export type { MeasureOptions, Sample } from "./measure.ts";
export type { Label } from "./agreement.ts";
export type { LatencyOptions, Runtime } from "./latency.ts";
export type { RecipeOptions } from "./recipe.ts";
export { formatSummary, summaryLines, wantsColor } from "./summary.ts";
export type { SummaryLine, SummaryOptions } from "./summary.ts";
export { reportHtml } from "./html.ts";
export { readReport, writeReport } from "./json.ts";
export type {
  Advice,
  AdviceKind,
  Decibels,
  LayerReport,
  LedgerRow,
  Leftover,
  Observation,
  OperatorCounts,
  OutputReport,
  Recipe,
  Report,
  RuntimeReport,
  SizeReport,
  Top1,
  WorstSample,
} from "./report.ts";
