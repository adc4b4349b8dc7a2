/**
 * Quantization, dequantization and fake quantization of one channel's consecutive values: the formulas of
 * core/quantize.ts, bit for bit, for the parameters that ../quantize.ts lets through. Sixteen values at a time: up to 15
 * values beyond the end are read and written too, so that results must go to a buffer, in ascending order.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { f32x4, i32, v128 } from "../instructions.ts";
import type { Value } from "../instructions.ts";
import { f32x4Constant, i16x8, i32x4, i8x16 } from "../integer-instructions.ts";
import { clamp, INT64_LIMIT, narrowToBytes, roundToFloat, roundToInteger } from "./rounding.ts";

export function emitQuantize(module: ModuleBuilder): void {
  emitQuantizeRun(module);
  emitDequantizeRun(module, "dequantizeUnsigned", i16x8.load8x8U);
  emitDequantizeRun(module, "dequantizeSigned", i16x8.load8x8S);
  emitFakeQuantizeRun(module, "fakeQuantize", false);
  emitFakeQuantizeRun(module, "fakeQuantizeInside", true);
}

/** Runs `body` for each started sixteen of `count`. */
function eachSixteen(f: FunctionBuilder, count: Local<"i32">, body: () => void): void {
  f.set(count, i32.shrU(i32.add(count, 15), 4));
  f.repeat(count, body);
}

/** What no 64-bit integer holds becomes the smallest one: from the limit on NaN, which {@link clamp} makes `low`. */
function dropHuge(x: Local<"v128">): Value<"v128"> {
  return v128.or(x, f32x4.ge(x, f32x4Constant(INT64_LIMIT)));
}

/**
 * quantize: out = bytes of clamp(round(x · inverse + shift)) + offset.
 *
 *     parameters:  0 inverse   4 shift (float zero point, or 0)   8, 12 limits before the offset   (floats)
 *                  16 offset of the rounded bits   20 flip of the bytes
 */
function emitQuantizeRun(module: ModuleBuilder): void {
  const types = { x: "i32", out: "i32", count: "i32", parameters: "i32" } as const;
  module.func("quantize", types, (f, { x, out, count, parameters }) => {
    const [inverse, shift, low, high, offset, flip] = [0, 4, 8, 12, 16, 20].map((at) =>
      f.local("v128", v128.loadSplat32(parameters, at)),
    );
    eachSixteen(f, count, () => {
      const integers = [0, 16, 32, 48].map((at) => {
        const scaled = f.local("v128", f32x4.add(f32x4.mul(v128.load(x, at), inverse), shift));
        return f.local("v128", roundToInteger(clamp(dropHuge(scaled), low, high), offset));
      });
      f.run(v128.store(out, narrowToBytes(integers, flip)));
      f.increase(x, 64);
      f.increase(out, 16);
    });
  });
}

/** dequantize…: out = (q − zero point) · scale. Parameters: 0 zero point, 4 scale (floats). */
function emitDequantizeRun(module: ModuleBuilder, name: string, loadBytes: typeof i16x8.load8x8U): void {
  const types = { q: "i32", out: "i32", count: "i32", parameters: "i32" } as const;
  module.func(name, types, (f, { q, out, count, parameters }) => {
    const [zeroPoint, scale] = [0, 4].map((at) => f.local("v128", v128.loadSplat32(parameters, at)));
    const eight = f.local("v128");
    eachSixteen(f, count, () => {
      for (const half of [0, 1]) {
        f.set(eight, loadBytes(q, 8 * half));
        [i32x4.extendLowS(eight), i32x4.extendHighS(eight)].forEach((four, i) => {
          const value = f32x4.mul(f32x4.sub(f32x4.convertI32(four), zeroPoint), scale);
          f.run(v128.store(out, value, 32 * half + 16 * i));
        });
      }
      f.increase(q, 16);
      f.increase(out, 64);
    });
  });
}

/**
 * fakeQuantize…: out = clamp(round(x · inverse)) · scale; inside = 1 where nothing was clamped.
 *
 *     parameters:  0 inverse   4, 8 limits less the zero point   12 scale   (floats)
 */
function emitFakeQuantizeRun(module: ModuleBuilder, name: string, withInside: boolean): void {
  const types = { x: "i32", out: "i32", inside: "i32", count: "i32", parameters: "i32" } as const;
  module.func(name, types, (f, { x, out, inside, count, parameters }) => {
    const [inverse, low, high, scale] = [0, 4, 8, 12].map((at) => f.local("v128", v128.loadSplat32(parameters, at)));
    const [scaled, rounded] = [f.local("v128"), f.local("v128")];
    const masks = [0, 1, 2, 3].map(() => f.local("v128"));
    eachSixteen(f, count, () => {
      masks.forEach((mask, i) => {
        f.set(scaled, f32x4.mul(v128.load(x, 16 * i), inverse));
        const clamped = clamp(dropHuge(scaled), low, high);
        f.run(v128.store(out, f32x4.mul(roundToFloat(clamped), scale), 16 * i));
        if (!withInside) return;
        f.set(rounded, f32x4.nearest(scaled));
        f.set(mask, v128.and(f32x4.ge(rounded, low), f32x4.le(rounded, high)));
      });
      if (withInside) {
        const ones = i8x16.narrowS(i16x8.narrowS(masks[0], masks[1]), i16x8.narrowS(masks[2], masks[3]));
        f.run(v128.store(inside, v128.and(ones, i32x4.constant(0x01010101))));
        f.increase(inside, 16);
      }
      f.increase(x, 64);
      f.increase(out, 64);
    });
  });
}
