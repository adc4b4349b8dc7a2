import { describe, expect, it } from "vitest";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

function softmax(x: Float64Array, shape: [number, number, number], log = false): Float64Array {
  const out = new Float64Array(x.length);
  kernels.softmax(x, ...shape, out, log);
  return out;
}

const x = Float64Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7) * 3);
const shape: [number, number, number] = [2, 4, 3];

describe("softmax", () => {
  it("gives powers of e over their sum", () => {
    const [a, b] = softmax(Float64Array.of(0, Math.log(3)), [1, 2, 1]);
    expect(a).toBeCloseTo(0.25, 15);
    expect(b).toBeCloseTo(0.75, 15);
  });

  it("sums to 1 along the middle dimension, and its logarithm agrees", () => {
    const out = softmax(x, shape);
    const log = softmax(x, shape, true);
    for (let o = 0; o < 2; o++) {
      for (let j = 0; j < 3; j++) {
        const line = [0, 1, 2, 3].map((i) => (o * 4 + i) * 3 + j);
        expect(line.reduce((s, i) => s + out[i], 0)).toBeCloseTo(1, 14);
        for (const i of line) expect(log[i]).toBeCloseTo(Math.log(out[i]), 13);
        expect(out[line[1]] / out[line[0]]).toBeCloseTo(Math.exp(x[line[1]] - x[line[0]]), 11);
      }
    }
  });

  it("does not overflow, and masks with −∞", () => {
    expect([...softmax(Float64Array.of(1000, 1000, -Infinity), [1, 3, 1])]).toEqual([0.5, 0.5, 0]);
    expect([...softmax(Float64Array.of(0, -Infinity), [1, 2, 1], true)]).toEqual([0, -Infinity]);
    expect([...softmax(Float64Array.of(-Infinity, -Infinity), [1, 2, 1])]).toEqual([NaN, NaN]);
  });
});

describe("softmaxGrad", () => {
  it.each([false, true])("agrees with central differences (log: %s)", (log) => {
    const g = Float64Array.from(x, (_, i) => Math.cos(i * 2.3));
    const gradX = new Float64Array(x.length);
    kernels.softmaxGrad(g, softmax(x, shape, log), ...shape, gradX, log);
    const loss = (at: number, step: number) => {
      const moved = x.slice();
      moved[at] += step;
      return softmax(moved, shape, log).reduce((sum, y, i) => sum + y * g[i], 0);
    };
    const step = 1e-5;
    for (let i = 0; i < x.length; i++) {
      expect(gradX[i]).toBeCloseTo((loss(i, step) - loss(i, -step)) / (2 * step), 8);
    }
  });
});
