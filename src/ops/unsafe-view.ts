/** Another shape for a temporary that nobody else holds. */
import { numelOf } from "../core/shape.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Op } from "./op.ts";
import { primitive } from "./op.ts";

/**
 * As `view`, for a contiguous tensor that the calling operator made and lets go of: the result does not count as a view,
 * so that it may be changed in place. (`aten::_unsafe_view`)
 */
export const unsafeView: Op<[x: Tensor, shape: readonly number[]], Tensor> = primitive(
  "unsafeView",
  (x: Tensor, shape: readonly number[]): Tensor => {
    if (!x.isContiguous() || numelOf(shape) !== x.numel()) {
      throw new OctetError(`unsafeView: ${formatShape(x.shape)} cannot be seen as ${formatShape(shape)}`);
    }
    return new Tensor({ storage: x.storage, shape, offset: x.offset, dtype: x.dtype });
  },
  (_out, { shape }) =>
    (g) => {
      const data = g.elements();
      return [Tensor.fromArray(data, shape, g.dtype)];
    },
);
