/** Padding: laws, and what is refused. Values: golden.test.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arange, pad, zeros } from "../../src/ops/index.ts";
import type { PadMode } from "../../src/ops/index.ts";

describe("pad", () => {
  it("is undone by the negative amounts, in every mode", () => {
    const amount = fc.integer({ min: 0, max: 3 });
    const mode = fc.constantFrom<PadMode>("constant", "reflect", "replicate", "circular");
    fc.assert(
      fc.property(mode, fc.tuple(amount, amount, amount, amount), (mode, amounts) => {
        const x = arange(2 * 4 * 5).view(2, 4, 5);
        const padded = pad(x, amounts, { mode });
        expect(padded.shape).toEqual([2, 4 + amounts[2] + amounts[3], 5 + amounts[0] + amounts[1]]);
        expect(pad(padded, amounts.map((n) => -n)).tolist()).toEqual(x.tolist()); // prettier-ignore
      }),
    );
  });

  it("never gives the input's own storage", () => {
    const x = zeros(2, 3);
    pad(x, [0, 0]).fill_(1);
    expect(x.sum().item()).toBe(0);
  });

  it("reads and writes through views", () => {
    const x = arange(6).view(2, 3).t();
    expect(pad(x, [1, 0], { mode: "replicate" }).tolist()).toEqual([[0, 0, 3], [1, 1, 4], [2, 2, 5]]); // prettier-ignore
    expect(pad(x, [1, 0], { value: 9 }).tolist()).toEqual([[9, 0, 3], [9, 1, 4], [9, 2, 5]]); // prettier-ignore
  });

  it.each<[string, () => unknown]>([
    ["pad: expects pairs of whole numbers for at most 2 dimensions of [2, 3], got [1]", () => pad(zeros(2, 3), [1])],
    ["for at most 1 dimensions of [3], got [1, 1, 1, 1]", () => pad(zeros(3), [1, 1, 1, 1])],
    ["for at most 1 dimensions of [3], got [0.5, 0.5]", () => pad(zeros(3), [0.5, 0.5])],
    [
      'pad: mode "reflect" can add at most 2 elements to a dimension of size 3, got 3 and 0 for shape [1, 2, 3]',
      () => pad(zeros(1, 2, 3), [3, 0], { mode: "reflect" }),
    ],
    [
      'pad: mode "circular" can add at most 3 elements to a dimension of size 3, got 4 and 0 for shape [1, 2, 3]',
      () => pad(zeros(1, 2, 3), [4, 0], { mode: "circular" }),
    ],
    [
      'pad: mode "replicate" can add at most 0 elements to a dimension of size 0, got 1 and 1 for shape [1, 2, 0]',
      () => pad(zeros(1, 2, 0), [1, 1], { mode: "replicate" }),
    ],
    ["pad: amounts -2 and -2 leave dimension 1 of [2, 3] with a negative size", () => pad(zeros(2, 3), [-2, -2])],
    ["pad: negative amounts take more elements than shape [2, 3] has", () => pad(zeros(2, 3), [-4, 2])],
    ['pad: mode "replicate" pads the last 1 to 3', () => pad(zeros(2, 3), [1, 1, 1, 1], { mode: "replicate" })],
    ['pad: unknown mode "mirror"', () => pad(zeros(1, 2, 3), [1, 1], { mode: "mirror" as PadMode })],
    ['pad: mode "reflect" takes no value, got 2', () => pad(zeros(1, 2, 3), [1, 1], { mode: "reflect", value: 2 })],
  ])("refuses: %s", (message, call) => {
    expect(call).toThrow(message);
  });
});
