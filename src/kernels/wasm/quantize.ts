/**
 * Quantization, dequantization and fake quantization in float32, some 16 Ki values at a time. The vector code is exact
 * where `can…` says so: for bytes, and zero points that leave sums exact; everything else is the reference's.
 */
import { inverseScale } from "../../core/quantize.ts";
import type { ByteArray, ChannelLayout, ChannelQparams } from "../quantized-kernels.ts";
import { eachRun, RUN } from "./channels.ts";
import { offsetOfRounded } from "./code/rounding.ts";
import type { WasmCode, WasmEngine } from "./engine.ts";
import type { StagedArray } from "./memory.ts";

/** Limits and zero points below this leave every sum with a rounded value exact in float32. */
const SMALL = 2 ** 20;
/** Bytes of a channel's parameters: at most six floats or integers. */
const PARAMETER_BYTES = 32;

/** 128 in each byte: the distance of unsigned from signed bytes. */
export const FLIP = 0x80808080 | 0;

/** Whether {@link quantize} gives the reference's bytes. */
export function canQuantize(qparams: ChannelQparams, out: ByteArray): boolean {
  const [min, max] = out instanceof Int8Array ? [-128, 127] : [0, 255];
  const { qmin, qmax, floatZeroPoints, zeroPoints } = qparams;
  if (!isWholeRange(qmin, qmax, min, max)) return false;
  return zeroPoints.every(floatZeroPoints ? isFloat32Value : isSmallInteger);
}

/** Whether {@link dequantize} gives the reference's floats. */
export function canDequantize({ zeroPoints }: ChannelQparams): boolean {
  return zeroPoints.every(isFloat32Value);
}

/** Whether {@link fakeQuantize} gives the reference's floats. */
export function canFakeQuantize({ qmin, qmax, floatZeroPoints, zeroPoints }: ChannelQparams): boolean {
  return !floatZeroPoints && isWholeRange(qmin, qmax, -SMALL, SMALL) && zeroPoints.every(isSmallInteger);
}

function isWholeRange(qmin: number, qmax: number, min: number, max: number): boolean {
  return Number.isInteger(qmin) && Number.isInteger(qmax) && min <= qmin && qmin <= qmax && qmax <= max;
}

function isSmallInteger(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= SMALL;
}

function isFloat32Value(value: number): boolean {
  return Math.fround(value) === value;
}

/** As {@link QuantizedKernels.quantize}. */
export function quantize(
  engine: WasmEngine,
  x: Float32Array,
  layout: ChannelLayout,
  qparams: ChannelQparams,
  out: ByteArray,
): void {
  const { scales, zeroPoints, floatZeroPoints, qmin, qmax } = qparams;
  const isSigned = out instanceof Int8Array;
  const write = (c: number, floats: Float32Array, ints: Int32Array, at: number): void => {
    const zeroPoint = floatZeroPoints ? 0 : zeroPoints[c];
    const shift = floatZeroPoints ? zeroPoints[c] : 0;
    floats.set([inverseScale(scales[c]), shift, qmin - zeroPoint, qmax - zeroPoint], at);
    ints.set([offsetOfRounded(isSigned ? zeroPoint : zeroPoint - 128), isSigned ? 0 : FLIP], at + 4);
  };
  mapPlanes(engine, layout, x, [out], write, ({ quantize: run }, from, [to], count, parameters) =>
    run(from, to, count, parameters),
  );
}

/** As {@link QuantizedKernels.dequantize}. */
export function dequantize(
  engine: WasmEngine,
  q: ByteArray,
  layout: ChannelLayout,
  { scales, zeroPoints }: ChannelQparams,
  out: Float32Array,
): void {
  const run = q instanceof Int8Array ? engine.code.dequantizeSigned : engine.code.dequantizeUnsigned;
  const write = (c: number, floats: Float32Array, _: Int32Array, at: number): void =>
    floats.set([zeroPoints[c], scales[c]], at);
  mapPlanes(engine, layout, q, [out], write, (_, from, [to], count, parameters) => run(from, to, count, parameters));
}

/** As {@link QuantizedKernels.fakeQuantize}. */
export function fakeQuantize(
  engine: WasmEngine,
  x: Float32Array,
  layout: ChannelLayout,
  { scales, zeroPoints, qmin, qmax }: ChannelQparams,
  out: Float32Array,
  inside: Uint8Array | null,
): void {
  const run = inside ? engine.code.fakeQuantizeInside : engine.code.fakeQuantize;
  const write = (c: number, floats: Float32Array, _: Int32Array, at: number): void =>
    floats.set([inverseScale(scales[c]), qmin - zeroPoints[c], qmax - zeroPoints[c], scales[c]], at);
  const outs = inside ? [out, inside] : [out];
  mapPlanes(engine, layout, x, outs, write, (_, from, [to, mask], count, parameters) =>
    run(from, to, mask ?? 0, count, parameters),
  );
}

/** Writes a channel's parameters to index `at` of both views. */
type ParameterWriter = (channel: number, floats: Float32Array, ints: Int32Array, at: number) => void;

type PlaneKernel = (code: WasmCode, from: number, to: readonly number[], count: number, parameters: number) => void;

/** outs = kernel(input), one call for each channel's consecutive values. */
function mapPlanes(
  { memory, code }: WasmEngine,
  { outer, channels, inner }: ChannelLayout,
  input: StagedArray,
  outs: readonly StagedArray[],
  write: ParameterWriter,
  kernel: PlaneKernel,
): void {
  memory.frame(() => {
    const operand = memory.operand(input);
    const results = outs.map((out) => memory.operand(out));
    const count = Math.min(input.length, RUN);
    const buffer = memory.allocateFor(operand, count);
    const outBuffers = outs.map((out) => memory.allocateBytes(count * out.BYTES_PER_ELEMENT));
    const parameters = memory.allocateBytes(PARAMETER_BYTES * channels);
    for (let c = 0; c < channels; c++) write(c, memory.floats, memory.ints, (parameters + PARAMETER_BYTES * c) / 4);
    eachRun(channels === 1 ? 1 : outer * channels, channels === 1 ? outer * inner : inner, (run) => {
      const staged = memory.read(operand, run.from, run.planes * run.inner, buffer);
      for (let i = 0; i < run.planes; i++) {
        const start = i * run.inner;
        const to = outs.map((out, index) => outBuffers[index] + start * out.BYTES_PER_ELEMENT);
        const from = staged + start * input.BYTES_PER_ELEMENT;
        const channel = (run.firstPlane + i) % channels;
        kernel(code, from, to, run.inner, parameters + PARAMETER_BYTES * channel);
      }
      results.forEach((result, index) => memory.write(result, run.from, run.planes * run.inner, outBuffers[index]));
    });
  });
}
