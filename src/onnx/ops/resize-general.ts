/**
 * Resizing in every way that ONNX defines, one dimension after the other: each output position reads a few input positions
 * with weights. Definition: https://onnx.ai/onnx/operators/onnx__Resize.html
 */
import { float32, float64 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { vector } from "./shape.ts";

export interface ResizeOptions {
  readonly mode: string;
  /** How an output position becomes an input position. */
  readonly coordinates: string;
  /** How an input position between two elements is rounded, in mode "nearest". */
  readonly nearest: string;
  readonly cubicCoefficient: number;
  /** Leaves out what lies outside in mode "cubic", instead of repeating the edge. */
  readonly excludesOutside: boolean;
  /** The value outside, for coordinates "tf_crop_and_resize". */
  readonly outside: number;
  /** The dimensions that scales and sizes are for; null for all. */
  readonly axes: readonly number[] | null;
  /** What becomes of the aspect ratio where sizes are given. */
  readonly aspect: string;
}

/** One dimension: sizes, the scale, and the region of the input in fractions of its size. */
interface Line {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  readonly region: readonly [start: number, end: number];
}

export const resizeGeneral = traceable(
  "onnx.resize",
  (x: Tensor, roi: Tensor | null, scales: Tensor | null, sizes: Tensor | null, options: ResizeOptions): Tensor => {
    const dims = (options.axes ?? x.shape.map((_, d) => d)).map((axis) => (axis < 0 ? axis + x.ndim : axis));
    const factors = scalesOf(x, dims, scales, sizes, options.aspect);
    const region = roi ? Array.from(roi.toNumbers()) : [];
    let out = x.to(x.dtype === float64 ? float64 : float32);
    dims.forEach((d, i) => {
      const { scale, size } = factors[i];
      const line: Line = { size: x.shape[d], out: size, scale, region: [region[i] ?? 0, region[i + dims.length] ?? 1] };
      if (isUnchanged(line, options)) return;
      out = options.mode === "nearest" ? nearestAlong(out, d, line, options) : weightedAlong(out, d, line, options);
    });
    return x.dtype.isFloatingPoint ? out.to(x.dtype) : ops.round(out).to(x.dtype);
  },
);

function isUnchanged({ size, out, scale }: Line, { coordinates }: ResizeOptions): boolean {
  return size === out && scale === 1 && coordinates !== "tf_crop_and_resize";
}

/** Scale and output size of each dimension. */
function scalesOf(x: Tensor, dims: readonly number[], scales: Tensor | null, sizes: Tensor | null, aspect: string) {
  if (scales) {
    const factors = scales.toNumbers();
    return dims.map((d, i) => ({ scale: factors[i], size: Math.floor(x.shape[d] * factors[i]) }));
  }
  if (!sizes) throw new OctetError("onnx.resize: neither scales nor sizes are given");
  const wanted = sizes.toNumbers();
  const ratios = dims.map((d, i) => wanted[i] / x.shape[d]);
  if (aspect === "stretch") return dims.map((_, i) => ({ scale: ratios[i], size: wanted[i] }));
  const scale = aspect === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return dims.map((d) => ({ scale, size: Math.floor(scale * x.shape[d] + 0.5) }));
}

/** The position in the input, in elements, that output element `o` is made from. */
function sourceOf(o: number, { size, out, scale, region }: Line, coordinates: string): number {
  const [start, end] = region;
  switch (coordinates) {
    case "half_pixel":
      return (o + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjustment = out / (scale * size);
      return (size / 2) * (1 - adjustment) + (o + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return out > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return out === 1 ? 0 : (o * (size - 1)) / (out - 1);
    case "asymmetric":
      return o / scale;
    case "tf_half_pixel_for_nn":
      return (o + 0.5) / scale;
    case "tf_crop_and_resize":
      if (out === 1) return 0.5 * (start + end) * (size - 1);
      return start * (size - 1) + (o * (end - start) * (size - 1)) / (out - 1);
    default:
      throw new OctetError(`onnx.resize: unknown coordinate_transformation_mode "${coordinates}"`);
  }
}

function clampIndex(index: number, size: number): number {
  return Math.min(Math.max(index, 0), size - 1);
}

function rounded(position: number, how: string): number {
  switch (how) {
    case "round_prefer_floor":
      return Math.ceil(position - 0.5);
    case "round_prefer_ceil":
      return Math.floor(position + 0.5);
    case "floor":
      return Math.floor(position);
    case "ceil":
      return Math.ceil(position);
    default:
      throw new OctetError(`onnx.resize: unknown nearest_mode "${how}"`);
  }
}

function nearestAlong(x: Tensor, d: number, line: Line, options: ResizeOptions): Tensor {
  const positions = Array.from({ length: line.out }, (_, o) => sourceOf(o, line, options.coordinates));
  const indices = positions.map((position) => clampIndex(rounded(position, options.nearest), line.size));
  const picked = ops.indexSelect(x, d, vector(indices));
  if (options.coordinates !== "tf_crop_and_resize") return picked;
  const inside = positions.map((position) => isInside(position, line.size));
  return withOutside(picked, d, inside, options.outside);
}

function isInside(position: number, size: number): boolean {
  return position >= 0 && position <= size - 1;
}

/** As a product with a matrix [size, out] of weights. */
function weightedAlong(x: Tensor, d: number, line: Line, options: ResizeOptions): Tensor {
  const { size, out } = line;
  const matrix = Tensor.zeros([size, out], x.dtype);
  const inside: boolean[] = [];
  for (let o = 0; o < out; o++) {
    const position = sourceOf(o, line, options.coordinates);
    inside.push(isInside(position, size));
    const taps = options.mode === "linear" ? linearTaps(position) : cubicTaps(position, options.cubicCoefficient);
    const used = options.excludesOutside ? taps.filter(({ index }) => index >= 0 && index < size) : taps;
    const total = options.excludesOutside ? used.reduce((sum, { weight }) => sum + weight, 0) : 1;
    for (const { index, weight } of used) {
      const at = clampIndex(index, size) * out + o;
      matrix.writeAt(at, matrix.readAt(at) + weight / total);
    }
  }
  const moved = ops.matmul(ops.movedim(x, d, -1), matrix);
  const y = ops.movedim(moved, -1, d);
  return options.coordinates === "tf_crop_and_resize" ? withOutside(y, d, inside, options.outside) : y;
}

interface Tap {
  readonly index: number;
  readonly weight: number;
}

function linearTaps(position: number): Tap[] {
  const first = Math.floor(position);
  const rest = position - first;
  return [
    { index: first, weight: 1 - rest },
    { index: first + 1, weight: rest },
  ];
}

/** Keys' cubic convolution with coefficient `a`. */
function cubicTaps(position: number, a: number): Tap[] {
  const first = Math.floor(position);
  return [-1, 0, 1, 2].map((offset) => {
    const distance = Math.abs(position - first - offset);
    const weight =
      distance <= 1
        ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
        : ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a;
    return { index: first + offset, weight };
  });
}

function withOutside(x: Tensor, d: number, inside: readonly boolean[], value: number): Tensor {
  const mask = ops.tensor(inside.map(Boolean)).reshape(x.shape.map((_, dim) => (dim === d ? -1 : 1)));
  return ops.where(mask, x, value);
}
