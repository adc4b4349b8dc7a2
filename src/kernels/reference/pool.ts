/** Max and average pooling over three spatial dimensions, and their gradients. Window rules are PyTorch's. */
import type { FloatArray, NumericArray } from "../../core/dtype.ts";
import { numelOf } from "../../core/shape.ts";
import type { AveragePolicy, PoolGeometry } from "../kernels.ts";

/** The part of one window that lies inside the input, along one dimension: start, start + step, … below end. */
interface Extent {
  readonly start: number;
  readonly end: number;
  /** Length of the window with its padding; only average pooling asks. */
  readonly padded: number;
}

/**
 * The windows along one dimension. A window may hang over the padded end (ceil mode): `padded` counts only up to there.
 * One that starts in the padding begins with its first tap inside.
 */
function extents(g: PoolGeometry, dim: 0 | 1 | 2): Extent[] {
  const [size, kernel, padding, dilation] = [g.inSize[dim], g.kernel[dim], g.padding[dim], g.dilation[dim]];
  return Array.from({ length: g.outSize[dim] }, (_, position) => {
    const first = position * g.stride[dim] - padding;
    const last = first + (kernel - 1) * dilation + 1;
    const skipped = first < 0 ? Math.ceil(-first / dilation) * dilation : 0;
    const padded = Math.min(last, size + padding) - first;
    return { start: first + skipped, end: Math.min(last, size), padded };
  });
}

/** Calls `window` for each output position of a plane, in order. */
function forEachWindow(
  g: PoolGeometry,
  window: (position: number, depth: Extent, height: Extent, width: Extent) => void,
): void {
  const [depths, heights, widths] = [extents(g, 0), extents(g, 1), extents(g, 2)];
  let position = 0;
  for (const depth of depths) {
    for (const height of heights) {
      for (const width of widths) window(position++, depth, height, width);
    }
  }
}

/** The largest element of each window and its flat position in the plane. Ties: the first; NaN: the last. */
export function maxPool(g: PoolGeometry, input: NumericArray, output: NumericArray, indices: Int32Array): void {
  const [, inHeight, inWidth] = g.inSize;
  const [stepD, stepH, stepW] = g.dilation;
  const inPlane = numelOf(g.inSize);
  const outPlane = numelOf(g.outSize);
  forEachWindow(g, (position, depth, height, width) => {
    for (let plane = 0; plane < g.planes; plane++) {
      const base = plane * inPlane;
      let best = -Infinity;
      let bestIndex = (depth.start * inHeight + height.start) * inWidth + width.start;
      for (let d = depth.start; d < depth.end; d += stepD) {
        for (let h = height.start; h < height.end; h += stepH) {
          const row = (d * inHeight + h) * inWidth;
          for (let w = width.start; w < width.end; w += stepW) {
            const value = input[base + row + w];
            if (value > best || value !== value) {
              best = value;
              bestIndex = row + w;
            }
          }
        }
      }
      output[plane * outPlane + position] = best;
      indices[plane * outPlane + position] = bestIndex;
    }
  });
}

/** gradInput[indices] += gradOutput, plane by plane, over zeros. */
export function maxPoolGrad<T extends FloatArray>(
  planes: number,
  inPlane: number,
  outPlane: number,
  gradOutput: T,
  indices: Int32Array,
  gradInput: T,
): void {
  gradInput.fill(0);
  for (let plane = 0, o = 0; plane < planes; plane++) {
    const base = plane * inPlane;
    for (let i = 0; i < outPlane; i++, o++) gradInput[base + indices[o]] += gradOutput[o];
  }
}

/** What a window's sum is divided by; 0 marks a window that lies wholly in the padding. */
function divisorOf(policy: AveragePolicy, depth: Extent, height: Extent, width: Extent): number {
  const inside = [depth, height, width].map(({ start, end }) => Math.max(0, end - start));
  if (inside.includes(0)) return 0;
  if (policy.divisorOverride !== null) return policy.divisorOverride;
  return policy.countIncludePad ? depth.padded * height.padded * width.padded : numelOf(inside);
}

/** The mean of each window; one that lies wholly in the padding gives 0. */
export function avgPool<T extends FloatArray>(g: PoolGeometry, policy: AveragePolicy, input: T, output: T): void {
  const [, inHeight, inWidth] = g.inSize;
  const inPlane = numelOf(g.inSize);
  const outPlane = numelOf(g.outSize);
  forEachWindow(g, (position, depth, height, width) => {
    const divisor = divisorOf(policy, depth, height, width);
    for (let plane = 0; plane < g.planes; plane++) {
      let sum = 0;
      for (let d = depth.start; d < depth.end; d++) {
        for (let h = height.start; h < height.end; h++) {
          const row = plane * inPlane + (d * inHeight + h) * inWidth;
          for (let w = width.start; w < width.end; w++) sum += input[row + w];
        }
      }
      output[plane * outPlane + position] = divisor === 0 ? 0 : sum / divisor;
    }
  });
}

/** Each output's gradient, divided as its window's sum was, over the window. */
export function avgPoolGrad<T extends FloatArray>(
  g: PoolGeometry,
  policy: AveragePolicy,
  gradOutput: T,
  gradInput: T,
): void {
  const [, inHeight, inWidth] = g.inSize;
  const inPlane = numelOf(g.inSize);
  const outPlane = numelOf(g.outSize);
  gradInput.fill(0);
  forEachWindow(g, (position, depth, height, width) => {
    const divisor = divisorOf(policy, depth, height, width);
    for (let plane = 0; plane < g.planes; plane++) {
      const share = gradOutput[plane * outPlane + position] / divisor;
      for (let d = depth.start; d < depth.end; d++) {
        for (let h = height.start; h < height.end; h++) {
          const row = plane * inPlane + (d * inHeight + h) * inWidth;
          for (let w = width.start; w < width.end; w++) gradInput[row + w] += share;
        }
      }
    }
  });
}
