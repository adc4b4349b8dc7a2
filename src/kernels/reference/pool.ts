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

/** One output position's window. */
interface Window {
  readonly depth: Extent;
  readonly height: Extent;
  readonly width: Extent;
}

/** The windows of a plane's output positions, in order. */
function windowsOf(g: PoolGeometry): Window[] {
  const [depths, heights, widths] = [extents(g, 0), extents(g, 1), extents(g, 2)];
  return depths.flatMap((depth) => heights.flatMap((height) => widths.map((width) => ({ depth, height, width }))));
}

/** Extents as flat numbers, for loops that run once per window: start and end of position i at 2i and 2i + 1. */
function flatExtents(g: PoolGeometry, dim: 0 | 1 | 2): Int32Array {
  return Int32Array.from(extents(g, dim).flatMap(({ start, end }) => [start, end]));
}

/** The largest element of each window and its flat position in the plane. Ties: the first; NaN: the last. */
export function maxPool(g: PoolGeometry, input: NumericArray, output: NumericArray, indices: Int32Array): void {
  if (isTwoByTwo(g)) {
    maxPoolTwoByTwo(g, input, output, indices);
    return;
  }
  const [, inHeight, inWidth] = g.inSize;
  const [depths, heights, widths] = [flatExtents(g, 0), flatExtents(g, 1), flatExtents(g, 2)];
  const inPlane = numelOf(g.inSize);
  let o = 0;
  for (let plane = 0; plane < g.planes; plane++) {
    const values = input.subarray(plane * inPlane, (plane + 1) * inPlane);
    for (let d = 0; d < depths.length; d += 2) {
      for (let h = 0; h < heights.length; h += 2) {
        o = maxPoolRow(g, values, inHeight * inWidth, inWidth, depths, d, heights, h, widths, output, indices, o);
      }
    }
  }
}

/** 2 × 2 windows side by side that lie inside the input: what most networks pool with. */
function isTwoByTwo({ inSize, outSize, kernel, stride, padding, dilation }: PoolGeometry): boolean {
  const is = (sizes: readonly number[], ...expected: number[]) => expected.every((value, d) => value === sizes[d]);
  const inside = 2 * outSize[1] <= inSize[1] && 2 * outSize[2] <= inSize[2];
  return (
    inside &&
    is(inSize, 1) &&
    is(kernel, 1, 2, 2) &&
    is(stride, 1, 2, 2) &&
    is(padding, 0, 0, 0) &&
    is(dilation, 1, 1, 1)
  );
}

/** {@link maxPool} without inner loops, which costs a third. */
function maxPoolTwoByTwo(g: PoolGeometry, input: NumericArray, output: NumericArray, indices: Int32Array): void {
  const [, inHeight, inWidth] = g.inSize;
  const [, outHeight, outWidth] = g.outSize;
  for (let plane = 0, o = 0; plane < g.planes; plane++) {
    const base = plane * inHeight * inWidth;
    for (let h = 0; h < outHeight; h++) {
      let at = base + 2 * h * inWidth;
      for (let w = 0; w < outWidth; w++, o++, at += 2) {
        let best = input[at];
        let bestAt = at;
        for (let tap = 1; tap < 4; tap++) {
          const i = at + (tap & 1) + (tap >> 1) * inWidth;
          const value = input[i];
          if (value > best || value !== value) {
            best = value;
            bestAt = i;
          }
        }
        output[o] = best;
        indices[o] = bestAt - base;
      }
    }
  }
}

/** One row of output positions; returns where the next one goes. */
function maxPoolRow(
  g: PoolGeometry,
  values: NumericArray,
  slice: number,
  inWidth: number,
  depths: Int32Array,
  d: number,
  heights: Int32Array,
  h: number,
  widths: Int32Array,
  output: NumericArray,
  indices: Int32Array,
  first: number,
): number {
  const [stepD, stepH, stepW] = g.dilation;
  const [depthStart, depthEnd] = [depths[d], depths[d + 1]];
  const [heightStart, heightEnd] = [heights[h], heights[h + 1]];
  let o = first;
  for (let w = 0; w < widths.length; w += 2) {
    const widthStart = widths[w];
    const widthEnd = widths[w + 1];
    let best = -Infinity;
    let bestIndex = depthStart * slice + heightStart * inWidth + widthStart;
    for (let z = depthStart; z < depthEnd; z += stepD) {
      for (let y = heightStart; y < heightEnd; y += stepH) {
        const row = z * slice + y * inWidth;
        for (let i = row + widthStart; i < row + widthEnd; i += stepW) {
          const value = values[i];
          if (value > best || value !== value) {
            best = value;
            bestIndex = i;
          }
        }
      }
    }
    output[o] = best;
    indices[o++] = bestIndex;
  }
  return o;
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
function divisorOf(policy: AveragePolicy, { depth, height, width }: Window): number {
  const inside = [depth, height, width].map(({ start, end }) => Math.max(0, end - start));
  if (inside.includes(0)) return 0;
  if (policy.divisorOverride !== null) return policy.divisorOverride;
  return policy.countIncludePad ? depth.padded * height.padded * width.padded : numelOf(inside);
}

/** The mean of each window; one that lies wholly in the padding gives 0. */
export function avgPool<T extends FloatArray>(g: PoolGeometry, policy: AveragePolicy, input: T, output: T): void {
  const inPlane = numelOf(g.inSize);
  const windows = windowsOf(g);
  const divisors = windows.map((window) => divisorOf(policy, window));
  for (let plane = 0, o = 0; plane < g.planes; plane++) {
    for (let i = 0; i < windows.length; i++, o++) {
      const sum = sumOfWindow(g, windows[i], input, plane * inPlane);
      output[o] = divisors[i] === 0 ? 0 : sum / divisors[i];
    }
  }
}

function sumOfWindow(g: PoolGeometry, window: Window, input: FloatArray, base: number): number {
  const { depth, height, width } = window;
  const [, inHeight, inWidth] = g.inSize;
  let sum = 0;
  for (let d = depth.start; d < depth.end; d++) {
    for (let h = height.start; h < height.end; h++) {
      const row = base + (d * inHeight + h) * inWidth;
      for (let w = width.start; w < width.end; w++) sum += input[row + w];
    }
  }
  return sum;
}

/** Each output's gradient, divided as its window's sum was, over the window. */
export function avgPoolGrad<T extends FloatArray>(
  g: PoolGeometry,
  policy: AveragePolicy,
  gradOutput: T,
  gradInput: T,
): void {
  const inPlane = numelOf(g.inSize);
  const windows = windowsOf(g);
  const divisors = windows.map((window) => divisorOf(policy, window));
  gradInput.fill(0);
  for (let plane = 0, o = 0; plane < g.planes; plane++) {
    for (let i = 0; i < windows.length; i++, o++) {
      addToWindow(g, windows[i], gradInput, plane * inPlane, gradOutput[o] / divisors[i]);
    }
  }
}

function addToWindow(g: PoolGeometry, window: Window, target: FloatArray, base: number, value: number): void {
  const { depth, height, width } = window;
  const [, inHeight, inWidth] = g.inSize;
  for (let d = depth.start; d < depth.end; d++) {
    for (let h = height.start; h < height.end; h++) {
      const row = base + (d * inHeight + h) * inWidth;
      for (let w = width.start; w < width.end; w++) target[row + w] += value;
    }
  }
}
