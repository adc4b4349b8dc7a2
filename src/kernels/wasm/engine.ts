/** Compiles the kernels for the SIMD variant that this engine has, and types their exports. */
import { ModuleBuilder } from "./assembler.ts";
import { emitChannels } from "./code/channels.ts";
import { emitDots } from "./code/dot.ts";
import { emitElementwise } from "./code/elementwise.ts";
import type { WasmBinaryName, WasmUnaryName } from "./code/elementwise.ts";
import { emitImage } from "./code/image.ts";
import { emitInt8Direct } from "./code/int8-direct.ts";
import { emitInt8Pack } from "./code/int8-pack.ts";
import { emitMultiplyInt8 } from "./code/int8-tile.ts";
import { emitIntegers } from "./code/integers.ts";
import { emitObserve } from "./code/observe.ts";
import { emitPack } from "./code/pack.ts";
import { emitQuantize } from "./code/quantize.ts";
import { emitRequantize } from "./code/requantize.ts";
import type { FinishName } from "./code/requantize.ts";
import { emitMultiply } from "./code/tile.ts";
import { f32x4, plainMultiplyAdd } from "./instructions.ts";
import { WasmMemory } from "./memory.ts";
import type { SimdVariant } from "./probe.ts";

type FunctionName =
  | "multiply"
  | "multiplyRow"
  | "multiplyDots"
  | "pack4"
  | "pack8"
  | "copyPlanes"
  | "addWindows"
  | "directConv"
  | "directGradWeight"
  | "planeMoments"
  | "planeGradSums"
  | "planeAffine"
  | "planeCombine"
  | "minMaxRun"
  | "minMaxColumns"
  | "histogram"
  | "quantize"
  | "dequantizeUnsigned"
  | "dequantizeSigned"
  | "fakeQuantize"
  | "fakeQuantizeInside"
  | "lookup"
  | "addFloat"
  | "addFixedUp"
  | "addFixedAway"
  | "mulIntegers"
  | "multiplyInt8"
  | "multiplyInt8Bytes"
  | "narrow"
  | "directInt8"
  | "packRows"
  | "packWindows"
  | "widenPlanes"
  | "compactRows"
  | FinishName
  | WasmUnaryName
  | WasmBinaryName;

/** The module's functions. Arguments are addresses, byte strides and counts, in the order of the emitters. */
export type WasmCode = Readonly<Record<FunctionName, (...args: number[]) => void>>;

/** A memory, and the code that works on it. */
export interface WasmEngine {
  readonly variant: SimdVariant;
  readonly memory: WasmMemory;
  readonly code: WasmCode;
}

/** The binary module for a variant. */
export function emitModule(variant: SimdVariant): Uint8Array<ArrayBuffer> {
  const multiplyAdd = variant === "relaxed-simd" ? f32x4.relaxedMultiplyAdd : plainMultiplyAdd;
  const module = new ModuleBuilder();
  emitMultiply(module, multiplyAdd);
  emitDots(module, multiplyAdd);
  emitPack(module);
  emitImage(module, multiplyAdd);
  emitChannels(module, multiplyAdd);
  emitElementwise(module, multiplyAdd);
  emitObserve(module);
  emitQuantize(module);
  emitIntegers(module);
  emitMultiplyInt8(module);
  emitInt8Pack(module);
  emitInt8Direct(module);
  emitRequantize(module);
  return module.assemble();
}

/** Compiles on the spot: everywhere but on a browser's main thread, which refuses modules this large. */
export function createEngine(variant: SimdVariant): WasmEngine {
  const memory = new WasmMemory();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(emitModule(variant)), imports(memory));
  return { variant, memory, code: instance.exports as WasmCode };
}

export async function createEngineAsync(variant: SimdVariant): Promise<WasmEngine> {
  const memory = new WasmMemory();
  const { instance } = await WebAssembly.instantiate(emitModule(variant), imports(memory));
  return { variant, memory, code: instance.exports as WasmCode };
}

function imports(memory: WasmMemory): WebAssembly.Imports {
  return { env: { memory: memory.memory } };
}
