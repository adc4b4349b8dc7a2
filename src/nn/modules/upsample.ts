/** Layers that change the resolution (`torch.nn`): interpolation and the shuffles of channels and pixels. */
import type { InterpolateMode } from "../../ops/index.ts";
import { channelShuffle, interpolate, pixelShuffle, pixelUnshuffle } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { pythonFloat, pythonValue } from "../repr.ts";

export interface UpsampleSize {
  /** Output sizes; give these or `scaleFactor`. */
  readonly size?: number | readonly number[] | null;
  /** Output size ÷ input size. */
  readonly scaleFactor?: number | readonly number[] | null;
}

export interface UpsampleOptions extends UpsampleSize {
  /** Default "nearest". */
  readonly mode?: InterpolateMode;
  readonly alignCorners?: boolean | null;
  readonly recomputeScaleFactor?: boolean | null;
}

/** Interpolates [N, C, *] to a size, or by a factor. */
export class Upsample extends Module {
  readonly size: number | readonly number[] | null;
  readonly scaleFactor: number | readonly number[] | null;
  readonly mode: InterpolateMode;
  readonly alignCorners: boolean | null;
  readonly recomputeScaleFactor: boolean | null;

  constructor(options: UpsampleOptions = {}) {
    super();
    this.size = options.size ?? null;
    this.scaleFactor = options.scaleFactor ?? null;
    this.mode = options.mode ?? "nearest";
    this.alignCorners = options.alignCorners ?? null;
    this.recomputeScaleFactor = options.recomputeScaleFactor ?? null;
  }

  override forward(input: Tensor): Tensor {
    const { size, scaleFactor, mode, alignCorners, recomputeScaleFactor } = this;
    return interpolate(input, { size, scaleFactor, mode, alignCorners, recomputeScaleFactor });
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode } = this;
    if (scaleFactor === null) return `size=${pythonValue(size)}, mode='${mode}'`;
    const factors =
      typeof scaleFactor === "number" ? pythonFloat(scaleFactor) : `(${scaleFactor.map(pythonFloat).join(", ")})`;
    return `scale_factor=${factors}, mode='${mode}'`;
  }
}

/** Repeats the nearest pixel of [N, C, H, W]. */
export class UpsamplingNearest2d extends Upsample {
  constructor(options: UpsampleSize = {}) {
    super({ ...options, mode: "nearest" });
  }
}

/** Bilinear interpolation of [N, C, H, W] with aligned corners. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(options: UpsampleSize = {}) {
    super({ ...options, mode: "bilinear", alignCorners: true });
  }
}

/** [*, C · r², H, W] → [*, C, H · r, W · r]. */
export class PixelShuffle extends Module {
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = upscaleFactor;
  }

  override forward(input: Tensor): Tensor {
    return pixelShuffle(input, this.upscaleFactor);
  }

  override extraRepr(): string {
    return `upscale_factor=${this.upscaleFactor}`;
  }
}

/** [*, C, H · r, W · r] → [*, C · r², H, W]. */
export class PixelUnshuffle extends Module {
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = downscaleFactor;
  }

  override forward(input: Tensor): Tensor {
    return pixelUnshuffle(input, this.downscaleFactor);
  }

  override extraRepr(): string {
    return `downscale_factor=${this.downscaleFactor}`;
  }
}

/** Interleaves the channels of `groups` groups. */
export class ChannelShuffle extends Module {
  readonly groups: number;

  constructor(groups: number) {
    super();
    this.groups = groups;
  }

  override forward(input: Tensor): Tensor {
    return channelShuffle(input, this.groups);
  }

  override extraRepr(): string {
    return `groups=${this.groups}`;
  }
}
