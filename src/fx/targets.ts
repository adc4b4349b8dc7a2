/** What functions in a graph are called: as the start of a node's name, and when a graph is printed. */
import { tensorMethods } from "../ops/methods.ts";
import * as functional from "../nn/functional.ts";
import * as ops from "../ops/index.ts";
import type { AnyOp } from "../ops/op.ts";
import { pythonName, snakeCase } from "./names.ts";

/** A function that a node calls. */
export type TargetFunction = (...args: never[]) => unknown;

/** What a node refers to: a function, the name of a method, or a dotted path to a module or tensor. */
export type Target = string | TargetFunction;

/**
 * Tensor methods that stand for an operator of Python, with its name there. A call of such a method is recorded as a call
 * of the function, because JavaScript has no other way to write `a + b`; patterns then match both.
 */
export const PYTHON_OPERATORS: Readonly<Record<string, string>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "truediv",
  floorDivide: "floordiv",
  remainder: "mod",
  pow: "pow",
  matmul: "matmul",
  neg: "neg",
  eq: "eq",
  ne: "ne",
  lt: "lt",
  le: "le",
  gt: "gt",
  ge: "ge",
  bitwiseAnd: "and_",
  bitwiseOr: "or_",
  bitwiseXor: "xor",
  add_: "iadd",
  sub_: "isub",
  mul_: "imul",
  div_: "itruediv",
  pow_: "ipow",
};

/** Functions of torch.nn.functional that PyTorch prints as functions of torch. */
const TOP_LEVEL_FUNCTIONALS: ReadonlySet<string> = new Set([
  "adaptive_avg_pool1d",
  "avg_pool1d",
  "bilinear",
  "channel_shuffle",
  "conv1d",
  "conv2d",
  "conv3d",
  "conv_transpose1d",
  "conv_transpose2d",
  "conv_transpose3d",
  "cosine_similarity",
  "hardshrink",
  "pairwise_distance",
  "pixel_shuffle",
  "pixel_unshuffle",
  "prelu",
  "relu_",
  "celu_",
  "selu_",
  "threshold_",
  "sigmoid",
  "tanh",
]);

/** Those that it prints by where they are compiled. */
const BUILT_IN_FUNCTIONALS: ReadonlySet<string> = new Set([
  "avg_pool2d",
  "avg_pool3d",
  "gelu",
  "linear",
  "one_hot",
  "scaled_dot_product_attention",
  "softplus",
  "softshrink",
]);

/** Printed names of functions, filled on first use. */
let printedNames: Map<unknown, string> | undefined;

/** How functions of other files are printed. */
const registeredNames = new Map<unknown, string>();

/** Says how a graph prints a function. */
export function printAs<F extends TargetFunction>(fn: F, name: string): F {
  registeredNames.set(fn, name);
  return fn;
}

/** Start of the name of a node that calls `target`. */
export function targetName(target: Target): string {
  if (typeof target === "string") return snakeCase(target);
  if (target === functional.logsigmoid) return "log_sigmoid"; // as PyTorch names it inside
  return snakeCase(pythonName(functionName(target).replace(/^.*\./, "")));
}

/** How a graph prints a target: PyTorch's name of it, where it has one. */
export function printTarget(target: Target): string {
  if (typeof target === "string") return target;
  const known = registeredNames.get(target) ?? (printedNames ??= namesOfOperators()).get(target);
  if (known) return known;
  const name = functionName(target);
  return name.startsWith("quantized.") ? `torch.ops.${pythonName(name)}` : name;
}

function namesOfOperators(): Map<unknown, string> {
  const names = new Map<unknown, string>();
  for (const [name, fn] of Object.entries(ops))
    if (typeof fn === "function") names.set(fn, `torch.${pythonName(name)}`);
  for (const [name, fn] of Object.entries(functional)) {
    const known = pythonName(name);
    if (BUILT_IN_FUNCTIONALS.has(known)) names.set(fn, `torch._C._nn.${known}`);
    else if (!TOP_LEVEL_FUNCTIONALS.has(known)) names.set(fn, `torch.nn.functional.${known}`);
  }
  for (const [name, printed] of Object.entries(PYTHON_OPERATORS)) names.set(tensorMethods[name], `operator.${printed}`);
  return names;
}

function functionName(fn: TargetFunction): string {
  return isOp(fn) ? fn.op.name : fn.name || "anonymous";
}

function isOp(fn: TargetFunction): fn is AnyOp {
  return "op" in fn;
}
