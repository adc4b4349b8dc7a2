/**
 * Tensors as text, exactly as PyTorch prints them: one width for all numbers, scientific notation where the range of
 * magnitudes asks for it, long tensors cut down to their edges.
 */
import type { DType } from "./dtype.ts";
import { bool, getDefaultDtype, int64 } from "./dtype.ts";
import { OctetError } from "./errors.ts";
import type { Shape } from "./shape.ts";
import { numelOf } from "./shape.ts";

export interface PrintOptions {
  /** Digits after the point; default 4. */
  readonly precision: number;
  /** Tensors with more elements than this are summarized; default 1000. */
  readonly threshold: number;
  /** How many entries a summary shows at either end of a dimension; default 3. */
  readonly edgeitems: number;
  /** Characters per line; default 80. */
  readonly linewidth: number;
  /** Scientific notation: always, never, or (null, the default) where the values ask for it. */
  readonly sciMode: boolean | null;
}

const DEFAULTS: PrintOptions = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null };

let current: PrintOptions = DEFAULTS;

/** Changes how tensors are printed (`torch.set_printoptions`); without arguments, back to the defaults. */
export function setPrintoptions(options: Partial<PrintOptions> = DEFAULTS): void {
  const next = { ...current, ...options };
  if (!(Number.isInteger(next.precision) && next.precision >= 0 && next.precision <= 60)) {
    throw new OctetError(`setPrintoptions: precision must be a whole number from 0 to 60, got ${next.precision}`);
  }
  current = next;
}

/** The options in use. */
export function getPrintoptions(): PrintOptions {
  return current;
}

/** What there is to print. */
export interface Printable {
  readonly shape: Shape;
  readonly dtype: DType;
  /** The elements in row-major order. */
  readonly values: ArrayLike<number>;
  /** More after the dtype: `grad_fn=<AddBackward0>`, `requires_grad=True`, …. */
  readonly suffixes: readonly string[];
}

/** The text of a tensor: `tensor([1., 2.])`. */
export function formatTensor({ shape, dtype, values, suffixes }: Printable): string {
  const prefix = "tensor(";
  const all: string[] = [];
  let body = "[]";
  if (numelOf(shape) === 0) {
    if (shape.length !== 1) all.push(`size=(${shape.join(", ")})`);
    if (dtype !== getDefaultDtype()) all.push(`dtype=${dtype.toString()}`);
  } else {
    if (dtype !== getDefaultDtype() && dtype !== int64 && dtype !== bool) all.push(`dtype=${dtype.toString()}`);
    body = formatElements(values, shape, dtype, prefix.length);
  }
  return withSuffixes(prefix + body, [...all, ...suffixes], prefix.length);
}

/** The nested brackets with the elements. Lines after the first are indented by `indent` and the depth of nesting. */
export function formatElements(values: ArrayLike<number>, shape: Shape, dtype: DType, indent: number): string {
  const summarize = numelOf(shape) > current.threshold;
  const layout = { values, shape, summarize };
  const formatter = makeFormatter(shownValues(layout, 0, 0), dtype);
  return formatDimension(layout, formatter, 0, 0, indent);
}

interface Layout {
  readonly values: ArrayLike<number>;
  readonly shape: Shape;
  readonly summarize: boolean;
}

interface Formatter {
  readonly width: number;
  format(value: number): string;
}

/** The indices of a dimension that are shown; -1 stands for the dots. */
function shownIndices({ shape, summarize }: Layout, d: number): number[] {
  const [size, edge] = [shape[d], current.edgeitems];
  if (!summarize || size <= 2 * edge) return Array.from({ length: size }, (_, i) => i);
  const start = Array.from({ length: edge }, (_, i) => i);
  return [...start, -1, ...start.map((i) => size - edge + i)];
}

function shownValues(layout: Layout, d: number, start: number): number[] {
  if (d === layout.shape.length) return [layout.values[start]];
  const step = numelOf(layout.shape.slice(d + 1));
  return shownIndices(layout, d).flatMap((i) => (i < 0 ? [] : shownValues(layout, d + 1, start + i * step)));
}

