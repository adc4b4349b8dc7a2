/**
 * How an operator is defined and called. Every public operator goes through one of three constructors:
 *
 * - `primitive`: a forward function and a gradient rule;
 * - `composite`: written with other operators, which carry the gradient;
 * - `nondifferentiable`: comparisons, index results and the like.
 *
 * A call first asks the top of the interpreter stack (a tracer records it as one node, whatever its kind); with no
 * interpreter it runs at once, and a primitive records itself on the tape when an argument requires a gradient.
 *
 * A call with a quantized tensor among its arguments runs the operator's quantized form instead, given by
 * {@link quantizedForm}; without one it fails in PyTorch's words.
 */
import { OctetError } from "../core/errors.ts";
import { isGradEnabled, noGrad } from "../autograd/grad-mode.ts";
import type { Edge } from "../autograd/node.ts";
import { GradNode, edgeOf } from "../autograd/node.ts";
import { storeElements } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What an operator may return. */
export type OpResult = Tensor | readonly Tensor[];

/** The gradient for one positional argument: null for what needs none; an array for an array of tensors. */
export type ArgumentGradient = Tensor | null | undefined | readonly (Tensor | null | undefined)[];

/**
 * Maps the gradient(s) of the output(s) to one entry per positional argument. `needs[i]` tells whether argument i (or
 * any tensor in it) wants a gradient; a rule may skip the work for those that do not. For several outputs the gradient
 * of one that was not used is undefined.
 */
export type GradFunction<R extends OpResult> = (
  gradient: R extends Tensor ? Tensor : readonly (Tensor | undefined)[],
  needs: readonly boolean[],
) => readonly ArgumentGradient[];

/**
 * A gradient rule: called at forward time with the output and the arguments, returns the function that backward calls.
 * Whatever the inner function mentions stays alive until then: keep values with `saved(tensor)` and mention nothing else.
 */
export type GradRule<A extends readonly unknown[], R extends OpResult> = (out: R, ...args: A) => GradFunction<R>;

/** An operator as data: what a tracer records. */
export interface OpInfo {
  /** PyTorch's name in camelCase, as the function is exported. */
  readonly name: string;
}

export type Op<A extends readonly unknown[], R> = ((...args: A) => R) & { readonly op: OpInfo };

type AnyFunction = (...args: never[]) => unknown;

/** Any operator, as an interpreter sees it. */
export type AnyOp = Op<never[], unknown>;

/** Sees every operator call while it is on the stack. `next()` evaluates the call as if this interpreter were not there. */
export interface Interpreter {
  /** `op` is the function as it is exported: the same object for every call of one operator. */
  call(op: AnyOp, args: readonly unknown[], next: () => unknown): unknown;
}

const interpreters: Interpreter[] = [];

/** Runs `body` with `interpreter` on top of the stack. */
export function withInterpreter<T>(interpreter: Interpreter, body: () => T): T {
  interpreters.push(interpreter);
  try {
    return body();
  } finally {
    interpreters.pop();
  }
}

/** Whether an interpreter would see an operator that is called now. */
export function isInterpreted(): boolean {
  return interpreters.length > 0;
}

/** An operator with its own gradient rule. */
export function primitive<A extends readonly unknown[], R extends OpResult>(
  name: string,
  forward: (...args: A) => R,
  rule: GradRule<A, R>,
): Op<A, R> {
  return define(name, (...args: A) => {
    if (!isGradEnabled() || !args.some(wantsGradient)) return forward(...args);
    const out = noGrad(() => forward(...args));
    record(name, args, out, rule(out, ...args));
    return out;
  });
}

/** An operator written with other operators; only a tracer sees it as one. */
export function composite<A extends readonly unknown[], R>(name: string, forward: (...args: A) => R): Op<A, R> {
  const op = define(name, forward);
  quantizedForms.set(op.op, "same"); // the operators inside decide
  return op;
}

/** An operator whose results never require a gradient. */
export function nondifferentiable<A extends readonly unknown[], R>(name: string, forward: (...args: A) => R): Op<A, R> {
  return define(name, (...args: A) => noGrad(() => forward(...args)));
}

/** A function that is no operator on tensors, but that a tracer records as one call all the same. */
export function traceable<F extends AnyFunction>(name: string, run: F): F & Pick<AnyOp, "op"> {
  const op: OpInfo = Object.freeze({ name });
  quantizedForms.set(op, "same"); // the operators inside decide
  return interpretable(op, (args: Parameters<F>) => run(...args)) as unknown as F & Pick<AnyOp, "op">;
}

function define<A extends readonly unknown[], R>(name: string, run: (...args: A) => R): Op<A, R> {
  const op: OpInfo = Object.freeze({ name });
  return interpretable(op, (args) => (args.some(isQuantized) ? runQuantized(op, args, run) : run(...args)));
}

function interpretable<A extends readonly unknown[], R>(op: OpInfo, evaluate: (args: A) => R): Op<A, R> {
  const call = Object.assign(
    (...args: A): R => {
      const top = interpreters.at(-1);
      return top ? interpret(top, call, args, () => evaluate(args)) : evaluate(args);
    },
    { op },
  );
  return call;
}

/** For operators that are exported in another form than they are defined in. */
const exportedForms = new Map<OpInfo, AnyOp>();

/** Lets interpreters see `form`, which calls the operator of the same `op`, as that operator. */
export function exportedAs<F extends AnyOp>(form: F): F {
  exportedForms.set(form.op, form);
  return form;
}

/** "same": the operator's own forward serves quantized tensors, because it only moves elements or reads shapes. */
const quantizedForms = new Map<OpInfo, AnyFunction | "same">();

/**
 * Says what an operator does when one of its arguments is a quantized tensor. Called in the file of that operator, or in
 * ops/quantized for those that need more than the integers.
 */
