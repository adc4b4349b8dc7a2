/** Softmax along one dimension, its logarithm, and softmin. */
import { saved } from "../autograd/node.ts";
import type { DType, FloatArray } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { numelOf, wrapDim } from "../core/shape.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, floatElements, tensorFromComputed } from "../tensor/convert.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { asDtype, neg } from "./arithmetic.ts";
import type { Op } from "./op.ts";
import { composite, primitive } from "./op.ts";

export interface SoftmaxOptions {
  /** Converts the input to this dtype first. */
  readonly dtype?: DType;
}

/** How `x` looks along `dim`: [outer, n, inner]. */
function linesOf(x: Tensor, dim: number): [outer: number, n: number, inner: number] {
  return [numelOf(x.shape.slice(0, dim)), x.ndim ? x.shape[dim] : 1, numelOf(x.shape.slice(dim + 1))];
}

function along(name: "softmax" | "logSoftmax"): Op<[x: Tensor, dim: number], Tensor> {
  const log = name === "logSoftmax";
  return primitive(
    name,
    (x: Tensor, dim: number) => {
      if (!x.dtype.isFloatingPoint) throw new OctetError(`${name}: not implemented for ${x.dtype.name} tensors`);
      const lines = linesOf(x, wrapDim(name, dim, x.ndim));
      const out = computeDtype(x.dtype).allocate(x.numel()) as FloatArray;
      kernels().softmax(floatElements(x, x.dtype), ...lines, out, log);
      return tensorFromComputed(out, x.shape, x.dtype);
    },
    (out, x, dim) => {
      const result = saved(out);
      const lines = linesOf(x, wrapDim(name, dim, x.ndim));
      return (g) => {
        const gradient = computeDtype(g.dtype).allocate(g.numel()) as FloatArray;
        kernels().softmaxGrad(floatElements(g, g.dtype), floatElements(result(), g.dtype), ...lines, gradient, log);
        return [tensorFromComputed(gradient, g.shape, g.dtype)];
      };
    },
  );
}

/** The dimension that PyTorch chooses where none is given: 0 for 0, 1 and 3 dimensions, else 1. */
export function implicitDim(x: Tensor): number {
  return x.ndim === 0 || x.ndim === 1 || x.ndim === 3 ? 0 : 1;
}

function withDtype(name: "softmax" | "logSoftmax") {
  const evaluate = along(name);
  return composite(name, (x: Tensor, dim?: number | null, { dtype }: SoftmaxOptions = {}): Tensor =>
    evaluate(dtype ? asDtype(x, dtype) : x, dim ?? implicitDim(x)),
  );
}

/** exp(x) / Σ exp(x) along `dim`. */
export const softmax = withDtype("softmax");

/** log(softmax(x)), without loss of precision. */
export const logSoftmax = withDtype("logSoftmax");

/** softmax(−x). */
export const softmin = composite("softmin", (x: Tensor, dim?: number | null, options: SoftmaxOptions = {}): Tensor =>
  softmax(neg(x), dim, options),
);
