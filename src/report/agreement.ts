/** How one output of the quantized model agrees with the float model's, row by row, in memory that does not grow. */
import type { FloatArray } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ErrorSums, checkSameShape, decibels, fromDecibels, realValues } from "./decibels.ts";
import type { Decibels, OutputReport, Top1, WorstSample } from "./report.ts";

/** Number of worst rows that are kept. */
const WORST = 10;

/** A label for each row, or one for the only row. */
export type Label = number | readonly number[] | Tensor;

interface Row {
  readonly sample: number;
  readonly row: number;
  readonly expected: FloatArray;
  readonly actual: FloatArray;
  readonly label: number | null;
}

export class OutputMeter {
  private readonly name: string;
  private shape: readonly number[] | null = null;
  private isClassifier = false;
  private rows = 0;
  private readonly sums = new ErrorSums();
  private maxError = 0;
  private finiteRows = 0;
  private cosineSum = 0;
  private cosineMin = Infinity;
  private agreed = 0;
  private labelled = { rows: 0, float: 0, quantized: 0 };
  private nonFinite = { float: 0, quantized: 0 };
  private worst: WorstSample[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /**
   * Compares the outputs for one sample. Those of shape [N, C] with C ≥ 2 count as a classifier's: each of the N rows has
   * its own answer. `label` is ignored for other outputs.
   *
   * @throws if the shapes differ, or if there are not as many labels as rows.
   */
  add(sample: number, float: Tensor, quantized: Tensor, label?: Label): void {
    checkSameShape(`output "${this.name}" for sample ${sample}`, float, quantized);
    if (!this.shape) {
      this.shape = [...float.shape];
      this.isClassifier = isClassifierShape(float.shape);
    }
    const [expected, actual] = [realValues(float), realValues(quantized)];
    const count = this.isClassifier ? float.shape[0] : 1;
    const labels = label === undefined || !this.isClassifier ? null : labelsOf(label, count, sample);
    const length = count === 0 ? 0 : expected.length / count;
    for (let row = 0; row < count; row++) {
      const [begin, end] = [row * length, (row + 1) * length];
      const values = { expected: expected.subarray(begin, end), actual: actual.subarray(begin, end) };
      this.addRow({ sample, row, ...values, label: labels ? labels[row] : null });
    }
  }

  /** True once an output that looks like a classifier's was added. */
  get takesLabels(): boolean {
    return this.isClassifier;
  }

  private addRow(row: Row): void {
    const { expected, actual } = row;
    this.rows++;
    const agrees = this.isClassifier ? this.compareAnswers(row) : null;
    const [floatIsFinite, quantizedIsFinite] = [expected.every(Number.isFinite), actual.every(Number.isFinite)];
    let sqnrDb: Decibels = "nan";
    if (floatIsFinite && quantizedIsFinite) sqnrDb = this.compareValues(expected, actual);
    else {
      if (!floatIsFinite) this.nonFinite.float++;
      if (!quantizedIsFinite) this.nonFinite.quantized++;
    }
    this.keepIfWorst({ sample: row.sample, row: row.row, agrees, sqnrDb });
  }

  private compareAnswers({ expected, actual, label }: Row): boolean {
    const [float, quantized] = [argmax(expected), argmax(actual)];
    if (label !== null) {
      this.labelled.rows++;
      if (float === label) this.labelled.float++;
      if (quantized === label) this.labelled.quantized++;
    }
    if (float === quantized) this.agreed++;
    return float === quantized;
  }

  private compareValues(expected: FloatArray, actual: FloatArray): Decibels {
    const row = new ErrorSums();
    row.add(expected, actual);
    this.sums.signal += row.signal;
    this.sums.noise += row.noise;
    for (let i = 0; i < expected.length; i++) {
      this.maxError = Math.max(this.maxError, Math.abs(expected[i] - actual[i]));
    }
    const cosine = cosineOf(expected, actual);
    this.finiteRows++;
    this.cosineSum += cosine;
    this.cosineMin = Math.min(this.cosineMin, cosine);
    return decibels(row.signal, row.noise);
  }

  private keepIfWorst(candidate: WorstSample): void {
    const { worst } = this;
    if (worst.length === WORST && compareWorst(candidate, worst[WORST - 1]) >= 0) return;
    worst.push(candidate);
    worst.sort(compareWorst);
    if (worst.length > WORST) worst.pop();
  }

  report(): OutputReport {
    const { rows, finiteRows } = this;
    const mean = this.cosineSum / finiteRows;
    return {
      name: this.name,
      shape: this.shape ?? [],
      rows,
      cosine: finiteRows ? { mean, min: this.cosineMin } : null,
      sqnrDb: finiteRows ? this.sums.sqnrDb : "nan",
      maxError: this.maxError,
      top1: this.isClassifier ? this.top1() : null,
      nonFinite: { ...this.nonFinite },
      // A row that is exactly right is nobody's worst.
      worst: this.worst.filter(({ agrees, sqnrDb }) => agrees === false || sqnrDb !== "inf"),
    };
  }

  private top1(): Top1 {
    return { agreed: this.agreed, labelled: this.labelled.rows ? { ...this.labelled } : null };
  }
}

/** [N, C] with at least two classes. */
export function isClassifierShape(shape: readonly number[]): boolean {
  return shape.length === 2 && shape[1] >= 2;
}

/** The first of the largest; NaN is larger than everything, as in PyTorch. */
export function argmax(values: FloatArray): number {
  let best = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) return i;
    if (values[i] > values[best]) best = i;
  }
  return best;
}

/** Two zeros are alike; a zero and anything else have nothing in common. */
export function cosineOf(a: FloatArray, b: FloatArray): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  if (aa === 0 || bb === 0) return aa === bb ? 1 : 0;
  return Math.max(-1, Math.min(1, ab / Math.sqrt(aa) / Math.sqrt(bb)));
}

/** Negative if `a` is worse. */
function compareWorst(a: WorstSample, b: WorstSample): number {
  const [wrongA, wrongB] = [a.agrees === false, b.agrees === false];
  if (wrongA !== wrongB) return wrongA ? -1 : 1;
  const [x, y] = [fromDecibels(a.sqnrDb), fromDecibels(b.sqnrDb)];
  if (x !== y) return x < y ? -1 : 1;
  return a.sample - b.sample || a.row - b.row;
}

function labelsOf(label: Label, rows: number, sample: number): readonly number[] {
  const labels = typeof label === "number" ? [label] : Array.from(isTensor(label) ? realValues(label) : label);
  if (labels.length !== rows) {
    throw new OctetError(`measure: sample ${sample} has ${labels.length} labels for ${rows} rows`);
  }
  return labels;
}

function isTensor(label: readonly number[] | Tensor): label is Tensor {
  return !Array.isArray(label);
}
