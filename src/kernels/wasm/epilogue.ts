/**
 * How int8 products end: code/requantize.ts where its arithmetic is the reference's bit for bit, and finishValue, one sum
 * at a time, where it is not (tanh, and numbers so large that NaN may arise).
 */
import type { DequantizeEpilogue, Epilogue, FloatBiasEpilogue } from "../../core/requantize.ts";
import { finishValue } from "../../core/requantize.ts";
import type { ByteArray } from "../quantized-kernels.ts";
import { roundUp } from "./blocks.ts";
import type { FinishForm, FinishName } from "./code/requantize.ts";
import { offsetOfRounded } from "./code/rounding.ts";
import type { WasmEngine } from "./engine.ts";
import { isGridOf } from "./integers.ts";
import { FLIP } from "./quantize.ts";

/** A float32 sum below 2^32, times and plus numbers below this, stays finite: no NaN, whatever follows. */
const TAME = 2 ** 40;

/** Whether an epilogue writes such an output. */
export function canFinish(epilogue: Epilogue, out: ByteArray | Float32Array): boolean {
  return (epilogue.kind === "dequantize") === out instanceof Float32Array;
}

/** A block of sums in wasm memory, and where its results go; strides in bytes, columns a multiple of eight. */
export interface SumBlock {
  readonly sums: number;
  readonly sumsRow: number;
  readonly out: number;
  readonly outRow: number;
  readonly rows: number;
  readonly columns: number;
  /** Of the block's first row or column. */
  readonly channel: number;
}

/** Finishes blocks of one call. `byLane`: channels are columns, not rows. */
export class Finisher {
  readonly #engine: WasmEngine;
  readonly #epilogue: Epilogue;
  readonly #byLane: boolean;
  readonly #channels: number;
  readonly #signed: boolean;
  /** What the code takes, or null where it cannot be used. */
  readonly #staged: { name: FinishName; scales: number; biases: number; parameters: number } | null;

  /** Allocates in the current frame. */
  constructor(
    engine: WasmEngine,
    epilogue: Epilogue,
    channels: number,
    byLane: boolean,
    out: ByteArray | Float32Array,
  ) {
    this.#engine = engine;
    this.#epilogue = epilogue;
    this.#channels = channels;
    this.#byLane = byLane;
    this.#signed = out instanceof Int8Array;
    const form = vectorForm(epilogue, out);
    this.#staged = form && {
      name: `${form}${byLane ? "Lanes" : "Rows"}`,
      scales: this.#padded(epilogue.kind === "intBias" ? epilogue.multipliers : epilogue.scales),
      biases: this.#padded(epilogue.bias ?? noBias(epilogue, channels)),
      parameters: engine.memory.copy(parametersOf(epilogue, this.#signed)),
    };
  }

  run(block: SumBlock): void {
    const { sums, sumsRow, out, outRow, rows, columns, channel } = block;
    if (!this.#staged) {
      this.#finishSingly(block);
      return;
    }
    const { name, scales, biases, parameters } = this.#staged;
    const first = 4 * channel;
    this.#engine.code[name](sums, sumsRow, out, outRow, rows, columns, scales + first, biases + first, parameters);
  }

  /** A copy with room for whole vectors. */
  #padded(values: Float32Array | Int32Array): number {
    const { memory } = this.#engine;
    return memory.read({ array: values, address: null }, 0, values.length, memory.allocate(roundUp(values.length, 8)));
  }

  #finishSingly({ sums, sumsRow, out, outRow, rows, columns, channel }: SumBlock): void {
    const { memory } = this.#engine;
    const toFloats = this.#epilogue.kind === "dequantize";
    const target = toFloats ? memory.floats : this.#signed ? memory.signedBytes : memory.bytes;
    const size = target.BYTES_PER_ELEMENT;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const c = channel + (this.#byLane ? j : i);
        if (c >= this.#channels) break;
        const sum = memory.ints[(sums + i * sumsRow) / 4 + j];
        target[(out + i * outRow) / size + j] = finishValue(this.#epilogue, c, sum);
      }
    }
  }
}

/** The code's form of an epilogue, or null. */
function vectorForm(epilogue: Epilogue, out: ByteArray | Float32Array): FinishForm | null {
  switch (epilogue.kind) {
    case "floatBias":
      return !(out instanceof Float32Array) && isGridOf(epilogue, out) && isTameFloatBias(epilogue)
        ? epilogue.kind
        : null;
    case "intBias": {
      const isExact = !(out instanceof Float32Array) && isGridOf(epilogue, out) && areTame(epilogue.multipliers);
      return isExact ? epilogue.kind : null;
    }
    case "dequantize":
      return epilogue.fused ? "fused" : "unfused";
    default:
      return epilogue satisfies never;
  }
}

function isTameFloatBias({ scales, bias, inverseOutScale, activation }: FloatBiasEpilogue): boolean {
  if (activation === "tanh") return false;
  const numbers = [inverseOutScale, activation === "none" ? 1 : activation.leakyRelu];
  return (
    areTame(scales) &&
    (!bias || areTame(bias)) &&
    areTame(Float32Array.from(numbers)) &&
    Math.fround(inverseOutScale) === inverseOutScale
  );
}

/** A loop by index, over arrays of one type: it runs at every call, and takes as long as a row's product otherwise. */
function areTame(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]) < TAME)) return false;
  return true;
}

/** −0 changes no float that it is added to. */
function noBias(epilogue: Epilogue, channels: number): Float32Array | Int32Array {
  return epilogue.kind === "intBias" ? new Int32Array(channels) : new Float32Array(channels).fill(-0);
}

/** As code/requantize.ts reads them. */
function parametersOf(epilogue: Epilogue, signed: boolean): Int32Array {
  const integers = new Int32Array(7);
  const floats = new Float32Array(integers.buffer);
  if (epilogue.kind === "dequantize") {
    integers[6] = epilogue.relu ? -1 : 0;
    return integers;
  }
  const { zeroPoint, qmin, qmax } = epilogue;
  floats.set([...factorsOf(epilogue), qmin - zeroPoint, qmax - zeroPoint]);
  integers[4] = offsetOfRounded(signed ? zeroPoint : zeroPoint - 128);
  integers[5] = signed ? 0 : FLIP;
  return integers;
}

/** 1/so, and the slope below zero. */
function factorsOf(epilogue: Exclude<Epilogue, DequantizeEpilogue>): readonly [number, number] {
  if (epilogue.kind === "intBias") return [1, 1];
  const { inverseOutScale, activation } = epilogue;
  return [inverseOutScale, typeof activation === "object" ? activation.leakyRelu : 1];
}
