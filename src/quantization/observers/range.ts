/** What all observers of smallest and largest values share: measuring, keeping, printing and merging a range. */
import { float32, quint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { ChannelLayout } from "../../kernels/quantized-kernels.ts";
import { kernels } from "../../kernels/registry.ts";
import type { LoadContext } from "../../nn/state-dict.ts";
import { floatElements } from "../../tensor/convert.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Qparams } from "../determine-qparams.ts";
import { printTensor } from "../print.ts";
import { UniformQuantizationObserverBase, storeInto } from "./observer-base.ts";

/** Smallest and largest values, one pair per channel (or one in all). */
export interface Range {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

/** The range of each channel of a tensor that is not empty. A NaN makes its channel's range NaN. */
export function minMaxOf(x: Tensor, layout: ChannelLayout): Range {
  const range = { min: new Float32Array(layout.channels), max: new Float32Array(layout.channels) };
  kernels().minMax(floatElements(x, float32) as Float32Array, layout, range.min, range.max);
  return range;
}

/** The smallest range that contains both. */
export function union(a: Range, b: Range): Range {
  if (a.min.length !== b.min.length) {
    throw new OctetError(`observer: expects ${a.min.length} channels, as before, got ${b.min.length}`);
  }
  return { min: a.min.map((v, i) => Math.min(v, b.min[i])), max: a.max.map((v, i) => Math.max(v, b.max[i])) };
}

/** A float32 scalar buffer. */
export function scalarBuffer(value: number): Tensor {
  return Tensor.fromArray(Float32Array.of(value), [], float32);
}

export function refuseReducedSymmetric(observer: UniformQuantizationObserverBase): void {
  if (observer.qscheme.isSymmetric && observer.reduceRange && observer.dtype === quint8) {
    throw new OctetError("Cannot reduce range for symmetric quantization for quint8");
  }
}

/** An observer whose statistics are the buffers `min_val` and `max_val`. */
export abstract class RangeObserver extends UniformQuantizationObserverBase {
  declare min_val: Tensor;
  declare max_val: Tensor;

  /** The range of one batch. */
  protected abstract measure(x: Tensor): Range;

  /** True until the first batch. */
  protected abstract get isEmpty(): boolean;

  /** What to keep after a batch; `running` is null for the first. */
  protected combine(running: Range | null, current: Range): Range {
    return running ? union(running, current) : current;
  }

  /** What to keep after taking over another observer's range. */
  protected mergeRange(running: Range | null, other: this): Range {
    return running ? union(running, other.range()) : other.range();
  }

  /** The range kept so far. */
  protected range(): Range {
    return {
      min: Float32Array.from(this.min_val.toNumbers() as ArrayLike<number>),
      max: Float32Array.from(this.max_val.toNumbers() as ArrayLike<number>),
    };
  }

  override forward(x: Tensor): Tensor {
    if (x.numel() > 0) this.keep(this.combine(this.isEmpty ? null : this.range(), this.measure(x)));
    return x;
  }

  private keep({ min, max }: Range): void {
    const shape = this.min_val.ndim === 0 ? [] : [min.length];
    storeInto(this.min_val, min, shape);
    storeInto(this.max_val, max, shape);
  }

  protected override mergeStatistics(other: this): void {
    if (!other.isEmpty) this.keep(this.mergeRange(this.isEmpty ? null : this.range(), other));
  }

  override calculateQparams(): Qparams {
    return this.qparamsFor(this.min_val, this.max_val);
  }

  override extraRepr(): string {
    return `min_val=${printTensor(this.min_val)}, max_val=${printTensor(this.max_val)}`;
  }

  /** Called when the range comes from elsewhere than the batches that were seen. */
  protected forgetHistory(): void {}

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    this.forgetHistory();
    return super.loadFromStateDict(context, prefix);
  }
}
