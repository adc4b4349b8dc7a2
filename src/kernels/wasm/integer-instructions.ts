/**
 * WebAssembly SIMD instructions on 8-, 16- and 32-bit integer lanes, in the manner of instructions.ts. Names follow the
 * specification; lanes wrap around unless a name or comment says that they saturate.
 */
import { binary, load, simd, unary, value } from "./instructions.ts";
import type { Value } from "./instructions.ts";

export const i8x16 = {
  splat: unary<"i32", "v128">("v128", simd(15)),
  /** Sixteen signed 16-bit numbers of (a, b) as bytes, saturated to −128…127. */
  narrowS: binary<"v128", "v128">("v128", simd(0x65)),
};

export const i16x8 = {
  splat: unary<"i32", "v128">("v128", simd(16)),
  /** Eight bytes at the address, unsigned or signed. */
  load8x8U: load("v128", simd(2), 3),
  load8x8S: load("v128", simd(1), 3),
  extendLowU: unary<"v128", "v128">("v128", simd(0x89)),
  extendHighU: unary<"v128", "v128">("v128", simd(0x8a)),
  add: binary<"v128", "v128">("v128", simd(0x8e)),
  sub: binary<"v128", "v128">("v128", simd(0x91)),
  /** All bits of a lane set where a > b, signed. */
  gt: binary<"v128", "v128">("v128", simd(0x31)),
  /** 0, 1, …, 7. */
  indices: (): Value<"v128"> =>
    value(
      "v128",
      simd(12),
      [0, 1, 2, 3, 4, 5, 6, 7].flatMap((lane) => [lane, 0]),
    ),
  /** Eight signed 32-bit numbers of (a, b) as 16-bit numbers, saturated. */
  narrowS: binary<"v128", "v128">("v128", simd(0x85)),
  /** 16-bit lanes picked from the sixteen of (a, b): 0…7 from a, 8…15 from b. */
  shuffle: (a: Value<"v128">, b: Value<"v128">, lanes: readonly number[]): Value<"v128"> =>
    value(
      "v128",
      a.code,
      b.code,
      simd(13),
      lanes.flatMap((lane) => [2 * lane, 2 * lane + 1]),
    ),
  /** `vector` with lane `lane` replaced by the 16 bits at the address. */
  loadLane: (lane: number, address: Value<"i32">, vector: Value<"v128">): Value<"v128"> =>
    value("v128", address.code, vector.code, simd(85), [1, 0], [lane]),
};

export const i32x4 = {
  splat: unary<"i32", "v128">("v128", simd(17)),
  constant: (n: number): Value<"v128"> => {
    const bytes = [...new Uint8Array(Int32Array.of(n).buffer)];
    return value("v128", simd(12), bytes, bytes, bytes, bytes);
  },
  extendLowS: unary<"v128", "v128">("v128", simd(0xa7)),
  extendHighS: unary<"v128", "v128">("v128", simd(0xa8)),
  add: binary<"v128", "v128">("v128", simd(0xae)),
  sub: binary<"v128", "v128">("v128", simd(0xb1)),
  mul: binary<"v128", "v128">("v128", simd(0xb5)),
  shiftLeft: (a: Value<"v128">, bits: number): Value<"v128"> => value("v128", a.code, [0x41, bits], simd(0xab)), // i32.const below 64 is one byte
  /** Products of signed 16-bit lanes, neighbours added: four sums of two products, exact. */
  dotI16: binary<"v128", "v128">("v128", simd(0xba)),
};

/** Four copies of a float constant. */
export function f32x4Constant(n: number): Value<"v128"> {
  const bytes = [...new Uint8Array(Float32Array.of(n).buffer)];
  return value("v128", simd(12), bytes, bytes, bytes, bytes);
}

/** Two copies of a double constant. */
export function f64x2Constant(n: number): Value<"v128"> {
  const bytes = [...new Uint8Array(Float64Array.of(n).buffer)];
  return value("v128", simd(12), bytes, bytes);
}
