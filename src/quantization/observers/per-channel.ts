/** Observers that keep the smallest and largest value of each channel, mostly of weights. */
import { OctetError } from "../../core/errors.ts";
import { perChannelAffine } from "../../core/qparams.ts";
import { numelOf, wrapDim } from "../../core/shape.ts";
import type { LoadContext } from "../../nn/state-dict.ts";
import { float32 } from "../../core/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { AveragingOptions } from "./moving-average.ts";
import { MovingAverage } from "./moving-average.ts";
import type { UniformObserverOptions } from "./observer-base.ts";
import { reshapeBuffer, storeInto } from "./observer-base.ts";
import type { Range } from "./range.ts";
import { RangeObserver, minMaxOf, refuseReducedSymmetric } from "./range.ts";

export interface PerChannelMinMaxOptions extends UniformObserverOptions {
  /** The dimension whose indices are channels; default 0. */
  readonly chAxis?: number;
}

/**
 * Running minimum and maximum of each channel, for per-channel schemes.
 *
 * State: `eps` [1], `min_val` and `max_val` [channels], which start with no elements.
 */
export class PerChannelMinMaxObserver extends RangeObserver {
  chAxis: number;

  constructor(options: PerChannelMinMaxOptions = {}) {
    const { chAxis = 0, qscheme = perChannelAffine } = options;
    checkOptions(new.target.name, options);
    super({ ...options, qscheme });
    this.chAxis = chAxis;
    this.registerBuffer("min_val", Tensor.zeros([0], float32));
    this.registerBuffer("max_val", Tensor.zeros([0], float32));
    refuseReducedSymmetric(this);
  }

  protected override measure(x: Tensor): Range {
    const axis = wrapDim("observer", this.chAxis, x.ndim);
    const [outer, inner] = [numelOf(x.shape.slice(0, axis)), numelOf(x.shape.slice(axis + 1))];
    return minMaxOf(x, { outer, channels: x.shape[axis], inner });
  }

  protected override get isEmpty(): boolean {
    return this.min_val.numel() === 0 || this.max_val.numel() === 0;
  }

  override resetMinMaxVals(): void {
    storeInto(this.min_val, [], [0]);
    storeInto(this.max_val, [], [0]);
  }

  /** Takes the shape of what is loaded. Before version 3 the keys were `min_vals` and `max_vals`. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const renamed = new Map<string, Tensor>();
    for (const name of ["min_val", "max_val"] as const) {
      const old = context.state.get(`${prefix}${name}s`);
      const value = context.state.get(prefix + name) ?? old;
      if (!value) continue;
      reshapeBuffer(this[name], value.shape);
      if (value === old) renamed.set(prefix + name, value);
    }
    if (!renamed.size) return super.loadFromStateDict(context, prefix);
    const state = new Map([...context.state, ...renamed]);
    const oldKeys = [...renamed.keys()].map((key) => `${key}s`);
    return [...super.loadFromStateDict({ ...context, state }, prefix), ...oldKeys];
  }
}

function checkOptions(name: string, { qscheme = perChannelAffine, isDynamic }: UniformObserverOptions): void {
  if (!qscheme.isPerChannel) {
    throw new OctetError(
      `${name}'s qscheme only support torch.per_channel_symmetric, torch.per_channel_affine and ` +
        "torch.per_channel_affine_float_qparams.",
    );
  }
  if (isDynamic) throw new OctetError(`${name} doesn't support dynamic quantization`);
}

export interface MovingAveragePerChannelMinMaxOptions extends PerChannelMinMaxOptions, AveragingOptions {}

/** As MovingAverageMinMaxObserver, for each channel. */
export class MovingAveragePerChannelMinMaxObserver extends PerChannelMinMaxObserver {
  averagingConstant: number;
  private readonly average: MovingAverage;

  constructor(options: MovingAveragePerChannelMinMaxOptions = {}) {
    super(options);
    this.averagingConstant = options.averagingConstant ?? 0.01;
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
