/** Loops over bags of table rows: the arithmetic of `embeddingBag` and its gradients, over typed arrays. No autograd here. */
import type { FloatArray, NumericArray } from "../core/dtype.ts";
import { check, formatShape } from "../core/errors.ts";

/** Which table rows each bag holds. */
export interface Bags {
  readonly count: number;
  /** All indices, bag after bag. */
  readonly indices: ArrayLike<number>;
  /** Bag b holds indices [starts[b], starts[b + 1]). */
  readonly starts: ArrayLike<number>;
  /** Row that does not count; −1 for none. */
  readonly paddingIdx: number;
}

/** Lays bags out from a 2-d input, or a 1-d one with offsets. The indices are copied: they outlive the call. */
export function bagGeometry(
  inputShape: readonly number[],
  indices: ArrayLike<number>,
  offsets: NumericArray | null,
  options: { includeLastOffset: boolean; paddingIdx: number },
): Bags {
  const { includeLastOffset, paddingIdx } = options;
  const kept = Float64Array.from(indices);
  if (inputShape.length === 2) {
    check(offsets === null, () => "embeddingBag: a 2-d input has one bag per row; offsets must be left out");
    const [count, size] = inputShape;
    return { count, indices: kept, starts: Float64Array.from({ length: count + 1 }, (_, b) => b * size), paddingIdx };
  }
  check(
    inputShape.length === 1,
    () => `embeddingBag: input must have 1 or 2 dimensions, got shape ${formatShape(inputShape)}`,
  );
  check(offsets !== null, () => "embeddingBag: a 1-d input needs offsets");
  const starts = includeLastOffset ? Float64Array.from(offsets) : Float64Array.from([...offsets, kept.length]);
  check(starts.length > 0, () => "embeddingBag: includeLastOffset needs at least one offset");
  checkStarts(starts, kept.length);
  return { count: starts.length - 1, indices: kept, starts, paddingIdx };
}

function checkStarts(starts: Float64Array, length: number): void {
  check(starts[0] === 0, () => `embeddingBag: offsets[0] must be 0, got ${starts[0]}`);
  for (let b = 1; b < starts.length; b++) {
    check(
      starts[b] >= starts[b - 1],
      () => `embeddingBag: offsets must not decrease, got ${starts[b - 1]} before ${starts[b]}`,
    );
  }
  const last = starts[starts.length - 1];
  check(last <= length, () => `embeddingBag: offset ${last} lies past the ${length} indices`);
}

/** How many indices of bag `b` count. */
function bagSize({ indices, starts, paddingIdx }: Bags, b: number): number {
  let n = 0;
  for (let i = starts[b]; i < starts[b + 1]; i++) if (indices[i] !== paddingIdx) n++;
  return n;
}

/** Σ of a bag's rows, each times its sample weight, or their mean; written over zeros. */
export function bagSum(
  bags: Bags,
  table: FloatArray,
  samples: FloatArray | null,
  dim: number,
  mean: boolean,
  out: FloatArray,
): void {
  const { indices, starts, paddingIdx } = bags;
  const sum = new Float64Array(dim);
  for (let b = 0; b < bags.count; b++) {
    sum.fill(0);
    for (let i = starts[b]; i < starts[b + 1]; i++) {
      if (indices[i] === paddingIdx) continue;
      const factor = samples ? samples[i] : 1;
      const row = indices[i] * dim;
      for (let d = 0; d < dim; d++) sum[d] += factor * table[row + d];
    }
    const divisor = mean ? Math.max(bagSize(bags, b), 1) : 1;
    for (let d = 0; d < dim; d++) out[b * dim + d] = sum[d] / divisor;
  }
}

/** Gradient of {@link bagSum} by the table, added to `gradTable`. */
export function bagSumGrad(
  bags: Bags,
  gradOut: FloatArray,
  samples: FloatArray | null,
  rowFactors: Float64Array | null,
  dim: number,
  mean: boolean,
  gradTable: FloatArray,
): void {
  const { indices, starts, paddingIdx } = bags;
  for (let b = 0; b < bags.count; b++) {
    const divisor = mean ? Math.max(bagSize(bags, b), 1) : 1;
    for (let i = starts[b]; i < starts[b + 1]; i++) {
      if (indices[i] === paddingIdx) continue;
      const factor = ((samples ? samples[i] : 1) * (rowFactors ? rowFactors[indices[i]] : 1)) / divisor;
      const row = indices[i] * dim;
      for (let d = 0; d < dim; d++) gradTable[row + d] += factor * gradOut[b * dim + d];
    }
  }
}

/** Gradient of a sum by its sample weights: ⟨gradient of the bag, row⟩; zero for padding. */
export function bagWeightsGrad(
  bags: Bags,
  gradOut: FloatArray,
  table: FloatArray,
  dim: number,
  gradSamples: FloatArray,
): void {
  const { indices, starts, paddingIdx } = bags;
  for (let b = 0; b < bags.count; b++) {
    for (let i = starts[b]; i < starts[b + 1]; i++) {
      if (indices[i] === paddingIdx) continue;
      let dot = 0;
      for (let d = 0; d < dim; d++) dot += gradOut[b * dim + d] * table[indices[i] * dim + d];
      gradSamples[i] = dot;
    }
  }
}

/** Largest value per bag and dimension, and the table row it came from; the first of equals. Expects zeros and −1. */
export function bagMax(bags: Bags, table: FloatArray, dim: number, out: FloatArray, rows: Int32Array): void {
  const { indices, starts, paddingIdx } = bags;
  for (let b = 0; b < bags.count; b++) {
    for (let i = starts[b]; i < starts[b + 1]; i++) {
      if (indices[i] === paddingIdx) continue;
      for (let d = 0; d < dim; d++) {
        const at = b * dim + d;
        const value = table[indices[i] * dim + d];
        if (rows[at] >= 0 && !(value > out[at])) continue;
        out[at] = value;
        rows[at] = indices[i];
      }
    }
  }
}

/** Gradient of {@link bagMax}: goes to the row that won, added to `gradTable`. */
export function bagMaxGrad(gradOut: FloatArray, rows: Int32Array, dim: number, gradTable: FloatArray): void {
  for (let at = 0; at < rows.length; at++) {
    if (rows[at] >= 0) gradTable[rows[at] * dim + (at % dim)] += gradOut[at];
  }
}
