/** Histograms: counting values into equal bins, and moving counts to bins over a wider range, as PyTorch 2.6 does. */
import { OctetError } from "../../core/errors.ts";
import { pythonFloat } from "../../nn/repr.ts";
import { kernels } from "../../kernels/registry.ts";
import type { Histogram } from "./histogram-search.ts";

/** Parts that a bin is split into before its counts are moved. */
export const UPSAMPLE_RATE = 16;

/**
 * Counts of `values` in `bins` equal bins over [min, max], both ends included (`torch.histc`). An empty range is widened
 * by 1 on both sides.
 */
export function histc(values: Float32Array, bins: number, min: number, max: number): Float32Array {
  if (!Number.isFinite(min) || !Number.isFinite(max)) {
    throw new OctetError(`torch.histc: range of [${pythonFloat(min)}, ${pythonFloat(max)}] is not finite`);
  }
  const counts = new Float32Array(bins);
  const [low, high] = min === max ? [Math.fround(min - 1), Math.fround(max + 1)] : [min, max];
  kernels().histogram(values, low, high, counts);
  return counts;
}

/** The counts of `old` in as many equal bins over [min, max], which must contain its range. */
export function rebin(old: Histogram, min: number, max: number): Float32Array {
  const bins = old.counts.length;
  const parts = bins * UPSAMPLE_RATE;
  const halfPart = Math.fround(0.5 * Math.fround(Math.fround(old.max - old.min) / parts));
  const starts = linspace(old.min, old.max, parts + 1);
  const bounds = linspace(min, max, bins + 1);
  const counts = new Float32Array(bins);
  let bin = -1; // the last bound that is not above the part's middle; both sequences grow
  for (let part = 0; part < parts; part++) {
    const middle = Math.fround(starts[part] + halfPart);
    while (bin < bins && bounds[bin + 1] <= middle) bin++;
    counts[Math.min(Math.max(bin, 0), bins - 1)] += old.counts[Math.floor(part / UPSAMPLE_RATE)] / UPSAMPLE_RATE;
  }
  return counts;
}

/** float32 values at equal distances, counted from both ends to the middle, each by one fused multiply-add. */
function linspace(start: number, end: number, steps: number): Float32Array {
  const step = Math.fround(Math.fround(end - start) / (steps - 1));
  const halfway = Math.floor(steps / 2);
  const values = new Float32Array(steps);
  for (let i = 0; i < steps; i++) values[i] = i < halfway ? start + step * i : end - step * (steps - 1 - i);
  return values;
}
