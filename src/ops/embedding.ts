/**
 * Table look-ups: rows of a weight matrix by index, one by one (`embedding`) or reduced over bags (`embeddingBag`). Their
 * gradients scatter-add into the rows that were read. Sparse gradients do not exist here.
 */
import type { FloatArray } from "../core/dtype.ts";
import { int32, int64 } from "../core/dtype.ts";
import { OctetError, check, formatShape } from "../core/errors.ts";
import { wrapDim } from "../core/shape.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { saved } from "../autograd/node.ts";
import { sameDtype } from "./checks.ts";
import type { Bags } from "./embedding-bags.ts";
import { bagGeometry, bagMax, bagMaxGrad, bagSum, bagSumGrad, bagWeightsGrad } from "./embedding-bags.ts";
import { composite, primitive } from "./op.ts";

/** Options of {@link embedding} that {@link embeddingBag} shares. */
export interface EmbeddingOptions {
  /** Row that receives no gradient (and, in a bag, does not count). May be negative. */
  readonly paddingIdx?: number | null;
  /** Rows that are looked up and whose norm exceeds this are scaled down to it first, in place. */
  readonly maxNorm?: number | null;
  /** The p of the norm for `maxNorm`, default 2. */
  readonly normType?: number;
  /** Divides each row's gradient by how often the call looked the row up. */
  readonly scaleGradByFreq?: boolean;
  /** Not supported: gradients are always dense. Setting it is an error. */
  readonly sparse?: boolean;
}

export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** How a bag becomes one row, default "mean". */
  readonly mode?: BagMode;
  /** One factor per index; only with mode "sum". Same shape as the input. */
  readonly perSampleWeights?: Tensor | null;
  /** `offsets` holds the end of the last bag too. */
  readonly includeLastOffset?: boolean;
}

export type BagMode = "sum" | "mean" | "max";

/**
 * Rows of `weight` [rows, dim] by the integer tensor `input` of any shape: [...input.shape, dim]
 * (`torch.nn.functional.embedding`). Throws if an index is out of range.
 */
export const embedding = primitive(
  "embedding",
  (input: Tensor, weight: Tensor, options: EmbeddingOptions = {}) => {
    const indices = checkedIndices("embedding", input, weight, options);
    if (typeof options.maxNorm === "number") renormalizeRows(weight, indices, options.maxNorm, options.normType ?? 2);
    const dim = weight.shape[1];
    const table = floatElements(weight, computeDtype(weight.dtype));
    const out = computeDtype(weight.dtype).allocate(indices.length * dim) as FloatArray;
    for (let i = 0; i < indices.length; i++) {
      const from = indices[i] * dim;
      for (let d = 0; d < dim; d++) out[i * dim + d] = table[from + d];
    }
    return tensorFromComputed(out, [...input.shape, dim], weight.dtype);
  },
  (_out, input, weight, options = {}) => {
    const { shape } = weight;
    const indices = input.elements().slice();
    const paddingIdx = wrapPaddingIdx("embedding", options.paddingIdx, shape[0]);
    return (g) => {
      const gradient = floatElements(g, computeDtype(g.dtype));
      const gradWeight = computeDtype(g.dtype).allocate(shape[0] * shape[1]) as FloatArray;
      const factors = rowFactors(indices, shape[0], options.scaleGradByFreq);
      for (let i = 0; i < indices.length; i++) {
        if (indices[i] === paddingIdx) continue;
        addRow(gradWeight, indices[i], gradient, i, shape[1], factors ? factors[indices[i]] : 1);
      }
      return [null, tensorFromComputed(gradWeight, shape, g.dtype)];
    };
  },
);

/**
 * Bags of rows of `weight` [rows, dim], each reduced to one row: [bags, dim] (`torch.nn.functional.embedding_bag`). A
 * 2-d `input` [bags, n] needs no offsets; a 1-d one takes `offsets`, the index at which each bag starts. An empty bag gives zeros.
 */
