import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { numelOf } from "../../../src/core/shape.ts";
import type { PoolGeometry } from "../../../src/kernels/kernels.ts";
import { referenceKernels as kernels } from "../../../src/kernels/reference/index.ts";

type Triple = [number, number, number];

interface Case {
  inSize: Triple;
  kernel: Triple;
  stride: Triple;
  padding: Triple;
  dilation: Triple;
  ceil: boolean;
  maxSize: Triple;
  max: number[];
  indices: number[];
  averageSize?: Triple;
  average?: { countIncludePad: boolean; divisorOverride: number | null; out: number[] }[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/pooling.json", import.meta.url), "utf8")) as {
  planes: number;
  cases: Case[];
};

function geometryOf({ inSize, kernel, stride, padding, dilation }: Case, outSize: Triple): PoolGeometry {
  return { planes: golden.planes, inSize, outSize, kernel, stride, padding, dilation };
}

/** The same input as in tools/golden/pooling.py. */
function inputOf(g: PoolGeometry): Float64Array {
  return Float64Array.from({ length: g.planes * numelOf(g.inSize) }, (_, i) => ((i * 7919) % 31) - 15);
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);

describe("maxPool", () => {
  it.each(golden.cases)("gives PyTorch's values and positions: $inSize by $kernel, ceil $ceil", (c) => {
    const g = geometryOf(c, c.maxSize);
    const output = new Float64Array(c.max.length);
    const indices = new Int32Array(c.max.length);
    kernels.maxPool(g, inputOf(g), output, indices);
    expect([...output]).toEqual(c.max);
    expect([...indices]).toEqual(c.indices);
  });

  const line = (n: number, out: number): PoolGeometry => ({
    planes: 1,
    inSize: [1, 1, n],
    outSize: [1, 1, out],
    kernel: [1, 1, 2],
    stride: [1, 1, 2],
    padding: [0, 0, 0],
    dilation: [1, 1, 1],
  });

  it("lets NaN win and −∞ keep its place", () => {
    const output = new Float32Array(3);
    const indices = new Int32Array(3);
    kernels.maxPool(line(6, 3), Float32Array.of(NaN, 5, 1, NaN, -Infinity, -Infinity), output, indices);
    expect([...output]).toEqual([NaN, NaN, -Infinity]);
    expect([...indices]).toEqual([0, 3, 4]);
  });

  it("keeps integer types; padding never wins over negative values", () => {
    const output = new Int8Array(2);
    kernels.maxPool({ ...line(3, 2), padding: [0, 0, 1] }, Int8Array.of(-7, -3, -5), output, new Int32Array(2));
    expect([...output]).toEqual([-7, -3]);
  });

  it("sends gradients back to the winners, adding where windows overlap", () => {
    const gradInput = new Float32Array(6).fill(9);
    kernels.maxPoolGrad(2, 3, 2, Float32Array.of(1, 2, 3, 4), Int32Array.of(1, 1, 0, 2), gradInput);
    expect([...gradInput]).toEqual([0, 3, 0, 3, 0, 4]);
  });
});

describe("avgPool", () => {
  const cases = golden.cases.flatMap((c) =>
    c.average && c.averageSize ? c.average.map((policy) => ({ ...policy, c, size: c.averageSize as Triple })) : [],
  );

  it.each(cases)(
    "gives PyTorch's means: $c.inSize by $c.kernel, ceil $c.ceil, padding counted $countIncludePad, divisor $divisorOverride",
    ({ c, size, out, ...policy }) => {
      const g = geometryOf(c, size);
      const output = new Float64Array(out.length);
      kernels.avgPool(g, policy, inputOf(g), output);
      for (let i = 0; i < out.length; i++) expect(output[i]).toBeCloseTo(out[i], 13);
    },
  );

  it.each(cases)("has a gradient that is its adjoint: $c.inSize by $c.kernel", ({ c, size, out, ...policy }) => {
    const g = geometryOf(c, size);
    const x = inputOf(g);
    const gradOutput = Float64Array.from(out, (_, i) => (i % 5) - 2);
    const [output, gradInput] = [new Float64Array(out.length), x.slice().fill(NaN)];
    kernels.avgPool(g, policy, x, output);
    kernels.avgPoolGrad(g, policy, gradOutput, gradInput);
    expect(dot(x, gradInput)).toBeCloseTo(dot(output, gradOutput), 10);
  });
});
