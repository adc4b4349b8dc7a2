/**
 * Resizing and padding of quantized tensors, on the grid of the input. "nearest", the shuffles and the pads that repeat
 * elements only move integers; "bilinear" mixes four of them in float32 and rounds; "area" is adaptive pooling. Importing this
 * file registers the forms.
 *
 * PyTorch has "nearest" in two and three dimensions and "reflect" in one and two, and neither "replicate" nor "circular"; since
 * there is only one way to move an integer, all of them are here. The other linear modes and "bicubic" fail, as they do there.
 */
import { float32, int64 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { inverseScale, quantizeValue } from "../../core/quantize.ts";
import { roundHalfEven } from "../../core/rounding.ts";
import { numelOf } from "../../core/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { indexSelect } from "../indexing.ts";
import { quantizedForm } from "../op.ts";
import { pad } from "../pad.ts";
import { fromIntegers, perTensorOf } from "../quantize.ts";
import type { InterpolatePlan } from "../upsample.ts";
import { interpolate, nearestPositions, planInterpolate, resizedByArea } from "../upsample.ts";
import { integersOf, relabelled } from "./integers.ts";

// ---------------------------------------------------------------- interpolate

quantizedForm(interpolate, (x, options) => {
  const plan = planInterpolate(x, options);
  const { mode } = plan;
  switch (mode) {
    case "area":
      return resizedByArea(x, plan.size);
    case "nearest":
    case "nearest-exact":
      return nearest(x, plan, mode);
    case "bilinear":
      return bilinear(x, plan);
    case "linear":
    case "trilinear":
    case "bicubic":
      throw new OctetError(
        `Could not run 'aten::upsample_${mode}${plan.spatial.length}d' with arguments from the 'QuantizedCPU' backend: only ` +
          "nearest, nearest-exact, bilinear and area are for quantized tensors; dequantize the input",
      );
    default:
      mode satisfies never;
      throw new OctetError(`interpolate: unknown mode "${String(mode)}"`);
  }
});

function nearest(x: Tensor, plan: InterpolatePlan, mode: "nearest" | "nearest-exact"): Tensor {
  const first = x.ndim - plan.spatial.length;
  let integers = integersOf(x);
  plan.spatial.forEach((inSize, d) => {
    const positions = nearestPositions(inSize, plan.size[d], plan.scales[d], float32, mode);
    const index = Tensor.fromArray(Float64Array.from(positions), [positions.length], int64);
    integers = indexSelect(integers, first + d, index);
  });
  return relabelled(integers, x, perTensorOf(x));
}

/** Where an output position lies between two input positions: the lower one, the step to the upper one, and their weights. */
interface Between {
  readonly low: number;
  readonly step: 0 | 1;
  readonly lowWeight: number;
  readonly highWeight: number;
}

/** All in float32, as PyTorch's code for quantized tensors. */
function betweens(inSize: number, outSize: number, scale: number | null, alignCorners: boolean): Between[] {
  const f = Math.fround;
  const ratio = alignCorners
    ? f(outSize > 1 ? (inSize - 1) / (outSize - 1) : 0)
    : f(scale === null ? inSize / outSize : 1 / scale);
  return Array.from({ length: outSize }, (_, i) => {
    const at = alignCorners ? f(ratio * i) : Math.max(0, f(f(ratio * f(i + 0.5)) - 0.5));
    const low = Math.min(Math.floor(at), inSize - 1);
    const highWeight = f(at - low);
    return { low, step: low < inSize - 1 ? 1 : 0, lowWeight: f(1 - highWeight), highWeight };
  });
}

/** nearbyint(Σ weight · q − zeroPoint) + zeroPoint over the four neighbours of each output element. */
function bilinear(x: Tensor, { spatial, size, scales, alignCorners }: InterpolatePlan): Tensor {
  const quantizer = perTensorOf(x);
  const { zeroPoint } = quantizer;
  const { min, max } = x.dtype;
  const [height, width] = spatial;
  const [rows, columns] = [0, 1].map((d) => betweens(spatial[d], size[d], scales[d], alignCorners));
  const shape = [...x.shape.slice(0, 2), ...size];
  const source = x.elements();
  const out = x.dtype.allocate(numelOf(shape));
  const same = height === size[0] && width === size[1];
  if (same) return fromIntegers(source.slice(), shape, x.dtype, quantizer);
  const f = Math.fround;
  for (let o = 0, plane = 0; o < out.length; plane += height * width) {
    for (const row of rows) {
      const top = plane + row.low * width;
      const bottom = top + row.step * width;
      for (const { low, step, lowWeight, highWeight } of columns) {
        const mixed = (at: number) => f(f(lowWeight * source[at + low]) + f(highWeight * source[at + low + step]));
        const sum = f(f(row.lowWeight * mixed(top)) + f(row.highWeight * mixed(bottom)));
        const q = roundHalfEven(f(sum - zeroPoint)) + zeroPoint;
        out[o++] = Math.min(Math.max(q, min), max);
      }
    }
  }
  return fromIntegers(out, shape, x.dtype, quantizer);
}

// ---------------------------------------------------------------- pad

/** A constant is rounded to the grid of x: the default 0 is the zero point. */
quantizedForm(pad, (x, amounts, options = {}) => {
  const quantizer = perTensorOf(x);
  const { mode = "constant", value = 0 } = options;
  if (mode !== "constant") return relabelled(pad(integersOf(x), amounts, options), x, quantizer);
  const { min, max } = x.dtype;
  const filler = quantizeValue(Math.fround(value), inverseScale(quantizer.scale), quantizer.zeroPoint, min, max);
  return relabelled(pad(integersOf(x), amounts, { value: filler }), x, quantizer);
});
