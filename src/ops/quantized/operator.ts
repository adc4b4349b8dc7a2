/** How the operators of `ops.quantized` are defined, and the checks that they share. */
import type { DType } from "../../core/dtype.ts";
import { float32 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { PerTensorQuantizer } from "../../core/qparams.ts";
import { isPerTensor } from "../../core/qparams.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Op } from "../op.ts";
import { nondifferentiable, quantizedForm } from "../op.ts";
import { quantizerOf } from "../quantize.ts";

/**
 * An operator of PyTorch's `torch.ops.quantized` namespace; a tracer sees it under `quantized.<name>`. Where it takes a
 * number it also takes a float or integer tensor without dimensions: graphs keep qparams in buffers.
 */
export function quantizedOperator<A extends readonly unknown[], R>(name: string, forward: (...args: A) => R): Op<A, R> {
  const op = nondifferentiable(`quantized.${name}`, (...args: A) => forward(...(args.map(numberOf) as unknown as A)));
  quantizedForm(op, "same");
  return op;
}

function numberOf(arg: unknown): unknown {
  return arg instanceof Tensor && arg.ndim === 0 && !arg.isQuantized ? arg.item() : arg;
}

/** Refuses a tensor that is not quantized. `op` is PyTorch's name. */
export function checkQuantized(op: string, x: Tensor): void {
  if (x.isQuantized) return;
  throw new OctetError(
    `Could not run 'quantized::${op}' with arguments from the 'CPU' backend: its input is a float tensor; ` +
      "place a QuantStub before it",
  );
}

/** Refuses anything but a float32 tensor; a quantized one in PyTorch's words. `op` is PyTorch's name. */
export function checkFloatInput(op: string, x: Tensor): void {
  if (x.dtype === float32) return;
  const input = `input must be a float32 tensor, got ${x.dtype.name}`;
  throw new OctetError(
    x.isQuantized
      ? `Could not run 'quantized::${op}' with arguments from the 'QuantizedCPU' backend: ${input}`
      : `quantized::${op}: ${input}`,
  );
}

/** The quantizers of the operands of a binary operator, which must be per tensor and of one dtype. `what`: "Add". */
export function operandQuantizers(
  op: string,
  what: string,
  a: Tensor,
  b: Tensor,
): { a: PerTensorQuantizer; b: PerTensorQuantizer; dtype: DType } {
  const quantizers = [a, b].map((x) => perTensorOperand(op, what, x));
  if (a.dtype !== b.dtype) throw new OctetError(`${what} operands should have same data type.`);
  return { a: quantizers[0], b: quantizers[1], dtype: a.dtype };
}

export function perTensorOperand(op: string, what: string, x: Tensor): PerTensorQuantizer {
  checkQuantized(op, x);
  const quantizer = quantizerOf(x);
  if (!isPerTensor(quantizer)) throw new OctetError(`Only per tensor quantization is supported in ${what}.`);
  if (x.dtype.bits < 8)
    throw new OctetError(`quantized::${op}: input must be quint8, qint8 or qint32, got ${x.dtype.name}`);
  return quantizer;
}