export const embeddingBag = composite(
  "embeddingBag",
  (input: Tensor, weight: Tensor, offsets: Tensor | null = null, options: EmbeddingBagOptions = {}): Tensor => {
    const { mode = "mean", perSampleWeights = null } = options;
    const indices = checkedIndices("embeddingBag", input, weight, options);
    const paddingIdx = wrapPaddingIdx("embeddingBag", options.paddingIdx, weight.shape[0]);
    const bags = bagGeometry(input.shape, indices, offsets && offsets.elements(), {
      includeLastOffset: options.includeLastOffset ?? false,
      paddingIdx,
    });
    checkBagOptions(mode, input, perSampleWeights, options);
    sameDtype("embeddingBag", { weight, perSampleWeights });
    if (typeof options.maxNorm === "number") renormalizeRows(weight, indices, options.maxNorm, options.normType ?? 2);
    const factors = rowFactors(indices, weight.shape[0], options.scaleGradByFreq);
    return mode === "max" ? reduceMax(weight, bags)[0] : reduceSum(weight, perSampleWeights, bags, mode, factors);
  },
);

/** Sum or mean over bags; `rowFactors` scale the weight's gradient only. */
const reduceSum = primitive(
  "embeddingBag",
  (
    weight: Tensor,
    perSampleWeights: Tensor | null,
    bags: Bags,
    mode: "sum" | "mean",
    _rowFactors: Float64Array | null,
  ) => {
    const compute = computeDtype(weight.dtype);
    const samples = perSampleWeights && floatElements(perSampleWeights, compute);
    const dim = weight.shape[1];
    const out = compute.allocate(bags.count * dim) as FloatArray;
    bagSum(bags, floatElements(weight, compute), samples, dim, mode === "mean", out);
    return tensorFromComputed(out, [bags.count, dim], weight.dtype);
  },
  (_out, weight, perSampleWeights, bags, mode, factors) => {
    const [rows, dim] = weight.shape;
    const samples = perSampleWeights && saved(perSampleWeights);
    const table = perSampleWeights?.requiresGrad ? saved(weight) : null;
    return (g, [needWeight]) => {
      const compute = computeDtype(g.dtype);
      const gradient = floatElements(g, compute);
      const result: (Tensor | null)[] = [null, null];
      if (needWeight) {
        const gradWeight = compute.allocate(rows * dim) as FloatArray;
        const sampleElements = samples && floatElements(samples(), compute);
        bagSumGrad(bags, gradient, sampleElements, factors, dim, mode === "mean", gradWeight);
        result[0] = tensorFromComputed(gradWeight, [rows, dim], g.dtype);
      }
      if (samples && table) {
        const gradSamples = compute.allocate(bags.indices.length) as FloatArray;
        bagWeightsGrad(bags, gradient, floatElements(table(), compute), dim, gradSamples);
        result[1] = tensorFromComputed(gradSamples, samples().shape, g.dtype);
      }
      return result;
    };
  },
);

/** The largest value of each bag, dimension by dimension; the second result tells from which row (−1: empty bag). */
const reduceMax = primitive(
  "embeddingBag",
  (weight: Tensor, bags: Bags): readonly Tensor[] => {
    const compute = computeDtype(weight.dtype);
    const dim = weight.shape[1];
    const out = compute.allocate(bags.count * dim) as FloatArray;
    const rows = new Int32Array(bags.count * dim).fill(-1);
    bagMax(bags, floatElements(weight, compute), dim, out, rows);
    const shape = [bags.count, dim];
    return [tensorFromComputed(out, shape, weight.dtype), Tensor.fromArray(rows, shape, int32)];
  },
  ([, rows], weight) => {
    const { shape } = weight;
    const chosen = rows.elements() as Int32Array;
    return ([g]) => {
      if (!g) return [null];
      const gradWeight = computeDtype(g.dtype).allocate(shape[0] * shape[1]) as FloatArray;
      bagMaxGrad(floatElements(g, computeDtype(g.dtype)), chosen, shape[1], gradWeight);
      return [tensorFromComputed(gradWeight, shape, g.dtype)];
    };
  },
);

