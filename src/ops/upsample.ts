/** Interpolation to another spatial size, and the shuffles that trade channels for space. */
import { OctetError, formatShape } from "../core/errors.ts";
import type { DType } from "../core/dtype.ts";
import { float64 } from "../core/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from "./adaptive-pool.ts";
import { sameFloatDtype } from "./checks.ts";
import { clone } from "./copy.ts";
import { composite, primitive } from "./op.ts";
import type { Taps } from "./resample.ts";
import { resample, resampleGradient, tapsOf } from "./resample.ts";
import { permute, reshape } from "./shape.ts";
import { unsafeView } from "./unsafe-view.ts";

/** "nearest" repeats PyTorch's (and OpenCV's) rounding bug; "nearest-exact" does not. "area" is adaptive average pooling. */
export type InterpolateMode = "nearest" | "nearest-exact" | "linear" | "bilinear" | "trilinear" | "bicubic" | "area";

export interface InterpolateOptions {
  /** Output sizes; give these or `scaleFactor`. */
  readonly size?: number | readonly number[] | null;
  /** Output size ÷ input size. */
  readonly scaleFactor?: number | readonly number[] | null;
  /** Default "nearest". */
  readonly mode?: InterpolateMode;
  /** Places the corner elements' centers on each other, for the linear and cubic modes. Default false. */
  readonly alignCorners?: boolean | null;
  /** Uses the ratio of the sizes instead of the given scale factor, which the sizes round. Default false. */
  readonly recomputeScaleFactor?: boolean | null;
}

const RANKS: Readonly<Partial<Record<InterpolateMode, number>>> = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 };

/** What {@link interpolate} was asked for, checked. */
export interface InterpolatePlan {
  readonly mode: InterpolateMode;
  readonly alignCorners: boolean;
  /** Sizes of the input and of the output. */
  readonly spatial: readonly number[];
  readonly size: readonly number[];
  /** Per dimension the scale factor to compute with: null means the ratio of the sizes. */
  readonly scales: readonly (number | null)[];
}

/** Checks everything about a call of {@link interpolate} but the dtype. */
export function planInterpolate(input: Tensor, options: InterpolateOptions): InterpolatePlan {
  const { mode = "nearest", alignCorners = null } = options;
  const spatial = input.shape.slice(2);
  if (spatial.length < 1 || spatial.length > 3) {
    throw new OctetError(`interpolate: expects 3D, 4D or 5D input [N, C, *], got shape ${formatShape(input.shape)}`);
  }
  if (spatial.includes(0) || input.shape[1] === 0) {
    throw new OctetError(
      `interpolate: only the batch dimension may be empty, got input of shape ${formatShape(input.shape)}`,
    );
  }
  const rank = RANKS[mode];
  if (rank !== undefined && rank !== spatial.length) {
    throw new OctetError(`interpolate: mode "${mode}" needs ${rank + 2}D input, got shape ${formatShape(input.shape)}`);
  }
  if (alignCorners !== null && rank === undefined) {
    throw new OctetError(
      `interpolate: alignCorners can only be set with the linear and cubic modes, not with "${mode}"`,
    );
  }
  return { mode, alignCorners: alignCorners ?? false, spatial, ...targetSize(spatial, options) };
}

/** Resizes the spatial dimensions of [N, C, *] (`torch.nn.functional.interpolate`, without antialiasing). */
export const interpolate = composite("interpolate", (input: Tensor, options: InterpolateOptions): Tensor => {
  sameFloatDtype("interpolate", { input });
  const { mode, alignCorners, spatial, size, scales } = planInterpolate(input, options);
  switch (mode) {
    case "area":
      return resizedByArea(input, size);
    case "nearest":
    case "nearest-exact":
      return resampled(
        input,
        spatial.map((inSize, d) => nearestTaps(inSize, size[d], scales[d], input.dtype, mode)),
      );
    case "linear":
    case "bilinear":
    case "trilinear":
      return resampled(
        input,
        spatial.map((inSize, d) => linearTaps(inSize, size[d], scales[d], alignCorners)),
      );
    case "bicubic":
      return resampled(
        input,
        spatial.map((inSize, d) => cubicTaps(inSize, size[d], scales[d], alignCorners)),
      );
    default:
      mode satisfies never;
      throw new OctetError(`interpolate: unknown mode "${String(mode)}"`);
  }
});

