/** Resizing. What PyTorch's interpolation does becomes that; the other ways to choose positions are computed here. */
import * as F from "../../nn/functional.ts";
import { tensor } from "../../ops/index.ts";
import type { NodeContext, OnnxOp, OnnxOps, OperandRecord } from "../import-context.ts";
import type { Dim, SymbolicShape, Value } from "../import-value.ts";
import type { ResizeOptions } from "./resize-general.ts";
import { resizeGeneral } from "./resize-general.ts";

/** What a node asks for: one of scales and sizes, which may be computed. */
interface Request {
  readonly options: ResizeOptions;
  readonly roi: Value | null;
  readonly scales: Value | null;
  readonly sizes: Value | null;
}

/** An empty tensor stands for an input that is left out. */
function given(c: NodeContext, index: number): Value | null {
  const value = c.optional(index);
  return value?.constant?.numel() === 0 ? null : value;
}

function optionsOf(c: NodeContext): ResizeOptions {
  c.require(c.int("antialias", 0) === 0, "it smooths what it makes smaller");
  const isOld = c.opset < 11;
  return {
    mode: c.text("mode", "nearest"),
    coordinates: c.text("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel"),
    nearest: c.text("nearest_mode", isOld ? "floor" : "round_prefer_floor"),
    cubicCoefficient: c.float("cubic_coeff_a", -0.75),
    excludesOutside: c.int("exclude_outside", 0) !== 0,
    outside: c.float("extrapolation_value", 0),
    axes: c.ints("axes"),
    aspect: c.text("keep_aspect_ratio_policy", "stretch"),
  };
}

const modes: Readonly<Record<number, string>> = { 3: "linear", 4: "bilinear", 5: "trilinear" };

/** The mode of `interpolate` that chooses the same positions; null if there is none. */
function interpolation(request: Request, rank: number): OperandRecord | null {
  const { mode, coordinates, nearest, axes, aspect } = request.options;
  if (axes || aspect !== "stretch") return null;
  if (mode === "nearest") return coordinates === "asymmetric" && nearest === "floor" ? { mode: "nearest" } : null;
  if (mode !== "linear" || !modes[rank]) return null;
  if (coordinates === "align_corners") return { mode: modes[rank], alignCorners: true };
  return coordinates === "half_pixel" ? { mode: modes[rank], alignCorners: false } : null;
}

/** Scale factors or sizes of the spatial dimensions, if they are constant and batch and channels stay as they are. */
function spatialTarget(x: Value, { scales, sizes }: Request): OperandRecord | null {
  const factors = scales?.constant && Array.from(scales.constant.toNumbers());
  if (factors) return factors[0] === 1 && factors[1] === 1 ? { scaleFactor: factors.slice(2) } : null;
  const wanted = sizes?.elements;
  const spatial = wanted?.slice(2);
  if (!wanted || !spatial?.every((size) => size !== null)) return null;
  const staysEqual = (d: number): boolean =>
    wanted[d] === null || typeof x.shape?.[d] !== "number" || wanted[d] === x.shape[d];
  return staysEqual(0) && staysEqual(1) ? { size: spatial } : null;
}

function resized(c: NodeContext, request: Request): Value {
  const x = c.input(0);
  const rank = x.shape?.length ?? request.scales?.constant?.numel() ?? 0;
  const kwargs = rank >= 3 && rank <= 5 ? interpolation(request, rank) : null;
  const target = kwargs && spatialTarget(x, request);
  const shape = resizedShape(x, request);
  if (kwargs && target) return c.call(F.interpolate, [x], { kwargs: { ...target, ...kwargs }, shape });
  c.require(["nearest", "linear", "cubic"].includes(request.options.mode), `its mode is ${request.options.mode}`);
  const args = [x, request.roi, request.scales, request.sizes];
  return c.call(resizeGeneral, args, { kwargs: { ...request.options }, shape });
}

function resizedShape(x: Value, { scales, sizes, options }: Request): SymbolicShape | null {
  const { shape } = x;
  if (!shape || options.axes || options.aspect !== "stretch") return shape && shape.map(() => null);
  const factors = scales?.constant?.toNumbers();
  return shape.map((size, d): Dim => {
    if (sizes) return sizes.elements?.[d] ?? null;
    if (factors?.[d] === 1) return size;
    return factors && typeof size === "number" ? Math.floor(size * factors[d]) : null;
  });
}

const resize: OnnxOp = {
  since: [10, 11, 13, 18, 19],
  import(c: NodeContext) {
    const options = optionsOf(c);
    if (c.opset < 11) return resized(c, { options, roi: null, scales: c.input(1), sizes: null });
    return resized(c, { options, roi: given(c, 1), scales: given(c, 2), sizes: given(c, 3) });
  },
};

/** Since version 9 the scales are an input. */
const upsample: OnnxOp = {
  since: [7, 9],
  import(c: NodeContext) {
    const options: ResizeOptions = { ...optionsOf(c), coordinates: "asymmetric", nearest: "floor" };
    const attribute = c.floats("scales");
    const scales = attribute ? c.emit.constant(tensor(attribute)) : c.input(1);
    return resized(c, { options, roi: null, scales, sizes: null });
  },
};

export const resizeOps: OnnxOps = { Resize: resize, Upsample: upsample };
