/**
 * Products of integers. Sums are taken in float64, where they are exact: a sum of 2^37 products of 8-bit numbers stays below
 * 2^53.
 */
import { float32, int32 } from "../../core/dtype.ts";
import { traceable } from "../../ops/op.ts";
import * as ops from "../../ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { productShape } from "./linear.ts";
import { convolve } from "./conv.ts";
import { alongAxis, saturated } from "./quantize.ts";
import { windowOf } from "./window.ts";

function centred(x: Tensor, zeroPoint: Tensor | null, axis: number): Tensor {
  return zeroPoint ? ops.sub(x.double(), alongAxis(zeroPoint.double(), x, axis)) : x.double();
}

/** The zero point of the left matrix may be per row, of the right one per column. */
const productOf = (a: Tensor, b: Tensor, aZero: Tensor | null, bZero: Tensor | null): Tensor =>
  ops.matmul(centred(a, aZero, a.ndim - 2), centred(b, bZero, b.ndim - 1));

const matMulIntegerOf = traceable(
  "onnx.matMulInteger",
  (a: Tensor, b: Tensor, aZero: Tensor | null, bZero: Tensor | null): Tensor => productOf(a, b, aZero, bZero).to(int32),
);

const matMulInteger: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const [a, b] = [c.input(0), c.input(1)];
    const facts = { dtype: int32, shape: productShape(a.shape, b.shape) };
    return c.call(matMulIntegerOf, [a, b, c.optional(2), c.optional(3)], facts);
  },
};

/** The sum, times the scales in float32, to the integers of the result. */
function requantized(sum: Tensor, factor: Tensor, scale: Tensor, zeroPoint: Tensor): Tensor {
  const multiplier = ops.div(factor, scale.to(float32));
  const scaled = ops.round(ops.mul(sum.to(float32), multiplier)).double();
  return saturated(ops.add(scaled, zeroPoint.double()), zeroPoint.dtype);
}

const qLinearMatMulOf = traceable(
  "onnx.qLinearMatMul",
  (
    a: Tensor,
    aScale: Tensor,
    aZero: Tensor,
    b: Tensor,
    bScale: Tensor,
    bZero: Tensor,
    yScale: Tensor,
    yZero: Tensor,
  ): Tensor => {
    const factor = ops.mul(alongAxis(aScale.to(float32), a, a.ndim - 2), alongAxis(bScale.to(float32), b, b.ndim - 1));
    return requantized(productOf(a, b, aZero, bZero), factor, yScale, yZero);
  },
);

const qLinearMatMul: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const inputs = Array.from({ length: 8 }, (_, i) => c.input(i));
    const shape = productShape(c.input(0).shape, c.input(3).shape);
    return c.call(qLinearMatMulOf, inputs, { dtype: c.input(7).dtype, shape });
  },
};

function convOptions(c: NodeContext, weightInput: number) {
  const { strides, dilations, begins, ends, same } = windowOf(c, c.input(weightInput).shape?.slice(2) ?? []);
  c.require(!same, "its padding follows from the size of its input");
  return { strides, dilations, begins, ends, groups: c.int("group", 1) };
}

type ConvolveOptions = Parameters<typeof convolve>[2];

const convIntegerOf = traceable(
  "onnx.convInteger",
  (x: Tensor, weight: Tensor, xZero: Tensor | null, weightZero: Tensor | null, options: ConvolveOptions): Tensor =>
    convolve(centred(x, xZero, 1), centred(weight, weightZero, 0), options).to(int32),
);

const convInteger: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const inputs = [c.input(0), c.input(1), c.optional(2), c.optional(3)];
    const shape = c.input(0).shape && c.input(0).shape?.map(() => null);
    return c.call(convIntegerOf, inputs, { kwargs: convOptions(c, 1), dtype: int32, shape });
  },
};

const qLinearConvOf = traceable(
  "onnx.qLinearConv",
  (
    x: Tensor,
    xScale: Tensor,
    xZero: Tensor,
    weight: Tensor,
    weightScale: Tensor,
    weightZero: Tensor,
    yScale: Tensor,
    yZero: Tensor,
    bias: Tensor | null,
    options: ConvolveOptions,
  ): Tensor => {
    const sum = convolve(centred(x, xZero, 1), centred(weight, weightZero, 0), options);
    const all = bias ? ops.add(sum, alongAxis(bias.double(), sum, 1)) : sum;
    const factor = ops.mul(xScale.to(float32), alongAxis(weightScale.to(float32), sum, 1));
    return requantized(all, factor, yScale, yZero);
  },
);

const qLinearConv: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const inputs = [...Array.from({ length: 8 }, (_, i) => c.input(i)), c.optional(8)];
    const shape = c.input(0).shape?.map(() => null) ?? null;
    return c.call(qLinearConvOf, inputs, { kwargs: convOptions(c, 3), dtype: c.input(7).dtype, shape });
  },
};

export const integerOps: OnnxOps = {
  ConvInteger: convInteger,
  MatMulInteger: matMulInteger,
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
};
