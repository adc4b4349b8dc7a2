/** Observers that keep the smallest and largest value of a tensor: MinMaxObserver and its moving average. */
import { OctetError } from "../../core/errors.ts";
import { perTensorAffine } from "../../core/qparams.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AveragingOptions } from "./moving-average.ts";
import { MovingAverage } from "./moving-average.ts";
import type { UniformObserverOptions } from "./observer-base.ts";
import { storeInto } from "./observer-base.ts";
import type { Range } from "./range.ts";
import { RangeObserver, minMaxOf, refuseReducedSymmetric, scalarBuffer } from "./range.ts";

/**
 * Running minimum and maximum over all batches, for per-tensor schemes. Qparams: see determine-qparams.ts.
 *
 * State: `eps` [1], `min_val` and `max_val` [], which start at +∞ and −∞.
 */
export class MinMaxObserver extends RangeObserver {
  constructor(options: UniformObserverOptions = {}) {
    if ((options.qscheme ?? perTensorAffine).isPerChannel) {
      throw new OctetError(
        "MinMaxObserver's qscheme only support torch.per_tensor_symmetric and torch.per_tensor_affine.",
      );
    }
    super(options);
    this.registerBuffer("min_val", scalarBuffer(Infinity));
    this.registerBuffer("max_val", scalarBuffer(-Infinity));
    refuseReducedSymmetric(this);
  }

  protected override measure(x: Tensor): Range {
    return minMaxOf(x, { outer: 1, channels: 1, inner: x.numel() });
  }

  protected override get isEmpty(): boolean {
    return this.min_val.item() === Infinity && this.max_val.item() === -Infinity;
  }

  override resetMinMaxVals(): void {
    storeInto(this.min_val, [Infinity]);
    storeInto(this.max_val, [-Infinity]);
  }
}

export interface MovingAverageMinMaxOptions extends UniformObserverOptions, AveragingOptions {}

/** Minimum and maximum of the first batch, then moved towards each later batch's by `averagingConstant`. */
export class MovingAverageMinMaxObserver extends MinMaxObserver {
  averagingConstant: number;
  private readonly average: MovingAverage;

  constructor(options: MovingAverageMinMaxOptions = {}) {
    const { averagingConstant = 0.01, qscheme = perTensorAffine } = options;
    if (qscheme.isPerChannel) {
      throw new OctetError(
        "MovingAverageMinMaxObserver's qscheme only support torch.per_tensor_symmetric and torch.per_tensor_affine. " +
          `but got: ${qscheme}`,
      );
    }
    if (options.isDynamic && averagingConstant !== 1) {
      throw new OctetError(
        "MovingAverageMinMaxObserver doesn't support dynamic quantization for averaging constant of " +
          `${averagingConstant}`,
      );
    }
    super(options);
    this.averagingConstant = averagingConstant;
    this.average = new MovingAverage();
  }

  protected override combine(running: Range | null, current: Range): Range {
    return this.average.update(running, current, this.averagingConstant);
  }

  protected override mergeRange(running: Range | null, other: this): Range {
    return this.average.merge(running, other.range(), other.average, this.averagingConstant);
  }

  protected override saveHistory(): unknown {
    return this.average.toJSON();
  }

  override loadHistory(history: unknown): void {
    this.average.restore(history);
  }

  protected override forgetHistory(): void {
    this.average.forget();
  }
}
