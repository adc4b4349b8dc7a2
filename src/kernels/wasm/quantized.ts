/**
 * Which calls of the integer half of the kernels interface wasm takes over: those that are large enough to pay for the
 * call and whose numbers lie where the vector arithmetic is the reference's bit for bit. The rest is the reference's.
 */
import type { NumericArray } from "../../core/dtype.ts";
import type { ByteArray, ChannelLayout, QuantizedKernels } from "../quantized-kernels.ts";
import { referenceKernels } from "../reference/index.ts";
import { MAX_BINS } from "./code/observe.ts";
import { convInt8 } from "./conv-int8.ts";
import type { WasmEngine } from "./engine.ts";
import { canFinish } from "./epilogue.ts";
import { addIntegers, canAdd, canMul, lookup, mulIntegers } from "./integers.ts";
import { linearInt8 } from "./linear-int8.ts";
import { runOr } from "./memory.ts";
import { histogram, minMaxColumns, minMaxPlanes, signZeros } from "./observe.ts";
import { canDequantize, canFakeQuantize, canQuantize, dequantize, fakeQuantize, quantize } from "./quantize.ts";

const MIN_ELEMENTS = 256;
/** Below this many multiply-adds the reference is faster than staging and calling. */
const MIN_PRODUCTS = 512;
/** Planes shorter than this cost more to tell apart than to compute. */
const MIN_INNER = 8;
/** Rows shorter than this leave most lanes unused. */
const MIN_CHANNELS = 4;

export function quantizedKernels(engine: WasmEngine): Partial<QuantizedKernels> {
  return { ...observers(engine), ...quantizers(engine), ...bytewise(engine), ...products(engine) };
}

function observers(engine: WasmEngine): Pick<QuantizedKernels, "minMax" | "histogram"> {
  return {
    minMax(x, layout, min, max) {
      const { channels, inner } = layout;
      const isLarge = x.length >= MIN_ELEMENTS;
      if (isLarge && channels === 1) {
        minMaxPlanes(engine, x, { outer: 1, channels: 1, inner: x.length }, min, max);
      } else if (isLarge && inner >= MIN_INNER) {
        minMaxPlanes(engine, x, layout, min, max);
      } else if (isLarge && inner === 1 && channels >= MIN_CHANNELS) {
        minMaxColumns(engine, x, channels, min, max);
      } else {
        referenceKernels.minMax(x, layout, min, max);
        return;
      }
      signZeros(x, layout, min, max);
    },
    histogram(x, min, max, counts) {
      const width = Math.fround(max - min);
      const areFloats = Math.fround(min) === min && Math.fround(max) === max;
      const isRegular = width > 0 && Number.isFinite(Math.fround(width * counts.length));
      const fits = areFloats && isRegular && counts.length <= MAX_BINS;
      if (fits && x.length >= MIN_ELEMENTS) histogram(engine, x, min, max, counts);
      else referenceKernels.histogram(x, min, max, counts);
    },
  };
}

function quantizers(engine: WasmEngine): Pick<QuantizedKernels, "quantize" | "dequantize" | "fakeQuantize"> {
  return {
    quantize(x, layout, qparams, out) {
      if (isBytes(out) && pays(x.length, layout) && canQuantize(qparams, out))
        quantize(engine, x, layout, qparams, out);
      else referenceKernels.quantize(x, layout, qparams, out);
    },
    dequantize(q, layout, qparams, out) {
      if (isBytes(q) && pays(q.length, layout) && canDequantize(qparams)) dequantize(engine, q, layout, qparams, out);
      else referenceKernels.dequantize(q, layout, qparams, out);
    },
    fakeQuantize(x, layout, qparams, out, inside) {
      const areFloats = x instanceof Float32Array && out instanceof Float32Array;
      if (areFloats && pays(x.length, layout) && canFakeQuantize(qparams)) {
        fakeQuantize(engine, x, layout, qparams, out, inside);
      } else referenceKernels.fakeQuantize(x, layout, qparams, out, inside);
    },
  };
}

function bytewise(engine: WasmEngine): Pick<QuantizedKernels, "lookup" | "addIntegers" | "mulIntegers"> {
  return {
    lookup(x, table, out) {
      if (isBytes(table) && isBytes(out) && x.length >= MIN_ELEMENTS) lookup(engine, x, table, out);
      else referenceKernels.lookup(x, table, out);
    },
    addIntegers(a, b, form, out) {
      const areBytes = isBytes(a) && isBytes(b) && isBytes(out);
      if (areBytes && out.length >= MIN_ELEMENTS && canAdd(form, out)) addIntegers(engine, a, b, form, out);
      else referenceKernels.addIntegers(a, b, form, out);
    },
    mulIntegers(a, b, form, out) {
      const areBytes = isBytes(a) && isBytes(b) && isBytes(out);
      if (areBytes && out.length >= MIN_ELEMENTS && canMul(form, out)) mulIntegers(engine, a, b, form, out);
      else referenceKernels.mulIntegers(a, b, form, out);
    },
  };
}

function products(engine: WasmEngine): Pick<QuantizedKernels, "linearInt8" | "convInt8"> {
  return {
    linearInt8(m, input, weights, epilogue, out) {
      const fallback = (): void => referenceKernels.linearInt8(m, input, weights, epilogue, out);
      if (m * weights.rows * weights.depth >= MIN_PRODUCTS && canFinish(epilogue, out)) {
        runOr(fallback, () => linearInt8(engine, m, input, weights, epilogue, out));
      } else fallback();
    },
    convInt8(g, input, weights, epilogue, out) {
      const fallback = (): void => referenceKernels.convInt8(g, input, weights, epilogue, out);
      if (out.length * weights.depth >= MIN_PRODUCTS && canFinish(epilogue, out)) {
        runOr(fallback, () => convInt8(engine, g, input, weights, epilogue, out));
      } else fallback();
    },
  };
}

function pays(length: number, { channels, inner }: ChannelLayout): boolean {
  return length >= MIN_ELEMENTS && (channels === 1 || inner >= MIN_INNER);
}

function isBytes(array: NumericArray): array is ByteArray {
  return array instanceof Uint8Array || array instanceof Int8Array;
}
