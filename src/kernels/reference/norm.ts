/** Per-channel statistics and maps of x viewed as [n, channels, inner]: what every normalization is built from. */
import type { FloatArray } from "../../core/dtype.ts";

/** Mean and biased variance of each channel: the mean first, then the squared distances from it, both in doubles. */
export function channelMoments<T extends FloatArray>(
  x: T,
  n: number,
  channels: number,
  inner: number,
  mean: T,
  variance: T,
): void {
  const count = n * inner;
  const means = new Float64Array(channels);
  forEachPlane(n, channels, inner, (c, start, end) => {
    let sum = 0;
    for (let i = start; i < end; i++) sum += x[i];
    means[c] += sum;
  });
  for (let c = 0; c < channels; c++) means[c] /= count;
  const squares = new Float64Array(channels);
  forEachPlane(n, channels, inner, (c, start, end) => {
    const center = means[c];
    let sum = 0;
    for (let i = start; i < end; i++) sum += (x[i] - center) * (x[i] - center);
    squares[c] += sum;
  });
  for (let c = 0; c < channels; c++) {
    mean[c] = means[c];
    variance[c] = squares[c] / count;
  }
}

/** out = x · scale[c] + shift[c]. */
export function channelAffine<T extends FloatArray>(
  x: T,
  n: number,
  channels: number,
  inner: number,
  scale: T,
  shift: T,
  out: T,
): void {
  forEachPlane(n, channels, inner, (c, start, end) => {
    const factor = scale[c];
    const offset = shift[c];
    for (let i = start; i < end; i++) out[i] = x[i] * factor + offset;
  });
}

/** sumG[c] = Σ g, sumGX[c] = Σ g · (x − mean[c]), in doubles. */
export function channelGradSums<T extends FloatArray>(
  x: T,
  g: T,
  n: number,
  channels: number,
  inner: number,
  mean: T,
  sumG: T,
  sumGX: T,
): void {
  const plain = new Float64Array(channels);
  const weighted = new Float64Array(channels);
  forEachPlane(n, channels, inner, (c, start, end) => {
    const center = mean[c];
    let sum = 0;
    let product = 0;
    for (let i = start; i < end; i++) {
      sum += g[i];
      product += g[i] * (x[i] - center);
    }
    plain[c] += sum;
    weighted[c] += product;
  });
  sumG.set(plain);
  sumGX.set(weighted);
}

/** out = a[c] · g + b[c] · x + d[c]. */
export function channelCombine<T extends FloatArray>(
  x: T,
  g: T,
  n: number,
  channels: number,
  inner: number,
  a: T,
  b: T,
  d: T,
  out: T,
): void {
  forEachPlane(n, channels, inner, (c, start, end) => {
    const forG = a[c];
    const forX = b[c];
    const offset = d[c];
    for (let i = start; i < end; i++) out[i] = forG * g[i] + forX * x[i] + offset;
  });
}

/** Calls `plane` with each (n, channel) plane's channel and its range of indices. */
function forEachPlane(
  n: number,
  channels: number,
  inner: number,
  plane: (channel: number, start: number, end: number) => void,
): void {
  for (let p = 0; p < n * channels; p++) plane(p % channels, p * inner, (p + 1) * inner);
}
