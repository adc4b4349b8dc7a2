/** What `asStrided` needs beside itself: the check that a window lies inside its storage, and its gradient. */
import { OctetError, formatShape } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { numelOf } from "../core/shape.ts";
import { stridedPositions } from "../tensor/strided.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Where the elements of a view lie in its storage. */
export interface Geometry {
  readonly shape: Shape;
  readonly strides: Shape;
  readonly offset: number;
}

/** Refuses sizes and strides that would read outside the storage of `x`. */
export function checkWindow(x: Tensor, size: Shape, stride: Shape, offset: number): void {
  if (size.length !== stride.length) {
    throw new OctetError(
      `asStrided: mismatch in length of strides and shape: ${stride.length} strides, ${size.length} sizes`,
    );
  }
  const whole = [...size, ...stride, offset].every((n) => Number.isInteger(n) && n >= 0);
  const end = lastIndex({ shape: size, strides: stride, offset }) + 1;
  if (!whole || (numelOf(size) > 0 && end > x.storage.data.length)) {
    throw new OctetError(
      `asStrided: size ${formatShape(size)}, stride ${formatShape(stride)} and storage offset ${offset} are out of ` +
        `bounds for storage of ${x.storage.data.length} elements`,
    );
  }
}

function lastIndex({ shape, strides, offset }: Geometry): number {
  return shape.reduce((index, size, d) => index + (size - 1) * strides[d], offset);
}

/**
 * The gradient for a tensor laid out as `input` from that of a view laid out as `output` over the same storage: each
 * storage element collects what its appearances in the output got; an element that stands several times in the input
 * (an expanded tensor) divides that evenly among them.
 */
export function asStridedGrad(gradient: Tensor, input: Geometry, output: Geometry): Tensor {
  const out = Tensor.zeros(input.shape, gradient.dtype);
  if (gradient.numel() === 0 || out.numel() === 0) return out;
  const start = Math.min(input.offset, output.offset);
  const length = Math.max(lastIndex(input), lastIndex(output)) + 1 - start;
  const sums = new Float64Array(length);
  const values = gradient.toNumbers();
  positionsOf(output).forEach((position, i) => (sums[position - start] += values[i]));
  const places = positionsOf(input);
  const appearances = new Float64Array(length);
  for (const position of places) appearances[position - start]++;
  places.forEach((position, i) => out.writeAt(i, sums[position - start] / appearances[position - start]));
  return out;
}

function positionsOf({ shape, strides, offset }: Geometry): Uint32Array {
  return stridedPositions(shape, strides, offset);
}