export function quantizedForm<A extends readonly unknown[], R>(op: Op<A, R>, form: ((...args: A) => R) | "same"): void {
  quantizedForms.set(op.op, form as AnyFunction | "same");
}

/** What a call with quantized tensors comes to: a form of its own, "same" (what is inside decides), or null: it is refused. */
export function quantizedSupport({ op }: Pick<AnyOp, "op">): "own" | "same" | null {
  const form = quantizedForms.get(op);
  return typeof form === "function" ? "own" : (form ?? null);
}

function runQuantized<A extends readonly unknown[], R>(op: OpInfo, args: A, run: (...args: A) => R): R {
  const form = quantizedForms.get(op);
  if (!form) throw noQuantizedForm(op.name);
  return form === "same" ? run(...args) : (form as unknown as (...args: A) => R)(...args);
}

/** What an operator says that is given a quantized tensor and cannot take one. */
export function noQuantizedForm(name: string): OctetError {
  return new OctetError(
    `Could not run 'aten::${snakeCase(name)}' with arguments from the 'QuantizedCPU' backend: this operator has no ` +
      "quantized form; dequantize its input, or place a DeQuantStub before it",
  );
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isQuantized(arg: unknown): boolean {
  if (arg instanceof Tensor) return arg.dtype.isQuantized;
  return Array.isArray(arg) && arg.some((item) => item instanceof Tensor && item.dtype.isQuantized);
}

/** The interpreter is off the stack while it handles a call, so that operators it runs itself do not come back to it. */
function interpret<R>(top: Interpreter, call: AnyOp, args: readonly unknown[], next: () => R): R {
  interpreters.pop();
  try {
    return top.call(exportedForms.get(call.op) ?? call, args, next) as R;
  } finally {
    interpreters.push(top);
  }
}

function wantsGradient(arg: unknown): boolean {
  if (arg instanceof Tensor) return requiresGradNow(arg);
  return Array.isArray(arg) && arg.some((item) => item instanceof Tensor && requiresGradNow(item));
}

/** A view made before its base moved to another place in the graph would send its gradient to the old one: refused. */
function requiresGradNow(tensor: Tensor): boolean {
  if (tensor.base && tensor.base.gradFn !== tensor.baseGradFn) {
    throw new OctetError(
      `a view of shape [${tensor.shape.join(", ")}] is used after its base was changed in place by a recorded operator ` +
        `(${tensor.base.gradFn?.name}); make the view again after the change`,
    );
  }
  return tensor.requiresGrad;
}

/** Puts a node for this call on the tape and points the outputs at it. */
function record<A extends readonly unknown[], R extends OpResult>(
  name: string,
  args: A,
  out: R,
  gradFunction: GradFunction<R>,
): void {
  const needs = args.map(wantsGradient);
  const { edges, flatten } = edgesOf(name, args);
  const several = !(out instanceof Tensor);
  const node = new GradNode(name, edges, (gradients) => {
    const given = (several ? gradients : gradients[0]) as Parameters<GradFunction<R>>[0];
    return flatten(gradFunction(given, needs));
  });
  const outputs: readonly Tensor[] = out instanceof Tensor ? [out] : out;
  outputs.forEach((output, index) => {
    if (!output.dtype.isFloatingPoint) return;
    output.gradFn = node;
    output.outputIndex = index;
  });
}

/** The edges of all tensors among the arguments, in order, and how to line a rule's result up with them. */
function edgesOf(name: string, args: readonly unknown[]) {
  const edges: (Edge | null)[] = [];
  const places: [argument: number, item: number][] = [];
  args.forEach((arg, i) => {
    const items = arg instanceof Tensor ? [arg] : Array.isArray(arg) ? arg : [];
    items.forEach((item, j) => {
      if (!(item instanceof Tensor)) return;
      edges.push(edgeOf(item));
      places.push([i, arg instanceof Tensor ? -1 : j]);
    });
  });
  const flatten = (result: readonly ArgumentGradient[]): (Tensor | null)[] =>
    places.map(([i, j], k) => {
      const entry = result[i];
      const gradient = j < 0 ? entry : (entry as readonly (Tensor | null | undefined)[] | null | undefined)?.[j];
      if (edges[k] && gradient === undefined) {
        throw new OctetError(`${name}: the gradient rule gave nothing for argument ${i}`);
      }
      return (gradient ?? null) as Tensor | null;
    });
  return { edges, flatten };
}

/**
 * Writes the result of an operator into `self` (`x.add_(y)` is `assign_("add_", x, add(x, y))`) and moves `self` to the
 * result's place in the graph. Refuses what PyTorch refuses: a leaf that requires a gradient, another shape, a lower
 * dtype category; and, beyond that, a view of a tensor in a graph, whose base could not be told.
 */
export function assign_(name: string, self: Tensor, result: Tensor): Tensor {
  if (isGradEnabled() && (self.requiresGrad || result.requiresGrad || self.base?.requiresGrad)) {
    if (self.leafRequiresGrad) {
      throw new OctetError(`${name}: a leaf Variable that requires grad is being used in an in-place operation`);
    }
    if (self.base) {
      throw new OctetError(
        `${name}: in-place change of a view of a tensor in an autograd graph; use the operator without the underscore`,
      );
    }
  }
  if (result.ndim !== self.ndim || result.shape.some((size, d) => size !== self.shape[d])) {
    throw new OctetError(
      `${name}: output with shape [${self.shape.join(", ")}] doesn't match the broadcast shape [${result.shape.join(", ")}]`,
    );
  }
  storeElements(name, self, result);
  if (result.gradFn) {
    self.gradFn = result.gradFn;
    self.outputIndex = result.outputIndex;
  }
  return self;
}
