import { describe, expect, it } from "vitest";
import type { ConvGeometry, GemmSpec } from "../../../src/kernels/kernels.ts";
import { createEngine } from "../../../src/kernels/wasm/engine.ts";
import { kernelsOf } from "../../../src/kernels/wasm/index.ts";
import { StagingError, WasmMemory } from "../../../src/kernels/wasm/memory.ts";
import { firstError, naiveGemm, randomFloats } from "./naive.ts";

describe("wasm memory", () => {
  it("frees a frame's buffers at its end, also after an error", () => {
    const memory = new WasmMemory();
    const first = memory.allocate(10);
    expect(() =>
      memory.frame(() => {
        memory.allocate(1000);
        throw new Error("stop");
      }),
    ).toThrow("stop");
    const second = memory.allocate(10);
    expect(second - first).toBeLessThan(256);
  });

  it("grows on demand and renews its views", () => {
    const memory = new WasmMemory();
    const before = memory.floats;
    const address = memory.allocate(4 * 2 ** 20);
    expect(memory.memory.buffer.byteLength).toBeGreaterThanOrEqual(address + 16 * 2 ** 20);
    expect(before.length).toBe(0); // detached
    memory.floats[address / 4 + 4 * 2 ** 20 - 1] = 1;
    expect(memory.floats[address / 4 + 4 * 2 ** 20 - 1]).toBe(1);
  });

  it("copies other arrays in and out, and uses its own in place", () => {
    const memory = new WasmMemory();
    const outside = memory.operand(Float32Array.of(1, 2, 3));
    const buffer = memory.allocate(2);
    expect(memory.read(outside, 1, 2, buffer)).toBe(buffer);
    expect(Array.from(memory.floats.subarray(buffer / 4, buffer / 4 + 2))).toEqual([2, 3]);
    const inside = memory.operand(new Float32Array(memory.memory.buffer, buffer, 2));
    expect(memory.read(inside, 1, 1, 0)).toBe(buffer + 4);
  });

  it("says so when a call needs more than there can be", () => {
    const memory = new WasmMemory();
    expect(() => memory.allocate(2 ** 31)).toThrow(StagingError);
  });

  it("does not grow over a thousand calls", () => {
    const engine = createEngine("simd");
    const kernels = kernelsOf(engine);
    const spec: GemmSpec = { m: 33, n: 45, k: 29, transA: false, transB: true, accumulate: false };
    const g: ConvGeometry = {
      batch: 2,
      inChannels: 4,
      outChannels: 6,
      groups: 1,
      inSize: [1, 12, 12],
      outSize: [1, 12, 12],
      kernel: [1, 3, 3],
      stride: [1, 1, 1],
      padding: [0, 1, 1],
      dilation: [1, 1, 1],
    };
    const [a, b, c] = [randomFloats(33 * 29, 1), randomFloats(29 * 45, 2), new Float32Array(33 * 45)];
    const [x, w, y] = [randomFloats(2 * 4 * 144, 3), randomFloats(6 * 36, 4), new Float32Array(2 * 6 * 144)];
    const [gradX, gradW] = [new Float32Array(x.length), new Float32Array(w.length)];
    const callAll = (): void => {
      kernels.gemm(spec, a, b, c);
      kernels.conv(g, x, w, null, y);
      kernels.convGradInput(g, y, w, gradX);
      kernels.convGradWeight(g, x, y, gradW);
    };
    const large = { ...spec, m: 1500, n: 1500, k: 600 };
    kernels.gemm(large, new Float32Array(1500 * 600), new Float32Array(1500 * 600), new Float32Array(1500 * 1500));
    const bytes = engine.memory.memory.buffer.byteLength;
    for (let i = 0; i < 1000; i++) callAll();
    expect(engine.memory.memory.buffer.byteLength).toBe(bytes);
    expect(firstError(c, naiveGemm(spec, a, b, c))).toBeNull();
  });
});
