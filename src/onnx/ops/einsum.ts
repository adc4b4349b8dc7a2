/** Sums of products by an equation over named dimensions: `ij,jk->ik` is the product of two matrices. */
import { OctetError } from "../../core/errors.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Dim, SymbolicShape } from "../import-value.ts";

interface Equation {
  readonly terms: readonly string[];
  readonly result: string;
}

/** Without an arrow the result has every name that occurs once, in alphabetical order. */
function parse(equation: string): Equation {
  const [left, right] = equation.replaceAll(" ", "").split("->");
  const terms = left.split(",");
  const all = terms.join("");
  const once = [...new Set(all)].filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  return { terms, result: right ?? once.join("") };
}

export function einsumShape(equation: string, shapes: readonly (SymbolicShape | null)[]): SymbolicShape | null {
  if (equation.includes(".")) return null;
  const { terms, result } = parse(equation);
  const sizes = new Map<string, Dim>();
  terms.forEach((term, i) =>
    [...term].forEach((name, d) => sizes.set(name, shapes[i]?.[d] ?? sizes.get(name) ?? null)),
  );
  return [...result].map((name) => sizes.get(name) ?? null);
}

/** Dimensions that an ellipsis stands for get names of their own: the last ones for all, as shapes broadcast. */
function withoutEllipses(equation: string, operands: readonly Tensor[]): string {
  if (!equation.includes("...")) return equation;
  const [left, right] = equation.replaceAll(" ", "").split("->");
  const free = [...FREE_NAMES].filter((name) => !equation.includes(name)).join("");
  let most = 0;
  const terms = left.split(",").map((term, i) => {
    if (!term.includes("...")) return term;
    const count = operands[i].ndim - (term.length - 3);
    most = Math.max(most, count);
    return term.replace("...", free.slice(free.length - count));
  });
  const all = free.slice(free.length - most);
  // Without an arrow these come first, and then every name that occurs once.
  const names = [...left.replaceAll(/[.,]/g, "")];
  const once = [...new Set(names)].filter((name) => names.indexOf(name) === names.lastIndexOf(name)).sort();
  return `${terms.join(",")}->${right === undefined ? all + once.join("") : right.replace("...", all)}`;
}

const FREE_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A tensor with a name for each dimension. */
interface Named {
  readonly names: string;
  readonly tensor: Tensor;
}

export const einsum = traceable("onnx.einsum", (equation: string, operands: readonly Tensor[]): Tensor => {
  const { terms, result } = parse(withoutEllipses(equation, operands));
  if (terms.length !== operands.length) {
    throw new OctetError(`einsum: the equation "${equation}" is of ${terms.length} tensors, got ${operands.length}`);
  }
  let rest = operands.map((tensor, i) => withoutRepeats(terms[i], tensor));
  while (rest.length > 1) {
    const [a, b, ...others] = rest;
    const needed = result + others.map(({ names }) => names).join("");
    rest = [product(a, b, needed), ...others];
  }
  const [{ names, tensor }] = rest.map((named) => summedOut(named, result));
  return ops.permute(
    tensor,
    [...result].map((name) => names.indexOf(name)),
  );
});

/** A name that stands twice means the diagonal. */
function withoutRepeats(names: string, tensor: Tensor): Named {
  for (const name of names) {
    const [first, second] = [names.indexOf(name), names.lastIndexOf(name)];
    if (first === second) continue;
    const others = [...names].filter((_, d) => d !== first && d !== second).join("");
    return withoutRepeats(others + name, ops.diagonal(tensor, 0, first, second));
  }
  return { names, tensor };
}

/** Sums over the dimensions that `needed` does not name. */
function summedOut({ names, tensor }: Named, needed: string): Named {
  const dims = [...names].flatMap((name, d) => (needed.includes(name) ? [] : [d]));
  if (!dims.length) return { names, tensor };
  return { names: [...names].filter((name) => needed.includes(name)).join(""), tensor: ops.sum(tensor, dims) };
}

/** a · b summed over what only they have: a product of batches of matrices [batch, left, inner] · [batch, inner, right]. */
function product(first: Named, second: Named, needed: string): Named {
  const a = summedOut(first, needed + second.names);
  const b = summedOut(second, needed + first.names);
  const shared = [...a.names].filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => needed.includes(name));
  const inner = shared.filter((name) => !needed.includes(name));
  const left = [...a.names].filter((name) => !b.names.includes(name));
  const right = [...b.names].filter((name) => !a.names.includes(name));
  const sizes = (names: readonly string[], { names: all, tensor }: Named): number[] =>
    names.map((name) => tensor.shape[all.indexOf(name)]);
  const count = (values: readonly number[]): number => values.reduce((x, y) => x * y, 1);
  const arranged = (named: Named, groups: readonly (readonly string[])[]): Tensor =>
    ops
      .permute(
        named.tensor,
        groups.flat().map((name) => named.names.indexOf(name)),
      )
      .reshape(groups.map((group) => count(sizes(group, named))));
  const out = ops.bmm(arranged(a, [batch, left, inner]), arranged(b, [batch, inner, right]));
  const shape = [...sizes(batch, a), ...sizes(left, a), ...sizes(right, b)];
  return { names: [...batch, ...left, ...right].join(""), tensor: out.reshape(shape) };
}
