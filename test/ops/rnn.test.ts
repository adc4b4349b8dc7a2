/** Recurrent operators against their own single steps and against each other; golden.test.ts compares them with PyTorch. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float16, float64 } from "../../src/core/dtype.ts";
import { Generator } from "../../src/core/rng.ts";
import {
  allclose,
  asDtype,
  cat,
  flip,
  gru,
  gruCell,
  lstm,
  lstmCell,
  mul,
  narrow,
  randn,
  reshape,
  rnnRelu,
  rnnReluCell,
  rnnTanh,
  rnnTanhCell,
  select,
  stack,
  sum,
  zeros,
} from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const generator = new Generator(5);
const random = (...shape: number[]): Tensor => randn(shape, { dtype: float64, generator });

function weightsFor(gates: number, input: number, hidden: number): Tensor[] {
  const rows = gates * hidden;
  return [random(rows, input), random(rows, hidden), random(rows), random(rows)];
}

/** Each kind of layer, and the same thing written with its cell. */
const kinds = {
  lstm: {
    gates: 4,
    layer: (x: Tensor, h: Tensor, w: Tensor[]) => lstm(x, [h, mul(h, 0.5)], w)[0],
    step: (x: Tensor, [h, c]: readonly Tensor[], w: Tensor[]) => lstmCell(x, [h, c], w[0], w[1], w[2], w[3]),
  },
  gru: { gates: 3, layer: (x: Tensor, h: Tensor, w: Tensor[]) => gru(x, h, w)[0], step: single(gruCell) },
  rnnTanh: { gates: 1, layer: (x: Tensor, h: Tensor, w: Tensor[]) => rnnTanh(x, h, w)[0], step: single(rnnTanhCell) },
  rnnRelu: { gates: 1, layer: (x: Tensor, h: Tensor, w: Tensor[]) => rnnRelu(x, h, w)[0], step: single(rnnReluCell) },
};

function single(cell: typeof gruCell) {
  return (x: Tensor, [h]: readonly Tensor[], w: Tensor[]): readonly Tensor[] => [cell(x, h, w[0], w[1], w[2], w[3])];
}

const sizes = fc.record({
  time: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 4 }),
  input: fc.integer({ min: 1, max: 5 }),
  hidden: fc.integer({ min: 1, max: 5 }),
});

describe.each(Object.entries(kinds))("%s", (_name, { gates, layer, step }) => {
  it("computes what its cell computes step by step, and the same gradients", () => {
    fc.assert(
      fc.property(sizes, ({ time, batch, input, hidden }) => {
        const leaves = [random(time, batch, input), random(1, batch, hidden), ...weightsFor(gates, input, hidden)];
        const seed = random(time, batch, hidden);
        const results = [fused, stepwise].map((run) => {
          const [x, h, ...weights] = leaves.map((leaf) => leaf.detach().requiresGrad_());
          const output = run(x, h, weights);
          sum(mul(output, seed)).backward();
          return [output.detach(), ...[x, h, ...weights].map((leaf) => leaf.grad as Tensor)];
        });
        results[0].forEach((value, i) => expect(allclose(value, results[1][i], { rtol: 1e-9, atol: 1e-9 })).toBe(true));
      }),
      { numRuns: 25 },
    );
  });

  function fused(x: Tensor, h: Tensor, weights: Tensor[]): Tensor {
    return layer(x, h, weights);
  }

  function stepwise(x: Tensor, h0: Tensor, weights: Tensor[]): Tensor {
    let states: readonly Tensor[] = [select(h0, 0, 0), mul(select(h0, 0, 0), 0.5)];
    const outputs = Array.from({ length: x.shape[0] }, (_, t) => {
      states = step(select(x, 0, t), states, weights);
      return states[0];
    });
    return stack(outputs, 0);
  }
});

