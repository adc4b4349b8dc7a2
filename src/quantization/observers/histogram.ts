/** HistogramObserver: keeps a histogram of all values, and cuts off its tails where that makes the error smaller. */
import { float32 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { perTensorAffine } from "../../core/qparams.ts";
import { warn } from "../../core/warnings.ts";
import type { LoadContext } from "../../nn/state-dict.ts";
import { floatElements } from "../../tensor/convert.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Qparams } from "../determine-qparams.ts";
import { defaultQparams } from "../determine-qparams.ts";
import { printTensor } from "../print.ts";
import { floatSum } from "./float-sum.ts";
import { UPSAMPLE_RATE, histc, rebin } from "./histogram-rebin.ts";
import type { Histogram } from "./histogram-search.ts";
import { searchRange } from "./histogram-search.ts";
import type { UniformObserverOptions } from "./observer-base.ts";
import { UniformQuantizationObserverBase, reshapeBuffer, storeInto } from "./observer-base.ts";
import { minMaxOf, scalarBuffer } from "./range.ts";

export interface HistogramObserverOptions extends UniformObserverOptions {
  /** Default 2048. */
  readonly bins?: number;
}

/**
 * Histogram over the range of all batches so far. A batch that widens the range moves the old counts into new bins, to the
 * precision of a bin. Infinities are left out with a warning; NaN is an error.
 *
 * State: `eps` [1], `histogram` [bins], `min_val` and `max_val` [].
 */
export class HistogramObserver extends UniformQuantizationObserverBase {
  bins: number;
  /** Steps of the grid whose error the search minimizes: those of the dtype, also where the range is narrower. */
  dstNbins: number;
  upsampleRate: number;
  declare histogram: Tensor;
  declare min_val: Tensor;
  declare max_val: Tensor;

  constructor(options: HistogramObserverOptions = {}) {
    if ((options.qscheme ?? perTensorAffine).isPerChannel) {
      throw new OctetError(
        "HistogramObserver's qscheme only support torch.per_tensor_symmetric and torch.per_tensor_affine.",
      );
    }
    if (options.isDynamic) throw new OctetError("HistogramObserver doesn't support dynamic quantization");
    super(options);
    this.bins = options.bins ?? 2048;
    this.registerBuffer("histogram", Tensor.zeros([this.bins], float32));
    this.registerBuffer("min_val", scalarBuffer(Infinity));
    this.registerBuffer("max_val", scalarBuffer(-Infinity));
    this.dstNbins = 2 ** (8 * this.dtype.itemSize);
    this.upsampleRate = UPSAMPLE_RATE;
  }

  override forward(x: Tensor): Tensor {
    if (x.numel() === 0) return x;
    const seen = finiteValues(floatElements(x, float32) as Float32Array);
    if (seen) this.keep(this.combine(seen.values, seen.min, seen.max));
    return x;
  }

  /** The histogram of everything up to and including a batch. */
  private combine(values: Float32Array, batchMin: number, batchMax: number): Histogram {
    const old = this.seen();
    if (!old) return { counts: histc(values, this.bins, batchMin, batchMax), min: batchMin, max: batchMax };
    const [min, max] = [Math.min(old.min, batchMin), Math.max(old.max, batchMax)];
    const batch = histc(values, this.bins, min, max);
    return {
      counts: addCounts(
        moved(old, min, max, () => floatSum(batch)),
        batch,
      ),
      min,
      max,
    };
  }

  /** What was seen before, or null. */
  private seen(): Histogram | null {
    const [min, max] = [this.min_val.item(), this.max_val.item()];
    if (min === Infinity || max === -Infinity) return null;
    return { counts: Float32Array.from(this.histogram.toNumbers() as ArrayLike<number>), min, max };
  }

  private keep({ counts, min, max }: Histogram): void {
    storeInto(this.histogram, counts, [counts.length]);
    storeInto(this.min_val, [min], []);
    storeInto(this.max_val, [max], []);
  }

  /** Both histograms are moved to bins over the wider range, to the precision of a bin. */
  protected override mergeStatistics(other: this): void {
    const [mine, theirs] = [this.seen(), other.seen()];
    if (!theirs) return;
    if (!mine) return this.keep(theirs);
    const [min, max] = [Math.min(mine.min, theirs.min), Math.max(mine.max, theirs.max)];
    const [a, b] = [mine, theirs].map((part) => moved(part, min, max, () => floatSum(part.counts)));
    this.keep({ counts: addCounts(a, b), min, max });
  }

  override calculateQparams(): Qparams {
    const histogram = this.seen();
    if (!histogram) {
      warn("must run observer before calling calculateQparams. Returning default scale and zero point.");
      return defaultQparams();
    }
    if (histogram.counts.length !== this.bins) {
      throw new OctetError(
        "The number of bins in histogram should be equal to the number of bins supplied while making this observer: " +
          `${histogram.counts.length} and ${this.bins}`,
      );
    }
    const [min, max] = this._nonLinearParamSearch();
    return this.qparamsFor(scalarBuffer(min), scalarBuffer(max));
  }

  /** The range to quantize: what is left after the tails are cut off. */
  _nonLinearParamSearch(): [newMin: number, newMax: number] {
    const histogram = this.seen();
    if (!histogram) throw new OctetError("HistogramObserver: nothing was observed");
    return searchRange(histogram, this.dstNbins);
  }

  /** Takes the shapes of what is loaded. Before version 3 an unused observer had a range of shape [0]. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const unused = new Map<string, Tensor>();
    for (const [name, start] of [
      ["min_val", Infinity],
      ["max_val", -Infinity],
    ] as const) {
      const value = context.state.get(prefix + name);
      if (value?.numel() === 0) unused.set(prefix + name, scalarBuffer(start));
      else if (value) reshapeBuffer(this[name], value.shape);
    }
    const state = unused.size ? new Map([...context.state, ...unused]) : context.state;
    return super.loadFromStateDict({ ...context, state }, prefix);
  }

  override extraRepr(): string {
    return `min_val=${printTensor(this.min_val)}, max_val=${printTensor(this.max_val)}`;
  }
}

/** The finite values of a batch with their range, or null if there are none. NaN counts as a value. */
function finiteValues(batch: Float32Array): { values: Float32Array; min: number; max: number } | null {
  let values = batch;
  let range = rangeOf(values);
  if (range.min === -Infinity || range.max === Infinity) {
    warn("torch.inf detected in input tensor, ignoring input");
    values = values.filter((value) => Math.abs(value) !== Infinity);
    if (values.length === 0) return null;
    range = rangeOf(values);
  }
  return { values, ...range };
}

function rangeOf(values: Float32Array): { min: number; max: number } {
  const { min, max } = minMaxOf(Tensor.fromArray(values, [values.length], float32), {
    outer: 1,
    channels: 1,
    inner: values.length,
  });
  return { min: min[0], max: max[0] };
}

/**
 * Counts of `old` in bins over [min, max]. A histogram of one single value goes into one bin with weight `weight()`:
 * PyTorch takes the sum of the new batch there, not of the old counts, and so does `forward`.
 */
function moved(old: Histogram, min: number, max: number, weight: () => number): Float32Array {
  if (min === old.min && max === old.max) return old.counts;
  if (old.min !== old.max) return rebin(old, min, max);
  const mass = weight();
  return histc(Float32Array.of(old.min), old.counts.length, min, max).map((count) => count * mass);
}

function addCounts(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((count, i) => count + b[i]);
}