function formatDimension(layout: Layout, formatter: Formatter, d: number, start: number, indent: number): string {
  const rank = layout.shape.length - d;
  if (rank === 0) return formatter.format(layout.values[start]);
  const step = numelOf(layout.shape.slice(d + 1));
  const shown = shownIndices(layout, d);
  if (rank > 1) {
    const slices = shown.map((i) =>
      i < 0 ? "..." : formatDimension(layout, formatter, d + 1, start + i * step, indent + 1),
    );
    return `[${slices.join(`,${"\n".repeat(rank - 1)}${" ".repeat(indent + 1)}`)}]`;
  }
  const items = shown.map((i) => (i < 0 ? " ..." : formatter.format(layout.values[start + i])));
  const perLine = Math.max(1, Math.floor((current.linewidth - indent) / (formatter.width + 2)));
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
  return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
}

/** One formatter for all values, so that columns line up. */
function makeFormatter(values: readonly number[], dtype: DType): Formatter {
  const plain = (value: number): string => (dtype === bool ? (value ? "True" : "False") : String(value));
  const print = dtype.isFloatingPoint ? floatStyle(values) : { text: plain, measured: values.map(plain) };
  const width = print.measured.reduce((w, text) => Math.max(w, text.length), 1);
  return { width, format: (value) => print.text(value).padStart(width) };
}

/**
 * How floats are printed: as integers with a point, with fixed digits, or in scientific notation. The width is measured on
 * the finite values other than zero alone.
 */
function floatStyle(values: readonly number[]): { text: (value: number) => string; measured: string[] } {
  const { precision, sciMode } = current;
  const seen = values.filter((value) => Number.isFinite(value) && value !== 0);
  const least = seen.reduce((m, value) => Math.min(m, Math.abs(value)), Infinity);
  const most = seen.reduce((m, value) => Math.max(m, Math.abs(value)), 0);
  const whole = seen.every(Number.isInteger);
  const wide = seen.length > 0 && (most / least > 1000 || most > 1e8 || (!whole && least < 1e-4));
  const style = (scientific: boolean) => (value: number) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    return scientific ? exponential(value, precision) : whole ? `${fixed(value, 0)}.` : fixed(value, precision);
  };
  // As in PyTorch, a chosen sciMode changes the numbers, not the width that the values would have asked for.
  return { text: style(sciMode ?? wide), measured: seen.map(style(wide)) };
}

/** Decimals past the last wanted one that are looked at to recognize a tie. */
const GUARD = 30;
const TIE = `5${"0".repeat(GUARD - 1)}`;

/** `toFixed`, but ties go to the even digit, as in C and Python. Keeps the sign of zero. */
function fixed(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return sign + halfEven(Math.abs(value).toFixed(digits), Math.abs(value).toFixed(digits + GUARD));
}

/** `toExponential` with ties to even, and an exponent of at least two digits. */
function exponential(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [rounded, power] = Math.abs(value).toExponential(digits).split("e");
  const [exact, exactPower] = Math.abs(value)
    .toExponential(digits + GUARD)
    .split("e");
  const mantissa = power === exactPower ? halfEven(rounded, exact) : rounded;
  return `${sign}${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

/** `rounded`, unless `exact` shows that it was a tie whose lower neighbour ends in an even digit. */
function halfEven(rounded: string, exact: string): string {
  if (!exact.endsWith(TIE)) return rounded;
  const lower = exact.slice(0, -GUARD).replace(/\.$/, "");
  return Number(lower.at(-1)) % 2 === 0 ? lower : rounded;
}

/** Appends `, name=value` parts, each on a line of its own where it would not fit any more. */
export function withSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  let out = text;
  let lineLength = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (lineLength + suffix.length + 2 > current.linewidth) {
      out += `,\n${" ".repeat(indent)}${suffix}`;
      lineLength = indent + suffix.length;
    } else {
      out += `, ${suffix}`;
      lineLength += suffix.length + 2;
    }
  }
  return `${out})`;
}
