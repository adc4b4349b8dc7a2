/**
 * The range that a histogram is best quantized with: HistogramObserver cuts off the tails as long as that makes the
 * expected squared error smaller. The arithmetic is PyTorch's, in float32 wherever PyTorch's is.
 */
import { floatSum } from "./float-sum.ts";

/** Equal bins over [min, max]. */
export interface Histogram {
  readonly counts: Float32Array;
  readonly min: number;
  readonly max: number;
}

/** How much of all values one step may cut off at either end. */
const STEP = 1e-5;

/**
 * Smallest and largest value to quantize, for a grid of `gridSize` integers. Each step looks at the bins that the next
 * quantile would cut off on the left and on the right, and cuts where there are more of them (on the right if equal);
 * the search stops when the error grows.
 */
export function searchRange(histogram: Histogram, gridSize: number): [min: number, max: number] {
  const { counts, min, max } = histogram;
  const total = floatSum(counts);
  const cumulative = cumulativeSum(counts);
  let [alpha, beta] = [0, 1];
  let [first, last] = [0, counts.length - 1];
  let smallest = Infinity;
  while (alpha < beta) {
    const [nextAlpha, nextBeta] = [alpha + STEP, beta - STEP];
    const left = firstReaching(cumulative, first, last, Math.fround(nextAlpha * total));
    const right = lastWithin(cumulative, first, last, Math.fround(nextBeta * total));
    const moveLeft = left - first > last - right;
    if (moveLeft) alpha = nextAlpha;
    else beta = nextBeta;
    const [nextFirst, nextLast] = moveLeft ? [left, last] : [first, right];
    if (nextFirst === first && nextLast === last) continue;
    const error = quantizationError(histogram, nextFirst, nextLast, gridSize);
    if (error > smallest) break;
    smallest = error;
    [first, last] = [nextFirst, nextLast];
  }
  const width = Math.fround(Math.fround(max - min) / counts.length);
  return [Math.fround(min + Math.fround(width * first)), Math.fround(min + Math.fround(width * (last + 1)))];
}

/** Accumulated in double, each sum stored in float32, as `torch.cumsum` does. */
function cumulativeSum(counts: Float32Array): Float32Array {
  let sum = 0;
  return counts.map((count) => (sum += count));
}

/** The first bin from `first` up to `last` whose cumulative sum is not below `quantile`. */
function firstReaching(cumulative: Float32Array, first: number, last: number, quantile: number): number {
  let bin = first;
  while (bin < last && cumulative[bin] < quantile) bin++;
  return bin;
}

/** The last bin from `last` down to `first` whose cumulative sum is not above `quantile`. */
function lastWithin(cumulative: Float32Array, first: number, last: number, quantile: number): number {
  let bin = last;
  while (bin > first && cumulative[bin] > quantile) bin--;
  return bin;
}

/**
 * Expected squared error when bins `first` to `last` are spread over `gridSize` steps and everything outside is clamped.
 * Values count as spread evenly over their bin. A bin may reach over several grid steps: the part in the first one, whole
 * steps, and the part in the last one, each the integral of density · x² around the step's center.
 */
function quantizationError(histogram: Histogram, first: number, last: number, gridSize: number): number {
  const { fround } = Math;
  const { counts, min, max } = histogram;
  const binWidth = (max - min) / counts.length; // in double
  const stepWidth = (binWidth * (last - first + 1)) / gridSize; // in double
  if (stepWidth === 0) return 0;
  const [bin, step, half] = [fround(binWidth), fround(stepWidth), fround(stepWidth / 2)];
  const halfCube = fround(fround(half * half) * half);
  const wholeStep = fround(fround(halfCube + halfCube) / 3);
  const errors = new Float32Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    const begin = fround((i - first) * bin);
    const end = fround(begin + bin);
    // The double quotient of two floats has the same floor as the exact one.
    const stepOfBegin = clampStep(Math.floor(begin / step), gridSize);
    const stepOfEnd = clampStep(Math.floor(end / step), gridSize);
    const density = fround(counts[i] / bin);
    const fromCenter = fround(begin - fround(fround(stepOfBegin + 0.5) * step));
    const beginCube = fround(fround(fromCenter * fromCenter) * fromCenter);
    const head = fround(density * fround(fround(halfCube - beginCube) / 3));
    const whole = fround(fround(stepOfEnd - stepOfBegin - 1) * fround(density * wholeStep));
    const toCenter = fround(end - fround(fround(stepOfEnd * step) + half));
    const endCube = fround(fround(toCenter * toCenter) * toCenter);
    const tail = fround(density * fround(fround(endCube + halfCube) / 3));
    errors[i] = fround(fround(head + whole) + tail);
  }
  return floatSum(errors);
}

function clampStep(step: number, gridSize: number): number {
  const last = Math.fround(gridSize - 1);
  return step < 0 ? 0 : step > last ? last : step;
}
