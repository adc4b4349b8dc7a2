/** Pooling layers for one, two and three dimensions (`torch.nn`). The operators are in ops/pool.ts and ops/adaptive-pool.ts. */
import type {
  AdaptiveMaxPoolOptions,
  AdaptiveSize,
  AvgPoolOptions,
  MaxPoolOptions,
  SpatialSize,
} from "../../ops/index.ts";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  maxPool1d,
  maxPool2d,
  maxPool3d,
} from "../../ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { pythonBool, pythonValue } from "../repr.ts";

// ---------------------------------------------------------------- max

/** A pool's result: with its indices if they were asked for. */
type Pooled<WithIndices extends boolean> = WithIndices extends true ? [Tensor, Tensor] : Tensor;

/** What MaxPool1d to 3d share. */
export abstract class MaxPool<WithIndices extends boolean = false> extends Module {
  readonly kernelSize: SpatialSize;
  readonly stride: SpatialSize;
  readonly padding: SpatialSize;
  readonly dilation: SpatialSize;
  readonly returnIndices: boolean;
  readonly ceilMode: boolean;

  constructor(kernelSize: SpatialSize, options: MaxPoolOptions & { readonly returnIndices?: WithIndices } = {}) {
    super();
    this.kernelSize = kernelSize;
    this.stride = options.stride ?? kernelSize;
    this.padding = options.padding ?? 0;
    this.dilation = options.dilation ?? 1;
    this.returnIndices = options.returnIndices ?? false;
    this.ceilMode = options.ceilMode ?? false;
  }

  /** What the operator takes besides the kernel size. */
  protected options(): MaxPoolOptions {
    const { stride, padding, dilation, returnIndices, ceilMode } = this;
    return { stride, padding, dilation, returnIndices, ceilMode };
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return (
      `kernel_size=${pythonValue(kernelSize)}, stride=${pythonValue(stride)}, padding=${pythonValue(padding)}, ` +
      `dilation=${pythonValue(dilation)}, ceil_mode=${pythonBool(ceilMode)}`
    );
  }
}

/** Max pooling of [N, C, L] or [C, L]; with `returnIndices` also the positions of the maxima. */
export class MaxPool1d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return maxPool1d(input, this.kernelSize, this.options()) as Pooled<WithIndices>;
  }
}

/** Max pooling of [N, C, H, W] or [C, H, W]; with `returnIndices` also the positions of the maxima. */
export class MaxPool2d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return maxPool2d(input, this.kernelSize, this.options()) as Pooled<WithIndices>;
  }
}

/** Max pooling of [N, C, D, H, W] or [C, D, H, W]; with `returnIndices` also the positions of the maxima. */
export class MaxPool3d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return maxPool3d(input, this.kernelSize, this.options()) as Pooled<WithIndices>;
  }
}

// ---------------------------------------------------------------- average

/** What AvgPool1d to 3d share. */
export abstract class AvgPool extends Module {
  readonly kernelSize: SpatialSize;
  readonly stride: SpatialSize;
  readonly padding: SpatialSize;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  constructor(kernelSize: SpatialSize, options: AvgPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.stride = options.stride ?? kernelSize;
    this.padding = options.padding ?? 0;
    this.ceilMode = options.ceilMode ?? false;
    this.countIncludePad = options.countIncludePad ?? true;
    this.divisorOverride = options.divisorOverride ?? null;
  }

  /** What the operator takes besides the kernel size. */
  protected options(): AvgPoolOptions {
    const { stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return { stride, padding, ceilMode, countIncludePad, divisorOverride };
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding } = this;
    return `kernel_size=${pythonValue(kernelSize)}, stride=${pythonValue(stride)}, padding=${pythonValue(padding)}`;
  }
}

/** Average pooling of [N, C, L] or [C, L]. */
export class AvgPool1d extends AvgPool {
  constructor(kernelSize: SpatialSize, options: Omit<AvgPoolOptions, "divisorOverride"> = {}) {
    const list = (size: SpatialSize) => (typeof size === "number" ? [size] : size); // printed as tuples
    const { stride, padding, ...rest } = options;
    super(list(kernelSize), { stride: list(stride ?? kernelSize), padding: list(padding ?? 0), ...rest });
  }

  override forward(input: Tensor): Tensor {
    return avgPool1d(input, this.kernelSize, this.options());
  }
}

/** Average pooling of [N, C, H, W] or [C, H, W]. */
export class AvgPool2d extends AvgPool {
  override forward(input: Tensor): Tensor {
    return avgPool2d(input, this.kernelSize, this.options());
  }
}

/** Average pooling of [N, C, D, H, W] or [C, D, H, W]. */
export class AvgPool3d extends AvgPool {
  override forward(input: Tensor): Tensor {
    return avgPool3d(input, this.kernelSize, this.options());
  }
}

// ---------------------------------------------------------------- adaptive

/** What all adaptive pooling layers share. */
export abstract class AdaptivePool extends Module {
  readonly outputSize: AdaptiveSize;

  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  override extraRepr(): string {
    return `output_size=${pythonValue(this.outputSize)}`;
  }
}

/** What AdaptiveMaxPool1d to 3d share. */
export abstract class AdaptiveMaxPool<WithIndices extends boolean = false> extends AdaptivePool {
  readonly returnIndices: boolean;

  constructor(
    outputSize: AdaptiveSize,
    options: AdaptiveMaxPoolOptions & { readonly returnIndices?: WithIndices } = {},
  ) {
    super(outputSize);
    this.returnIndices = options.returnIndices ?? false;
  }
}

/** Average pooling of [N, C, L] or [C, L] to `outputSize`. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return adaptiveAvgPool1d(input, this.outputSize);
  }
}

/** Average pooling of [N, C, H, W] or [C, H, W] to `outputSize`. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return adaptiveAvgPool2d(input, this.outputSize);
  }
}

/** Average pooling of [N, C, D, H, W] or [C, D, H, W] to `outputSize`. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return adaptiveAvgPool3d(input, this.outputSize);
  }
}

/** Max pooling of [N, C, L] or [C, L] to `outputSize`; with `returnIndices` also the positions of the maxima. */
export class AdaptiveMaxPool1d<WithIndices extends boolean = false> extends AdaptiveMaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return adaptiveMaxPool1d(input, this.outputSize, { returnIndices: this.returnIndices }) as Pooled<WithIndices>;
  }
}

/** Max pooling of [N, C, H, W] or [C, H, W] to `outputSize`; with `returnIndices` also the positions of the maxima. */
export class AdaptiveMaxPool2d<WithIndices extends boolean = false> extends AdaptiveMaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return adaptiveMaxPool2d(input, this.outputSize, { returnIndices: this.returnIndices }) as Pooled<WithIndices>;
  }
}

/** Max pooling of [N, C, D, H, W] or [C, D, H, W] to `outputSize`; with `returnIndices` also the positions of the maxima. */
export class AdaptiveMaxPool3d<WithIndices extends boolean = false> extends AdaptiveMaxPool<WithIndices> {
  override forward(input: Tensor): Pooled<WithIndices> {
    return adaptiveMaxPool3d(input, this.outputSize, { returnIndices: this.returnIndices }) as Pooled<WithIndices>;
  }
}