/** Every output element is the mean of the input that it covers. */
export function resizedByArea(input: Tensor, size: readonly number[]): Tensor {
  return [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][size.length - 1](input, size);
}

/** Applies one table per spatial dimension; the tables are constants. */
const resampled = primitive(
  "resample",
  (x: Tensor, maps: readonly Taps[]): Tensor => resample(x, maps),
  (_out, _x, maps) => (g) => [resampleGradient(g, maps)],
);

function targetSize(spatial: readonly number[], options: InterpolateOptions): Pick<InterpolatePlan, "size" | "scales"> {
  const { size = null, scaleFactor = null, recomputeScaleFactor = false } = options;
  if ((size === null) === (scaleFactor === null)) {
    throw new OctetError("interpolate: give either size or scaleFactor, and not both");
  }
  const perDimension = (what: string, value: number | readonly number[]): readonly number[] => {
    const list = typeof value === "number" ? spatial.map(() => value) : value;
    if (list.length !== spatial.length || !list.every((entry) => entry > 0)) {
      throw new OctetError(`interpolate: ${what} must be ${spatial.length} positive numbers, got ${formatShape(list)}`);
    }
    return list;
  };
  if (size !== null) {
    if (recomputeScaleFactor)
      throw new OctetError("interpolate: recomputeScaleFactor is not meaningful with an explicit size");
    const sizes = perDimension("size", size);
    if (!sizes.every(Number.isInteger))
      throw new OctetError(`interpolate: size must be whole, got ${formatShape(sizes)}`);
    return { size: sizes, scales: spatial.map(() => null) };
  }
  const factors = perDimension("scaleFactor", scaleFactor ?? 1);
  const scaled = spatial.map((length, d) => Math.floor(length * factors[d]));
  if (scaled.includes(0)) {
    throw new OctetError(`interpolate: scaleFactor ${formatShape(factors)} leaves nothing of ${formatShape(spatial)}`);
  }
  return { size: scaled, scales: recomputeScaleFactor ? spatial.map(() => null) : factors };
}

/**
 * The input position that each output position takes its value from. PyTorch computes it in the tensor's own precision
 * (float32 for integers), and which neighbour is nearest depends on it.
 */
export function nearestPositions(
  inSize: number,
  outSize: number,
  scale: number | null,
  dtype: DType,
  mode: "nearest" | "nearest-exact",
): number[] {
  const toPrecision = dtype === float64 ? (x: number) => x : Math.fround;
  const step = toPrecision(scale === null ? inSize / outSize : 1 / scale);
  const shift = mode === "nearest" ? 0 : 0.5;
  return Array.from({ length: outSize }, (_, i) => Math.min(Math.floor(toPrecision((i + shift) * step)), inSize - 1));
}

function nearestTaps(...[inSize, outSize, scale, dtype, mode]: Parameters<typeof nearestPositions>): Taps {
  const rows = nearestPositions(inSize, outSize, scale, dtype, mode).map((at) => [[at, 1] as const]);
  return tapsOf(inSize, rows);
}

/** The input coordinate that each output position falls on; may lie outside [0, inSize − 1]. */
function sourceCoordinates(inSize: number, outSize: number, scale: number | null, alignCorners: boolean): number[] {
  if (alignCorners) {
    const step = outSize > 1 ? (inSize - 1) / (outSize - 1) : 0;
    return Array.from({ length: outSize }, (_, i) => i * step);
  }
  const step = scale === null ? inSize / outSize : 1 / scale;
  return Array.from({ length: outSize }, (_, i) => (i + 0.5) * step - 0.5);
}

function linearTaps(inSize: number, outSize: number, scale: number | null, alignCorners: boolean): Taps {
  const rows = sourceCoordinates(inSize, outSize, scale, alignCorners).map((coordinate) => {
    const at = Math.max(0, coordinate);
    const low = Math.min(Math.floor(at), inSize - 1);
    const high = Math.min(low + 1, inSize - 1);
    const fraction = Math.min(at - low, 1);
    return [
      [low, 1 - fraction],
      [high, fraction],
    ] as const;
  });
  return tapsOf(inSize, rows);
}

