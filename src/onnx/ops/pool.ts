/** Pooling. */
import { int64 } from "../../core/dtype.ts";
import * as F from "../../nn/functional.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps, OperandRecord } from "../import-context.ts";
import type { SymbolicShape, Value } from "../import-value.ts";
import { convolvedSize, paddedInput } from "./conv.ts";
import type { Window } from "./window.ts";
import { padAmounts, samePadding, windowOf } from "./window.ts";

const maxPools = [F.maxPool1d, F.maxPool2d, F.maxPool3d];
const avgPools = [F.avgPool1d, F.avgPool2d, F.avgPool3d];
const adaptiveAvgPools = [F.adaptiveAvgPool1d, F.adaptiveAvgPool2d, F.adaptiveAvgPool3d];

function pooledShape(x: Value, window: Window, ceil: boolean): SymbolicShape {
  const [batch, channels] = [x.shape?.[0] ?? null, x.shape?.[1] ?? null];
  const sizes = window.kernel.map((_, d) => convolvedSize(x.shape?.[d + 2] ?? null, window, d, ceil));
  // A last window that lies in the padding only does not count, which would need a closer look here.
  return [batch, channels, ...(ceil ? sizes.map(() => null) : sizes)];
}

function poolWindow(c: NodeContext): Window {
  const window = windowOf(c);
  c.require(window.kernel.length <= 3, `it pools over ${window.kernel.length} dimensions`);
  return window;
}

const maxPool: OnnxOp = {
  since: [1, 8],
  import(c: NodeContext) {
    const x = c.input(0);
    const window = poolWindow(c);
    const ceilMode = c.int("ceil_mode", 0) !== 0;
    // More than half of the window as padding is allowed here, but not by the operator.
    const fits =
      !window.same && window.begins.every((begin, d) => begin === window.ends[d] && begin <= window.kernel[d] / 2);
    const apart = fits ? { input: x, padding: window.begins } : padWith(c, x, window, -Infinity);
    const kwargs = { stride: window.strides, padding: apart.padding, dilation: window.dilations, ceilMode };
    const shape = pooledShape(x, window, ceilMode);
    if (c.hasOutput(1)) {
      c.require(fits, "it gives positions and pads its ends differently");
      const columnsFirst = c.int("storage_order", 0) !== 0;
      const tuple = c.call(maxPoolWithPositions, [x, asRecord(window), ceilMode, columnsFirst]);
      return c.items(tuple, [
        { dtype: x.dtype, shape },
        { dtype: int64, shape },
      ]);
    }
    return c.call(maxPools[window.kernel.length - 1], [apart.input, window.kernel], { kwargs, shape });
  },
};

/** As an argument of a node. */
function asRecord({ kernel, strides, dilations, begins, ends, same }: Window): OperandRecord {
  return { kernel, strides, dilations, begins, ends, same };
}

/** Also the position of each maximum in the whole tensor; in a plane, columns may come first. */
const maxPoolWithPositions = traceable(
  "onnx.maxPool",
  (x: Tensor, window: Window, ceilMode: boolean, columnsFirst: boolean): readonly Tensor[] => {
    const { kernel, strides, dilations, begins } = window;
    const options = { stride: strides, padding: begins, dilation: dilations, ceilMode, returnIndices: true } as const;
    const [values, inPlane] = maxPools[kernel.length - 1](x, kernel, options);
    const sizes = x.shape.slice(2);
    const plane = sizes.reduce((a, b) => a * b, 1);
    const planes = ops.mul(ops.arange(x.shape[0] * x.shape[1], { dtype: int64 }), plane);
    const positions = columnsFirst ? transposedPositions(inPlane, sizes) : inPlane;
    return [values, ops.add(positions, planes.reshape([x.shape[0], x.shape[1], ...sizes.map(() => 1)]))];
  },
);

/** Positions in a plane counted with the first dimension running fastest. */
function transposedPositions(positions: Tensor, sizes: readonly number[]): Tensor {
  let [rest, step] = [positions, sizes.reduce((a, b) => a * b, 1)];
  let total = ops.zerosLike(positions);
  for (const size of sizes.toReversed()) {
    step /= size;
    total = ops.add(total, ops.mul(ops.remainder(rest, size), step));
    rest = ops.floorDivide(rest, size);
  }
  return total;
}

/** All padding in a step of its own. */
function padWith(c: NodeContext, x: Value, window: Window, value: number): { input: Value; padding: number[] } {
  if (window.same) return paddedInput(c, x, window, value);
  const amounts = padAmounts(window.begins, window.ends);
  return { input: c.call(ops.pad, [x, amounts], { kwargs: { value } }), padding: window.kernel.map(() => 0) };
}

