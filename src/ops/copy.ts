/** Copies of whole tensors, and the in-place operators that overwrite one. */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import type { DType } from "../core/dtype.ts";
import { float32 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { broadcastsTo, contiguousStrides, expandStrides } from "../core/shape.ts";
import { elementsAs } from "../tensor/convert.ts";
import { copyStrided } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumTo } from "./broadcast.ts";
import { asDtype } from "./arithmetic.ts";
import { assign_, composite, primitive, traceable } from "./op.ts";
import { copyQuantized_ } from "./quantized/copy.ts";

/** A contiguous copy in storage of its own, with the gradient passing through. */
export const clone = primitive(
  "clone",
  (x: Tensor) => {
    const elements = x.elements();
    return Tensor.fromArray(x.isContiguous() ? elements.slice() : elements, x.shape, x.dtype);
  },
  () => (g) => [g],
);

/** The tensor itself if its elements lie row-major without gaps, else a copy that does. */
export const contiguous = composite("contiguous", (x: Tensor): Tensor => (x.isContiguous() ? x : clone(x)));

/** The values of `source`, broadcast to the shape of `self` and converted to its dtype. `self` gets a gradient of zero. */
const overwritten = primitive(
  "copy",
  (self: Tensor, source: Tensor) => {
    const out = Tensor.zeros(self.shape, self.dtype);
    const data = elementsAs(source, self.dtype);
    const strides = expandStrides(source.shape, contiguousStrides(source.shape), self.shape);
    copyStrided(self.shape, data, strides, 0, out.storage.data, out.strides, 0);
    return out;
  },
  (_out, _self, source) => {
    const { shape, dtype } = source;
    return (g, [needSelf, needSource]) => [
      needSelf ? Tensor.zeros(g.shape, g.dtype) : null,
      needSource ? asDtype(sumTo(g, shape), dtype) : null,
    ];
  },
);

/** Overwrites `self` with the values of `source`, which may have any dtype and a shape that broadcasts to this one. */
export const copy_ = traceable("copy_", (self: Tensor, source: Tensor): Tensor => {
  if (!broadcastsTo(source.shape, self.shape)) {
    throw new OctetError(
      `copy_: source of shape ${formatShape(source.shape)} does not broadcast to self of shape ${formatShape(self.shape)}`,
    );
  }
  if (self.isQuantized || source.isQuantized) return copyQuantized_(self, source);
  if (inGraph(self, source)) return assign_("copy_", self, overwritten(self, source));
  const converted = elementsAs(source, self.dtype);
  const data = converted.buffer === self.storage.data.buffer ? converted.slice() : converted;
  const strides = expandStrides(source.shape, contiguousStrides(source.shape), self.shape);
  copyStrided(self.shape, data, strides, 0, self.storage.data, self.strides, self.offset);
  self.bumpVersion();
  return self;
});

/** Overwrites every element with `value`, a number or a tensor without dimensions. */
export const fill_ = traceable("fill_", (self: Tensor, value: number | boolean | Tensor): Tensor => {
  if (value instanceof Tensor && value.ndim > 0) {
    throw new OctetError(`fill_: only supports a 0-dimensional value tensor, got shape ${formatShape(value.shape)}`);
  }
  return copy_(self, value instanceof Tensor ? value : scalarOf("fill_", value, self.dtype));
});

/** Overwrites every element with 0. */
export const zero_ = traceable("zero_", (self: Tensor): Tensor => {
  return fill_(self, 0);
});

/**
 * A number as a tensor without dimensions; integer dtypes drop the fraction, and refuse what they cannot hold. For a
 * quantized dtype it is the real value, in float32.
 */
export function scalarOf(op: string, value: number | boolean, dtype: DType): Tensor {
  if (dtype.isQuantized) return scalarOf(op, value, float32);
  const out = Tensor.zeros([], dtype);
  if (dtype.category !== 1) {
    out.writeAt(0, +value);
    return out;
  }
  const whole = Math.trunc(+value);
  if (!(whole >= dtype.min && whole <= dtype.max)) {
    throw new OctetError(`${op}: value ${value} cannot be converted to ${dtype.name} without overflow`);
  }
  out.writeAt(0, whole);
  return out;
}

/** Refuses an in-place change without a recorded form to a tensor that a graph needs. */
export function assertWritable(op: string, self: Tensor): void {
  if (self.isQuantized) throw new OctetError(`${op}: a quantized tensor cannot be filled at random`);
  if (!inGraph(self)) return;
  throw new OctetError(
    self.leafRequiresGrad
      ? `${op}: a leaf Variable that requires grad is being used in an in-place operation; run it inside noGrad`
      : `${op}: in-place change of a tensor in an autograd graph; run it inside noGrad or on x.detach()`,
  );
}

/** True if writing to `self` has to be recorded, or refused, by {@link assign_}. */
function inGraph(self: Tensor, source?: Tensor): boolean {
  return isGradEnabled() && (self.requiresGrad || source?.requiresGrad === true || self.base?.requiresGrad === true);
}