describe("layers and directions", () => {
  it("runs the reverse direction over the flipped sequence", () => {
    const [x, forward, backward] = [random(4, 2, 3), weightsFor(3, 3, 2), weightsFor(3, 3, 2)];
    const h = random(2, 2, 2);
    const [both, last] = gru(x, h, [...forward, ...backward], { bidirectional: true });
    const [there] = gru(x, narrow(h, 0, 0, 1), forward);
    const [back, lastBack] = gru(flip(x, 0), narrow(h, 0, 1, 1), backward);
    expect(allclose(both, cat([there, flip(back, 0)], 2))).toBe(true);
    expect(allclose(narrow(last, 0, 1, 1), lastBack)).toBe(true);
  });

  it("gives each packed sequence what it gets alone", () => {
    const lengths = [4, 2, 2, 1];
    const sequences = lengths.map((length) => random(length, 1, 3));
    const h = random(2, lengths.length, 2);
    const weights = [...weightsFor(4, 3, 2), ...weightsFor(4, 3, 2)];
    const rows = [0, 1, 2, 3].flatMap((t) => sequences.flatMap((s) => (t < s.shape[0] ? [select(s, 0, t)] : [])));
    const options = { bidirectional: true };
    const [packed, lastH, lastC] = lstm(cat(rows, 0), [h, h], weights, { ...options, batchSizes: [4, 3, 1, 1] });
    sequences.forEach((sequence, i) => {
      const state = narrow(h, 1, i, 1);
      const [alone, aloneH, aloneC] = lstm(sequence, [state, state], weights, options);
      const starts = [0, 4, 7, 8];
      const own = cat(Array.from({ length: lengths[i] }, (_, t) => narrow(packed, 0, starts[t] + i, 1)), 0); // prettier-ignore
      expect(allclose(own, reshape(alone, lengths[i], 4))).toBe(true);
      expect(allclose(narrow(lastH, 1, i, 1), aloneH)).toBe(true);
      expect(allclose(narrow(lastC, 1, i, 1), aloneC)).toBe(true);
    });
  });

  it("drops elements between layers in training only", () => {
    const x = random(3, 2, 3);
    const weights = [...weightsFor(1, 3, 4), ...weightsFor(1, 4, 4)];
    const run = (train: boolean) =>
      rnnTanh(x, random(2, 2, 4).mul(0), weights, { numLayers: 2, dropout: 0.5, train })[0];
    expect(allclose(run(false), run(false))).toBe(true);
    expect(allclose(run(true), run(false))).toBe(false);
  });

  it("computes float16 in float32", () => {
    const [x, h, ...weights] = [random(3, 2, 3), random(1, 2, 2), ...weightsFor(3, 3, 2)].map((t) =>
      asDtype(t, float16),
    );
    const [output] = gru(x, h, weights);
    const [wide] = gru(asDtype(x, float64), asDtype(h, float64), weights.map((w) => asDtype(w, float64))); // prettier-ignore
    expect(output.dtype).toBe(float16);
    expect(allclose(asDtype(output, float64), wide, { rtol: 0, atol: 1e-3 })).toBe(true);
  });

  it("passes over an empty batch", () => {
    const [output, h] = gru(zeros(3, 0, 3), zeros(1, 0, 2), weightsFor(3, 3, 2).map((w) => asDtype(w, zeros(1).dtype))); // prettier-ignore
    expect(output.shape).toEqual([3, 0, 2]);
    expect(h.shape).toEqual([1, 0, 2]);
  });
});

describe("errors", () => {
  const weights = weightsFor(4, 8, 3);
  const states = [random(1, 2, 3), random(1, 2, 3)] as const;

  it("names the sizes that do not fit", () => {
    expect(() => lstm(random(4, 2, 5), states, weights)).toThrow("lstm: input has 5 features, expected 8");
    expect(() => lstm(random(2, 8), states, weights)).toThrow("lstm: input must have 3 dimensions, got shape [2, 8]");
    expect(() => lstm(random(0, 2, 8), states, weights)).toThrow("lstm: the sequence is empty");
    expect(() => lstm(random(4, 3, 8), states, weights)).toThrow("lstm: h0 has shape [1, 2, 3], expected [1, 3, 3]");
    expect(() => lstm(random(4, 2, 8), [states[0], random(1, 2, 4)], weights)).toThrow(
      "lstm: c0 has shape [1, 2, 4], expected [1, 2, 3]",
    );
    expect(() => lstm(random(4, 2, 8), states, weights.slice(1))).toThrow(
      "lstm: 1 layers and directions need 4 weights each (5 with projection), got 3 in all",
    );
    expect(() => gru(random(4, 2, 8), states[0], weights)).toThrow(
      "gru: weight_hh has shape [12, 3], expected [12, 4]",
    );
    expect(() => lstm(random(4, 2, 8), states, [weights[0], random(12, 4), weights[2], weights[3]])).toThrow(
      "lstm: h0 has shape [1, 2, 3], expected [1, 2, 4]",
    );
    expect(() => lstm(asDtype(random(4, 2, 8), float16), states, weights)).toThrow(
      "lstm: input is float16, weight_ih is float64",
    );
  });

  it("names batch sizes that are none", () => {
    const run = (batchSizes: number[]) => () => lstm(random(4, 8), states, weights, { batchSizes });
    expect(run([2, 1])).toThrow("lstm: batchSizes add up to 3, the packed input has 4 rows");
    expect(run([1, 3])).toThrow("lstm: batchSizes must be positive and never grow, got [1, 3]");
    expect(run([])).toThrow("lstm: batchSizes is empty");
  });

  it("names what a cell got", () => {
    const [wIh, wHh, bIh, bHh] = weights;
    const cell = (x: Tensor, h: Tensor) => () => lstmCell(x, [h, h], wIh, wHh, bIh, bHh);
    expect(cell(random(2, 5), random(2, 3))).toThrow("lstmCell: input has 5 features, expected 8");
    expect(cell(random(2, 8), random(3, 3))).toThrow("lstmCell: h has shape [3, 3], expected [2, 3]");
    expect(cell(random(8), random(3))).toThrow("lstmCell: input must have 2 dimensions, got shape [8]");
  });
});