interface AverageOptions {
  readonly window: Window;
  readonly ceilMode: boolean;
  readonly countsPadding: boolean;
}

/** Any padding: the sum over each window of the padded input, divided by how many elements count. */
const averagePoolOf = traceable(
  "onnx.averagePool",
  (x: Tensor, { window, ceilMode, countsPadding }: AverageOptions): Tensor => {
    const { kernel, strides, same } = window;
    const sides = kernel.map((_, d): [number, number] =>
      same
        ? samePadding(x.shape[d + 2], { ...window, isUpper: same === "upper" }, d)
        : [window.begins[d], window.ends[d]],
    );
    const amounts = padAmounts(
      sides.map(([begin]) => begin),
      sides.map(([, end]) => end),
    );
    const pool = avgPools[kernel.length - 1];
    const average = (values: Tensor, value: number): Tensor =>
      pool(ops.pad(values, amounts, { value }), kernel, { stride: strides, ceilMode });
    const share = average(ops.onesLike(x), countsPadding ? 1 : 0);
    return ops.div(average(x, 0), share);
  },
);

const averagePool: OnnxOp = {
  since: [1, 7],
  import(c: NodeContext) {
    const x = c.input(0);
    const window = poolWindow(c);
    c.require(
      window.dilations.every((step) => step === 1),
      "it has dilations",
    );
    const [ceilMode, countIncludePad] = [c.int("ceil_mode", 0) !== 0, c.int("count_include_pad", 0) !== 0];
    const shape = pooledShape(x, window, ceilMode);
    const fits =
      !window.same && window.begins.every((begin, d) => begin === window.ends[d] && begin <= window.kernel[d] / 2);
    if (!fits) {
      const kwargs = { window: asRecord(window), ceilMode, countsPadding: countIncludePad };
      return c.call(averagePoolOf, [x], { kwargs, shape });
    }
    const kwargs = { stride: window.strides, padding: window.begins, ceilMode, countIncludePad };
    return c.call(avgPools[window.kernel.length - 1], [x, window.kernel], { kwargs, shape });
  },
};

const globalAverage = traceable("onnx.globalAveragePool", (x: Tensor): Tensor =>
  ops.mean(x, spatialDims(x), { keepdim: true }),
);

const globalMax = traceable("onnx.globalMaxPool", (x: Tensor): Tensor =>
  ops.amax(x, spatialDims(x), { keepdim: true }),
);

function spatialDims(x: Tensor): number[] {
  return x.shape.slice(2).map((_, d) => d + 2);
}

function pooledToOne(x: Value): SymbolicShape | null {
  return x.shape && x.shape.map((size, d) => (d < 2 ? size : 1));
}

const globalAveragePool: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const x = c.input(0);
    const pool = x.shape ? adaptiveAvgPools[x.shape.length - 3] : undefined;
    const shape = pooledToOne(x);
    return pool ? c.call(pool, [x, 1], { shape }) : c.call(globalAverage, [x], { shape });
  },
};

/** (Σ |x|^p)^(1/p) over each window of the padded input. */
const lpPoolOf = traceable(
  "onnx.lpPool",
  (x: Tensor, p: number, kernel: number[], strides: number[], ceilMode: boolean) => {
    const size = kernel.reduce((a, b) => a * b, 1);
    const averages = avgPools[kernel.length - 1](ops.pow(ops.abs(x), p), kernel, { stride: strides, ceilMode });
    return ops.pow(ops.mul(averages, size), 1 / p);
  },
);

const lpPool: OnnxOp = {
  since: [2],
  import(c: NodeContext) {
    const window = poolWindow(c);
    const ceilMode = c.int("ceil_mode", 0) !== 0;
    c.require(window.dilations.every((step) => step === 1) && !ceilMode, "it has dilations or ceil_mode");
    const { input } = padWith(c, c.input(0), window, 0);
    const args = [input, c.int("p", 2), window.kernel, window.strides, ceilMode];
    return c.call(lpPoolOf, args, { shape: pooledShape(c.input(0), window, false) });
  },
};

const globalLp = traceable("onnx.globalLpPool", (x: Tensor, p: number): Tensor =>
  ops.pow(ops.sum(ops.pow(ops.abs(x), p), spatialDims(x), { keepdim: true }), 1 / p),
);

export const poolOps: OnnxOps = {
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalLpPool: {
    since: [2],
    import: (c) => c.call(globalLp, [c.input(0), c.int("p", 2)], { shape: pooledToOne(c.input(0)) }),
  },
  GlobalMaxPool: { since: [1], import: (c) => c.call(globalMax, [c.input(0)], { shape: pooledToOne(c.input(0)) }) },
  LpPool: lpPool,
  MaxPool: maxPool,
};
