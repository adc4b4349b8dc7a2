/**
 * The report on a quantized model: plain data that JSON keeps exactly. `measure` makes it; the six lines, the page and the
 * JSON file are made from it. docs/report.md describes the fields for readers of the file.
 */

export const REPORT_FORMAT = "octet-report";
export const REPORT_VERSION = 1;

/** A ratio in decibels, 10 · log10. JSON has no infinities: "inf" is no error at all, "-inf" an error without any signal. */
export type Decibels = number | "inf" | "-inf" | "nan";

export interface Report {
  readonly format: typeof REPORT_FORMAT;
  readonly version: typeof REPORT_VERSION;
  /** The version of Octet that measured. */
  readonly octet: string;
  readonly model: string;
  /** Number of samples that both models ran on. */
  readonly samples: number;
  readonly outputs: readonly OutputReport[];
  readonly runtimes: readonly RuntimeReport[];
  readonly size: SizeReport;
  readonly operators: OperatorCounts;
  /** Operators that run on integers or on quantized values, in the order of computation. */
  readonly layers: readonly LayerReport[];
  /** Number of samples behind the numbers of `layers`. */
  readonly layerSamples: number;
  readonly leftovers: readonly Leftover[];
  readonly observations: readonly Observation[];
  readonly recipe: Recipe;
  readonly advice: readonly Advice[];
}

/** How the two models' values of one output agree. */
export interface OutputReport {
  readonly name: string;
  /** Of the first sample. */
  readonly shape: readonly number[];
  /** Rows that were compared: those of a classifier's [N, C], otherwise one for each sample. */
  readonly rows: number;
  /** Over rows; null if there was none with finite values. */
  readonly cosine: { readonly mean: number; readonly min: number } | null;
  /** Energy of the float output by energy of the difference, over all rows. */
  readonly sqnrDb: Decibels;
  /** Largest absolute difference. */
  readonly maxError: number;
  /** Null unless the output is shaped as a classifier's. */
  readonly top1: Top1 | null;
  /** Rows with NaN or infinities; they count in nothing else but `top1`. */
  readonly nonFinite: { readonly float: number; readonly quantized: number };
  /** Rows that differ most: other answers first, then by SQNR. */
  readonly worst: readonly WorstSample[];
}

export interface Top1 {
  /** Rows in which both models have their largest value in the same place. */
  readonly agreed: number;
  /** Rows with a label, and how many of them each model got right; null without labels. */
  readonly labelled: { readonly rows: number; readonly float: number; readonly quantized: number } | null;
}

export interface WorstSample {
  /** Index of the sample, from 0. */
  readonly sample: number;
  /** Row in the sample's batch. */
  readonly row: number;
  readonly agrees: boolean | null;
  readonly sqnrDb: Decibels;
}

/** Milliseconds of one call, the median of `runs` calls of each model in turn. */
export interface RuntimeReport {
  readonly name: string;
  readonly floatMs: number;
  readonly quantizedMs: number;
  readonly runs: number;
}

export interface SizeReport {
  /** Bytes of parameters and buffers. */
  readonly floatBytes: number;
  readonly quantizedBytes: number;
  /** Bytes of the two files, where there are any. */
  readonly files: { readonly float: number; readonly quantized: number } | null;
  readonly ledger: readonly LedgerRow[];
}

export interface LedgerRow {
  readonly name: string;
  readonly shape: readonly number[];
  /** Null where the model does not have the tensor: what was folded away, or what quantization added. */
  readonly floatDtype: string | null;
  readonly quantizedDtype: string | null;
  readonly floatBytes: number;
  readonly quantizedBytes: number;
}

export interface OperatorCounts {
  readonly total: number;
  readonly quantized: number;
}

export interface LayerReport {
  /** The node's name in the float graph. */
  readonly node: string;
  readonly operator: string;
  /** Path of the module. */
  readonly module: string;
  /** What it became, as "static: QuantizedConv2d". */
  readonly detail: string;
  /** Of the value after the operator, with everything before it quantized too. */
  readonly sqnrDb: Decibels;
  /** The lowest SQNR among the layers that it reads; null if it reads only inputs of the model. */
  readonly inputSqnrDb: Decibels | null;
}

export interface Leftover {
  readonly node: string;
  readonly operator: string;
  readonly module: string;
  /** "float": not quantized. "reference": computes in float between quantize and dequantize. */
  readonly kind: "float" | "reference";
  readonly reason: string;
}

/** What an observer saw and the range that it chose. */
export interface Observation {
  /** The node whose value was observed. */
  readonly node: string;
  readonly observer: string;
  readonly dtype: string;
  readonly min: number;
  readonly max: number;
  /** Equal bins from `min` to `max`; empty for observers without a histogram. */
  readonly counts: readonly number[];
  /** The real numbers that the smallest and the largest integer stand for. */
  readonly range: { readonly low: number; readonly high: number };
}

export interface Recipe {
  /** "static", "dynamic", "weight only", "qat", or several. */
  readonly mode: string;
  /** The backend or engine. */
  readonly backend: string;
  readonly calibrationSamples: number | null;
  /** The qconfig mapping as text; empty if unknown. */
  readonly qconfigMapping: string;
  /** The command line or options that make the same model again; empty if unknown. */
  readonly command: string;
}

export type AdviceKind =
  "skip" | "per-channel" | "histogram" | "calibration" | "qat" | "static" | "leftover" | "non-finite" | "done";

export interface Advice {
  readonly kind: AdviceKind;
  /** The node that it is about, or null. */
  readonly node: string | null;
  readonly text: string;
}
