/**
 * Max and average pooling with windows of one size. Pooling to a given output size is in adaptive-pool.ts; what the
 * windows look like (padding, dilation, ceil mode) is PyTorch's.
 */
import { saved } from "../autograd/node.ts";
import type { FloatArray } from "../core/dtype.ts";
import { bool, int32, int64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import type { AveragePolicy, PoolGeometry } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, convertArray, elementsAs, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sameFloatDtype } from "./checks.ts";
import type { Op, OpInfo } from "./op.ts";
import { composite, primitive } from "./op.ts";
import type { SpatialRank, SpatialSize } from "./spatial.ts";
import { checkNotEmpty, spatialInput, spatialSizes, triple } from "./spatial.ts";

// ---------------------------------------------------------------- windows

interface WindowOptions {
  /** Default: the kernel size. */
  readonly stride?: SpatialSize | null;
  /** Elements at both ends of each dimension, at most half of the kernel. Default 0. */
  readonly padding?: SpatialSize;
  /** Lets the last window hang over the end, rather than leave elements out. Default false. */
  readonly ceilMode?: boolean;
}

export interface MaxPoolOptions extends WindowOptions {
  /** Distance between a window's elements, default 1. */
  readonly dilation?: SpatialSize;
  /** Also returns each maximum's flat position in its plane, as int64. */
  readonly returnIndices?: boolean;
}

export interface AvgPoolOptions extends WindowOptions {
  /** Counts the padding in the divisor. Default true. */
  readonly countIncludePad?: boolean;
  /** Divides by this instead of the window's size. */
  readonly divisorOverride?: number | null;
}

/** Geometry of a pool and the shape of its result. */
interface PoolPlan {
  readonly geometry: PoolGeometry;
  readonly shape: readonly number[];
}

/** PyTorch's window arithmetic. */
function planPool(
  op: string,
  rank: SpatialRank,
  input: Tensor,
  kernelSize: SpatialSize,
  options: WindowOptions & { readonly dilation?: SpatialSize },
): PoolPlan {
  const source = spatialInput(op, input, rank);
  checkNotEmpty(op, input, source);
  const kernel = spatialSizes(op, "kernel size", kernelSize, rank, 1);
  const stride = spatialSizes(op, "stride", options.stride ?? kernel, rank, 1);
  const padding = spatialSizes(op, "padding", options.padding ?? 0, rank, 0);
  const dilation = spatialSizes(op, "dilation", options.dilation ?? 1, rank, 1);
  const outSize = source.size.map((size, d) => {
    const reach = dilation[d] * (kernel[d] - 1) + 1;
    if (padding[d] > reach / 2) {
      throw new OctetError(
        `${op}: padding must be at most half of the effective kernel size, got padding ${padding[d]}, kernel size ` +
          `${kernel[d]} and dilation ${dilation[d]}`,
      );
    }
    const steps = (size + 2 * padding[d] - reach) / stride[d];
    if (!options.ceilMode) return Math.floor(steps) + 1;
    const length = Math.ceil(steps) + 1;
    // The last window has to start inside the input or the padding before it.
    return (length - 1) * stride[d] >= size + padding[d] ? length - 1 : length;
  });
  if (outSize.some((size) => size < 1)) {
    throw new OctetError(
      `${op}: input ${formatShape(source.size)} with kernel ${formatShape(kernel)} gives output ${formatShape(outSize)}, ` +
        "which is too small",
    );
  }
  const geometry: PoolGeometry = {
    planes: numelOf(source.lead),
    inSize: triple(source.size, 1),
    outSize: triple(outSize, 1),
    kernel: triple(kernel, 1),
    stride: triple(stride, 1),
    padding: triple(padding, 0),
    dilation: triple(dilation, 1),
  };
  return { geometry, shape: [...source.lead, ...outSize] };
}

// ---------------------------------------------------------------- max

/** Two results with `returnIndices: true`, one without. */
export interface MaxPool {
  (
    input: Tensor,
    kernelSize: SpatialSize,
    options: MaxPoolOptions & { readonly returnIndices: true },
  ): [Tensor, Tensor];
  (input: Tensor, kernelSize: SpatialSize, options?: MaxPoolOptions & { readonly returnIndices?: false }): Tensor;
  (input: Tensor, kernelSize: SpatialSize, options?: MaxPoolOptions): Tensor | [Tensor, Tensor];
  readonly op: OpInfo;
}

