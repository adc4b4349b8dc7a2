/**
 * Channel statistics and maps in float32, over x viewed as [n, channels, inner]. Some 16 Ki floats are staged at a time:
 * as many planes as that holds, or parts of a plane.
 */
import type { WasmEngine } from "./engine.ts";

/** Floats that are staged at a time: 64 KiB. */
export const RUN = 16384;

/** Consecutive planes (or one part of a plane), whose first element is `from`. */
export interface Run {
  readonly from: number;
  readonly firstPlane: number;
  readonly planes: number;
  /** Floats of each plane, or of the part. */
  readonly inner: number;
}

export function eachRun(allPlanes: number, inner: number, body: (run: Run) => void, limit = RUN): void {
  if (inner > limit) {
    for (let plane = 0; plane < allPlanes; plane++) {
      for (let i = 0; i < inner; i += limit) {
        body({ from: plane * inner + i, firstPlane: plane, planes: 1, inner: Math.min(limit, inner - i) });
      }
    }
    return;
  }
  const atOnce = Math.floor(limit / inner);
  for (let plane = 0; plane < allPlanes; plane += atOnce) {
    body({ from: plane * inner, firstPlane: plane, planes: Math.min(atOnce, allPlanes - plane), inner });
  }
}

/** Runs a kernel call on pairs of doubles per plane, and hands them on. */
class PairReader {
  readonly #engine: WasmEngine;
  readonly address: number;

  constructor(engine: WasmEngine, planes: number) {
    this.#engine = engine;
    this.address = engine.memory.allocate(4 * planes);
  }

  /** The pairs that the last call wrote. */
  read(planes: number): Float64Array {
    return new Float64Array(this.#engine.memory.memory.buffer, this.address, 2 * planes);
  }
}

/** As {@link Kernels.channelMoments}: each plane's moments, merged by the parallel formula of Chan et al. in doubles. */
export function channelMoments(
  engine: WasmEngine,
  x: Float32Array,
  n: number,
  channels: number,
  inner: number,
  mean: Float32Array,
  variance: Float32Array,
): void {
  const { memory, code } = engine;
  const means = new Float64Array(channels);
  const squares = new Float64Array(channels);
  const counts = new Float64Array(channels);
  memory.frame(() => {
    const operand = memory.operand(x);
    const planesAtOnce = Math.max(1, Math.floor(RUN / inner));
    const buffer = memory.allocateFor(operand, Math.min(x.length, RUN));
    const pairs = new PairReader(engine, planesAtOnce);
    eachRun(n * channels, inner, (run) => {
      code.planeMoments(
        memory.read(operand, run.from, run.planes * run.inner, buffer),
        run.planes,
        run.inner,
        pairs.address,
      );
      const results = pairs.read(run.planes);
      for (let i = 0; i < run.planes; i++) {
        const c = (run.firstPlane + i) % channels;
        const distance = results[2 * i] - means[c];
        const count = counts[c] + run.inner;
        squares[c] += results[2 * i + 1] + (distance * distance * counts[c] * run.inner) / count;
        means[c] += (distance * run.inner) / count;
        counts[c] = count;
      }
    });
  });
  for (let c = 0; c < channels; c++) {
    mean[c] = means[c];
    variance[c] = squares[c] / counts[c];
  }
}

/** As {@link Kernels.channelGradSums}. */
export function channelGradSums(
  engine: WasmEngine,
  x: Float32Array,
  g: Float32Array,
  n: number,
  channels: number,
  inner: number,
  mean: Float32Array,
  sumG: Float32Array,
  sumGX: Float32Array,
): void {
  const { memory, code } = engine;
  const sums = new Float64Array(2 * channels);
  memory.frame(() => {
    const operands = [memory.operand(x), memory.operand(g)] as const;
    const planesAtOnce = Math.max(1, Math.floor(RUN / inner));
    const buffers = operands.map((operand) => memory.allocateFor(operand, Math.min(x.length, RUN)));
    const pairs = new PairReader(engine, planesAtOnce);
    const means = memory.allocate(planesAtOnce);
    eachRun(n * channels, inner, ({ from, firstPlane, planes, inner: length }) => {
      const [xRun, gRun] = operands.map((operand, i) => memory.read(operand, from, planes * length, buffers[i]));
      const { floats } = memory;
      for (let i = 0; i < planes; i++) floats[means / 4 + i] = mean[(firstPlane + i) % channels];
      code.planeGradSums(xRun, gRun, planes, length, means, pairs.address);
      const results = pairs.read(planes);
      for (let i = 0; i < planes; i++) {
        const c = (firstPlane + i) % channels;
        sums[2 * c] += results[2 * i];
        sums[2 * c + 1] += results[2 * i + 1];
      }
    });
  });
  for (let c = 0; c < channels; c++) {
    sumG[c] = sums[2 * c];
    sumGX[c] = sums[2 * c + 1];
  }
}

/** As {@link Kernels.channelAffine}. */
export function channelAffine(
  engine: WasmEngine,
  x: Float32Array,
  n: number,
  channels: number,
  inner: number,
  scale: Float32Array,
  shift: Float32Array,
  out: Float32Array,
): void {
  const { code } = engine;
  mapPlanes(engine, [x], n, channels, inner, [scale, shift], out, ([xRun], target, planes, length, coefficients) =>
    code.planeAffine(xRun, target, planes, length, coefficients),
  );
}

/** As {@link Kernels.channelCombine}. */
export function channelCombine(
  engine: WasmEngine,
  x: Float32Array,
  g: Float32Array,
  n: number,
  channels: number,
  inner: number,
  a: Float32Array,
  b: Float32Array,
  d: Float32Array,
  out: Float32Array,
): void {
  const { code } = engine;
  mapPlanes(engine, [x, g], n, channels, inner, [a, b, d], out, ([xRun, gRun], target, planes, length, coefficients) =>
    code.planeCombine(xRun, gRun, target, planes, length, coefficients),
  );
}

/** out = f(inputs), plane by plane, with one coefficient of each array for a plane. */
function mapPlanes(
  { memory }: WasmEngine,
  inputs: readonly Float32Array[],
  n: number,
  channels: number,
  inner: number,
  coefficients: readonly Float32Array[],
  out: Float32Array,
  body: (inputs: readonly number[], target: number, planes: number, inner: number, coefficients: number) => void,
): void {
  memory.frame(() => {
    const operands = inputs.map((input) => memory.operand(input));
    const result = memory.operand(out);
    const count = Math.min(out.length, RUN);
    const buffers = operands.map((operand) => memory.allocateFor(operand, count));
    const outBuffer = memory.allocateFor(result, count);
    const table = memory.allocate(coefficients.length * Math.max(1, Math.floor(RUN / inner)));
    eachRun(n * channels, inner, ({ from, firstPlane, planes, inner: length }) => {
      const { floats } = memory;
      let t = table / 4;
      for (let i = 0; i < planes; i++) {
        const c = (firstPlane + i) % channels;
        for (const values of coefficients) floats[t++] = values[c];
      }
      const staged = operands.map((operand, i) => memory.read(operand, from, planes * length, buffers[i]));
      body(staged, memory.target(result, from, outBuffer), planes, length, table);
      memory.finish(result, from, planes * length, outBuffer);
    });
  });
}
