/**
 * What this JavaScript engine's WebAssembly can do: nothing, SIMD (multiply, then add), or relaxed SIMD with a fused
 * multiply-add. Relaxed instructions may differ between machines, so that beyond accepting the module the engine must
 * compute a small product right, either rounded once or twice.
 */
import { ModuleBuilder } from "./assembler.ts";
import { f32x4, plainMultiplyAdd, v128 } from "./instructions.ts";
import type { MultiplyAdd } from "./instructions.ts";

export type SimdVariant = "simd" | "relaxed-simd";

/** The best variant here, or null where WebAssembly or its SIMD is missing, or forbidden by the page. */
export function probeSimd(): SimdVariant | null {
  const plain = probeModule(plainMultiplyAdd);
  if (typeof WebAssembly === "undefined" || !WebAssembly.validate(plain) || !mayCompile(plain)) return null;
  const relaxed = probeModule(f32x4.relaxedMultiplyAdd);
  return WebAssembly.validate(relaxed) && computesRight(relaxed) ? "relaxed-simd" : "simd";
}

/** False where a content security policy forbids WebAssembly: valid modules then do not compile. */
function mayCompile(valid: Uint8Array<ArrayBuffer>): boolean {
  try {
    return new WebAssembly.Module(valid) instanceof WebAssembly.Module;
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return false;
    throw error;
  }
}

/** multiplyAdd(): memory[48…] = memory[0…] · memory[16…] + memory[32…], four floats each. */
function probeModule(multiplyAdd: MultiplyAdd): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.func("multiplyAdd", { address: "i32" }, (f, { address }) => {
    const product = multiplyAdd(v128.load(address), v128.load(address, 16), v128.load(address, 32));
    f.run(v128.store(address, product, 48));
  });
  return module.assemble();
}

function computesRight(bytes: Uint8Array<ArrayBuffer>): boolean {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const floats = new Float32Array(memory.buffer);
  const a = [1.5, -3, 1 + 2 ** -12, 2 ** 100];
  const b = [2, 0.25, 1 + 2 ** -12, 2 ** 20];
  const c = [-1, 4, -1, -(2 ** 119)];
  floats.set([...a, ...b, ...c]);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  (instance.exports as { multiplyAdd: (address: number) => void }).multiplyAdd(0);
  return a.every((x, i) => {
    const once = Math.fround(x * b[i] + c[i]);
    const twice = Math.fround(Math.fround(x * b[i]) + c[i]);
    return floats[12 + i] === once || floats[12 + i] === twice;
  });
}
