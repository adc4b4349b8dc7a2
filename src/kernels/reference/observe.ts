/** What observers collect: smallest and largest values, and histograms. */
import type { ChannelLayout } from "../quantized-kernels.ts";

export function minMax(x: Float32Array, layout: ChannelLayout, min: Float32Array, max: Float32Array): void {
  const { outer, channels, inner } = layout;
  min.fill(Infinity);
  max.fill(-Infinity);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const start = (o * channels + c) * inner;
      if (inner === 1) include(x, start, start + 1, c, min, max);
      else minMaxOfRun(x, start, start + inner, c, min, max);
    }
  }
}

/** Widens channel c's range by a run of its elements. Eight that lie inside already, which most do, are skipped at once. */
function minMaxOfRun(
  x: Float32Array,
  start: number,
  end: number,
  c: number,
  min: Float32Array,
  max: Float32Array,
): void {
  let i = start;
  let low = min[c];
  let high = max[c];
  for (; i + 8 <= end; i += 8) {
    // A NaN, in the array or met before, makes a comparison false.
    if (
      x[i] >= low &&
      x[i] <= high &&
      x[i + 1] >= low &&
      x[i + 1] <= high &&
      x[i + 2] >= low &&
      x[i + 2] <= high &&
      x[i + 3] >= low &&
      x[i + 3] <= high &&
      x[i + 4] >= low &&
      x[i + 4] <= high &&
      x[i + 5] >= low &&
      x[i + 5] <= high &&
      x[i + 6] >= low &&
      x[i + 6] <= high &&
      x[i + 7] >= low &&
      x[i + 7] <= high
    )
      continue;
    include(x, i, i + 8, c, min, max);
    low = min[c];
    high = max[c];
  }
  include(x, i, end, c, min, max);
}

function include(x: Float32Array, start: number, end: number, c: number, min: Float32Array, max: Float32Array): void {
  let low = min[c];
  let high = max[c];
  for (let i = start; i < end; i++) {
    const value = x[i];
    // Written so that a NaN, once met, stays: every comparison with it is false.
    if (!(value >= low)) low = low !== low ? low : value;
    if (!(value <= high)) high = high !== high ? high : value;
  }
  min[c] = low;
  max[c] = high;
}

/** float32, in this order, as `torch.histc`: trunc((x − min) · bins / (max − min)). */
export function histogram(x: Float32Array, min: number, max: number, counts: Float32Array): void {
  const bins = counts.length;
  const width = Math.fround(max - min);
  // Two tables, for even and odd positions: neighbours often share a bin, and would wait for each other.
  const even = new Int32Array(bins + 1);
  const odd = new Int32Array(bins + 1);
  let i = 0;
  for (; i + 2 <= x.length; i += 2) {
    const a = x[i];
    const b = x[i + 1];
    if (a >= min && a <= max) even[Math.fround(Math.fround(Math.fround(a - min) * bins) / width) | 0]++;
    if (b >= min && b <= max) odd[Math.fround(Math.fround(Math.fround(b - min) * bins) / width) | 0]++;
  }
  for (; i < x.length; i++) {
    const a = x[i];
    if (a >= min && a <= max) even[Math.fround(Math.fround(Math.fround(a - min) * bins) / width) | 0]++;
  }
  even[bins - 1] += even[bins]; // max itself
  odd[bins - 1] += odd[bins];
  for (let bin = 0; bin < bins; bin++) counts[bin] += even[bin] + odd[bin];
}
