/** Every observer against PyTorch: qparams after each batch, buffers at the end, histograms, errors. */
import { afterAll, describe, expect, it } from "vitest";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import * as observers from "../../src/quantization/observers/index.ts";
import type { HistogramObserver, MinMaxObserver } from "../../src/quantization/observers/index.ts";
import "../../src/ops/index.ts";
import { GoldenFile, Tally, optionsFrom } from "./golden-file.ts";

interface Run {
  readonly data: string;
  readonly steps: readonly number[];
  readonly zero_point_dtype?: string;
  readonly error?: string;
}

interface Case {
  readonly name: string;
  readonly class: string;
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly keys: readonly string[];
  readonly version: number;
  readonly runs: readonly Run[];
}

const file = new GoldenFile<Case>("observers");
const tallies = { scales: new Tally(), zeroPoints: new Tally(), ranges: new Tally(), histograms: new Tally() };

afterAll(() => {
  const lines = Object.entries(tallies).map(([what, tally]) => `${what}: ${tally.toString()}`);
  console.log(`observers, ${file.cases.length} cases\n  ${lines.join("\n  ")}`);
});

type Observer = MinMaxObserver;
type ObserverClass = new (options: Record<string, unknown>) => Observer;

/** Numbers that PyTorch's file has one after the other, taken piece by piece. */
class Reader {
  private at = 0;
  private readonly values: ArrayLike<number>;

  constructor(values: ArrayLike<number>) {
    this.values = values;
  }

  take(n: number): number[] {
    this.at += n;
    return Array.from({ length: n }, (_, i) => this.values[this.at - n + i]);
  }
}

for (const kernels of availableKernels()) {
  describe(`on the ${kernels} kernels`, () => {
    for (const case_ of file.cases) {
      it(`${case_.class} ${JSON.stringify(case_.kwargs)}`, () => {
        withKernels(kernels, () =>
          withWarnings(
            () => {},
            () => runCase(case_),
          ),
        );
      });
    }
  });
}

function runCase(case_: Case): void {
  const make = () => {
    const Class = observers[case_.class as keyof typeof observers] as unknown as ObserverClass;
    return new Class(optionsFrom(case_.kwargs));
  };
  const read = (key: string) => new Reader(file.get(`${case_.name}/${key}`).toNumbers() as ArrayLike<number>);
  const expected = { scale: read("scale"), zeroPoint: read("zero_point"), min: read("min_val"), max: read("max_val") };
  expect([...make().stateDict().keys()]).toEqual(case_.keys);
  expect(make().stateVersion()).toBe(case_.version);
  for (const run of case_.runs) {
    const observer = make();
    const dtype = observe(case_, run, observer, expected);
    expect(dtype, run.data).toBe(run.zero_point_dtype);
    for (const [buffer, reader] of [
      [observer.min_val, expected.min],
      [observer.max_val, expected.max],
    ] as const) {
      const values = buffer.toNumbers() as ArrayLike<number>;
      compare(tallies.ranges, values, reader.take(values.length), `${run.data}: range`);
    }
  }
}

type Expected = Record<"scale" | "zeroPoint", Reader>;

/** Feeds a sequence; returns the dtype of the last zero point. */
function observe(case_: Case, run: Run, observer: Observer, expected: Expected): string | undefined {
  let dtype: string | undefined;
  let step = 0;
  const feed = () => {
    for (let i = 0; file.has(`data/${run.data}/${i}`); i++) {
      const batch = file.get(`data/${run.data}/${i}`);
      expect(observer(batch)).toBe(batch);
      const histogram = `${case_.name}/histogram/${run.data}/${i}`;
      if (file.has(histogram)) {
        const counts = (observer as unknown as HistogramObserver).histogram;
        compare(
          tallies.histograms,
          counts.toNumbers() as ArrayLike<number>,
          file.get(histogram).toNumbers() as ArrayLike<number>,
          histogram,
        );
      }
      const [scale, zeroPoint] = observer.calculateQparams();
      dtype = zeroPoint.dtype.toString();
      const n = run.steps[step++];
      const where = `${run.data}, batch ${i}`;
      compare(tallies.scales, scale.toNumbers() as ArrayLike<number>, expected.scale.take(n), `${where}: scale`);
      compare(
        tallies.zeroPoints,
        zeroPoint.toNumbers() as ArrayLike<number>,
        expected.zeroPoint.take(n),
        `${where}: zp`,
      );
    }
  };
  if (run.error === undefined) feed();
  else expect(feed, run.data).toThrow(messagePattern(run.error));
  expect(step).toBe(run.steps.length);
  return dtype;
}

/** PyTorch's sentence; how it prints the sign of NaN does not matter. */
function messagePattern(error: string): RegExp {
  const escaped = error.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(escaped.replace(/-?nan/g, "nan").replace(/\s+/g, "\\s+"));
}

function compare(tally: Tally, actual: ArrayLike<number>, expected: ArrayLike<number>, where: string): void {
  const before = tally.differing;
  tally.compare(actual, expected);
  if (tally.differing > before) expect(Array.from(actual), where).toEqual(Array.from(expected));
}