/** gradInput[indices] += gradient, for a max pool whose flat `indices` were kept. */
export function maxPoolGradient(
  gradient: Tensor,
  indices: Tensor,
  inputShape: readonly number[],
  rank: number,
): Tensor {
  const dtype = computeDtype(gradient.dtype);
  const out = dtype.allocate(numelOf(inputShape)) as FloatArray;
  const lead = inputShape.length - rank;
  kernels().maxPoolGrad(
    numelOf(inputShape.slice(0, lead)),
    numelOf(inputShape.slice(lead)),
    numelOf(gradient.shape.slice(lead)),
    floatElements(gradient, dtype),
    indices.elements() as Int32Array,
    out,
  );
  return tensorFromComputed(out, inputShape, gradient.dtype);
}

function maxPoolFamily(rank: SpatialRank): MaxPool {
  const name = `maxPool${rank}d`;
  /** Values, and indices as int32: the kernel's own type. */
  const withIndices = primitive(
    name,
    (input: Tensor, kernelSize: SpatialSize, options: MaxPoolOptions): readonly [Tensor, Tensor] => {
      if (input.dtype === bool) throw new OctetError(`${name}: not supported for bool tensors`);
      const { geometry, shape } = planPool(name, rank, input, kernelSize, options);
      const dtype = computeDtype(input.dtype);
      const out = dtype.allocate(numelOf(shape));
      const indices = new Int32Array(out.length);
      kernels().maxPool(geometry, elementsAs(input, dtype), out, indices);
      return [tensorFromComputed(out, shape, input.dtype), Tensor.fromArray(indices, shape, int32)];
    },
    ([, indices], { shape }) => {
      const positions = saved(indices);
      return ([g]) => [g ? maxPoolGradient(g, positions(), shape, rank) : null];
    },
  );
  return composite(name, (input: Tensor, kernelSize: SpatialSize, options: MaxPoolOptions = {}) => {
    const [values, indices] = withIndices(input, kernelSize, options);
    return options.returnIndices ? [values, asInt64(indices)] : values;
  }) as MaxPool;
}

/** int32 positions as PyTorch's int64. */
export function asInt64(indices: Tensor): Tensor {
  return Tensor.fromArray(convertArray(indices.elements(), int32, int64), indices.shape, int64);
}

/** The largest element of each window of [N, C, L] or [C, L]. NaN wins. */
export const maxPool1d = maxPoolFamily(1);
/** The largest element of each window of [N, C, H, W] or [C, H, W]. NaN wins. */
export const maxPool2d = maxPoolFamily(2);
/** The largest element of each window of [N, C, D, H, W] or [C, D, H, W]. NaN wins. */
export const maxPool3d = maxPoolFamily(3);

// ---------------------------------------------------------------- average

function averagePolicy(
  name: string,
  { countIncludePad = true, divisorOverride = null }: AvgPoolOptions,
): AveragePolicy {
  if (divisorOverride === 0) throw new OctetError(`${name}: divisorOverride must not be zero`);
  return { countIncludePad, divisorOverride };
}

type AvgPool = Op<[input: Tensor, kernelSize: SpatialSize, options?: AvgPoolOptions], Tensor>;

function avgPoolFamily(rank: SpatialRank): AvgPool {
  const name = `avgPool${rank}d`;
  return primitive(
    name,
    (input: Tensor, kernelSize: SpatialSize, options: AvgPoolOptions = {}): Tensor => {
      sameFloatDtype(name, { input });
      const { geometry, shape } = planPool(name, rank, input, kernelSize, options);
      const dtype = computeDtype(input.dtype);
      const out = dtype.allocate(numelOf(shape)) as FloatArray;
      kernels().avgPool(geometry, averagePolicy(name, options), floatElements(input, dtype), out);
      return tensorFromComputed(out, shape, input.dtype);
    },
    (_out, input, kernelSize, options: AvgPoolOptions = {}) => {
      const { shape } = input;
      const { geometry } = planPool(name, rank, input, kernelSize, options);
      return (g) => {
        const dtype = computeDtype(g.dtype);
        const out = dtype.allocate(numelOf(shape)) as FloatArray;
        kernels().avgPoolGrad(geometry, averagePolicy(name, options), floatElements(g, dtype), out);
        return [tensorFromComputed(out, shape, g.dtype)];
      };
    },
  );
}

/** The mean of each window of [N, C, L] or [C, L]. */
export const avgPool1d = avgPoolFamily(1);
/** The mean of each window of [N, C, H, W] or [C, H, W]. */
export const avgPool2d = avgPoolFamily(2);
/** The mean of each window of [N, C, D, H, W] or [C, D, H, W]. */
export const avgPool3d = avgPoolFamily(3);
