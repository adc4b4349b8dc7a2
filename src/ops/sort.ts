/** Order: sort, topk, kthvalue, median, unique. NaN counts as larger than every number. */
import { saved } from "../autograd/node.ts";
import { int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { wrapDim } from "../core/shape.ts";
import { computeDtype, elementsAs } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { gather, scatter } from "./indexing.ts";
import type { Op } from "./op.ts";
import { composite, nondifferentiable, primitive, traceable } from "./op.ts";
import type { ValuesAndIndices } from "./reduce.ts";
import { dimAndOptions, evenly, forEachLine, linesOf } from "./reduction.ts";
import { reshape, squeeze } from "./views.ts";

type Order = (a: number, b: number) => number;

const ascending: Order = (a, b) => (a < b ? -1 : a > b ? 1 : +Number.isNaN(a) - +Number.isNaN(b));
const descending: Order = (a, b) => ascending(b, a);

/**
 * The first `count` entries of every line along `dim` when sorted (stably: equal entries keep their order), and where they
 * stood. `count` undefined means all.
 */
function sortedLines(op: string, x: Tensor, dim: number, order: Order, count?: number): ValuesAndIndices {
  const lines = linesOf(op, x, dim);
  const { data, n, inner } = lines;
  const kept = count ?? n;
  const d = wrapDim(op, dim, x.ndim);
  const indices = new Float64Array(lines.outer * kept * inner);
  const source = x.elements();
  const values = x.dtype.allocate(indices.length);
  const places = new Uint32Array(n);
  forEachLine(lines, (start, line) => {
    for (let i = 0; i < n; i++) places[i] = i;
    places.sort((a, b) => order(data[start + a * inner], data[start + b * inner]));
    const out = Math.floor(line / inner) * kept * inner + (line % inner);
    for (let i = 0; i < kept; i++) {
      indices[out + i * inner] = places[i];
      values[out + i * inner] = source[start + places[i] * inner];
    }
  });
  const shape = x.ndim === 0 ? [] : x.shape.with(d, kept);
  return [Tensor.fromArray(values, shape, x.dtype), Tensor.fromArray(indices, shape, int64)];
}

/** The gradient of values that were picked along `dim`: it goes back to where they stood. */
function pickedGrad(gradient: Tensor, indices: Tensor, shape: readonly number[], dim: number): Tensor {
  return scatter(Tensor.zeros(shape, gradient.dtype), dim, indices, gradient);
}

export interface SortOptions {
  /** May stand here instead of in the argument before. */
  readonly dim?: number;
  /** From the largest to the smallest. */
  readonly descending?: boolean;
  /** Sorting is always stable; PyTorch's option is accepted. */
  readonly stable?: boolean;
}

type SortArguments = [x: Tensor, dim?: number | SortOptions, options?: SortOptions];

/** The entries along `dim` in order, and where they stood (int64). Equal entries keep their order; NaN is the largest. */
export const sort: Op<SortArguments, ValuesAndIndices> = primitive(
  "sort",
  (...[x, along, given]: SortArguments): ValuesAndIndices => {
    const { dim, options } = dimAndOptions(along, given, -1);
    return sortedLines("sort", x, dim, options.descending ? descending : ascending);
  },
  ([, indices], { shape }, along, given) => {
    const picked = saved(indices);
    const { dim } = dimAndOptions(along, given, -1);
    return ([g]) => [g ? pickedGrad(g, picked(), shape, dim) : null];
  },
);

/** The indices that {@link sort} gives. */
export const argsort = nondifferentiable("argsort", (...args: SortArguments): Tensor => sort(...args)[1]);

export interface TopkOptions {
  /** May stand here instead of in the argument before. */
  readonly dim?: number;
  /** Default true; false gives the smallest. */
  readonly largest?: boolean;
  /** The result is always sorted; PyTorch's option is accepted. */
  readonly sorted?: boolean;
}

type TopkArguments = [x: Tensor, k: number, dim?: number | TopkOptions, options?: TopkOptions];

/**
 * The `k` largest entries along `dim`, sorted, and where they stood (int64). Of equal entries the first ones are taken;
 * PyTorch leaves open which.
 */
export const topk: Op<TopkArguments, ValuesAndIndices> = primitive(
  "topk",
  (...[x, k, along, given]: TopkArguments): ValuesAndIndices => {
    const { dim, options } = dimAndOptions(along, given, -1);
    const size = x.shape[wrapDim("topk", dim, x.ndim)] ?? 1;
    if (!Number.isInteger(k) || k < 0 || k > size) {
      throw new OctetError(`topk: selected index k out of range: k = ${k}, the dimension has ${size} entries`);
    }
    return sortedLines("topk", x, dim, options.largest === false ? ascending : descending, k);
  },
  ([, indices], { shape }, _k, along, given) => {
    const picked = saved(indices);
    const { dim } = dimAndOptions(along, given, -1);
    return ([g]) => [g ? pickedGrad(g, picked(), shape, dim) : null];
  },
);

interface KeepdimOption {
  /** May stand here instead of in the argument before. */
  readonly dim?: number;
  readonly keepdim?: boolean;
}

/** {@link kthvalue} and {@link median} with the dimension kept. */
const pickAlong = primitive(
  "pickAlong",
  (x: Tensor, dim: number, rank: number, nanFirst: boolean): ValuesAndIndices => {
    const [values, indices] = sortedLines("pickAlong", x, dim, ascending);
    if (x.ndim === 0) return [values, indices];
    const lines = linesOf("pickAlong", values, dim);
    const chosen = new Float64Array(lines.outer * lines.inner);
    forEachLine(lines, (start, line) => {
      const last = start + (lines.n - 1) * lines.inner;
      const hasNaN = nanFirst && Number.isNaN(lines.data[last]);
      let place = rank;
      if (hasNaN) for (place = 0; !Number.isNaN(lines.data[start + place * lines.inner]);) place++;
      chosen[line] = place;
    });
    const index = Tensor.fromArray(chosen, x.shape.with(wrapDim("pickAlong", dim, x.ndim), 1), int64);
    return [gather(values, dim, index), gather(indices, dim, index)];
  },
  ([, indices], { shape }, dim) => {
    const picked = saved(indices);
    return ([g]) => [g ? pickedGrad(g, picked(), shape, dim) : null];
  },
);

/** [values, indices] without the dimension that {@link pickAlong} keeps, unless it is wanted. */
function dropped([values, indices]: ValuesAndIndices, dim: number, options: KeepdimOption): ValuesAndIndices {
  return options.keepdim ? [values, indices] : [squeeze(values, dim), squeeze(indices, dim)];
}

/** The k-th smallest entry (k from 1) along `dim`, and where it stood. */
export const kthvalue = composite(
  "kthvalue",
  (x: Tensor, k: number, along?: number | KeepdimOption, given?: KeepdimOption): ValuesAndIndices => {
    const { dim, options } = dimAndOptions(along, given, -1);
    const d = wrapDim("kthvalue", dim, x.ndim);
    if (!Number.isInteger(k) || k < 1 || k > (x.shape[d] ?? 1)) {
      throw new OctetError(
        `kthvalue: selected number k out of range for dimension ${d}: k = ${k}, shape ${formatShape(x.shape)}`,
      );
    }
    return dropped(pickAlong(x, d, k - 1, false), d, options);
  },
);

/** The two forms of {@link median}. */
export interface Median {
  /** The median of all elements. */
  (x: Tensor): Tensor;
  /** The medians along `dim`, and where they stand. */
  (x: Tensor, dim: number, options?: KeepdimOption): ValuesAndIndices;
}

/** {@link Median} as a method. */
export interface MedianMethod {
  (): Tensor;
  (dim: number, options?: KeepdimOption): ValuesAndIndices;
}

/** The middle value; of an even number the lower one of the two in the middle. A NaN wins. */
export const median: Median = traceable("median", ((x: Tensor, dim?: number, options: KeepdimOption = {}) => {
  if (dim === undefined) return medianOfAll(x);
  return medianAlong(x, dim, options);
}) as Median);

const medianOfAll = evenly("median", (x: Tensor): Tensor =>
  pickAlong(reshape(x, [-1]), 0, (x.numel() - 1) >> 1, true)[0].alias([], [], 0),
);

const medianAlong = composite("median", (x: Tensor, dim: number, options: KeepdimOption): ValuesAndIndices => {
  const d = wrapDim("median", dim, x.ndim);
  const n = x.shape[d] ?? 1;
  if (n === 0) throw new OctetError(`median: Expected reduction dim ${d} to have non-zero size.`);
  return dropped(pickAlong(x, d, (n - 1) >> 1, true), d, options);
});

export interface UniqueOptions {
  /** Also give, for every element of `x`, the place of its value in the result. */
  readonly returnInverse?: boolean;
  /** Also give how often each value occurs. */
  readonly returnCounts?: boolean;
}

/** The two forms of {@link unique}. */
export interface Unique {
  (x: Tensor): Tensor;
  /** [values, inverse, counts], without those not asked for. */
  (x: Tensor, options: UniqueOptions): Tensor[];
}

/** {@link Unique} as a method. */
export interface UniqueMethod {
  (): Tensor;
  (options: UniqueOptions): Tensor[];
}

/** The values that occur in `x`, each once, in ascending order. Every NaN counts as a value of its own. */
export const unique: Unique = traceable("unique", ((x: Tensor, options?: UniqueOptions) => {
  const found = allUnique(x);
  if (!options) return found[0];
  return found.filter((_, i) => i === 0 || (i === 1 ? options.returnInverse : options.returnCounts));
}) as Unique);

const allUnique = nondifferentiable("unique", (x: Tensor): readonly Tensor[] => {
  const [sorted, indices] = sort(reshape(x, [-1]));
  const data = elementsAs(sorted, computeDtype(x.dtype));
  const firsts: number[] = [];
  const inverse = new Float64Array(data.length);
  const places = indices.elements();
  for (let i = 0; i < data.length; i++) {
    if (i === 0 || data[i] !== data[i - 1]) firsts.push(i);
    inverse[places[i]] = firsts.length - 1;
  }
  const starts = Tensor.fromArray(Float64Array.from(firsts), [firsts.length], int64);
  const counts = Float64Array.from(firsts, (first, i) => (firsts[i + 1] ?? data.length) - first);
  return [
    gather(sorted, 0, starts),
    Tensor.fromArray(inverse, x.shape, int64),
    Tensor.fromArray(counts, [counts.length], int64),
  ];
});
