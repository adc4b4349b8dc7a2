import { describe, expect, it } from "vitest";
import { ModuleBuilder } from "../../../src/kernels/wasm/assembler.ts";
import { encodeSigned, encodeUnsigned, f32, f32x4, i32, v128 } from "../../../src/kernels/wasm/instructions.ts";
import { probeSimd } from "../../../src/kernels/wasm/probe.ts";

/** Instantiates a module; its functions, and its memory as floats and integers. */
function load(module: ModuleBuilder): {
  functions: Record<string, (...args: number[]) => void>;
  floats: Float32Array;
  ints: Int32Array;
} {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.assemble()), { env: { memory } });
  return {
    functions: instance.exports as Record<string, (...args: number[]) => void>,
    floats: new Float32Array(memory.buffer),
    ints: new Int32Array(memory.buffer),
  };
}

describe("assembler", () => {
  it("encodes LEB128 as the specification's examples", () => {
    expect(encodeUnsigned(624485)).toEqual([0xe5, 0x8e, 0x26]);
    expect(encodeUnsigned(2 ** 32 - 1)).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(encodeSigned(-123456)).toEqual([0xc0, 0xbb, 0x78]);
    expect(encodeSigned(63)).toEqual([63]);
    expect(encodeSigned(64)).toEqual([0xc0, 0]);
    expect(encodeSigned(-64)).toEqual([0x40]);
  });

  it("runs loops, also zero times", () => {
    const module = new ModuleBuilder();
    module.func("sumTo", { n: "i32", out: "i32" }, (f, { n, out }) => {
      const [i, total] = [f.local("i32"), f.local("i32")];
      f.forRange(i, 0, n, 1, () => f.increase(total, i));
      f.run(i32.store(out, total));
    });
    module.func("count", { n: "i32", out: "i32" }, (f, { n, out }) => {
      const rounds = f.local("i32");
      f.repeat(n, () => f.increase(rounds, 1));
      f.run(i32.store(out, rounds));
    });
    const { functions, ints } = load(module);
    for (const [n, sum] of [
      [0, 0],
      [1, 0],
      [7, 21],
    ]) {
      functions.sumTo(n, 0);
      functions.count(n, 4);
      expect([ints[0], ints[1]]).toEqual([sum, n]);
    }
  });

  it("takes the right branch, selects, and calls", () => {
    const module = new ModuleBuilder();
    const put = module.func("put", { address: "i32", value: "i32" }, (f, { address, value }) =>
      f.run(i32.store(address, value)),
    );
    module.func("order", { a: "i32", b: "i32" }, (f, { a, b }) => {
      f.call(put, i32.constant(0), i32.minU(a, b));
      f.if_(
        i32.ltU(a, b),
        () => f.call(put, i32.constant(4), i32.constant(-1)),
        () => f.call(put, i32.constant(4), i32.constant(1)),
      );
    });
    const { functions, ints } = load(module);
    functions.order(3, 5);
    expect([ints[0], ints[1]]).toEqual([3, -1]);
    functions.order(9, 5);
    expect([ints[0], ints[1]]).toEqual([5, 1]);
    expect(() => module.func("bad", {}, (f) => f.call(put, i32.constant(0)))).toThrow("passes 1 of 2 arguments");
  });

  it("computes with vectors", () => {
    const module = new ModuleBuilder();
    module.func("mix", { x: "i32" }, (f, { x }) => {
      const [a, b] = [f.local("v128", v128.load(x)), f.local("v128", v128.load(x, 16))];
      f.run(v128.store(x, f32x4.add(f32x4.mul(a, b), f32x4.splat(f32.load(x))), 32));
      f.run(v128.store(x, v128.shuffle32(a, b, [3, 4, 0, 7]), 48));
      f.run(v128.store(x, v128.load32Lane(2, x, f32x4.zero(), 4), 64));
      f.run(f32.store(x, f32x4.extractLane(1, b), 80));
    });
    const { functions, floats } = load(module);
    floats.set([1, 2, 3, 4, 5, 6, 7, 8]);
    functions.mix(0);
    expect(Array.from(floats.subarray(8, 21))).toEqual([6, 13, 22, 33, 4, 5, 1, 8, 0, 0, 2, 0, 6]);
  });
});

describe("probe", () => {
  it("finds SIMD wherever these tests run", () => {
    expect(["simd", "relaxed-simd"]).toContain(probeSimd());
  });
});