/** The free coefficient of the cubic convolution kernel (Keys 1981); PyTorch's choice. */
const CUBIC = -0.75;

function cubicTaps(inSize: number, outSize: number, scale: number | null, alignCorners: boolean): Taps {
  const near = (x: number) => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  const far = (x: number) => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;
  const rows = sourceCoordinates(inSize, outSize, scale, alignCorners).map((coordinate) => {
    const low = Math.floor(coordinate);
    const t = coordinate - low;
    const weights = [far(t + 1), near(t), near(1 - t), far(2 - t)];
    return weights.map((weight, j) => [Math.min(Math.max(low - 1 + j, 0), inSize - 1), weight] as const);
  });
  return tapsOf(inSize, rows);
}

// ---------------------------------------------------------------- shuffles

function checkFactor(op: string, name: string, factor: number): void {
  if (!Number.isInteger(factor) || factor < 1) {
    throw new OctetError(`${op}: ${name} must be a whole number of at least 1, got ${factor}`);
  }
}

/** [*, C · r², H, W] → [*, C, H · r, W · r]: every r² channels become r × r blocks (Shi et al. 2016). */
export const pixelShuffle = composite("pixelShuffle", (x: Tensor, upscaleFactor: number): Tensor => {
  const r = upscaleFactor;
  checkFactor("pixelShuffle", "upscaleFactor", r);
  if (x.ndim < 3) throw new OctetError(`pixelShuffle: expects input [*, C, H, W], got shape ${formatShape(x.shape)}`);
  const lead = x.shape.slice(0, -3);
  const [channels, height, width] = x.shape.slice(-3);
  if (channels % (r * r) !== 0) {
    throw new OctetError(`pixelShuffle: ${channels} channels are not divisible by upscaleFactor² = ${r * r}`);
  }
  const out = channels / (r * r);
  const d = lead.length;
  const split = reshape(x, [...lead, out, r, r, height, width]);
  const moved = permute(split, [...lead.keys(), d, d + 3, d + 1, d + 4, d + 2]);
  return unsafeView(clone(moved), [...lead, out, height * r, width * r]);
});

/** [*, C, H · r, W · r] → [*, C · r², H, W]: undoes {@link pixelShuffle}. */
export const pixelUnshuffle = composite("pixelUnshuffle", (x: Tensor, downscaleFactor: number): Tensor => {
  const r = downscaleFactor;
  checkFactor("pixelUnshuffle", "downscaleFactor", r);
  if (x.ndim < 3) throw new OctetError(`pixelUnshuffle: expects input [*, C, H, W], got shape ${formatShape(x.shape)}`);
  const lead = x.shape.slice(0, -3);
  const [channels, height, width] = x.shape.slice(-3);
  if (height % r !== 0 || width % r !== 0) {
    throw new OctetError(`pixelUnshuffle: height ${height} and width ${width} are not both divisible by ${r}`);
  }
  const d = lead.length;
  const split = reshape(x, [...lead, channels, height / r, r, width / r, r]);
  const moved = permute(split, [...lead.keys(), d, d + 2, d + 4, d + 1, d + 3]);
  return unsafeView(clone(moved), [...lead, channels * r * r, height / r, width / r]);
});

/** Interleaves the channels of `groups` groups: channel (g, i) of [N, C, *] becomes channel (i, g) (Zhang et al. 2017). */
export const channelShuffle = composite("channelShuffle", (x: Tensor, groups: number): Tensor => {
  checkFactor("channelShuffle", "groups", groups);
  if (x.ndim < 3) throw new OctetError(`channelShuffle: expects input [N, C, *], got shape ${formatShape(x.shape)}`);
  const [batch, channels, ...size] = x.shape;
  if (channels % groups !== 0) {
    throw new OctetError(`channelShuffle: ${channels} channels are not divisible into ${groups} groups`);
  }
  const split = reshape(x, [batch, groups, channels / groups, ...size]);
  const moved = permute(split, [0, 2, 1, ...size.map((_, i) => i + 3)]);
  return unsafeView(clone(moved), x.shape);
});
