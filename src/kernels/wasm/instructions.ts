/**
 * WebAssembly instructions as functions from values to values: `f32x4.add(a, b)` is the byte sequence that computes a,
 * computes b, and adds. Types are checked by TypeScript. Opcodes follow the core specification 2.0 and, for the
 * multiply-add, the relaxed SIMD proposal. Those on integer lanes are in integer-instructions.ts.
 */

export type ValueType = "i32" | "f32" | "f64" | "v128";

/** An expression that leaves one value of type `T` on the stack. */
export interface Value<T extends ValueType> {
  readonly type: T;
  readonly code: readonly number[];
}

/** An instruction that leaves nothing on the stack. */
export interface Statement {
  readonly statement: readonly number[];
}

export const VALUE_TYPE_CODES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

// ---- encodings

/** The parts one after the other. (`flat` and spreading take many times as long on lists of this length.) */
export function joinBytes(parts: readonly (readonly number[])[]): number[] {
  const joined: number[] = [];
  for (const part of parts) for (let i = 0; i < part.length; i++) joined.push(part[i]);
  return joined;
}

/** LEB128, unsigned. */
export function encodeUnsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** LEB128, signed. */
export function encodeSigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const signIsSet = (low & 0x40) !== 0;
    if ((rest === 0 && !signIsSet) || (rest === -1 && signIsSet)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

export function encodeName(name: string): number[] {
  return [...encodeUnsigned(name.length), ...Array.from(name, (character) => character.charCodeAt(0))];
}

export const simd = (opcode: number): number[] => [0xfd, ...encodeUnsigned(opcode)];

/** Alignment (as a power of two: only a hint) and constant offset in bytes, added to the address. */
export const memoryArgument = (alignment: number, offset: number): number[] => [alignment, ...encodeUnsigned(offset)];

// ---- building blocks

type Address = Value<"i32">;

export function value<T extends ValueType>(type: T, ...code: (readonly number[])[]): Value<T> {
  return { type, code: joinBytes(code) };
}

export const binary =
  <Operand extends ValueType, Result extends ValueType>(result: Result, opcode: readonly number[]) =>
  (a: Value<Operand>, b: Value<Operand>): Value<Result> =>
    value(result, a.code, b.code, opcode);

const binaryI32 =
  (opcode: number) =>
  (a: Value<"i32">, b: Value<"i32"> | number): Value<"i32"> =>
    value("i32", a.code, i32.from(b).code, [opcode]);

export const unary =
  <Operand extends ValueType, Result extends ValueType>(result: Result, opcode: readonly number[]) =>
  (a: Value<Operand>): Value<Result> =>
    value(result, a.code, opcode);

export const load =
  <T extends ValueType>(type: T, opcode: readonly number[], alignment: number) =>
  (address: Address, offset = 0): Value<T> =>
    value(type, address.code, opcode, memoryArgument(alignment, offset));

export const store =
  <T extends ValueType>(opcode: readonly number[], alignment: number) =>
  (address: Address, stored: Value<T>, offset = 0): Statement => ({
    statement: [...address.code, ...stored.code, ...opcode, ...memoryArgument(alignment, offset)],
  });

// ---- instructions

export const i32 = {
  constant: (n: number): Value<"i32"> => value("i32", [0x41, ...encodeSigned(n)]),
  from: (n: Value<"i32"> | number): Value<"i32"> => (typeof n === "number" ? i32.constant(n) : n),
  add: binaryI32(0x6a),
  sub: binaryI32(0x6b),
  mul: binaryI32(0x6c),
  divU: binaryI32(0x6e),
  remU: binaryI32(0x70),
  and: binaryI32(0x71),
  xor: binaryI32(0x73),
  shl: binaryI32(0x74),
  shrU: binaryI32(0x76),
  eq: binaryI32(0x46),
  ne: binaryI32(0x47),
  ltU: binaryI32(0x49),
  leU: binaryI32(0x4d),
  geU: binaryI32(0x4f),
  load: load("i32", [0x28], 2),
  load8U: load("i32", [0x2d], 0),
  load16U: load("i32", [0x2f], 1),
  store8: store<"i32">([0x3a], 0),
  store16: store<"i32">([0x3b], 1),
  store: store<"i32">([0x36], 2),
  /** The smaller of two unsigned numbers. */
  minU: (a: Value<"i32">, b: Value<"i32">): Value<"i32"> => i32.select(i32.ltU(a, b), a, b),
  select: (condition: Value<"i32">, yes: Value<"i32">, no: Value<"i32">): Value<"i32"> =>
    value("i32", yes.code, no.code, condition.code, [0x1b]),
};

export const f32 = {
  constant: (n: number): Value<"f32"> => value("f32", [0x43, ...new Uint8Array(Float32Array.of(n).buffer)]),
  load: load("f32", [0x2a], 2),
  store: store<"f32">([0x38], 2),
  add: binary<"f32", "f32">("f32", [0x92]),
  mul: binary<"f32", "f32">("f32", [0x94]),
};

export const f64 = {
  constantZero: (): Value<"f64"> => value("f64", [0x44, 0, 0, 0, 0, 0, 0, 0, 0]),
  constant: (n: number): Value<"f64"> => value("f64", [0x44, ...new Uint8Array(Float64Array.of(n).buffer)]),
  load: load("f64", [0x2b], 3),
  store: store<"f64">([0x39], 3),
  add: binary<"f64", "f64">("f64", [0xa0]),
  sub: binary<"f64", "f64">("f64", [0xa1]),
  mul: binary<"f64", "f64">("f64", [0xa2]),
  div: binary<"f64", "f64">("f64", [0xa3]),
  promote: unary<"f32", "f64">("f64", [0xbb]),
  convertU: unary<"i32", "f64">("f64", [0xb8]),
};

export const v128 = {
  load: load("v128", simd(0), 4),
  /** Four copies of the 32 bits at the address. */
  loadSplat32: load("v128", simd(9), 2),
  loadSplat64: load("v128", simd(10), 3),
  /** The 32 (64) bits at the address in the low lane(s), zeros above. */
  load32Zero: load("v128", simd(92), 2),
  load64Zero: load("v128", simd(93), 3),
  store: store<"v128">(simd(11), 4),
  and: binary<"v128", "v128">("v128", simd(0x4e)),
  or: binary<"v128", "v128">("v128", simd(0x50)),
  xor: binary<"v128", "v128">("v128", simd(0x51)),
  /** The bits of a where mask's are set, those of b where they are clear. */
  bitselect: (a: Value<"v128">, b: Value<"v128">, mask: Value<"v128">): Value<"v128"> =>
    value("v128", a.code, b.code, mask.code, simd(0x52)),
  /** 1 if any bit is set. */
  anyTrue: unary<"v128", "i32">("i32", simd(0x53)),
  /** The bits of a where mask's are clear. */
  andNot: binary<"v128", "v128">("v128", simd(0x4f)),
  /** `vector` with lane `lane` replaced by the 32 bits at the address. */
  load32Lane: (lane: number, address: Address, vector: Value<"v128">, offset = 0): Value<"v128"> =>
    value("v128", address.code, vector.code, simd(86), memoryArgument(2, offset), [lane]),
  store32Lane: (lane: number, address: Address, vector: Value<"v128">, offset = 0): Statement => ({
    statement: [...address.code, ...vector.code, ...simd(90), ...memoryArgument(2, offset), lane],
  }),
  store64Lane: (lane: number, address: Address, vector: Value<"v128">, offset = 0): Statement => ({
    statement: [...address.code, ...vector.code, ...simd(91), ...memoryArgument(3, offset), lane],
  }),
  /** 32-bit lanes picked from the eight of (a, b): 0…3 from a, 4…7 from b. */
  shuffle32: (a: Value<"v128">, b: Value<"v128">, lanes: readonly [number, number, number, number]): Value<"v128"> => {
    const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));
    return value("v128", a.code, b.code, simd(13), bytes);
  },
};

