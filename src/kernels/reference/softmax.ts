/** Softmax, its logarithm, and their gradient, along the middle dimension of [outer, n, inner]. Sums are doubles. */
import type { FloatArray } from "../../core/dtype.ts";

/** out = exp(x − max) / Σ exp(x − max), or x − max − log Σ exp(x − max). */
export function softmax<T extends FloatArray>(
  x: T,
  outer: number,
  n: number,
  inner: number,
  out: T,
  log: boolean,
): void {
  forEachLine(outer, n, inner, (start, end) => {
    let max = -Infinity;
    for (let i = start; i < end; i += inner) max = Math.max(max, x[i]);
    let sum = 0;
    for (let i = start; i < end; i += inner) sum += Math.exp(x[i] - max);
    if (log) {
      const shift = max + Math.log(sum);
      for (let i = start; i < end; i += inner) out[i] = x[i] - shift;
    } else {
      for (let i = start; i < end; i += inner) out[i] = Math.exp(x[i] - max) / sum;
    }
  });
}

/** gradX = out · (g − Σ g · out); for the logarithm g − exp(out) · Σ g. */
export function softmaxGrad<T extends FloatArray>(
  gradOut: T,
  out: T,
  outer: number,
  n: number,
  inner: number,
  gradX: T,
  log: boolean,
): void {
  forEachLine(outer, n, inner, (start, end) => {
    let sum = 0;
    for (let i = start; i < end; i += inner) sum += log ? gradOut[i] : gradOut[i] * out[i];
    for (let i = start; i < end; i += inner) {
      gradX[i] = log ? gradOut[i] - Math.exp(out[i]) * sum : out[i] * (gradOut[i] - sum);
    }
  });
}

/** Calls `line` with each line's first index and the index past its last; its elements are `inner` apart. */
function forEachLine(outer: number, n: number, inner: number, line: (start: number, end: number) => void): void {
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) line(o * n * inner + j, (o + 1) * n * inner);
  }
}
