/**
 * Fake-quantize modules: observers that also round what passes through them to the grid they chose, with straight-through
 * gradients. Quantization-aware training puts them behind activations and weights (`torch.ao.quantization.fake_quantize`).
 */
import type { DType } from "../core/dtype.ts";
import { float32, int32, int64, quint8, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { QScheme } from "../core/qparams.ts";
import { perChannelAffineFloatQparams } from "../core/qparams.ts";
import { Module } from "../nn/module.ts";
import type { LoadContext } from "../nn/state-dict.ts";
import { fakeQuantizePerChannelAffine, fakeQuantizePerTensorAffine } from "../ops/fake-quantize.ts";
import { fusedMovingAvgObsFakeQuant } from "../ops/fused-fake-quantize.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Qparams } from "./determine-qparams.ts";
import { MovingAverageMinMaxObserver } from "./observers/min-max.ts";
import type { ObserverBase } from "./observers/observer-base.ts";
import { reshapeBuffer, storeInto } from "./observers/observer-base.ts";
import { FixedQParamsObserver } from "./observers/pass-through.ts";
import { MovingAveragePerChannelMinMaxObserver } from "./observers/per-channel.ts";
import type { Factory } from "./with-args.ts";
import { WithArgs, createWith } from "./with-args.ts";

/** A buffer of one flag, 1 or 0. */
export function flagBuffer(dtype: DType, value = 1): Tensor {
  return Tensor.fromArray(dtype.allocate(1).fill(value), [1], dtype);
}

/** Switches that all fake-quantize modules have. State: `fake_quant_enabled` and `observer_enabled`, uint8 [1]. */
export abstract class FakeQuantizeBase extends Module {
  declare fake_quant_enabled: Tensor;
  declare observer_enabled: Tensor;

  constructor() {
    super();
    this.registerBuffer("fake_quant_enabled", flagBuffer(uint8));
    this.registerBuffer("observer_enabled", flagBuffer(uint8));
  }

  /** A constructor with some options fixed, as a QConfig holds it (`with_args`). */
  static withArgs<T, O>(this: new (options: O) => T, args: Partial<NonNullable<O>>): WithArgs<T> {
    return new WithArgs(this, args as Readonly<Record<string, unknown>>);
  }

  abstract override forward(x: Tensor): Tensor;

  abstract calculateQparams(): Qparams;

  enableFakeQuant(enabled = true): void {
    storeInto(this.fake_quant_enabled, [enabled ? 1 : 0]);
  }

  disableFakeQuant(): void {
    this.enableFakeQuant(false);
  }

  enableObserver(enabled = true): void {
    storeInto(this.observer_enabled, [enabled ? 1 : 0]);
  }

  disableObserver(): void {
    this.enableObserver(false);
  }
}

/** An observer that knows its range of integers and its scheme: any but the placeholders without a range. */
export type RangedObserver = ObserverBase & {
  readonly qscheme: QScheme;
  readonly quantMin: number;
  readonly quantMax: number;
  readonly chAxis?: number;
};

/** Options of {@link FakeQuantize}; all others go to the observer. */
export interface FakeQuantizeOptions {
  /** Default MovingAverageMinMaxObserver. */
  readonly observer?: Factory<ObserverBase>;
  /** Passed on to the observer if both are given. */
  readonly quantMin?: number | null;
  readonly quantMax?: number | null;
  readonly isDynamic?: boolean;
  readonly dtype?: DType;
  readonly [observerOption: string]: unknown;
}

/**
 * Observes, then rounds: (clamp(round(x / scale) + zeroPoint) − zeroPoint) · scale.
 *
 * State: the switches, `scale` [1] or [channels], `zero_point` likewise (int32; float32 for float qparams), and the
 * observer's under `activation_post_process`.
 */
export class FakeQuantize extends FakeQuantizeBase {
  activation_post_process: RangedObserver;
  quantMin: number;
  quantMax: number;
  isDynamic: boolean;
  dtype: DType;
  qscheme: QScheme;
  /** −1 if the scheme is per tensor. */
  chAxis: number;
  isPerChannel: boolean;
  declare scale: Tensor;
  declare zero_point: Tensor;

  constructor(options: FakeQuantizeOptions = {}) {
    super();
    const {
      observer = MovingAverageMinMaxObserver,
      quantMin = null,
      quantMax = null,
      isDynamic = false,
      ...rest
    } = options;
    const range = quantMin !== null && quantMax !== null ? { quantMin, quantMax } : null;
    if (range) checkBounds(range.quantMin, range.quantMax, dtypeFor(observer, options));
    const made = createWith<ObserverBase>(observer, { ...rest, ...range, isDynamic }) as RangedObserver;
    this.quantMin = made.quantMin;
    this.quantMax = made.quantMax;
    this.isDynamic = made.isDynamic;
    this.dtype = made.dtype;
    this.qscheme = made.qscheme;
    this.chAxis = made.chAxis ?? -1;
    this.isPerChannel = made.qscheme.isPerChannel;
    const zeroPointDtype = made.qscheme === perChannelAffineFloatQparams ? float32 : int32;
    this.registerBuffer("scale", flagBuffer(float32));
    this.registerBuffer("zero_point", flagBuffer(zeroPointDtype, 0));
    this.activation_post_process = made;
  }

  override calculateQparams(): Qparams {
    return this.activation_post_process.calculateQparams();
  }

  override forward(x: Tensor): Tensor {
    if (this.observer_enabled.item() === 1) this.observe(x);
    return this.fake_quant_enabled.item() === 1 ? this.round(x) : x;
  }

  private observe(x: Tensor): void {
    this.activation_post_process(x.detach());
    const [scale, zeroPoint] = this.calculateQparams();
    storeInto(this.scale, scale.toNumbers() as ArrayLike<number>, scale.shape);
    storeInto(this.zero_point, zeroPoint.toNumbers() as ArrayLike<number>, zeroPoint.shape);
  }

  private round(x: Tensor): Tensor {
    const { quantMin, quantMax } = this.activation_post_process;
    if (!this.isPerChannel) return fakeQuantizePerTensorAffine(x, this.scale, this.zero_point, quantMin, quantMax);
    return fakeQuantizePerChannelAffine(x, this.scale, this.zero_point, this.chAxis, quantMin, quantMax);
  }

  override extraRepr(): string {
    const { quantMin, quantMax } = this.activation_post_process;
    return (
      `fake_quant_enabled=${this.fake_quant_enabled}, observer_enabled=${this.observer_enabled}, ` +
      `quant_min=${quantMin}, quant_max=${quantMax}, dtype=${this.dtype}, qscheme=${this.qscheme}, ` +
      `ch_axis=${this.chAxis}, scale=${this.scale}, zero_point=${this.zero_point}`
    );
  }

  /** Takes the shapes of what is loaded: qparams have one element until the first call. */
  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    for (const name of ["scale", "zero_point"] as const) {
      const value = context.state.get(prefix + name);
      if (value) reshapeBuffer(this[name], value.shape);
    }
    return super.loadFromStateDict(context, prefix);
  }
}

