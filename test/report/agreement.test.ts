/** Agreement of outputs, on numbers that can be checked by hand. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor } from "../../src/index.ts";
import { OutputMeter, argmax, cosineOf } from "../../src/report/agreement.ts";
import { ErrorSums, decibels } from "../../src/report/decibels.ts";

const values = (...numbers: number[]): Float64Array => Float64Array.from(numbers);

describe("numbers", () => {
  it("SQNR is 10 log10 of the energies", () => {
    const sums = new ErrorSums();
    sums.add(values(3, 4), values(3, 3));
    expect([sums.signal, sums.noise]).toEqual([25, 1]);
    expect(sums.sqnrDb).toBeCloseTo(10 * Math.log10(25), 12);
    expect(decibels(1000, 10)).toBeCloseTo(20, 12);
  });

  it("has words where JSON has no number", () => {
    expect(decibels(5, 0)).toBe("inf");
    expect(decibels(0, 0)).toBe("inf");
    expect(decibels(0, 5)).toBe("-inf");
    expect(decibels(Number.NaN, 5)).toBe("nan");
  });

  it("cosine", () => {
    expect(cosineOf(values(1, 0), values(1, 1))).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosineOf(values(1, 2), values(-2, -4))).toBeCloseTo(-1, 12);
    expect(cosineOf(values(0, 0), values(0, 0))).toBe(1);
    expect(cosineOf(values(0, 0), values(0, 1))).toBe(0);
  });

  it("the answer is the first of the largest, or NaN", () => {
    expect(argmax(values(1, 3, 3))).toBe(1);
    expect(argmax(values(1, Number.NaN, 3))).toBe(1);
  });
});

describe("an output", () => {
  it("of a classifier has answers by row", () => {
    const meter = new OutputMeter("logits");
    // Answers of float: 0, 1; of quantized: 0, 2. Labels 0 and 2.
    const float = tensor([
      [3, 1, 0],
      [0, 2, 1],
    ]);
    const quantized = tensor([
      [3, 1, 0],
      [0, 1, 2],
    ]);
    meter.add(0, float, quantized, [0, 2]);
    meter.add(1, tensor([[0, 5, 0]]), tensor([[0, 4, 0]]), 0);
    const report = meter.report();
    expect(report).toMatchObject({ name: "logits", shape: [2, 3], rows: 3, maxError: 1 });
    expect(report.top1).toEqual({ agreed: 2, labelled: { rows: 3, float: 1, quantized: 2 } });
    // Energies: 10 + 5 + 25, and 0 + 2 + 1.
    expect(report.sqnrDb).toBeCloseTo(10 * Math.log10(40 / 3), 6);
    expect(report.cosine?.mean).toBeCloseTo((1 + 4 / 5 + 1) / 3, 6);
    expect(report.cosine?.min).toBeCloseTo(4 / 5, 6);
    // The other answer first, then by SQNR; the row without any error is not there.
    expect(report.worst.map(({ sample, row, agrees }) => [sample, row, agrees])).toEqual([
      [0, 1, false],
      [1, 0, true],
    ]);
  });

  it("of another shape is one row for each sample, and has no answers", () => {
    const meter = new OutputMeter("boxes");
    meter.add(
      0,
      tensor([
        [
          [1, 2],
          [3, 4],
        ],
      ]),
      tensor([
        [
          [1, 2],
          [3, 5],
        ],
      ]),
    );
    const report = meter.report();
    expect(report).toMatchObject({ rows: 1, top1: null });
    expect(report.sqnrDb).toBeCloseTo(10 * Math.log10(30), 6);
    expect(report.worst).toMatchObject([{ sample: 0, row: 0, agrees: null }]);
  });

  it("counts rows without finite values, and nothing else of them", () => {
    const meter = new OutputMeter("y");
    meter.add(0, tensor([[1, 2]]), tensor([[1, Number.NaN]]));
    meter.add(1, tensor([[1, 3]]), tensor([[1, 3]]));
    const report = meter.report();
    expect(report.nonFinite).toEqual({ float: 0, quantized: 1 });
    expect(report.sqnrDb).toBe("inf");
    expect(report.cosine?.mean).toBeCloseTo(1, 12);
    expect(report.worst).toEqual([{ sample: 0, row: 0, agrees: true, sqnrDb: "nan" }]);
  });

  it("keeps ten worst rows of any number", () => {
    const meter = new OutputMeter("y");
    for (let i = 0; i < 100; i++) meter.add(i, tensor([1, 1, 1]), tensor([1, 1, 1 + ((i * 37) % 100) / 100]));
    const errors = meter.report().worst.map(({ sample }) => (sample * 37) % 100);
    expect(errors).toEqual([99, 98, 97, 96, 95, 94, 93, 92, 91, 90]);
  });

  it("does not depend on the order of samples", () => {
    const pair = fc.tuple(
      fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 3, maxLength: 3 }),
      fc.nat(9),
    );
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 20 }), fc.array(fc.nat()), (pairs, order) => {
        const samples = pairs.map(([row, seed], index) => ({
          index,
          row,
          other: row.map((x, i) => x + (seed - 5) / (10 + i)),
        }));
        const measured = (list: typeof samples) => {
          const meter = new OutputMeter("y");
          for (const { index, row, other } of list) meter.add(index, tensor([row]), tensor([other]), index % 3);
          return meter.report();
        };
        const shuffled = samples.toSorted((a, b) => (order[a.index] ?? 0) - (order[b.index] ?? 0));
        const [a, b] = [measured(samples), measured(shuffled)];
        expect(b.top1).toEqual(a.top1);
        expect(b.worst).toEqual(a.worst);
        expect(b.maxError).toBe(a.maxError);
        expect(b.cosine?.min).toBe(a.cosine?.min);
        expect(b.cosine?.mean).toBeCloseTo(a.cosine?.mean ?? Number.NaN, 10);
        if (typeof a.sqnrDb === "number") expect(b.sqnrDb).toBeCloseTo(a.sqnrDb, 8);
        else expect(b.sqnrDb).toBe(a.sqnrDb);
      }),
    );
  });

  it("refuses other shapes and missing labels", () => {
    const meter = new OutputMeter("y");
    expect(() => meter.add(4, tensor([1]), tensor([1, 2]))).toThrow(
      'measure: output "y" for sample 4 has shape [1] in the float model, [2] in the quantized one',
    );
    expect(() => meter.add(4, tensor([[1, 2]]), tensor([[1, 2]]), [1, 0])).toThrow("sample 4 has 2 labels for 1 rows");
  });
});
