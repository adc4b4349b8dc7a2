/**
 * The bases of all observers: modules that look at tensors on their way through a model and choose qparams from what they
 * saw. Calling one returns its argument itself. Statistics are kept in float32 buffers, whatever dtype is observed.
 *
 * Beyond PyTorch, an observer can be merged with another one that saw other data, and written as JSON, so that
 * calibration can be split over workers or machines.
 */
import type { DType } from "../../core/dtype.ts";
import { float32, int16, int32, int8, qint32, qint8, quint4x2, quint8, uint8 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { QScheme } from "../../core/qparams.ts";
import { perTensorAffine } from "../../core/qparams.ts";
import { Module } from "../../nn/module.ts";
import type { LoadContext } from "../../nn/state-dict.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Qparams } from "../determine-qparams.ts";
import { determineQparams } from "../determine-qparams.ts";
import { calculateQminQmax, validateQminQmax } from "../quant-range.ts";
import { WithArgs, sameRecord } from "../with-args.ts";
import type { ObserverJSON } from "./json.ts";
import { encodeOptions, encodeState } from "./json.ts";

/** `torch.finfo(torch.float32).eps`: the smallest scale by default. */
export const FLOAT32_EPS = 2 ** -23;

/** Some of the options that a class's constructor takes. */
type SomeOptions<O> = Partial<NonNullable<O>>;

export interface ObserverOptions {
  /** The dtype that the observed tensor is to be quantized to. */
  readonly dtype: DType;
  /** True for a placeholder of dynamic quantization. */
  readonly isDynamic?: boolean;
}

export abstract class ObserverBase extends Module {
  dtype: DType;
  isDynamic: boolean;
  /** What the constructor was given. */
  protected readonly options: Readonly<Record<string, unknown>>;

  constructor(options: ObserverOptions) {
    super();
    this.dtype = options.dtype;
    this.isDynamic = options.isDynamic ?? false;
    const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
    this.options = Object.freeze(Object.fromEntries(given));
  }

  /** A constructor with some options fixed, as a QConfig holds it (`with_args`). */
  static withArgs<T, O>(this: new (options: O) => T, args: SomeOptions<O>): WithArgs<T> {
    return new WithArgs(this, args as Readonly<Record<string, unknown>>);
  }

  /** A constructor with options that are computed for each instance (`with_callable_args`). */
  static withCallableArgs<T, O>(
    this: new (options: O) => T,
    args: { readonly [K in keyof SomeOptions<O>]: () => SomeOptions<O>[K] },
  ): WithArgs<T> {
    return new WithArgs<T>(this, {}, args as Readonly<Record<string, () => unknown>>);
  }

  /** Looks at `x` and returns it. */
  abstract override forward(x: Tensor): Tensor;

  /** Scale and zero point for what was seen. */
  abstract calculateQparams(): Qparams;

  /**
   * Takes over what `other` has seen, as if this observer had seen it after its own data. Both must be of one class and
   * have the same options.
   */
  merge(other: this): this {
    if (other.constructor !== this.constructor || !sameRecord(this.options, other.options)) {
      throw new OctetError(`merge: ${other.getName()} has another class or other options than this ${this.getName()}`);
    }
    if (other === this) throw new OctetError(`merge: ${this.getName()} cannot be merged with itself`);
    this.mergeStatistics(other);
    return this;
  }

  /** The part of {@link merge} that depends on the class. Nothing, for observers without statistics. */
  protected mergeStatistics(_other: this): void {}

  /** Everything there is to know about this observer as plain data; `observerFromJSON` restores it exactly. */
  toJSON(): ObserverJSON {
    const [options, state] = [encodeOptions(this.options), encodeState(this.stateDict())];
    return { class: this.getName(), options, state, history: this.saveHistory() };
  }

  /** Plain data besides the state dict. */
  protected saveHistory(): unknown {
    return null;
  }

  /** @internal Takes back what {@link saveHistory} gave. */
  loadHistory(_history: unknown): void {}
}

export interface UniformObserverOptions {
  /** Default quint8. */
  readonly dtype?: DType;
  readonly qscheme?: QScheme;
  /** Halves the range of integers, for arithmetic that adds two products in 16 bits. */
  readonly reduceRange?: boolean;
  /** The range of integers, where it is not the dtype's; both or none. It must include 0. */
  readonly quantMin?: number | null;
  readonly quantMax?: number | null;
  /** The smallest scale; default 2^-23. */
  readonly eps?: number;
  readonly isDynamic?: boolean;
}

/** PyTorch also names uint16, float8_e5m2 and float8_e4m3fn, which Octet does not have. */
const allowedDtypes: readonly DType[] = [qint8, quint8, quint4x2, qint32, int8, uint8, int16, int32];

/** Base of the observers that compute scale and zero point of a uniform grid. */
export abstract class UniformQuantizationObserverBase extends ObserverBase {
  qscheme: QScheme;
  reduceRange: boolean;
  /** The integers that qparams aim at, `reduceRange` taken into account. */
  quantMin: number;
  quantMax: number;
  hasCustomizedQrange: boolean;
  declare eps: Tensor;

  constructor(options: UniformObserverOptions = {}) {
    const { dtype = quint8, quantMin = null, quantMax = null } = options;
    super({ ...options, dtype });
    this.qscheme = options.qscheme ?? perTensorAffine;
    this.reduceRange = options.reduceRange ?? false;
    this.registerBuffer("eps", Tensor.fromArray(Float32Array.of(options.eps ?? FLOAT32_EPS), [1], float32));
    if (!allowedDtypes.includes(dtype)) {
      throw new OctetError(`Default Observer only works for (${allowedDtypes.join(", ")}) data type, got ${dtype}`);
    }
    this.hasCustomizedQrange = quantMin !== null && quantMax !== null;
    if (quantMin !== null && quantMax !== null) validateQminQmax(quantMin, quantMax);
    [this.quantMin, this.quantMax] = calculateQminQmax(
      quantMin,
      quantMax,
      this.hasCustomizedQrange,
      dtype,
      this.reduceRange,
    );
  }

  /** Qparams for a range, by this observer's scheme, dtype and range of integers. */
  protected qparamsFor(minVal: Tensor, maxVal: Tensor): Qparams {
    const { quantMin, quantMax, dtype, hasCustomizedQrange, qscheme } = this;
    return determineQparams(minVal, maxVal, {
      quantMin,
      quantMax,
      dtype,
      hasCustomizedQrange,
      qscheme,
      eps: this.eps.item(),
    });
  }

  /** Forgets the range that was seen. */
  resetMinMaxVals(): void {
    throw new OctetError("Cannot reset min/max values in the given observer.");
  }

  /** 1: no `eps`. 2: `min_vals` and `max_vals` in per-channel observers, empty ranges of HistogramObserver. */
  override stateVersion(): number {
    return 3;
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const version = context.metadata.get(prefix.slice(0, -1))?.version ?? 1;
    const key = `${prefix}eps`;
    if (version > 1 || context.state.has(key)) return super.loadFromStateDict(context, prefix);
    const eps = Tensor.fromArray(Float32Array.of(FLOAT32_EPS), [1], float32);
    return super.loadFromStateDict({ ...context, state: new Map([...context.state, [key, eps]]) }, prefix);
  }
}

/** Makes room in a buffer for a tensor of another shape. The buffer stays the same object. */
export function reshapeBuffer(buffer: Tensor, shape: readonly number[]): void {
  const same = buffer.ndim === shape.length && shape.every((size, d) => size === buffer.shape[d]);
  if (!same) buffer.data = Tensor.zeros(shape, buffer.dtype);
}

/** Writes values into a buffer in place, after giving it the shape. Autograd does not notice: nothing flows through these. */
export function storeInto(buffer: Tensor, values: ArrayLike<number>, shape: readonly number[] = buffer.shape): void {
  reshapeBuffer(buffer, shape);
  for (let i = 0; i < values.length; i++) buffer.writeAt(buffer.offset + i, values[i]);
}
