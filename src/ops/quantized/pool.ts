/**
 * Pooling of quantized tensors. Maxima are those of the integers. A mean is that of the integers too, on the same grid: with
 * S = Σ (q − zeroPoint) over a window and n its divisor, it is
 *
 *     clamp(nearbyint(fl(fl(S) · fl(1/n))) + zeroPoint)
 *
 * in every rank and on every engine: rounded first, then shifted by the zero point. PyTorch does so for channels-last
 * tensors, which is what its quantized convolutions give, and so what pools see in a network. For contiguous tensors it adds an
 * odd zero point before rounding in some of its kernels, and then ties come out one step apart. Octet has no memory formats, and
 * takes the way that networks take.
 *
 * On engine qnnpack PyTorch also ignores countIncludePad and divisorOverride for quint8, and a max pool with both padding and
 * dilation sees the edge instead of the padding, which may lie outside the window; here every engine does the same.
 */
import { float64 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from "../adaptive-pool.ts";
import type { AdaptiveSize } from "../adaptive-pool.ts";
import type { Op } from "../op.ts";
import { quantizedForm } from "../op.ts";
import type { AvgPoolOptions, MaxPool, MaxPoolOptions } from "../pool.ts";
import { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from "../pool.ts";
import { fromIntegers, perTensorOf } from "../quantize.ts";
import type { SpatialRank, SpatialSize } from "../spatial.ts";
import { integersOf, relabelled } from "./integers.ts";
import { checkQuantized, quantizedOperator } from "./operator.ts";

// ---------------------------------------------------------------- max

function maxForm(op: MaxPool): void {
  type MaxPoolOp = Op<[x: Tensor, kernelSize: SpatialSize, options?: MaxPoolOptions], Tensor>;
  quantizedForm(op as unknown as MaxPoolOp, (x, kernelSize, options = {}) => {
    if (options.returnIndices) {
      throw new OctetError(
        `Could not run '${op.op.name}' with returnIndices on a quantized tensor; dequantize it first`,
      );
    }
    return relabelled(op(integersOf(x), kernelSize, { ...options, returnIndices: false }), x, perTensorOf(x));
  });
}

for (const op of [maxPool1d, maxPool2d, maxPool3d]) maxForm(op);

/** (x, kernelSize, options): the largest value of each window, on the grid of x. */
export type QuantizedMaxPool = Op<
  [x: Tensor, kernelSize: SpatialSize, options?: Omit<MaxPoolOptions, "returnIndices">],
  Tensor
>;

function quantizedMaxPool(name: string, op: string, pool: MaxPool): QuantizedMaxPool {
  return quantizedOperator(name, (x: Tensor, kernelSize: SpatialSize, options: MaxPoolOptions = {}): Tensor => {
    checkQuantized(op, x);
    return pool(x, kernelSize, { ...options, returnIndices: false });
  });
}

/** x [N, C, L] or [C, L]. */
const quantizedMaxPool1d = quantizedMaxPool("maxPool1d", "max_pool1d", maxPool1d);
/** x [N, C, H, W] or [C, H, W]. */
const quantizedMaxPool2d = quantizedMaxPool("maxPool2d", "max_pool2d", maxPool2d);
export { quantizedMaxPool1d as maxPool1d, quantizedMaxPool2d as maxPool2d };

// ---------------------------------------------------------------- average

/** q − zeroPoint, exactly. */
function centred(x: Tensor): Tensor {
  const { zeroPoint } = perTensorOf(x);
  const values = Float64Array.from(x.elements(), (q) => q - zeroPoint);
  return Tensor.fromArray(values, x.shape, float64);
}

/** The integers from the sums of all windows; `divisors` are those of one plane. */
function rounded(x: Tensor, sums: Tensor, divisors: ArrayLike<number>): Tensor {
  const quantizer = perTensorOf(x);
  const { zeroPoint } = quantizer;
  const { min, max } = x.dtype;
  const values = sums.elements();
  const out = x.dtype.allocate(values.length);
  const factors = Float32Array.from(divisors, (n) => 1 / n);
  for (let i = 0; i < out.length; i++) {
    const mean = Math.fround(Math.fround(values[i]) * factors[i % factors.length]);
    out[i] = Math.min(Math.max(roundHalfEven(mean) + zeroPoint, min), max);
  }
  return fromIntegers(out, sums.shape, x.dtype, quantizer);
}

/** One plane of ones of the spatial size of `x`. */
function onesPlane(x: Tensor, rank: SpatialRank): Tensor {
  const shape = [1, ...x.shape.slice(x.ndim - rank)];
  const ones = Tensor.zeros(shape, float64);
  ones.storage.data.fill(1);
  return ones;
}

const SUM: AvgPoolOptions = { countIncludePad: true, divisorOverride: 1 };

function avgForm(op: typeof avgPool2d, rank: SpatialRank): void {
  quantizedForm(op, (x, kernelSize, options = {}) => {
    const sums = op(centred(x), kernelSize, { ...options, ...SUM });
    const ones = onesPlane(x, rank);
    const counts = op(ones, kernelSize, { ...options, ...SUM }).elements();
    const means = op(ones, kernelSize, options).elements();
    const divisors = Float64Array.from(counts, (count, i) => roundHalfEven(count / means[i]));
    return rounded(x, sums, divisors);
  });
}

avgForm(avgPool1d, 1);
avgForm(avgPool2d, 2);
avgForm(avgPool3d, 3);

function adaptiveForm(op: Op<[input: Tensor, outputSize: AdaptiveSize], Tensor>, rank: SpatialRank): void {
  quantizedForm(op, (x, outputSize) => {
    const means = op(centred(x), outputSize);
    const divisors = windowSizes(x.shape.slice(x.ndim - rank), means.shape.slice(x.ndim - rank));
    const sums = Float64Array.from(means.elements(), (mean, i) => roundHalfEven(mean * divisors[i % divisors.length]));
    return rounded(x, Tensor.fromArray(sums, means.shape, float64), divisors);
  });
}

/** The number of elements in each adaptive window of one plane. */
function windowSizes(inSize: readonly number[], outSize: readonly number[]): number[] {
  return outSize.reduce<number[]>(
    (sizes, out, d) => {
      const size = inSize[d];
      const lengths = Array.from({ length: out }, (_, i) => {
        return Math.ceil(((i + 1) * size) / out) - Math.floor((i * size) / out);
      });
      return sizes.flatMap((n) => lengths.map((length) => n * length));
    },
    [1],
  );
}

adaptiveForm(adaptiveAvgPool1d, 1);
adaptiveForm(adaptiveAvgPool2d, 2);
adaptiveForm(adaptiveAvgPool3d, 3);
