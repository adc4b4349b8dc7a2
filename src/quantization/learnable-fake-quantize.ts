/** Fake quantization whose scale and zero point are parameters (`torch.ao.quantization._learnable_fake_quantize`). */
import type { DType } from "../core/dtype.ts";
import { float32, int64, uint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { QScheme } from "../core/qparams.ts";
import { perChannelAffineFloatQparams } from "../core/qparams.ts";
import { roundHalfEven } from "../core/rounding.ts";
import { Parameter } from "../nn/parameter.ts";
import {
  _fakeQuantizeLearnablePerChannelAffine,
  _fakeQuantizeLearnablePerTensorAffine,
} from "../ops/learnable-fake-quantize.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Qparams } from "./determine-qparams.ts";
import type { FakeQuantizeOptions, RangedObserver } from "./fake-quantize.ts";
import { FakeQuantizeBase, checkBounds, flagBuffer } from "./fake-quantize.ts";
import type { ObserverBase } from "./observers/observer-base.ts";
import { FLOAT32_EPS, storeInto } from "./observers/observer-base.ts";
import type { Factory } from "./with-args.ts";
import { createWith } from "./with-args.ts";

/** Options of {@link _LearnableFakeQuantize}; all others go to the observer. */
export interface LearnableFakeQuantizeOptions extends FakeQuantizeOptions {
  readonly observer: Factory<ObserverBase>;
  /** Default 0. */
  readonly quantMin?: number;
  /** Default 255. */
  readonly quantMax?: number;
  /** Where learning starts; default 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly zeroPoint?: number;
  /** Number of channels for per-channel schemes; −1 (the default) for per-tensor ones. */
  readonly channelLen?: number;
  /** Divides the gradients of scale and zero point by √(elements · quantMax). */
  readonly useGradScaling?: boolean;
}

/**
 * Starts with the observer's static estimates of scale and zero point; {@link enableParamLearning} hands them over to the
 * optimizer.
 *
 * State: parameters `scale` and `zero_point`, uint8 switches `fake_quant_enabled`, `observer_enabled`, `static_enabled`,
 * `learning_enabled`, `eps`, and the observer's under `activation_post_process`.
 */
export class _LearnableFakeQuantize extends FakeQuantizeBase {
  quantMin: number;
  quantMax: number;
  useGradScaling: boolean;
  scale: Parameter;
  zero_point: Parameter;
  activation_post_process: RangedObserver;
  dtype: DType;
  qscheme: QScheme;
  /** −1 if the scheme is per tensor. */
  chAxis: number;
  /** ⌊log2⌋ of the number of integers. */
  bitwidth: number;
  declare static_enabled: Tensor;
  declare learning_enabled: Tensor;
  declare eps: Tensor;

  constructor(options: LearnableFakeQuantizeOptions) {
    super();
    const {
      observer,
      quantMin = 0,
      quantMax = 255,
      scale = 1,
      zeroPoint = 0,
      channelLen = -1,
      useGradScaling,
      ...rest
    } = options;
    if (!(quantMin < quantMax)) throw new OctetError("quant_min must be strictly less than quant_max.");
    if (channelLen !== -1 && !(Number.isInteger(channelLen) && channelLen > 0)) {
      throw new OctetError(`Channel size must be a positive integer, got ${channelLen}`);
    }
    this.quantMin = quantMin;
    this.quantMax = quantMax;
    this.useGradScaling = useGradScaling ?? false;
    const size = channelLen === -1 ? 1 : channelLen;
    this.scale = filled(size, scale);
    this.zero_point = filled(size, zeroPoint);
    this.activation_post_process = createWith<ObserverBase>(observer, {
      ...rest,
      quantMin,
      quantMax,
    }) as RangedObserver;
    const { dtype, qscheme, chAxis } = this.activation_post_process;
    checkBounds(quantMin, quantMax, dtype);
    this.dtype = dtype;
    this.qscheme = qscheme;
    this.chAxis = chAxis ?? -1;
    this.registerBuffer("static_enabled", flagBuffer(uint8));
    this.registerBuffer("learning_enabled", flagBuffer(uint8, 0));
    this.registerBuffer("eps", Tensor.fromArray(Float32Array.of(FLOAT32_EPS), [1], float32));
    this.bitwidth = Math.floor(Math.log2(quantMax - quantMin + 1));
  }

  /** Scale and zero point are learned; the observer rests. */
  enableParamLearning(): this {
    return this.toggleQparamLearning(true).toggleFakeQuant(true).toggleObserverUpdate(false);
  }

  /** Scale and zero point follow the observer; what passes is rounded. */
  enableStaticEstimate(): void {
    this.toggleQparamLearning(false).toggleFakeQuant(true).toggleObserverUpdate(true);
  }

  /** The observer watches; what passes is not rounded. */
  enableStaticObservation(): void {
    this.toggleQparamLearning(false).toggleFakeQuant(false).toggleObserverUpdate(true);
  }

  toggleObserverUpdate(enabled = true): this {
    storeInto(this.static_enabled, [enabled ? 1 : 0]);
    return this;
  }

  override enableObserver(enabled = true): void {
    this.toggleObserverUpdate(enabled);
  }

  toggleQparamLearning(enabled = true): this {
    storeInto(this.learning_enabled, [enabled ? 1 : 0]);
    this.scale.requiresGrad = enabled;
    this.zero_point.requiresGrad = enabled;
    return this;
  }

  toggleFakeQuant(enabled = true): this {
    storeInto(this.fake_quant_enabled, [enabled ? 1 : 0]);
    return this;
  }

  /** Prints scale and zero point. */
  observeQuantParams(): void {
    console.log(`_LearnableFakeQuantize Scale: ${this.scale.detach()}`);
    console.log(`_LearnableFakeQuantize Zero Point: ${this.zero_point.detach()}`);
  }

  /** The parameters, with scales of at least eps and whole zero points within the range. */
  override calculateQparams(): Qparams {
    this.clampScale();
    const { quantMin, quantMax } = this;
    const zeroPoints = Float64Array.from(this.zero_point.elements(), (z) =>
      Math.min(Math.max(roundHalfEven(z), quantMin), quantMax),
    );
    return [this.scale.detach(), Tensor.fromArray(zeroPoints, this.zero_point.shape, int64)];
  }

  private clampScale(): void {
    const eps = this.eps.item();
    storeInto(
      this.scale,
      (this.scale.toNumbers() as Float32Array).map((scale) => Math.max(scale, eps)),
    );
  }

  override forward(x: Tensor): Tensor {
    if (this.static_enabled.item() === 1) this.observe(x);
    else this.clampScale();
    if (this.fake_quant_enabled.item() !== 1) return x;
    const { scale, zero_point, quantMin, quantMax, qscheme } = this;
    if (qscheme.isSymmetric) storeInto(zero_point, new Float32Array(zero_point.numel()));
    const gradFactor = this.useGradScaling ? 1 / Math.sqrt(x.numel() * quantMax) : 1;
    if (!qscheme.isPerChannel || qscheme === perChannelAffineFloatQparams) {
      return _fakeQuantizeLearnablePerTensorAffine(x, scale, zero_point, quantMin, quantMax, gradFactor);
    }
    return _fakeQuantizeLearnablePerChannelAffine(x, scale, zero_point, this.chAxis, quantMin, quantMax, gradFactor);
  }

  private observe(x: Tensor): void {
    this.activation_post_process(x.detach());
    const qparams = this.activation_post_process.calculateQparams();
    for (const [parameter, value] of [
      [this.scale, qparams[0]],
      [this.zero_point, qparams[1]],
    ] as const) {
      if (value.numel() !== parameter.numel() && value.numel() !== 1) {
        throw new OctetError(
          `_LearnableFakeQuantize: ${value.numel()} channels observed, but channelLen is ${parameter.numel()}`,
        );
      }
      const values = value.toNumbers() as ArrayLike<number>;
      storeInto(
        parameter,
        Float64Array.from({ length: parameter.numel() }, (_, i) => values[i % values.length]),
      );
    }
  }
}

function filled(size: number, value: number): Parameter {
  return new Parameter(Tensor.fromArray(new Float32Array(size).fill(value), [size], float32));
}
