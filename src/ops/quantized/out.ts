/**
 * Operators that write into a tensor that the caller gives (`torch.ops.quantized.add_out`, …; PyTorch has each also as an
 * overload `.out`). Of two tensors, the result is rounded to the grid of `out`; with a number, `out` gets the result's own
 * qparams. `out` must have the result's shape and dtype; an operand may be given as `out` again.
 */
import { OctetError, formatShape } from "../../core/errors.ts";
import { sameShape } from "../../core/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Op } from "../op.ts";
import type { Qparam } from "../quantize.ts";
import {
  addScalar,
  addScalarRelu,
  addTensors,
  cat,
  catRelu,
  mulScalar,
  mulScalarRelu,
  mulTensors,
} from "./arithmetic.ts";
import { copyQuantized_ } from "./copy.ts";
import { perTensorOperand, quantizedOperator } from "./operator.ts";

function writeInto(op: string, out: Tensor, result: Tensor): Tensor {
  if (out.dtype !== result.dtype || !sameShape(out.shape, result.shape)) {
    throw new OctetError(
      `quantized::${op}: out must be ${result.dtype.name} of shape ${formatShape(result.shape)}, got ${out.dtype.name} of ` +
        `shape ${formatShape(out.shape)}`,
    );
  }
  return copyQuantized_(out, result);
}

/** (a, b, out): two tensors, or a tensor and a number. */
export type BinaryOut = Op<[a: Tensor, b: Tensor | number, out: Tensor], Tensor>;

function binaryOut(
  name: string,
  op: string,
  relu: boolean,
  onTensors: typeof addTensors,
  onNumber: typeof addScalar,
): BinaryOut {
  return quantizedOperator(name, (a: Tensor, b: Tensor | number, out: Tensor): Tensor => {
    const { scale, zeroPoint } = perTensorOperand(op, "out", out);
    return writeInto(
      op,
      out,
      typeof b === "number" ? onNumber(a, b) : onTensors(op, a, b, scale, zeroPoint, relu, true),
    );
  });
}

export const addOut = binaryOut("addOut", "add_out", false, addTensors, addScalar);
export const addReluOut = binaryOut("addReluOut", "add_relu_out", true, addTensors, addScalarRelu);
export const mulOut = binaryOut("mulOut", "mul_out", false, mulTensors, mulScalar);
export const mulReluOut = binaryOut("mulReluOut", "mul_relu_out", true, mulTensors, mulScalarRelu);

/** (x, c, out): a number or a one-element tensor c. */
export type ScalarOut = Op<[x: Tensor, c: Qparam, out: Tensor], Tensor>;

function scalarOut(name: string, op: string, run: Op<[x: Tensor, c: Qparam], Tensor>): ScalarOut {
  return quantizedOperator(name, (x: Tensor, c: Qparam, out: Tensor): Tensor => {
    perTensorOperand(op, "out", out);
    return writeInto(op, out, run(x, c));
  });
}

export const addScalarOut = scalarOut("addScalarOut", "add_scalar_out", addScalar);
export const addScalarReluOut = scalarOut("addScalarReluOut", "add_scalar_relu_out", addScalarRelu);
export const mulScalarOut = scalarOut("mulScalarOut", "mul_scalar_out", mulScalar);
export const mulScalarReluOut = scalarOut("mulScalarReluOut", "mul_scalar_relu_out", mulScalarRelu);

/** (tensors, dim, out): joined on the grid of `out`. */
export type CatOut = Op<[tensors: readonly Tensor[], dim: number, out: Tensor], Tensor>;

function catOutOf(name: string, op: string, run: typeof cat): CatOut {
  return quantizedOperator(name, (tensors: readonly Tensor[], dim: number, out: Tensor): Tensor => {
    const { scale, zeroPoint } = perTensorOperand(op, "out", out);
    return writeInto(op, out, run(tensors, dim, scale, zeroPoint));
  });
}

export const catOut = catOutOf("catOut", "cat_out", cat);
export const catReluOut = catOutOf("catReluOut", "cat_relu_out", catRelu);