export const f32x4 = {
  zero: (): Value<"v128"> =>
    value(
      "v128",
      simd(12),
      Array.from({ length: 16 }, () => 0),
    ),
  splat: unary<"f32", "v128">("v128", simd(0x13)),
  extractLane: (lane: number, a: Value<"v128">): Value<"f32"> => value("f32", a.code, simd(0x1f), [lane]),
  add: binary<"v128", "v128">("v128", simd(0xe4)),
  sub: binary<"v128", "v128">("v128", simd(0xe5)),
  mul: binary<"v128", "v128">("v128", simd(0xe6)),
  div: binary<"v128", "v128">("v128", simd(0xe7)),
  /** NaN wins; 0 is larger than −0. */
  min: binary<"v128", "v128">("v128", simd(0xe8)),
  max: binary<"v128", "v128">("v128", simd(0xe9)),
  /** b < a ? b : a, and a < b ? b : a: one machine instruction each. A NaN in a stays, one in b is ignored. */
  pseudoMin: binary<"v128", "v128">("v128", simd(0xea)),
  pseudoMax: binary<"v128", "v128">("v128", simd(0xeb)),
  /** Half to even. */
  nearest: unary<"v128", "v128">("v128", simd(0x6a)),
  floor: unary<"v128", "v128">("v128", simd(0x68)),
  abs: unary<"v128", "v128">("v128", simd(0xe0)),
  neg: unary<"v128", "v128">("v128", simd(0xe1)),
  sqrt: unary<"v128", "v128">("v128", simd(0xe3)),
  /** All bits of a lane set where a ≤ b; never for NaN. */
  le: binary<"v128", "v128">("v128", simd(0x45)),
  lt: binary<"v128", "v128">("v128", simd(0x43)),
  ge: binary<"v128", "v128">("v128", simd(0x46)),
  /** All bits of a lane set where a = b; where a ≠ b or one is NaN. */
  eq: binary<"v128", "v128">("v128", simd(0x41)),
  ne: binary<"v128", "v128">("v128", simd(0x42)),
  /** Signed integers as floats, rounded half to even. */
  convertI32: unary<"v128", "v128">("v128", simd(0xfa)),
  /** Two doubles, rounded, in the low lanes; zeros above. */
  demote: unary<"v128", "v128">("v128", simd(0x5e)),
  /** a · b + c, rounded once or twice as the machine likes (relaxed SIMD). */
  relaxedMultiplyAdd: (a: Value<"v128">, b: Value<"v128">, c: Value<"v128">): Value<"v128"> =>
    value("v128", a.code, b.code, c.code, simd(0x105)),
};