function checkBagOptions(
  mode: BagMode,
  input: Tensor,
  perSampleWeights: Tensor | null,
  { scaleGradByFreq = false }: EmbeddingBagOptions,
): void {
  check(["sum", "mean", "max"].includes(mode), () => `embeddingBag: mode must be sum, mean or max, got ${mode}`);
  check(!(mode === "max" && scaleGradByFreq), () => `embeddingBag: mode max does not support scaleGradByFreq`);
  if (!perSampleWeights) return;
  check(mode === "sum", () => `embeddingBag: perSampleWeights needs mode sum, got mode ${mode}`);
  check(
    perSampleWeights.ndim === input.ndim && perSampleWeights.shape.every((size, d) => size === input.shape[d]),
    () =>
      `embeddingBag: perSampleWeights has shape ${formatShape(perSampleWeights.shape)}, ` +
      `the input has ${formatShape(input.shape)}`,
  );
}

/** Divides by how often each row is looked up; null where the option is off. */
function rowFactors(indices: ArrayLike<number>, rows: number, scaleGradByFreq = false): Float64Array | null {
  if (!scaleGradByFreq) return null;
  const factors = new Float64Array(rows);
  for (let i = 0; i < indices.length; i++) factors[indices[i]]++;
  return factors.map((count) => (count ? 1 / count : 0));
}

function addRow(
  target: FloatArray,
  row: number,
  source: FloatArray,
  sourceRow: number,
  dim: number,
  factor: number,
): void {
  const [to, from] = [row * dim, sourceRow * dim];
  for (let d = 0; d < dim; d++) target[to + d] += factor * source[from + d];
}

/** The elements of an index tensor, after all checks that look-ups share. */
function checkedIndices(op: string, input: Tensor, weight: Tensor, options: EmbeddingOptions): ArrayLike<number> {
  check(!options.sparse, () => `${op}: sparse gradients are not supported; leave the option sparse out`);
  check(weight.ndim === 2, () => `${op}: weight must have 2 dimensions, got shape ${formatShape(weight.shape)}`);
  check(weight.dtype.isFloatingPoint, () => `${op}: weight must be floating point, got ${weight.dtype.name}`);
  check(
    input.dtype === int64 || input.dtype === int32,
    () => `${op}: indices must be int64 or int32, got ${input.dtype.name}`,
  );
  const indices = input.elements();
  const rows = weight.shape[0];
  wrapPaddingIdx(op, options.paddingIdx, rows);
  for (let i = 0; i < indices.length; i++) {
    if (!(indices[i] >= 0 && indices[i] < rows)) {
      throw new OctetError(`${op}: index ${indices[i]} is out of range for a weight of ${rows} rows`);
    }
  }
  return indices;
}

/** The padding row in [0, rows), or −1 for none. */
function wrapPaddingIdx(op: string, paddingIdx: number | null | undefined, rows: number): number {
  if (paddingIdx === null || paddingIdx === undefined) return -1;
  check(
    Number.isInteger(paddingIdx) && paddingIdx >= -rows && paddingIdx < rows,
    () => `${op}: paddingIdx ${paddingIdx} is out of range for a weight of ${rows} rows`,
  );
  return wrapDim(op, paddingIdx, rows);
}

/** Scales the rows named by `indices` whose p-norm exceeds `maxNorm` down to it, in place and outside autograd. */
function renormalizeRows(weight: Tensor, indices: ArrayLike<number>, maxNorm: number, p: number): void {
  const dim = weight.shape[1];
  const rows = new Set(Array.from(indices));
  for (const row of rows) {
    const values = Array.from(
      { length: dim },
      (_, d) => weight.offset + row * weight.strides[0] + d * weight.strides[1],
    );
    const norm = pNorm(
      values.map((at) => weight.readAt(at)),
      p,
    );
    if (norm <= maxNorm) continue;
    const scale = maxNorm / (norm + 1e-7); // as ATen: the small term keeps the result at or below the limit
    for (const at of values) weight.writeAt(at, weight.readAt(at) * scale);
  }
  if (rows.size) weight.bumpVersion();
}

function pNorm(values: readonly number[], p: number): number {
  if (p === Infinity) return values.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
  return values.reduce((sum, v) => sum + Math.abs(v) ** p, 0) ** (1 / p);
}
