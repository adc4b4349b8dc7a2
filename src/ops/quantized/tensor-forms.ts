/**
 * What the tensor operators do with quantized tensors. Those that move elements run on the integers, and the qparams move
 * along; comparisons see the real values; the rest has no quantized form, as in PyTorch. Importing this file registers
 * the forms.
 */
import { float32, float64, quint8 } from "../../core/dtype.ts";
import { getEngine } from "../../core/engine.ts";
import { OctetError } from "../../core/errors.ts";
import type { Quantizer } from "../../core/qparams.ts";
import { sameQuantizer } from "../../core/qparams.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import type { Shape } from "../../core/shape.ts";
import { contiguousStrides, wrapDim, wrapDims } from "../../core/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Operand } from "../broadcast.ts";
import { eq, equal, ge, gt, le, lt, ne } from "../comparison.ts";
import { clone, fill_, scalarOf } from "../copy.ts";
import type { CreateOptions } from "../create.ts";
import { emptyLike, fullLike, onesLike, zerosLike } from "../create.ts";
import { embedding } from "../embedding.ts";
import { indexSelect, maskedFill } from "../indexing.ts";
import type { Op } from "../op.ts";
import { quantizedForm } from "../op.ts";
import { dequantize, fromIntegers, perTensorOf, quantizePerTensor, quantizerOf } from "../quantize.ts";
import { flip } from "../rearrange.ts";
import { countOf, mean } from "../reduce.ts";
import type { ReducePlan } from "../reduction.ts";
import { planOf, reduced } from "../reduction.ts";
import { argsort, sort, topk } from "../sort.ts";
import { std } from "../statistics.ts";
import { indexPut, setIndex } from "../subscript.ts";
import type { SizesOp } from "../views.ts";
import { expand, permute, reshape, squeeze, transpose, unsqueeze, view } from "../views.ts";
import { unsafeView } from "../unsafe-view.ts";
import { asStrided, select, slice, split, unbind } from "../windows.ts";
import {
  integersOf,
  relabelled,
  reshapedQuantizer,
  selectedQuantizer,
  slicedQuantizer,
  uniform,
  withAxis,
} from "./integers.ts";
import { requantized } from "./copy.ts";
import { singlePrecisionSums } from "./single-sums.ts";

// ---------------------------------------------------------------- moving elements

type Moved<A extends readonly unknown[]> = (quantizer: Quantizer, x: Tensor, out: Tensor, ...args: A) => Quantizer;

/** Runs `op` on the integers; `moved` gives the qparams of the result. */
function moves<A extends readonly unknown[]>(op: Op<[x: Tensor, ...A], Tensor>, moved: Moved<A>): void {
  quantizedForm(op, (x: Tensor, ...args: A) => {
    const out = op(integersOf(x), ...args);
    return relabelled(out, x, moved(quantizerOf(x), x, out, ...args));
  });
}

/** An operator that takes sizes one by one too, as the one on a list that it is when called. */
function listed(op: SizesOp): Op<[x: Tensor, sizes: Shape], Tensor> {
  return op as unknown as Op<[x: Tensor, sizes: Shape], Tensor>;
}

moves(clone, (quantizer) => quantizer);
moves(listed(view), (quantizer, x, out) => reshapedQuantizer(quantizer, x.shape, out.shape));
moves(listed(expand), uniform);
moves(listed(flip), uniform);
moves(asStrided, uniform);
quantizedForm(unsafeView, (x, shape) => {
  const out = unsafeView(integersOf(x), shape);
  return fromIntegers(out.elements(), shape, x.dtype, reshapedQuantizer(quantizerOf(x), x.shape, shape));
});
moves(indexSelect, uniform);
moves(listed(permute), (quantizer, x, _out, dims) =>
  withAxis(quantizer, (axis) => dims.findIndex((d) => wrapDim("permute", d, x.ndim) === axis)),
);
moves(transpose, (quantizer, x, _out, dim0, dim1) => {
  const [a, b] = [wrapDim("transpose", dim0, x.ndim), wrapDim("transpose", dim1, x.ndim)];
  return withAxis(quantizer, (axis) => (axis === a ? b : axis === b ? a : axis));
});
moves(unsqueeze, (quantizer, x, _out, dim) => {
  const d = wrapDim("unsqueeze", dim, x.ndim + 1);
  return withAxis(quantizer, (axis) => (axis >= d ? axis + 1 : axis));
});
moves(squeeze, (quantizer, x, _out, dim) => {
  const gone = wrapDims("squeeze", dim, x.ndim).filter((d) => x.shape[d] === 1);
  return gone.reduceRight((left, d) => selectedQuantizer(left, d, 0), quantizer);
});
moves(select, (quantizer, x, _out, dim, index) => {
  const d = wrapDim("select", dim, x.ndim);
  return selectedQuantizer(quantizer, d, index < 0 ? index + x.shape[d] : index);
});
moves(slice, (quantizer, x, out, dim = 0, _start, _end, step = 1) => {
  const d = wrapDim("slice", dim, x.ndim);
  const first = x.strides[d] === 0 ? 0 : (out.offset - x.offset) / x.strides[d];
  return slicedQuantizer(quantizer, d, first, step, out.shape[d]);
});

quantizedForm(unbind, (x, dim = 0) => {
  const d = wrapDim("unbind", dim, x.ndim);
  return unbind(integersOf(x), dim).map((out, i) => relabelled(out, x, selectedQuantizer(quantizerOf(x), d, i)));
});
quantizedForm(split, (x, sizes, dim = 0) => {
  const d = wrapDim("split", dim, x.ndim);
  let start = 0;
  return split(integersOf(x), sizes, dim).map((out) => {
    const first = start;
    start += out.shape[d];
    return relabelled(out, x, slicedQuantizer(quantizerOf(x), d, first, 1, out.shape[d]));
  });
});