export const f64x2 = {
  zero: f32x4.zero,
  splat: unary<"f64", "v128">("v128", simd(0x14)),
  add: binary<"v128", "v128">("v128", simd(0xf0)),
  sub: binary<"v128", "v128">("v128", simd(0xf1)),
  mul: binary<"v128", "v128">("v128", simd(0xf2)),
  pseudoMin: binary<"v128", "v128">("v128", simd(0xf6)),
  pseudoMax: binary<"v128", "v128">("v128", simd(0xf7)),
  gt: binary<"v128", "v128">("v128", simd(0x4a)),
  ceil: unary<"v128", "v128">("v128", simd(0x74)),
  floor: unary<"v128", "v128">("v128", simd(0x75)),
  /** Lanes 0 and 1 of four signed integers, as doubles. */
  convertLowI32: unary<"v128", "v128">("v128", simd(0xfe)),
  extractLane: (lane: number, a: Value<"v128">): Value<"f64"> => value("f64", a.code, simd(0x21), [lane]),
  /** Lanes 0 and 1 of four floats, as doubles. */
  promoteLow: unary<"v128", "v128">("v128", simd(0x5f)),
};

/** How a · b + c is computed: two instructions, or the relaxed one. */
export type MultiplyAdd = (a: Value<"v128">, b: Value<"v128">, c: Value<"v128">) => Value<"v128">;

export const plainMultiplyAdd: MultiplyAdd = (a, b, c) => f32x4.add(c, f32x4.mul(a, b));