/** The dtype whose range limits quantMin and quantMax: the one that the observer's factory fixes, or the option. */
function dtypeFor(observer: Factory<ObserverBase>, options: FakeQuantizeOptions): DType {
  const fixed = observer instanceof WithArgs ? (observer.args.dtype as DType | undefined) : undefined;
  return fixed ?? options.dtype ?? quint8;
}

export function checkBounds(quantMin: number, quantMax: number, dtype: DType): void {
  if (!(quantMin <= quantMax)) throw new OctetError("quant_min must be less than or equal to quant_max");
  // quint4x2 counts as a byte here, as in PyTorch.
  const [min, max] = dtype.bits < 8 ? [0, 255] : [dtype.min, dtype.max];
  if (quantMin < min) throw new OctetError(`quant_min out of bound: ${quantMin} is below ${min} of ${dtype.name}`);
  if (quantMax > max) throw new OctetError(`quant_max out of bound: ${quantMax} is above ${max} of ${dtype.name}`);
}

/** Fake quantization with the qparams of a FixedQParamsObserver, whose buffers it shares. */
export class FixedQParamsFakeQuantize extends FakeQuantize {
  constructor(options: { readonly observer: Factory<ObserverBase> }) {
    super({ observer: options.observer });
    const observer = this.activation_post_process as ObserverBase;
    if (!(observer instanceof FixedQParamsObserver)) {
      throw new OctetError(
        `FixedQParamsFakeQuantize's observer must be a FixedQParamsObserver, got ${observer.getName()}`,
      );
    }
    if (this.qscheme.isPerChannel) {
      throw new OctetError(
        `Only per tensor quantization is supported FixedQParamsFakeQuantize module, got qscheme:${this.qscheme}`,
      );
    }
    this.scale = observer.scale;
    this.zero_point = observer.zero_point;
  }

