/**
 * Elementwise functions of one or two arrays of floats: out[i] = f(a[i], b[i], p, q). `out` may be `a` or `b`. Named as in
 * the kernels interface, with the reference's results bit for bit, NaN, infinities and −0 included; except addScaled,
 * which rounds the product before the sum where multiply-add is not fused.
 */
import type { ModuleBuilder } from "../assembler.ts";
import { f32x4, v128 } from "../instructions.ts";
import type { MultiplyAdd, Value } from "../instructions.ts";
import { eachFloat4 } from "./channels.ts";

type Vector = Value<"v128">;
type UnaryFormula = (x: Vector, p: Vector, q: Vector) => Vector;
type BinaryFormula = (a: Vector, b: Vector, p: Vector) => Vector;

/** a where x > 0 or x is NaN, else zero. */
const whereNotBelow = (a: Vector, x: Vector): Vector => v128.andNot(a, f32x4.le(x, f32x4.zero()));

/** Between p and q; the upper limit wins, NaN stays. */
const clamp: UnaryFormula = (x, p, q) => f32x4.min(f32x4.max(x, p), q);

const unaryFormulas = {
  neg: f32x4.neg,
  abs: f32x4.abs,
  sqrt: f32x4.sqrt,
  square: (x) => f32x4.mul(x, x),
  relu: (x) => whereNotBelow(x, x),
  hardtanh: clamp,
  clamp,
  clampMin: f32x4.max,
  clampMax: f32x4.min,
  addScalar: f32x4.add,
  mulScalar: f32x4.mul,
  divScalar: f32x4.div,
} satisfies Record<string, UnaryFormula>;

const binaryFormulas = {
  add: f32x4.add,
  sub: f32x4.sub,
  mul: f32x4.mul,
  div: f32x4.div,
  maximum: f32x4.max,
  minimum: f32x4.min,
  reluGrad: whereNotBelow,
} satisfies Record<string, BinaryFormula>;

export type WasmUnaryName = keyof typeof unaryFormulas;
export type WasmBinaryName = keyof typeof binaryFormulas | "addScaled";

export function isWasmUnary(name: string): name is WasmUnaryName {
  return Object.hasOwn(unaryFormulas, name);
}

export function isWasmBinary(name: string): name is WasmBinaryName {
  return name === "addScaled" || Object.hasOwn(binaryFormulas, name);
}

/** Emits unary functions as (x, out, count, address of p and q), binary ones as (a, b, out, count, address of p). */
export function emitElementwise(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  for (const [name, formula] of Object.entries<UnaryFormula>(unaryFormulas)) emitUnary(module, name, formula);
  for (const [name, formula] of Object.entries<BinaryFormula>(binaryFormulas)) emitBinary(module, name, formula);
  emitBinary(module, "addScaled", (a, b, p) => multiplyAdd(p, b, a));
}

function emitUnary(module: ModuleBuilder, name: string, formula: UnaryFormula): void {
  module.func(name, { x: "i32", out: "i32", count: "i32", parameters: "i32" }, (f, p) => {
    const parameters = [0, 4].map((offset) => f.local("v128", v128.loadSplat32(p.parameters, offset)));
    const value = (x: Vector): Vector => formula(x, parameters[0], parameters[1]);
    eachFloat4(
      f,
      p.count,
      [p.x, p.out],
      ([x, out]) => f.run(v128.store(out, value(v128.load(x)))),
      ([x, out]) => f.run(v128.store32Lane(0, out, value(v128.load32Zero(x)))),
    );
  });
}

function emitBinary(module: ModuleBuilder, name: string, formula: BinaryFormula): void {
  module.func(name, { a: "i32", b: "i32", out: "i32", count: "i32", parameters: "i32" }, (f, p) => {
    const parameter = f.local("v128", v128.loadSplat32(p.parameters));
    const value = (a: Vector, b: Vector): Vector => formula(a, b, parameter);
    eachFloat4(
      f,
      p.count,
      [p.a, p.b, p.out],
      ([a, b, out]) => f.run(v128.store(out, value(v128.load(a), v128.load(b)))),
      ([a, b, out]) => f.run(v128.store32Lane(0, out, value(v128.load32Zero(a), v128.load32Zero(b)))),
    );
  });
}
