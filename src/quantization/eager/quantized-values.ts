/** Follows through a float model which of its values would be quantized tensors after conversion. */
import type { AnyOp, Interpreter } from "../../ops/op.ts";
import { quantizedSupport, withInterpreter } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** Tensors among values and in lists of them. */
export function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  return Array.isArray(value) ? value.flatMap(tensorsIn) : [];
}

/** Operators that FloatFunctional has, in place or not. */
const FUNCTIONAL_OPERATORS: ReadonlyMap<string, string> = new Map([
  ["add", "add"],
  ["mul", "mul"],
  ["cat", "cat"],
  ["matmul", "matmul"],
  ["bmm", "matmul"],
]);

/**
 * An interpreter that computes floats and keeps account of the tensors that stand for quantized ones: an operator that has a
 * quantized form passes the property on, one that has none is reported.
 */
export class QuantizedValues implements Interpreter {
  /** While this is set, operators are not looked at: they run inside a module that is converted as a whole. */
  paused: object | null = null;
  private readonly quantized = new WeakSet<Tensor>();
  /** Operator calls seen so far. */
  private calls = 0;
  /** The operator that the model called, while those inside it are looked at. */
  private outer: string | null = null;
  private readonly report: (problem: string, advice: string) => void;

  /** `report` is told about operators that could not run. */
  constructor(report: (problem: string, advice: string) => void) {
    this.report = report;
  }

  has(x: Tensor): boolean {
    return x.isQuantized || this.quantized.has(x);
  }

  /** The float tensors in `value` stand for quantized ones. */
  add(value: unknown): void {
    for (const x of tensorsIn(value)) if (x.dtype.isFloatingPoint) this.quantized.add(x);
  }

  call(op: AnyOp, args: readonly unknown[], next: () => unknown): unknown {
    this.calls++;
    const inputs = this.paused ? [] : tensorsIn(args);
    if (!inputs.some((x) => this.has(x))) return next();
    const { name } = op.op;
    if (name === "dequantize") return (next() as Tensor).detach();
    const support = quantizedSupport(op);
    const result = support === "same" ? this.lookInside(name, next) : next();
    const functional = FUNCTIONAL_OPERATORS.get(name.replace(/_$/, ""));
    if (support === null) this.refuse(this.outer ?? name);
    if (support === "own") this.refuseMixture(name, args);
    if (support === "own" || functional) this.add(result);
    return result;
  }

  private refuse(name: string): void {
    const problem = `${name} gets a quantized tensor, but has no quantized form`;
    const functional = FUNCTIONAL_OPERATORS.get(name.replace(/_$/, ""));
    if (functional) return this.report(problem, `call ${functional} of a nn.quantized.FloatFunctional instead`);
    this.report(
      problem,
      "place a DeQuantStub before it, and a QuantStub behind it if its result goes to quantized modules; or, if it is a module " +
        "that can be quantized, give it a qconfig",
    );
  }

  /** Lists of tensors (of a concatenation) must be quantized as a whole. */
  private refuseMixture(name: string, args: readonly unknown[]): void {
    const mixed = args.some((arg) => Array.isArray(arg) && new Set(tensorsIn(arg).map((x) => this.has(x))).size > 1);
    if (mixed) this.report(`${name} gets quantized and float tensors`, "place a QuantStub before the float ones");
  }

  /** The operators inside decide; one that has none inside moves elements, or gives what it was given. */
  private lookInside(name: string, next: () => unknown): unknown {
    const { outer, calls } = this;
    this.outer ??= name;
    const result = withInterpreter(this, next);
    this.outer = outer;
    if (this.calls === calls) this.add(result);
    return result;
  }
}