  override calculateQparams(): Qparams {
    return [this.scale, this.zero_point];
  }

  override extraRepr(): string {
    const { quantMin, quantMax } = this.activation_post_process;
    return (
      `fake_quant_enabled=${this.fake_quant_enabled}, observer_enabled=${this.observer_enabled}, ` +
      `scale=${this.scale}, zero_point=${this.zero_point}, dtype=${this.dtype}, quant_min=${quantMin}, ` +
      `quant_max=${quantMax}, qscheme=${this.qscheme}`
    );
  }
}

type AveragingObserver = MovingAverageMinMaxObserver | MovingAveragePerChannelMinMaxObserver;

/**
 * Observation by moving average and rounding in one operator. While training, `scale` and `zero_point` come from that
 * operator and follow PyTorch's dynamic quantization; `calculateQparams`, which conversion uses, is the observer's.
 */
export class FusedMovingAvgObsFakeQuantize extends FakeQuantize {
  isSymmetricQuant: boolean;

  constructor(options: FakeQuantizeOptions = {}) {
    super({ ...options, quantMin: options.quantMin ?? 0, quantMax: options.quantMax ?? 255 });
    const observer = this.activation_post_process as ObserverBase;
    const averages =
      observer instanceof MovingAverageMinMaxObserver || observer instanceof MovingAveragePerChannelMinMaxObserver;
    if (!averages) {
      throw new OctetError(
        `Fused observer+fake_quant module only works with MovingAverageMinMaxObserver, got ${observer.getName()}`,
      );
    }
    this.registerBuffer("fake_quant_enabled", flagBuffer(int64));
    this.registerBuffer("observer_enabled", flagBuffer(int64));
    this.isSymmetricQuant = this.qscheme.isSymmetric;
  }

  override forward(x: Tensor): Tensor {
    const observer = this.activation_post_process as unknown as AveragingObserver;
    return fusedMovingAvgObsFakeQuant(
      x,
      this.observer_enabled,
      this.fake_quant_enabled,
      observer.min_val,
      observer.max_val,
      this.scale,
      this.zero_point,
      observer.averagingConstant,
      observer.quantMin,
      observer.quantMax,
      this.chAxis,
      this.isPerChannel,
      this.isSymmetricQuant,
    );
  }

  override extraRepr(): string {
    const { quantMin, quantMax, reduceRange } = this.activation_post_process as unknown as AveragingObserver;
    return (
      `fake_quant_enabled=${this.fake_quant_enabled}, observer_enabled=${this.observer_enabled}, ` +
      `scale=${this.scale}, zero_point=${this.zero_point}, dtype=${this.dtype}, quant_min=${quantMin}, ` +
      `quant_max=${quantMax}, qscheme=${this.qscheme}, reduce_range=${reduceRange ? "True" : "False"}`
    );
  }
}

// ---------------------------------------------------------------- for model.apply

/** `model.apply(disableFakeQuant)` lets values pass unrounded. */
export function disableFakeQuant(module: Module): void {
  if (module instanceof FakeQuantizeBase) module.disableFakeQuant();
}

export function enableFakeQuant(module: Module): void {
  if (module instanceof FakeQuantizeBase) module.enableFakeQuant();
}

/** `model.apply(disableObserver)` freezes qparams. */
export function disableObserver(module: Module): void {
  if (module instanceof FakeQuantizeBase) module.disableObserver();
}

export function enableObserver(module: Module): void {
  if (module instanceof FakeQuantizeBase) module.enableObserver();
}
