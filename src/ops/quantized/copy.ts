/** Writing real values into a quantized tensor: they are rounded to its own grid. */
import { float32 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { isPerTensor, sameQuantizer } from "../../core/qparams.ts";
import { contiguousStrides, expandStrides } from "../../core/shape.ts";
import { copyStrided } from "../../tensor/strided.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { dequantize, perTensorOf, quantizePerTensor, quantizeWith, quantizerOf } from "../quantize.ts";

/**
 * `values` on the grid of the per-tensor quantized `target`. Values quantized in the same way keep their integers.
 *
 * @throws if `target` is quantized per channel, or `values` are neither float32 nor quantized.
 */
export function requantized(op: string, values: Tensor, target: Tensor): Tensor {
  if (!isPerTensor(quantizerOf(target))) {
    throw new OctetError(`${op} for quantized tensors is currently only supported for per tensor quantized tensors`);
  }
  if (values.dtype === target.dtype && sameQuantizer(values.quantizer, target.quantizer)) return values;
  const { scale, zeroPoint } = perTensorOf(target);
  return quantizePerTensor(realValues(op, values), scale, zeroPoint, target.dtype);
}

function realValues(op: string, values: Tensor): Tensor {
  if (!values.isQuantized && values.dtype !== float32) {
    throw new OctetError(`${op}: Quantized copy only works with kFloat as source Tensor, got ${values.dtype.name}`);
  }
  return dequantize(values);
}

/**
 * copy_ with a quantized tensor on either side. Real values are rounded to the grid of `self`; a quantized source brings
 * its qparams with it, as in PyTorch, but not into a view: the base would read the integers with the old ones, so they are
 * rounded to the grid of the base instead.
 */
export function copyQuantized_(self: Tensor, source: Tensor): Tensor {
  if (!self.isQuantized) {
    throw new OctetError(
      "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a float Tensor " +
        "from a quantized Tensor",
    );
  }
  const bringsQparams = source.isQuantized && !sameQuantizer(self.quantizer, source.quantizer);
  if (source.isQuantized && self.dtype !== source.dtype) {
    throw new OctetError(
      `copy_: ${source.dtype.name} cannot be copied to ${self.dtype.name}; the dtypes must be the same`,
    );
  }
  if (bringsQparams && self.base === null) {
    if (quantizerOf(self).qscheme !== quantizerOf(source).qscheme) {
      throw new OctetError("Quantized Copy only works with same qscheme");
    }
    checkSameShape(self, source);
    writeIntegers(self, source);
    self.quantizer = source.quantizer;
    return self;
  }
  writeIntegers(self, source.isQuantized && !bringsQparams ? source : onGridOf(self, realValues("copy_", source)));
  return self;
}

/** Real values, stretched to the shape of `self`, with its qparams. */
function onGridOf(self: Tensor, values: Tensor): Tensor {
  const whole = new Float32Array(self.numel());
  const strides = expandStrides(values.shape, contiguousStrides(values.shape), self.shape);
  copyStrided(self.shape, values.elements(), strides, 0, whole, contiguousStrides(self.shape), 0);
  return quantizeWith(whole, self.shape, quantizerOf(self), self.dtype);
}

function checkSameShape(self: Tensor, source: Tensor): void {
  if (formatShape(self.shape) === formatShape(source.shape)) return;
  throw new OctetError(
    `copy_: Quantized copy only works with Tensors with the same shape, got ${formatShape(self.shape)} and ` +
      formatShape(source.shape),
  );
}

function writeIntegers(self: Tensor, source: Tensor): void {
  const elements = source.elements();
  const own = elements.buffer === self.storage.data.buffer ? elements.slice() : elements;
  const strides = expandStrides(source.shape, contiguousStrides(source.shape), self.shape);
  copyStrided(self.shape, own, strides, 0, self.storage.data, self.strides, self.offset);
  self.bumpVersion();
}
