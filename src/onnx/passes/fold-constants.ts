/**
 * Constant folding: what has only constant inputs is computed while the model is imported. Weights that an exporter wrote as
 * computations become plain tensors that way, and so do the shapes of models with fixed sizes.
 */
import type { Argument } from "../../fx/argument.ts";
import { isArgumentRecord, mapRecord } from "../../fx/argument.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Callee, Operand, OperandRecord } from "../import-context.ts";
import { isValue } from "../import-context.ts";

/** Elements of a result that is folded in any case. */
const SMALL = 2 ** 16;
/** A larger result is folded if it is at most this much larger than what it is made of: not the expansion of a number. */
const GROWTH = 4;

/** What a call gives whose values are all constants; null if one is not, or the result would take too much memory. */
export function folded(
  fn: Callee,
  args: readonly Operand[],
  kwargs: OperandRecord,
): Tensor | readonly (Tensor | null)[] | null {
  const sizes = { elements: 0, computed: false };
  const values = args.map((arg) => constantOf(arg, sizes));
  const options = Object.entries(kwargs).map(([key, arg]) => [key, constantOf(arg, sizes)] as const);
  if (sizes.computed) return null;
  const all = options.length ? [...values, Object.fromEntries(options)] : values;
  const result = noGrad(() => (fn as (...args: readonly unknown[]) => unknown)(...all));
  if (!(result instanceof Tensor)) return result as readonly (Tensor | null)[];
  return result.numel() <= Math.max(SMALL, GROWTH * sizes.elements) ? result : null;
}

function constantOf(operand: Operand, sizes: { elements: number; computed: boolean }): unknown {
  if (Array.isArray(operand)) return (operand as readonly Operand[]).map((item) => constantOf(item, sizes));
  if (isArgumentRecord(operand) && !isValue(operand))
    return mapRecord(operand, (item) => constantOf(item as Operand, sizes) as Argument);
  if (!isValue(operand)) return operand;
  if (operand.constant) sizes.elements += operand.constant.numel();
  else sizes.computed = true;
  return operand.constant;
}
