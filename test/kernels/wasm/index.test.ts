import { describe, expect, it } from "vitest";
import type { ConvGeometry } from "../../../src/kernels/kernels.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { createWasmKernels, createWasmKernelsAsync, probeSimd } from "../../../src/kernels/wasm/index.ts";
import { firstError, naiveGemm, randomFloats } from "./naive.ts";

const spec = { m: 20, n: 30, k: 40, transA: false, transB: false, accumulate: false };
const geometry: ConvGeometry = {
  batch: 2,
  inChannels: 4,
  outChannels: 8,
  groups: 1,
  inSize: [1, 9, 9],
  outSize: [1, 9, 9],
  kernel: [1, 3, 3],
  stride: [1, 1, 1],
  padding: [0, 1, 1],
  dilation: [1, 1, 1],
};

describe("the wasm kernel set", () => {
  it("is there wherever SIMD is, compiled at once or asynchronously", async () => {
    expect(probeSimd()).not.toBeNull();
    for (const kernels of [createWasmKernels(), await createWasmKernelsAsync()]) {
      expect(kernels?.name).toBe("wasm");
      const [a, b, c] = [randomFloats(800, 1), randomFloats(1200, 2), new Float32Array(600)];
      kernels?.gemm(spec, a, b, c);
      expect(firstError(c, naiveGemm(spec, a, b, c))).toBeNull();
    }
  });

  it("leaves float64 to the reference", () => {
    const kernels = createWasmKernels();
    const doubles = (length: number, seed: number): Float64Array => Float64Array.from(randomFloats(length, seed));
    const [a, b] = [doubles(800, 1), doubles(1200, 2)];
    const [product, expectedProduct] = [new Float64Array(600), new Float64Array(600)];
    kernels?.gemm(spec, a, b, product);
    referenceKernels.gemm(spec, a, b, expectedProduct);
    expect(product).toEqual(expectedProduct);
    const [input, weight] = [doubles(648, 3), doubles(288, 4)];
    const [output, expectedOutput] = [new Float64Array(1296), new Float64Array(1296)];
    kernels?.conv(geometry, input, weight, null, output);
    referenceKernels.conv(geometry, input, weight, null, expectedOutput);
    expect(output).toEqual(expectedOutput);
  });

  it("takes empty batches and products without steps", () => {
    const kernels = createWasmKernels();
    const empty = new Float32Array(0);
    const gradWeight = new Float32Array(288).fill(7);
    kernels?.conv({ ...geometry, batch: 0 }, empty, randomFloats(288, 1), null, empty);
    kernels?.convGradWeight({ ...geometry, batch: 0 }, empty, empty, gradWeight);
    expect(gradWeight.every((value) => value === 0)).toBe(true);
    const c = new Float32Array(600).fill(7);
    kernels?.gemm({ ...spec, k: 0 }, empty, empty, c);
    expect(c.every((value) => value === 0)).toBe(true);
  });
});
