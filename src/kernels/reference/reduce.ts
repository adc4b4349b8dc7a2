/** Reductions of x, viewed as [outer, n, inner], along its middle dimension. Everything is accumulated in doubles. */
import type { NumericArray } from "../../core/dtype.ts";
import type { ReduceName } from "../kernels.ts";

interface Reduction {
  /** The result over no elements. */
  readonly initial: number;
  readonly combine: (accumulated: number, x: number) => number;
}

const reductions: { readonly [N in ReduceName]: Reduction } = {
  sum: { initial: 0, combine: (s, x) => s + x },
  prod: { initial: 1, combine: (s, x) => s * x },
  max: { initial: -Infinity, combine: (s, x) => Math.max(s, x) }, // NaN wins
  min: { initial: Infinity, combine: (s, x) => Math.min(s, x) },
  any: { initial: 0, combine: (s, x) => (s !== 0 || x !== 0 ? 1 : 0) },
  all: { initial: 1, combine: (s, x) => (s !== 0 && x !== 0 ? 1 : 0) },
};

/** out [outer, inner] = reduction of x over n. */
export function reduce(
  name: ReduceName,
  x: NumericArray,
  outer: number,
  n: number,
  inner: number,
  out: NumericArray,
): void {
  if (name === "sum" && inner === 1) {
    sumRows(x, outer, n, out);
    return;
  }
  const { initial, combine } = reductions[name];
  const accumulated = new Float64Array(inner);
  for (let o = 0, s = 0; o < outer; o++) {
    accumulated.fill(initial);
    if (name === "sum") {
      for (let i = 0; i < n; i++, s += inner) addRow(x, s, accumulated);
    } else {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < inner; j++, s++) accumulated[j] = combine(accumulated[j], x[s]);
      }
    }
    out.set(accumulated, o * inner);
  }
}

function sumRows(x: NumericArray, outer: number, n: number, out: NumericArray): void {
  for (let o = 0, s = 0; o < outer; o++) {
    let sum = 0;
    for (const end = s + n; s < end; s++) sum += x[s];
    out[o] = sum;
  }
}

function addRow(x: NumericArray, s: number, sums: Float64Array): void {
  for (let j = 0; j < sums.length; j++) sums[j] += x[s + j];
}

/** The extreme along n and the first index at which it stands; the first NaN wins. */
export function reduceIndex(
  name: "max" | "min",
  x: NumericArray,
  outer: number,
  n: number,
  inner: number,
  values: NumericArray,
  indices: NumericArray,
): void {
  const sign = name === "max" ? 1 : -1;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) {
      const start = o * n * inner + j;
      let best = x[start];
      let bestIndex = 0;
      for (let i = 1; i < n && best === best; i++) {
        const value = x[start + i * inner];
        if (sign * value > sign * best || value !== value) {
          best = value;
          bestIndex = i;
        }
      }
      values[o * inner + j] = best;
      indices[o * inner + j] = bestIndex;
    }
  }
}
