/** Runs golden cases on Octet: builds the inputs and the module, calls the operator, and compares tensors. */
import type { DType } from "../src/core/dtype.ts";
import { float16, float32, float64 } from "../src/core/dtype.ts";
import { nn } from "../src/index.ts";
import type { Module } from "../src/nn/module.ts";
import { convertArray } from "../src/tensor/convert.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import type { GoldenCase, GoldenFamily, Run } from "./golden.ts";
import { opCases } from "./op-cases/index.ts";
import type { Inputs } from "./op-cases/types.ts";
import { optionsOf } from "./op-cases/types.ts";

/** A case made ready: `call` may be repeated with other inputs of the same names. */
export interface Prepared {
  readonly inputs: Inputs;
  readonly module: Module | null;
  readonly call: (inputs: Inputs) => Tensor[];
}

export function prepare(family: GoldenFamily, case_: GoldenCase, run: Run): Prepared {
  const inputs = inputsOf(family, case_, run);
  const entry = opCases.get(case_.op);
  if (case_.kind === "function") {
    const call = entry?.call;
    if (!call) throw new Error(`test/op-cases has no entry with a call for ${case_.op}`);
    return { inputs, module: null, call: (given) => tensorsIn(call(given, case_.kwargs)) };
  }
  const state = family.under(case_, "state");
  const module = (entry?.make ?? makeModule(case_.op))(case_.args, case_.kwargs, state).train(case_.training);
  module.loadStateDict(state);
  if (run === "f64") module.to(float64);
  const call = entry?.run ?? ((m: Module, given: Inputs) => m(...Object.values(given)) as unknown);
  return { inputs, module, call: (given) => tensorsIn(call(module, given)) };
}

function inputsOf(family: GoldenFamily, case_: GoldenCase, run: Run): Inputs {
  const entries = case_.inputs.map((name): [string, Tensor] => {
    const stored = family.get(case_, `in/${name}`);
    const dtype = run === "raw" || !stored.dtype.isFloatingPoint ? stored.dtype : run === "f32" ? float32 : float64;
    const tensor = Tensor.fromArray(convertArray(stored.elements(), stored.dtype, dtype), stored.shape, dtype);
    return [name, tensor.requiresGrad_(case_.differentiable.includes(name))];
  });
  return Object.fromEntries(entries);
}

type ModuleClass = new (...args: unknown[]) => Module;

function makeModule(op: string) {
  return (args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): Module => {
    const found = (nn as unknown as Record<string, ModuleClass | undefined>)[op];
    if (!found) throw new Error(`nn.${op} does not exist`);
    return new found(...args, ...optionsOf(kwargs));
  };
}

/** The tensors of a result, flattened: arrays in order, a packed sequence's data; anything else counts for nothing. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  const data = typeof value === "object" ? (value as { data?: unknown } | null)?.data : undefined;
  return data instanceof Tensor ? [data] : [];
}

/** |a − b| ≤ tolerance · max(1, |b|), by the dtype of the result; 0 asks for equality. */
export function toleranceOf(dtype: DType): number {
  return dtype === float64 ? 1e-10 : dtype === float32 ? 1e-5 : dtype === float16 ? 2 ** -10 : 0;
}

/** What is wrong with `actual`, or null. NaN equals NaN, and infinities must agree. */
export function mismatch(actual: Tensor, expected: Tensor): string | null {
  if (actual.dtype !== expected.dtype) return `dtype is ${actual.dtype.name}, not ${expected.dtype.name}`;
  if (actual.shape.join() !== expected.shape.join()) return `shape is [${actual.shape}], not [${expected.shape}]`;
  const [a, b] = [actual.toNumbers(), expected.toNumbers()];
  const tolerance = toleranceOf(expected.dtype);
  for (let i = 0; i < a.length; i++) {
    const close = Math.abs(a[i] - b[i]) <= tolerance * Math.max(1, Math.abs(b[i]));
    if (!close && !Object.is(a[i], b[i]) && a[i] !== b[i]) return `element ${i} is ${a[i]}, not ${b[i]}`;
  }
  return null;
}
