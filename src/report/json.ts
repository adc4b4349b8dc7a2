/** report.json: the report as it is. Reading checks every field, because the file may be anybody's. */
import { FileFormatError } from "../core/errors.ts";
import type { Advice, AdviceKind, Decibels, Report } from "./report.ts";
import { REPORT_FORMAT, REPORT_VERSION } from "./report.ts";

/** A list of numbers over several lines. No string looks like that: strings have no line breaks in JSON. */
const NUMBER_LIST = /\[\n\s+(-?\d[^\]"{}[]*?)\n\s+\]/g;

/** The content of report.json: indented, lists of numbers on one line, a line break at the end. */
export function writeReport(report: Report): string {
  const indented = JSON.stringify(report, null, 2);
  return `${indented.replace(NUMBER_LIST, (_, items: string) => `[${items.replace(/\s+/g, " ")}]`)}\n`;
}

/**
 * The report in a file's text.
 *
 * @throws FileFormatError naming the field that is missing or of another type.
 */
export function readReport(text: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FileFormatError("report: not valid JSON");
  }
  const { format, version } = (value ?? {}) as Partial<Record<keyof Report, unknown>>;
  if (format !== REPORT_FORMAT) throw new FileFormatError(`report: "format" is not "${REPORT_FORMAT}"`);
  if (version !== REPORT_VERSION) {
    throw new FileFormatError(
      `report: version ${JSON.stringify(version)}, but this Octet reads version ${REPORT_VERSION}`,
    );
  }
  return report(value, "report");
}

/** Returns a value as T, or throws an error that begins with `where`. */
type Check<T> = (value: unknown, where: string) => T;

function fail(where: string, expected: string): never {
  throw new FileFormatError(`${where}: expected ${expected}`);
}

const text: Check<string> = (value, where) => (typeof value === "string" ? value : fail(where, "a string"));
const number: Check<number> = (value, where) => (typeof value === "number" ? value : fail(where, "a number"));
const boolean: Check<boolean> = (value, where) => (typeof value === "boolean" ? value : fail(where, "true or false"));

const count: Check<number> = (value, where) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : fail(where, "a count");

function oneOf<const T extends string | number>(...known: readonly T[]): Check<T> {
  return (value, where) => {
    const found = known.find((item) => item === value);
    return found === undefined ? fail(where, known.map((item) => JSON.stringify(item)).join(" or ")) : found;
  };
}

function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, where) => (value === null ? null : check(value, where));
}

function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, where) =>
    Array.isArray(value) ? value.map((item, i) => check(item, `${where}[${i}]`)) : fail(where, "a list");
}

/** Exactly the named fields; others are left out. */
function record<T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  return (value, where) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return fail(where, "an object");
    const checked = (Object.keys(fields) as (keyof T & string)[]).map((key) => {
      const item: unknown = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
      return [key, fields[key](item, `${where}.${key}`)] as const;
    });
    return Object.fromEntries(checked) as T;
  };
}

const decibels: Check<Decibels> = (value, where) =>
  typeof value === "number" ? value : oneOf("inf", "-inf", "nan")(value, where);

const adviceKind = oneOf<AdviceKind>(
  "skip",
  "per-channel",
  "histogram",
  "calibration",
  "qat",
  "static",
  "leftover",
  "non-finite",
  "done",
);

const report = record<Report>({
  format: oneOf(REPORT_FORMAT),
  version: oneOf(REPORT_VERSION),
  octet: text,
  model: text,
  samples: count,
  outputs: list(
    record({
      name: text,
      shape: list(count),
      rows: count,
      cosine: nullable(record({ mean: number, min: number })),
      sqnrDb: decibels,
      maxError: number,
      top1: nullable(
        record({ agreed: count, labelled: nullable(record({ rows: count, float: count, quantized: count })) }),
      ),
      nonFinite: record({ float: count, quantized: count }),
      worst: list(record({ sample: count, row: count, agrees: nullable(boolean), sqnrDb: decibels })),
    }),
  ),
  runtimes: list(record({ name: text, floatMs: number, quantizedMs: number, runs: count })),
  size: record({
    floatBytes: count,
    quantizedBytes: count,
    files: nullable(record({ float: count, quantized: count })),
    ledger: list(
      record({
        name: text,
        shape: list(count),
        floatDtype: nullable(text),
        quantizedDtype: nullable(text),
        floatBytes: count,
        quantizedBytes: count,
      }),
    ),
  }),
  operators: record({ total: count, quantized: count }),
  layers: list(
    record({
      node: text,
      operator: text,
      module: text,
      detail: text,
      sqnrDb: decibels,
      inputSqnrDb: nullable(decibels),
    }),
  ),
  layerSamples: count,
  leftovers: list(
    record({ node: text, operator: text, module: text, kind: oneOf("float", "reference"), reason: text }),
  ),
  observations: list(
    record({
      node: text,
      observer: text,
      dtype: text,
      min: number,
      max: number,
      counts: list(number),
      range: record({ low: number, high: number }),
    }),
  ),
  recipe: record({
    mode: text,
    backend: text,
    calibrationSamples: nullable(count),
    qconfigMapping: text,
    command: text,
  }),
  advice: list(record<Advice>({ kind: adviceKind, node: nullable(text), text })),
});
