/**
 * Every operator of `ops.quantized` against PyTorch, on every kernel set: integers, qparams and float32 results. All must
 * be equal, except for integers of the operators in {@link mayBeAStepOff}.
 */
import { afterAll, describe, expect, it } from "vitest";
import { withEngine } from "../../src/core/engine.ts";
import { sameQuantizer } from "../../src/core/qparams.ts";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { QuantizedCase } from "./quantized-cases.ts";
import { quantizedFamilies } from "./quantized-cases.ts";

/**
 * Integers that may be one step off where a real value lies halfway between two: oneDNN adds the zero point in float32 before
 * it rounds, PyTorch's x86 code adds tensors in another way where they do not fill a vector, and the order of a float matrix
 * product's sums is the library's.
 */
function mayBeAStepOff({ op, engine }: QuantizedCase): boolean {
  return engine !== "qnnpack" || op === "matmul";
}

/** How many of those may be: few in any data, and none in the data kept here. */
const FRACTION = process.env.OCTET_GOLDEN ? 0.002 : 0;

/** What was compared. `largest` is in integer steps, or relative to max(1, |expected|). */
interface Tally {
  values: number;
  different: number;
  largest: number;
}

const tallies = new Map<string, Tally>();

function tallyOf(key: string): Tally {
  const found = tallies.get(key) ?? { values: 0, different: 0, largest: 0 };
  tallies.set(key, found);
  return found;
}

afterAll(() => {
  const lines = [...tallies].map(
    ([key, { values, different, largest }]) =>
      `  ${key}: ${values} compared, ${different} differ` + (different ? `, by at most ${largest}` : ""),
  );
  console.log(`quantized operators against PyTorch\n${lines.join("\n")}`);
});

const families = quantizedFamilies();

it("has golden data", () => {
  expect(families.flatMap(({ cases }) => cases).length).toBeGreaterThan(0);
});

for (const family of families) {
  for (const kernels of availableKernels()) {
    describe(`${family.name} on the ${kernels} kernels`, () => {
      const steps: Tally = { values: 0, different: 0, largest: 0 };

      for (const case_ of family.cases) {
        it(case_.name, () => {
          const actual = withKernels(kernels, () => withEngine(case_.engine, case_.run));
          expect(labelProblem(case_.expected, actual)).toBe("");
          const difference = compare(case_.expected, actual);
          add(tallyOf(keyOf(family.name, case_)), difference);
          const { different, values, largest } = difference;
          const text = `${different} of ${values} differ, by at most ${largest}`;
          if (mayBeAStepOff(case_) && !case_.expected.dtype.isFloatingPoint) {
            add(steps, difference);
            expect(largest, text).toBeLessThanOrEqual(1);
          } else if (case_.tolerance > 0) {
            expect(largest, text).toBeLessThanOrEqual(case_.tolerance);
          } else {
            expect(different, text).toBe(0);
          }
        });
      }

      it(`is a step off on at most ${100 * FRACTION} % of the integers that may be`, () => {
        expect(steps.different).toBeLessThanOrEqual(FRACTION * steps.values);
      });
    });
  }
}

function keyOf(family: string, { engine, expected, tolerance }: QuantizedCase): string {
  if (tolerance > 0) return `${family}, floats against float operators`;
  return `${family}, ${engine}, ${expected.dtype.isFloatingPoint ? "floats" : "integers"}`;
}

/** What is wrong with dtype, shape or qparams, or "". */
function labelProblem(expected: Tensor, actual: Tensor): string {
  if (actual.dtype !== expected.dtype) return `dtype is ${actual.dtype.name}, not ${expected.dtype.name}`;
  if (actual.shape.join() !== expected.shape.join()) return `shape is [${actual.shape}], not [${expected.shape}]`;
  if (sameQuantizer(actual.quantizer, expected.quantizer)) return "";
  return `qparams are ${JSON.stringify(actual.quantizer)}, not ${JSON.stringify(expected.quantizer)}`;
}

function compare(expected: Tensor, actual: Tensor): Tally {
  const [a, b] = [actual.elements(), expected.elements()];
  const tally: Tally = { values: a.length, different: 0, largest: 0 };
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    const unit = expected.dtype.isFloatingPoint ? Math.max(1, Math.abs(b[i])) : 1;
    const difference = Math.abs(a[i] - b[i]) / unit;
    tally.different++;
    tally.largest = Math.max(tally.largest, Number.isNaN(difference) ? Infinity : difference);
  }
  return tally;
}

function add(total: Tally, { values, different, largest }: Tally): void {
  total.values += values;
  total.different += different;
  total.largest = Math.max(total.largest, largest);
}
