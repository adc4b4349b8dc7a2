/**
 * Elementwise loops. Any function runs through its entry in scalar-functions.ts; the ones that networks spend their time
 * in have a loop of their own, because a call through a table costs several times what the arithmetic does.
 */
import type { FloatArray, NumericArray } from "../../core/dtype.ts";
import type { BinaryLayout } from "../kernels.ts";
import type { BinaryFunction, BinaryName, UnaryFunction, UnaryName } from "./scalar-functions.ts";
import { binaryFunctions, unaryFunctions } from "./scalar-functions.ts";
import { integerPower } from "./special-functions.ts";

/** A function's parameter in the precision of its operands, as PyTorch converts it: a limit of 0.1 then equals a float32 0.1. */
function parameterFor(x: NumericArray, parameter: number): number {
  return x instanceof Float32Array ? Math.fround(parameter) : parameter;
}

/** True for 32-bit and narrower integers, which wrap; int64 lives in doubles. */
function wraps(x: NumericArray): boolean {
  return !(x instanceof Float32Array || x instanceof Float64Array);
}

// ---------------------------------------------------------------- one operand

type UnaryLoop = (x: NumericArray, out: NumericArray, p: number) => void;

const unaryLoops: { readonly [N in UnaryName]?: UnaryLoop } = {
  copy(x, out) {
    if (out !== x) out.set(x);
  },
  neg(x, out) {
    for (let i = 0; i < x.length; i++) out[i] = -x[i];
  },
  relu(x, out) {
    for (let i = 0; i < x.length; i++) out[i] = x[i] <= 0 ? 0 : x[i];
  },
  sqrt(x, out) {
    for (let i = 0; i < x.length; i++) out[i] = Math.sqrt(x[i]);
  },
  square(x, out) {
    for (let i = 0; i < x.length; i++) out[i] = x[i] * x[i];
  },
  addScalar(x, out, p) {
    for (let i = 0; i < x.length; i++) out[i] = x[i] + p;
  },
  mulScalar(x, out, p) {
    for (let i = 0; i < x.length; i++) out[i] = x[i] * p;
  },
};

/** Functions whose results leave the 53 bits of a double before they wrap. */
const wrappingUnary: { readonly [N in UnaryName]?: UnaryFunction } = {
  square: (x) => Math.imul(x, x),
  mulScalar: (x, p) => (Number.isInteger(p) ? Math.imul(x, p) : x * p),
  powScalar: (x, p) => (Number.isInteger(p) ? integerPower(x, p) : x ** p),
};

/** out[i] = f(x[i], p, q). */
export function unary(name: UnaryName, x: NumericArray, out: NumericArray, p = 0, q = 0): void {
  const [p_, q_] = [parameterFor(x, p), parameterFor(x, q)];
  const wrapping = wraps(x) && wraps(out) ? wrappingUnary[name] : undefined;
  const loop = wrapping ? undefined : unaryLoops[name];
  if (loop) {
    loop(x, out, p_);
    return;
  }
  const f = wrapping ?? unaryFunctions[name];
  for (let i = 0; i < x.length; i++) out[i] = f(x[i], p_, q_);
}

// ---------------------------------------------------------------- two operands

/** One row: out[o + i] = f(a[s + i · aStep], b[t + i · bStep]) for i < n. */
type Row = (
  n: number,
  a: NumericArray,
  s: number,
  aStep: number,
  b: NumericArray,
  t: number,
  bStep: number,
  out: NumericArray,
  o: number,
  p: number,
) => void;

// A step of 0 repeats a scalar and a step of 1 reads a contiguous row: neither gains from a loop of its own.
const rows: { readonly [N in BinaryName]?: Row } = {
  add(n, a, s, aStep, b, t, bStep, out, o) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = a[s] + b[t];
  },
  addScaled(n, a, s, aStep, b, t, bStep, out, o, p) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = a[s] + p * b[t];
  },
  sub(n, a, s, aStep, b, t, bStep, out, o) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = a[s] - b[t];
  },
  mul(n, a, s, aStep, b, t, bStep, out, o) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = a[s] * b[t];
  },
  div(n, a, s, aStep, b, t, bStep, out, o) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = a[s] / b[t];
  },
  reluGrad(n, a, s, aStep, b, t, bStep, out, o) {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = b[t] <= 0 ? 0 : a[s];
  },
};

/** Functions whose results leave the 53 bits of a double before they wrap. */
const wrappingBinary: { readonly [N in BinaryName]?: BinaryFunction } = {
  mul: Math.imul,
  addScaled: (a, b, p) => (Number.isInteger(p) ? a + Math.imul(p, b) : a + p * b),
  pow: integerPower,
};

function rowOf(f: BinaryFunction, q: number): Row {
  return (n, a, s, aStep, b, t, bStep, out, o, p) => {
    for (let i = 0; i < n; i++, s += aStep, t += bStep) out[o + i] = f(a[s], b[t], p, q);
  };
}

/** out = f(a, b, p, q) over a strided layout; `out` is contiguous. */
export function binary(
  name: BinaryName,
  layout: BinaryLayout,
  a: NumericArray,
  b: NumericArray,
  out: NumericArray,
  p = 0,
  q = 0,
): void {
  const wrapping = wraps(a) && wraps(out) ? wrappingBinary[name] : undefined;
  const row = (wrapping ? undefined : rows[name]) ?? rowOf(wrapping ?? binaryFunctions[name], parameterFor(a, q));
  const scale = parameterFor(a, p);
  const { sizes, aSteps, bSteps } = mergeDimensions(layout);
  if (sizes.includes(0)) return;
  const inner = sizes.length - 1;
  const n = sizes[inner];
  const index = sizes.map(() => 0);
  for (let s = 0, t = 0, o = 0; ; o += n) {
    row(n, a, s, aSteps[inner], b, t, bSteps[inner], out, o, scale);
    let d = inner - 1;
    for (; d >= 0; d--) {
      s += aSteps[d];
      t += bSteps[d];
      if (++index[d] < sizes[d]) break;
      s -= aSteps[d] * sizes[d];
      t -= bSteps[d] * sizes[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

/** Drops dimensions of size 1 and merges neighbours that both operands step through evenly. At least one remains. */
function mergeDimensions({ shape, aStrides, bStrides }: BinaryLayout) {
  const sizes: number[] = [];
  const aSteps: number[] = [];
  const bSteps: number[] = [];
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === 1) continue;
    const last = sizes.length - 1;
    const even = aSteps[last] === aStrides[d] * shape[d] && bSteps[last] === bStrides[d] * shape[d];
    if (last >= 0 && even) {
      sizes[last] *= shape[d];
      aSteps[last] = aStrides[d];
      bSteps[last] = bStrides[d];
    } else {
      sizes.push(shape[d]);
      aSteps.push(aStrides[d]);
      bSteps.push(bStrides[d]);
    }
  }
  return sizes.length ? { sizes, aSteps, bSteps } : { sizes: [1], aSteps: [0], bSteps: [0] };
}

/** y += alpha · x. */
export function axpy<T extends FloatArray>(alpha: number, x: T, y: T): void {
  const scale = parameterFor(x, alpha);
  for (let i = 0; i < y.length; i++) y[i] += scale * x[i];
}
