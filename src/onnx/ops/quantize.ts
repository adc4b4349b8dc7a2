/**
 * Quantization as ONNX has it: integers are plain tensors, with scales and zero points beside them.
 * Formulas: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
 */
import type { DType } from "../../core/dtype.ts";
import { float32, uint8 } from "../../core/dtype.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import { onnxDataTypes } from "../model.ts";
import { dtypeOf } from "../tensor.ts";

/** A vector along `axis`, a number, or blocks along `axis`, in a shape that broadcasts with `x`. */
export function alongAxis(qparam: Tensor, x: Tensor, axis: number, blockSize = 0): Tensor {
  if (qparam.numel() === 1) return qparam.reshape([]);
  const d = axis < 0 ? axis + x.ndim : axis;
  if (blockSize > 0) return ops.narrow(ops.repeatInterleave(qparam, blockSize, d), d, 0, x.shape[d]);
  return qparam.reshape(x.shape.map((_, dim) => (dim === d ? -1 : 1)));
}

/** Rounds to whole numbers (half to even) and moves them into the range of `dtype`. */
export function saturated(x: Tensor, dtype: DType): Tensor {
  return ops.clamp(ops.round(x.double()), { min: dtype.min, max: dtype.max }).to(dtype);
}

interface AxisOptions {
  readonly axis: number;
  readonly blockSize: number;
}

/** saturate(round(x / scale) + zero point), the quotient in float32. */
const quantized = traceable(
  "onnx.quantizeLinear",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor | null, dtype: DType, { axis, blockSize }: AxisOptions): Tensor => {
    const quotient = ops.div(x.to(float32), alongAxis(scale.to(float32), x, axis, blockSize));
    const rounded = ops.round(quotient).double();
    const zero = zeroPoint ? alongAxis(zeroPoint.double(), x, axis, blockSize) : 0;
    return saturated(ops.add(rounded, zero), dtype);
  },
);

/** (x − zero point) · scale. */
const dequantized = traceable(
  "onnx.dequantizeLinear",
  (x: Tensor, scale: Tensor, zeroPoint: Tensor | null, { axis, blockSize }: AxisOptions): Tensor => {
    const zero = zeroPoint ? alongAxis(zeroPoint.double(), x, axis, blockSize) : 0;
    const centred = ops.sub(x.double(), zero).to(float32);
    return ops.mul(centred, alongAxis(scale.to(float32), x, axis, blockSize)).to(scale.dtype);
  },
);

function axisOptions(c: NodeContext) {
  return { axis: c.int("axis", 1), blockSize: c.int("block_size", 0) };
}

/** The integers' type is that of the zero point, or from version 21 on an attribute, or uint8. */
function integerType(c: NodeContext): DType {
  const zeroPoint = c.optional(2);
  if (zeroPoint) {
    c.require(zeroPoint.dtype, "the type of its zero point is not known");
    c.require(!zeroPoint.dtype.isFloatingPoint, "its result is of a type that is no integer");
    return zeroPoint.dtype;
  }
  const code = c.int("output_dtype", 0);
  const name = onnxDataTypes[code];
  c.require(code === 0 || /^u?int8$|^int(16|32)$/.test(name), `it quantizes to ${name}`);
  return (code !== 0 && dtypeOf(name)) || uint8;
}

const quantizeLinear: OnnxOp = {
  since: [10, 13, 21],
  import(c: NodeContext) {
    const x = c.input(0);
    const dtype = integerType(c);
    const args = [x, c.input(1), c.optional(2), dtype];
    return c.call(quantized, args, { kwargs: axisOptions(c), dtype, ...sameAs(x) });
  },
};

const dequantizeLinear: OnnxOp = {
  since: [10, 13, 21],
  import(c: NodeContext) {
    const [x, scale] = [c.input(0), c.input(1)];
    const facts = { dtype: scale.dtype, ...sameAs(x) };
    return c.call(dequantized, [x, scale, c.optional(2)], { kwargs: axisOptions(c), ...facts });
  },
};

/** The range, with 0 in it, onto 0 to 255; all in float32. */
const dynamicallyQuantized = traceable("onnx.dynamicQuantizeLinear", (x: Tensor): readonly Tensor[] => {
  const [low, high] = [Math.min(0, ops.amin(x).item()), Math.max(0, ops.amax(x).item())];
  const scale = Math.fround(Math.fround(high - low) / 255);
  const zero = scale === 0 ? 0 : Math.min(255, Math.max(0, roundHalfEven(Math.fround(-low / scale))));
  const scales = Tensor.fromArray(Float32Array.of(scale), [], float32);
  const zeros = Tensor.fromArray(Uint8Array.of(zero), [], uint8);
  const y = scale === 0 ? Tensor.zeros(x.shape, uint8) : quantized(x, scales, zeros, uint8, { axis: 0, blockSize: 0 });
  return [y, scales, zeros];
});

const dynamicQuantizeLinear: OnnxOp = {
  since: [11],
  import(c: NodeContext) {
    const tuple = c.call(dynamicallyQuantized, [c.input(0)], { dtype: uint8 });
    return c.items(tuple, [
      { dtype: uint8, ...sameAs(c.input(0)) },
      { dtype: float32, shape: [] },
      { dtype: uint8, shape: [] },
    ]);
  },
};

export const quantizeOps: OnnxOps = {
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  QuantizeLinear: quantizeLinear,
};