quantizedForm(sort, (x, ...args) => {
  const [values, indices] = sort(integersOf(x), ...args);
  return [relabelled(values, x, perTensorOf(x)), indices];
});
quantizedForm(argsort, (x, ...args) => argsort(integersOf(x), ...args));
quantizedForm(topk, (x, ...args) => {
  const [values, indices] = topk(integersOf(x), ...args);
  return [relabelled(values, x, perTensorOf(x)), indices];
});

/** Rows of a quantized table, on its grid. */
quantizedForm(embedding, (input, weight, options = {}) => {
  if (typeof options.maxNorm === "number") {
    throw new OctetError("embedding: the rows of a quantized table cannot be renormalized; leave out maxNorm");
  }
  const rows = indexSelect(weight, 0, reshape(input, [-1]));
  return view(rows, [...input.shape, ...weight.shape.slice(1)]);
});

// ---------------------------------------------------------------- writing

quantizedForm(maskedFill, (x, mask, value) => {
  perTensorOf(x);
  const filler = value instanceof Tensor ? value : scalarOf("maskedFill", value, float32);
  return relabelled(maskedFill(integersOf(x), mask, integersOf(requantized("maskedFill", filler, x))), x);
});
quantizedForm(indexPut, (x, indices, values, options = {}) => {
  if (options.accumulate)
    throw new OctetError("index_put for quantized tensors is currently not supported for accumulate=True");
  return setIndex(clone(x), indices, values);
});

// ---------------------------------------------------------------- comparison of real values

const real = (operand: Operand): Operand => (operand instanceof Tensor ? dequantize(operand) : operand);

for (const comparison of [eq, ne, lt, le, gt, ge]) {
  quantizedForm(comparison, (a, b) => comparison(real(a), real(b)));
}
quantizedForm(equal, (a, b) => {
  const alike = a.dtype === b.dtype && sameQuantizer(a.quantizer, b.quantizer);
  return alike && equal(integersOf(a), integersOf(b));
});

// ---------------------------------------------------------------- tensors like another

function like(x: Tensor, options: CreateOptions): Tensor {
  if (options.dtype && options.dtype !== x.dtype) {
    throw new OctetError(`emptyLike: a ${x.dtype.name} tensor has no likes of dtype ${options.dtype.name}`);
  }
  return fromIntegers(x.dtype.allocate(x.numel()), x.shape, x.dtype, quantizerOf(x));
}

quantizedForm(emptyLike, (x, options = {}) => like(x, options));
quantizedForm(zerosLike, (x, options = {}) => fill_(like(x, options), 0));
quantizedForm(onesLike, (x, options = {}) => fill_(like(x, options), 1));
quantizedForm(fullLike, (x, value, options = {}) => fill_(like(x, options), value));

// ---------------------------------------------------------------- statistics, on the grid of the input

function backOnGrid(x: Tensor, values: Tensor): Tensor {
  const { scale, zeroPoint } = perTensorOf(x);
  return quantizePerTensor(values, scale, zeroPoint, x.dtype);
}

/**
 * Means of the real values, summed in single precision and rounded to the grid, which adds the zero point after rounding. As in
 * the pools, x is taken to be channels-last (of three dimensions and more), as PyTorch's convolutions leave it: this tells in
 * which order it sums. On engine qnnpack PyTorch averages planes of quint8 exactly: nearbyint(fl(Σ (q − zeroPoint) · fl(1/n))) + zeroPoint.
 */
quantizedForm(mean, (x, dim, options) => {
  const plan = planOf("mean", x, dim, options);
  const n = countOf(x, plan);
  if (getEngine() === "qnnpack" && x.dtype === quint8 && x.ndim === 4 && String(plan.dims) === "2,3") {
    return exactMean(x, plan, n);
  }
  const { values, strides } = channelsLast(dequantize(x));
  const means = singlePrecisionSums(values, x.shape, strides, plan.dims).map((sum) => sum / n);
  return backOnGrid(x, Tensor.fromArray(means, plan.shape, float32));
});

/** The values of x [N, C, *] in the order of [N, *, C], and the strides that its dimensions have there. */
function channelsLast(x: Tensor): { values: Float32Array; strides: Shape } {
  const dims = x.shape.map((_, d) => d);
  const order = x.ndim < 3 ? dims : [0, ...dims.slice(2), 1];
  const inMemory = permute(x, order);
  const steps = contiguousStrides(inMemory.shape);
  return { values: inMemory.elements() as Float32Array, strides: dims.map((d) => steps[order.indexOf(d)]) };
}

function exactMean(x: Tensor, plan: ReducePlan<unknown>, n: number): Tensor {
  const quantizer = perTensorOf(x);
  const { zeroPoint } = quantizer;
  const sums = reduced("sum", integersOf(x), plan, float64).elements();
  const factor = Math.fround(1 / n);
  const out = x.dtype.allocate(sums.length);
  for (let i = 0; i < out.length; i++) {
    const q = roundHalfEven(Math.fround(Math.fround(sums[i] - n * zeroPoint) * factor)) + zeroPoint;
    out[i] = Math.min(Math.max(q, x.dtype.min), x.dtype.max);
  }
  return fromIntegers(out, plan.shape, x.dtype, quantizer);
}

quantizedForm(std, (x, dim, options) => backOnGrid(x, std(dequantize(x), dim, options)));
